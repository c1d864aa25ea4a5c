"""Timestamps: what goes in comes out, to the millisecond, from 1970 to the end of what Python and Kafka hold."""

import datetime as dt
from typing import Any

import pytest

from kjson import Consumer, Producer, TopicPartition

UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("calling")


class Moment(dt.datetime):
    """As pandas.Timestamp: a datetime of another class."""


class Number(int):
    """As an IntEnum."""


GIVEN = [
    (0, 0),
    (EPOCH, 0),
    (dt.datetime(1970, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), 0),
    (1, 1),
    (Number(5), 5),
    (EPOCH + dt.timedelta(microseconds=1999), 1),
    (dt.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), 1709251199999),
    (Moment(2024, 2, 29, tzinfo=UTC), 1709164800000),
]


def stored(servers: str, topic: str, count: int) -> Any:
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        messages: Any = []
        while len(messages) < count:
            found = consumer.poll(20)
            assert found is not None
            messages.append(found)
    return messages


def test_what_is_given_is_stored_and_told_in_each_form(cluster: Any, servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        acknowledged = [producer.send_and_wait(topic, n, timestamp=given) for n, (given, _) in enumerate(GIVEN)]
        with_headers = producer.send_and_wait(topic, 0, timestamp=0, headers={"a": "b"}, key="k")
    messages = stored(servers, topic, len(GIVEN) + 1)
    expected = [millis for _, millis in GIVEN] + [0]
    assert [message.timestamp_ms for message in messages] == expected
    assert [message.timestamp for message in messages] == [EPOCH + dt.timedelta(milliseconds=ms) for ms in expected]
    if cluster.kind == "kafka":  # the mock says 1234 of each
        assert [metadata.timestamp_ms for metadata in [*acknowledged, with_headers]] == expected
    assert messages[-1].headers == (("a", b"b"),)


def test_a_message_without_a_timestamp_has_the_present_one(servers: str, topic: str) -> None:
    before = dt.datetime.now(UTC) - dt.timedelta(seconds=1)
    with Producer(servers) as producer:
        producer.send(topic, 1)
        producer.send(topic, 2, headers={"a": "b"})
    for message in stored(servers, topic, 2):
        assert before <= message.timestamp <= dt.datetime.now(UTC) + dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("given", "raised", "words"),
    [
        (-1, ValueError, "before 1970"),
        (EPOCH - dt.timedelta(milliseconds=1), ValueError, "before 1970"),
        (EPOCH - dt.timedelta(microseconds=1), ValueError, "before 1970"),
        (-(2**70), ValueError, "2\\*\\*63"),
        (2**63, ValueError, "2\\*\\*63"),
        (dt.datetime(2024, 1, 1), ValueError, "without a time zone"),
        (True, TypeError, "not bool"),
        (1.5, TypeError, "not float"),
        ("2024-01-01", TypeError, "not str"),
        (dt.date(2024, 1, 1), TypeError, "not date"),
    ],
    ids=str,
)
def test_what_is_no_time_is_refused_alike_where_times_are_taken(
    servers: str, topic: str, given: Any, raised: Any, words: str
) -> None:
    with Producer(servers) as producer, pytest.raises(raised, match=words):
        producer.send(topic, 1, timestamp=given)
    with Consumer(bootstrap_servers=servers) as consumer, pytest.raises(raised, match=words):
        consumer.offsets_for_times({TopicPartition(topic, 0): given})


@pytest.mark.mock_only  # a real Kafka takes none that is an hour ahead, by default
def test_a_time_after_the_year_9999_can_be_read(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        producer.send(topic, 1, timestamp=2**60)
    [message] = stored(servers, topic, 1)
    assert message.timestamp_ms == 2**60
    assert "timestamp" in repr(message) or repr(message)
    with pytest.raises(OverflowError):
        _ = message.timestamp
