"""Read by mypy, never run: what a Consumer's messages hold follows from how it is made."""

from dataclasses import dataclass
from typing import Any, Optional

from typing_extensions import assert_type

from kjson import Consumer, DeadLetter, DecodeError, Message


@dataclass
class Order:
    id: int


def give_up(error: DecodeError) -> Optional[Order]:
    return None


plain = Consumer("orders")
assert_type(plain, "Consumer[Any]")
typed = Consumer("orders", value_type=Order, on_decode_error=give_up)
assert_type(typed, Consumer[Order])
for message in typed:
    assert_type(message.value.id, int)
assert_type(typed.poll(), Optional[Message[Order]])
custom = Consumer(
    "orders", value_deserializer=len, on_decode_error=DeadLetter("{topic}.dlq", handler=give_up, retries=2)
)
assert_type(custom, Consumer[int])
untyped: Consumer[Any] = Consumer("orders", on_decode_error="skip")
