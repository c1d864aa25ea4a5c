"""kjson: the Kafka client for Python programs whose messages are JSON."""

from ._kjson import dumps, loads

__all__ = ["dumps", "loads"]
