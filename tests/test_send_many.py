"""Producer.send_many: many values as one batch, what arrives, what fails, and how it stops."""

import gc
import json
import time
from typing import Any, Iterator

import pytest

import kjson
from kjson import ClosedError, DeliveryBatch, DeliveryError, EncodeError, Producer, QueueFullError, RecordMetadata

from .peers import read_records
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")


def test_every_value_arrives_in_order_and_result_says_where(servers: str, topic: str) -> None:
    values = [{"n": n, "text": "x" * (n % 300)} for n in range(5000)]
    with Producer(servers) as producer:
        batch = producer.send_many(topic, values)
        assert isinstance(batch, DeliveryBatch)
        assert len(batch) == 5000
        places = batch.result(20)
        assert batch.done()
        assert batch.exception() is None
        assert batch.failed == ()
        assert "5000" in repr(batch)
    assert [type(place) for place in places[:2]] == [RecordMetadata] * 2
    assert [(place.topic, place.partition, place.offset) for place in places] == [(topic, 0, n) for n in range(5000)]
    stored = read_records(servers, topic, 5000)
    assert [record.value for record in stored] == [kjson.dumps(value) for value in values]


def test_it_mixes_with_send_and_keeps_the_order(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        for n in range(0, 300, 3):
            producer.send(topic, n)
            producer.send_many(topic, [n + 1, n + 2])
    assert [json.loads(record.value or b"") for record in read_records(servers, topic, 300)] == list(range(300))


def test_keys_come_from_a_callable(servers: str, topic: str) -> None:
    keys = ["text", b"bytes", 7, None, {"id": 1}, ""]
    with Producer(servers) as producer:
        producer.send_many(topic, range(len(keys)), key=lambda n: keys[n]).result(20)
    stored = [record.key for record in read_records(servers, topic, len(keys))]
    assert stored == [b"text", b"bytes", b"7", None, b'{"id":1}', b""]


def test_headers_and_partition_hold_for_every_message(servers: str, new_topic: Any) -> None:
    topic = new_topic(3)
    with Producer(servers) as producer:
        places = producer.send_many(topic, [1, None, 3], headers={"a": "b", "c": None}, partition=2).result(20)
    assert [place.partition for place in places] == [2, 2, 2]
    stored = read_records(servers, topic, 3, partitions=3)
    assert [record.value for record in stored] == [b"1", None, b"3"]
    assert all(record.headers == [("a", b"b"), ("c", None)] for record in stored)


def test_an_empty_iterable_is_done_at_once(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        batch = producer.send_many(topic, [])
        assert (len(batch), batch.done(), batch.result(0), batch.failed) == (0, True, [], ())


@pytest.mark.parametrize("bad_at", [0, 1, 127, 128, 700])
def test_a_value_that_cannot_be_encoded_stops_it_and_what_came_before_is_sent(
    servers: str, topic: str, bad_at: int
) -> None:
    values = [*range(bad_at), {"when": object()}, "not reached"]
    with Producer(servers) as producer:
        with pytest.raises(EncodeError) as caught:
            producer.send_many(topic, values)
        assert f"at index {bad_at} " in caught.value.__notes__[0]  # type: ignore[attr-defined]
        producer.flush(20)
        assert producer.metrics()["delivered"] == bad_at
        assert producer.send_many(topic, ["next"]).result(20)[0].offset == bad_at


def test_an_iterable_that_raises_stops_it_with_its_own_exception(servers: str, topic: str) -> None:
    def values() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("no more")

    with Producer(servers) as producer:
        with pytest.raises(LookupError, match="no more") as caught:
            producer.send_many(topic, values())
        assert "index 2" in caught.value.__notes__[0]  # type: ignore[attr-defined]
    assert [record.value for record in read_records(servers, topic, 2)] == [b"1", b"2"]


@pytest.mark.sync_only
def test_the_iterable_may_send_by_itself(servers: str, topic: str) -> None:
    with Producer(servers) as producer:

        def values() -> Iterator[int]:
            producer.send_many(topic, [1, 2]).result(20)
            yield 3

        producer.send_many(topic, values()).result(20)
    assert [record.value for record in read_records(servers, topic, 3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("headers", [None, {"h": "v"}])
def test_messages_that_are_too_large_fail_and_the_others_arrive(servers: str, topic: str, headers: Any) -> None:
    values = ["small", "x" * 5000, "small too", "y" * 5000]
    producer = Producer(servers, max_request_size=2000)
    batch = producer.send_many(topic, values, headers=headers)
    with pytest.raises(DeliveryError, match="max_request_size") as caught:
        batch.result(20)
    assert [failure.value for failure in caught.value.failures] == [kjson.dumps(values[1]), kjson.dumps(values[3])]
    assert [failure.value for failure in batch.failed] == [kjson.dumps(values[1]), kjson.dumps(values[3])]
    assert isinstance(batch.exception(), DeliveryError)
    producer.close()  # somebody looked
    assert [record.value for record in read_records(servers, topic, 2)] == [b'"small"', b'"small too"']


def test_failures_that_nobody_looked_at_are_raised_by_flush_once(servers: str, topic: str) -> None:
    producer = Producer(servers, max_request_size=2000)
    producer.send_many(topic, ["x" * 5000, "fine"])
    with pytest.raises(DeliveryError) as caught:
        producer.flush(20)
    assert len(caught.value.failures) == 1
    producer.flush(20)
    producer.close()


@pytest.mark.mock_only
def test_a_lost_broker_fails_the_whole_batch(cluster: Any, topic: str) -> None:
    producer = Producer(cluster.bootstrap_servers, delivery_timeout_ms=4000)
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(1)
    batch = producer.send_many(topic, range(1000))
    assert not batch.done()
    with pytest.raises(TimeoutError):
        batch.result(0.1)
    with pytest.raises(DeliveryError, match="1000 messages were not delivered") as caught:
        batch.result(20)
    assert sorted(int(failure.value or b"") for failure in caught.value.failures) == list(range(1000))
    assert producer.metrics()["failed"] == 1000
    producer.close()


@pytest.mark.mock_only
def test_a_full_queue_blocks_and_then_raises_with_the_index(cluster: Any, topic: str) -> None:
    producer = Producer(
        cluster.bootstrap_servers, delivery_timeout_ms=3000, queue_buffering_max_messages=50, max_block_ms=300
    )
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(1)
    start = time.monotonic()
    with pytest.raises(QueueFullError) as caught:
        producer.send_many(topic, range(1000))
    assert 0.25 < time.monotonic() - start < 3
    assert "index 50" in caught.value.__notes__[0]  # type: ignore[attr-defined]
    with pytest.raises(DeliveryError) as lost:
        producer.close()
    assert len(lost.value.failures) == 50


def test_more_than_the_queue_holds_goes_through(servers: str, topic: str) -> None:
    with Producer(servers, queue_buffering_max_messages=100) as producer:
        places = producer.send_many(topic, range(3000)).result(30)
    assert [place.offset for place in places] == list(range(3000))
    assert [record.value for record in read_records(servers, topic, 3000)] == [b"%d" % n for n in range(3000)]


def test_the_producer_may_go_before_its_batch(servers: str, topic: str) -> None:
    batch = Producer(servers).send_many(topic, range(100))
    gc.collect()
    assert len(batch.result(20)) == 100


def test_after_close_it_is_refused(servers: str, topic: str) -> None:
    producer = Producer(servers)
    producer.close()
    with pytest.raises(ClosedError):
        producer.send_many(topic, [1])


def test_a_single_message_does_not_wait_for_linger(servers: str, topic: str) -> None:
    with Producer(servers, linger_ms=30_000) as producer:
        producer.send_and_wait(topic, "the first asks for metadata")
        start = time.monotonic()
        producer.send_and_wait(topic, 1)
        producer.send(topic, 2).result()
        producer.send_many(topic, [3]).result()
        assert time.monotonic() - start < 15


@pytest.mark.mock_only
def test_a_message_that_was_waited_for_is_counted(servers: str, topic: str) -> None:
    """The count came after the answer: 512 of 20,000 such looks did not see it."""
    with Producer(servers) as producer:
        for count in range(1, 2001):
            producer.send_and_wait(topic, count)
            assert producer.metrics()["delivered"] == count


def test_metrics_count_what_was_sent_delivered_and_failed(servers: str, topic: str) -> None:
    producer = Producer(servers, max_request_size=2000)
    producer.send(topic, "ab", key="k")
    batch = producer.send_many(topic, ["x" * 5000, "cd"])
    wait_until(batch.done, "the batch")
    with pytest.raises(DeliveryError):
        producer.flush(20)
    metrics = producer.metrics()
    assert metrics == {
        "sent": 2,
        "delivered": 2,
        "failed": 1,
        "pending": 0,
        "delivered_bytes": 9,
        "last_error": None,
    }
    producer.close()
