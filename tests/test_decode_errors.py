"""Poison pills: a record that is not JSON raises with all that is known about it, and never stops the consumer."""

from typing import Any

import pytest

from kjson import Consumer, DecodeError

from .peers import committed_offset, write_with_confluent
from .sessions import LONG_SESSION

pytestmark = pytest.mark.usefixtures("calling")

BAD = {
    "truncated": b'{"n": 1',
    "text": b"not json",
    "empty": b"",
    "trailing": b'{"n": 1} x',
    "not-utf-8": b'{"n": "\xff"}',
    "binary": bytes(range(256)),
    "too-deep": b"[" * 100_000,
    "nan": b"NaN",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_message_that_is_not_json_raises_and_the_next_call_goes_on_behind_it(
    servers: str, topic: str, bad: bytes
) -> None:
    write_with_confluent(servers, topic, [b'{"n":0}', bad, b'{"n":2}'], key=b"k", headers=[("h", b"1")])
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        assert next(consumer).value == {"n": 0}
        with pytest.raises(DecodeError) as caught:
            next(consumer)
        assert next(consumer).value == {"n": 2}
    error = caught.value
    assert (error.topic, error.partition, error.offset) == (topic, 0, 1)
    assert (error.raw_key, error.raw_value, error.headers) == (b"k", bad, (("h", b"1"),))
    assert error.timestamp_ms is not None
    assert isinstance(error, ValueError)
    assert f"'{topic}' [0] @1" in str(error)


def test_the_error_has_the_position_in_the_text(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b'{"a": 1,\n "b": tru}'])
    with Consumer(topic, bootstrap_servers=servers) as consumer, pytest.raises(DecodeError) as caught:
        next(consumer)
    assert caught.value.line == 2
    assert caught.value.column is not None
    assert 6 <= caught.value.column <= 10
    assert f"line 2 column {caught.value.column}" in str(caught.value)


def test_the_message_does_not_show_the_payload(servers: str, topic: str) -> None:
    """It may be personal data, and errors end in logs."""
    write_with_confluent(servers, topic, [b'{"password": "hunter2"'])
    with Consumer(topic, bootstrap_servers=servers) as consumer, pytest.raises(DecodeError) as caught:
        next(consumer)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("call", ["next", "poll", "consume"])
def test_every_way_to_read_raises_and_goes_on(servers: str, topic: str, call: str) -> None:
    write_with_confluent(servers, topic, [b"0", b"bad", b"2", b"bad", b"bad", b"5"])

    def read(consumer: Any) -> Any:
        if call == "consume":
            return consumer.consume(1, timeout=20)[0].offset
        return (next(consumer) if call == "next" else consumer.poll(20)).offset

    seen = []
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        for _ in range(6):
            try:
                seen.append(read(consumer))
            except DecodeError as error:
                seen.append(("bad", error.offset))
    assert seen == [0, ("bad", 1), 2, ("bad", 3), ("bad", 4), 5]


def test_consume_loses_none_of_the_good_messages_around_a_bad_one(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"0", b"1", b"bad", b"3", b"4"])
    good, bad = [], []
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        while len(good) + len(bad) < 5:
            try:
                good += [message.offset for message in consumer.consume(500, timeout=20)]
            except DecodeError as error:
                bad.append(error.offset)
    assert (good, bad) == ([0, 1, 3, 4], [2])


def test_a_bad_message_that_was_raised_is_not_read_again_by_the_group(servers: str, topic: str, group: str) -> None:
    write_with_confluent(servers, topic, [b"0", b"bad", b"2"])
    with Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION) as consumer:
        assert next(consumer).offset == 0
        with pytest.raises(DecodeError):
            next(consumer)
        assert next(consumer).offset == 2
    assert committed_offset(servers, group, topic) == 3
