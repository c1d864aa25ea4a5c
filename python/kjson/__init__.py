"""kjson: the Kafka client for Python programs whose messages are JSON.

>>> from kjson import Producer, Consumer
>>> with Producer("localhost:9092") as producer:
...     producer.send("orders", {"id": 1, "total": 39.98})
"""

from ._clients import AsyncConsumer, AsyncProducer, Consumer, Producer
from ._kjson import (
    DeadLetter,
    Delivery,
    DeliveryBatch,
    Message,
    RecordMetadata,
    TopicPartition,
    __version__,
    dumps,
    librdkafka_version,
    loads,
)
from .exceptions import *  # noqa: F403
from .exceptions import __all__ as _exceptions

__all__ = [
    "AsyncConsumer",
    "AsyncProducer",
    "Consumer",
    "DeadLetter",
    "Delivery",
    "DeliveryBatch",
    "Message",
    "Producer",
    "RecordMetadata",
    "TopicPartition",
    "__version__",
    "dumps",
    "librdkafka_version",
    "loads",
    *_exceptions,
]
