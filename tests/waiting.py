"""Waiting for conditions, always with a bound: no test sleeps and hopes."""

import time
from typing import Any, Callable, TypeVar

__all__ = ["close_in_time", "wait_until"]

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, *, timeout: float = 20.0, interval: float = 0.02) -> T:
    """Calls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last answer: {result!r}")
        time.sleep(interval)


def close_in_time(consumer: Any) -> None:
    """Closes a consumer, which waits for no timeout of its group."""
    began = time.monotonic()
    consumer.close(10)
    assert time.monotonic() - began < 8
