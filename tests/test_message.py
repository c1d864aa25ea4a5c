"""Message and RecordMetadata as plain values: made in a test, compared, shown, pickled, never changed."""

import pickle
from datetime import datetime, timezone

import pytest

from kjson import Message


def example(**changes: object) -> Message:
    fields = {
        "key": "k",
        "value": {"n": 1},
        "headers": (("h", b"1"), ("none", None)),
        "timestamp_ms": 1_517_932_242_400,
        "raw_key": b"k",
        "raw_value": b'{"n":1}',
    }
    fields.update(changes)
    return Message("orders", 2, 17, **fields)


def test_it_is_constructible_with_all_its_attributes() -> None:
    message = example()
    assert (message.topic, message.partition, message.offset) == ("orders", 2, 17)
    assert (message.key, message.value, message.headers) == ("k", {"n": 1}, (("h", b"1"), ("none", None)))
    assert (message.raw_key, message.raw_value) == (b"k", b'{"n":1}')
    assert message.timestamp_ms == 1_517_932_242_400
    assert message.timestamp == datetime(2018, 2, 6, 15, 50, 42, 400_000, tzinfo=timezone.utc)
    assert message.error is None


def test_only_topic_partition_and_offset_are_needed() -> None:
    message = Message("orders", 0, 1)
    assert (message.key, message.value, message.headers, message.timestamp_ms) == (None, None, (), None)
    assert message.timestamp is None
    assert (message.raw_key, message.raw_value) == (None, None)


def test_what_is_optional_is_named() -> None:
    with pytest.raises(TypeError):
        Message("orders", 0, 1, "key")  # type: ignore[misc]


def test_it_is_frozen() -> None:
    for attribute in ("topic", "offset", "value", "anything"):
        with pytest.raises(AttributeError):
            setattr(example(), attribute, 1)


def test_equal_messages_are_equal() -> None:
    assert example() == example()
    assert example() != example(value={"n": 2})
    assert example() != example(raw_key=b"other")
    assert Message("orders", 0, 1, key="a") != Message("orders", 0, 1, key="b")
    assert example() != Message("orders", 2, 18)
    assert example() != "a message"


def test_its_repr_shows_where_it_was_and_what_it_is() -> None:
    text = repr(example())
    for part in ("Message", "orders", "2", "17", "'k'", "{'n': 1}"):
        assert part in text


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles(protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(example(), protocol))
    assert copy == example()
    assert (copy.raw_value, copy.timestamp_ms) == (b'{"n":1}', 1_517_932_242_400)
