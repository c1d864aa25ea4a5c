"""Producer.send: what reaches the topic, byte for byte, and what the producer says about it."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any, List, Tuple

import pytest

import kjson
from kjson import EncodeError, Producer, RecordMetadata

from .children import run_program
from .peers import read_records
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")

VALUES = {
    "dict": {"id": 1, "total": 39.98, "lines": [{"sku": "a", "qty": 2}], "paid": True, "note": None},
    "unicode": {"ключ": 'значение \U0001f600 \x00 " \\ / \n'},
    "key-order": {"z": 1, "a": 2, "m": 3},
    "list": [1, "two", None, [3.5]],
    "str": "text",
    "int": 42,
    "negative-int": -(2**63) - 1,
    "big-int": 2**200,
    "float": 0.1 + 0.2,
    "tiny-float": 5e-324,
    "true": True,
    "empty-dict": {},
    "empty-list": [],
    "empty-str": "",
}


@pytest.mark.real_kafka
def test_a_message_sent_is_stored_and_confirmed_with_topic_partition_and_offset(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        first = producer.send(topic, {"id": 1}).result(20)
        second = producer.send(topic, {"id": 2}).result(20)
    assert (first.topic, first.partition, first.offset) == (topic, 0, 0)
    assert (second.topic, second.partition, second.offset) == (topic, 0, 1)
    stored = read_records(servers, topic, 2)
    assert [(r.partition, r.offset, r.value) for r in stored] == [(0, 0, b'{"id":1}'), (0, 1, b'{"id":2}')]
    assert [r.timestamp_ms for r in stored] == [first.timestamp_ms, second.timestamp_ms]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_dict_and_every_other_json_serializable_object_arrives_as_json(servers: str, topic: str, value: Any) -> None:
    with Producer(servers) as producer:
        producer.send(topic, value)
    (stored,) = read_records(servers, topic, 1)
    assert stored.value == kjson.dumps(value)
    assert json.loads(stored.value) == value
    assert json.dumps(json.loads(stored.value)) == json.dumps(value)  # the order of keys, and 1 is not 1.0


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        (None, None),
        ("text: ключ", "text: ключ".encode()),
        (b"\x00\xff", b"\x00\xff"),
        ("", b""),
        (b"", b""),
        (42, b"42"),
        ({"id": 1}, b'{"id":1}'),
        (["a", 1], b'["a",1]'),
    ],
)
def test_keys_are_text_bytes_or_json(servers: str, topic: str, key: Any, stored: "bytes | None") -> None:
    with Producer(servers) as producer:
        producer.send(topic, 1, key=key)
    assert [r.key for r in read_records(servers, topic, 1)] == [stored]


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        (None, []),
        ({}, []),
        ({"a": "é", "b": b"\xff", "c": None}, [("a", "é".encode()), ("b", b"\xff"), ("c", None)]),
        ([("a", "1"), ("a", b"2"), ("", None)], [("a", b"1"), ("a", b"2"), ("", None)]),
        ((("t", "1"),), [("t", b"1")]),
    ],
)
def test_headers_are_a_mapping_or_pairs(
    servers: str, topic: str, headers: Any, stored: List[Tuple[str, "bytes | None"]]
) -> None:
    with Producer(servers) as producer:
        producer.send(topic, 1, headers=headers)
    assert [r.headers for r in read_records(servers, topic, 1)] == [stored]


AT = datetime(2018, 2, 6, 15, 50, 42, 400_000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("timestamp", "stored"),
    [
        (1_517_932_242_400, 1_517_932_242_400),
        (AT, 1_517_932_242_400),
        (AT.astimezone(timezone(timedelta(hours=8))), 1_517_932_242_400),
    ],
    ids=["int", "utc", "other-zone"],
)
def test_a_timestamp_is_milliseconds_or_an_aware_datetime(
    cluster: Any, servers: str, topic: str, timestamp: Any, stored: int
) -> None:
    with Producer(servers) as producer:
        confirmed = producer.send_and_wait(topic, 1, timestamp=timestamp)
    if cluster.kind == "kafka":  # librdkafka's mock broker confirms every message as of 1234
        assert confirmed.timestamp_ms == stored
    assert [r.timestamp_ms for r in read_records(servers, topic, 1)] == [stored]


def test_a_datetime_without_a_zone_is_refused(servers: str, topic: str) -> None:
    """It would mean another moment on another machine."""
    with Producer(servers) as producer:
        with pytest.raises((TypeError, ValueError), match=r"(?i)aware|time ?zone"):
            producer.send(topic, 1, timestamp=datetime(2018, 2, 6))
        assert producer.pending == 0


def test_partition_picks_the_partition(servers: str, new_topic: Any) -> None:
    topic = new_topic(3)
    with Producer(servers) as producer:
        confirmed = [producer.send_and_wait(topic, p, partition=p) for p in (2, 0, 1)]
    assert [metadata.partition for metadata in confirmed] == [2, 0, 1]
    assert [(r.partition, r.value) for r in read_records(servers, topic, 3, partitions=3)] == [
        (0, b"0"),
        (1, b"1"),
        (2, b"2"),
    ]


def test_none_is_a_tombstone(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        producer.send(topic, None, key="gone")
    (stored,) = read_records(servers, topic, 1)
    assert (stored.key, stored.value) == (b"gone", None)


def test_one_key_goes_to_one_partition_where_the_java_client_would_put_it(servers: str, new_topic: Any) -> None:
    """murmur2("21") is -973932308 (Kafka's own UtilsTest), and the Java client drops the sign bit."""
    topic = new_topic(7)
    with Producer(servers) as producer:
        assert producer.send_and_wait(topic, 1, key="21").partition == (-973932308 & 0x7FFFFFFF) % 7


def test_messages_of_a_partition_keep_their_order(servers: str, topic: str) -> None:
    with Producer(servers, linger_ms=0) as producer:
        for n in range(2000):
            producer.send(topic, n)
    assert [int(r.value) for r in read_records(servers, topic, 2000)] == list(range(2000))


def test_send_and_wait_returns_the_record_metadata(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        confirmed = producer.send_and_wait(topic, {"n": 1}, key="k", headers={"h": "1"}, timeout=20)
    assert isinstance(confirmed, RecordMetadata)
    assert (confirmed.topic, confirmed.partition, confirmed.offset) == (topic, 0, 0)


def test_a_delivery_is_done_once_the_broker_has_confirmed_it(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        delivery = producer.send(topic, 1)
        assert delivery.result(20).offset == 0
        assert delivery.done()
        assert delivery.exception(0) is None
        assert delivery.result() == delivery.result(0)


def test_a_delivery_calls_back_when_it_is_done_and_at_once_when_it_already_is(servers: str, topic: str) -> None:
    called: List[Any] = []
    with Producer(servers) as producer:
        delivery = producer.send(topic, 1)
        delivery.add_done_callback(called.append)
        delivery.result(20)
        wait_until(lambda: called, "the callback")
        delivery.add_done_callback(called.append)
        wait_until(lambda: len(called) == 2, "the callback of a delivery that is done")
    assert [d.result(0).offset for d in called] == [0, 0]


def test_on_delivery_of_a_message_and_of_the_producer_get_the_metadata_without_any_poll(
    servers: str, topic: str
) -> None:
    of_message: List[Any] = []
    of_producer: List[Any] = []
    with Producer(servers, on_delivery=lambda error, metadata: of_producer.append((error, metadata))) as producer:
        producer.send(topic, 1, on_delivery=lambda error, metadata: of_message.append((error, metadata)))
        wait_until(lambda: of_message, "the message's callback")
        producer.send(topic, 2)
        wait_until(lambda: of_producer, "the producer's callback")
    assert [(error, metadata.offset) for error, metadata in of_message] == [(None, 0)]
    assert (None, 1) in [(error, metadata.offset) for error, metadata in of_producer]


def test_what_has_no_json_form_is_refused_and_not_sent(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        with pytest.raises(EncodeError) as caught:
            producer.send(topic, {"orders": [1, {"ts": object()}]})
        assert caught.value.path == "$.orders[1].ts"
        assert "$.orders[1].ts" in str(caught.value)
        assert producer.pending == 0
        assert producer.send_and_wait(topic, "after").offset == 0


def test_flush_returns_when_everything_is_delivered(servers: str, topic: str) -> None:
    with Producer(servers, linger_ms=60_000) as producer:
        deliveries = [producer.send(topic, n) for n in range(50)]
        assert producer.pending == 50
        assert producer.flush() is None
        assert producer.pending == 0
        assert all(delivery.done() for delivery in deliveries)


def test_an_interpreter_that_exits_with_a_producer_open_flushes_first(servers: str, topic: str) -> None:
    done = run_program(
        """
        import sys
        from kjson import Producer
        producer = Producer(sys.argv[1], linger_ms=500)
        for n in range(500):
            producer.send(sys.argv[2], n)
        """,
        servers,
        topic,
    )
    assert (done.status, done.stderr) == (0, "")
    assert [int(r.value) for r in read_records(servers, topic, 500)] == list(range(500))
