"""Producer.send_many over a source that makes it wait: what came before the wait is under way."""

import json
import time
from functools import partial
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

from kjson import ClosedError, EncodeError, Producer, QueueFullError

from .peers import read_records
from .sources import Gate, Sending, blocked
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")


class Iterating:
    """An iterator that is not a generator."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source

    def __iter__(self) -> "Iterating":
        return self

    def __next__(self) -> Any:
        return next(self._source)


class Odd:
    """An object without a JSON form."""

    def __init__(self, n: int) -> None:
        self.n = n


def stopping(gate: Gate, at: int = 3) -> Callable[[Any], Any]:
    """A function of one value that waits at the value `at`."""

    def pass_on(value: Any) -> Any:
        if (value.n if isinstance(value, Odd) else value) == at:
            gate.wait()
        return value

    return pass_on


# Where it waits: the producer's options, the values, and the options of send_many.
Waits = Callable[[Gate], Tuple[Dict[str, Any], Any, Dict[str, Any]]]


def numbers_by(serialize: Callable[[Any], Any]) -> Callable[[Any], bytes]:
    return lambda value: json.dumps(getattr(serialize(value), "n", value)).encode()


WAITS: Dict[str, Waits] = {
    "a generator": lambda gate: ({}, (n for n in map(stopping(gate), range(6))), {}),
    "map": lambda gate: ({}, map(stopping(gate), range(6)), {}),
    "an iterator": lambda gate: ({}, Iterating(map(stopping(gate), range(6))), {}),
    "with headers": lambda gate: ({}, map(stopping(gate), range(6)), {"headers": {"h": "v"}}),
    "with a partition": lambda gate: ({}, map(stopping(gate), range(6)), {"partition": 0}),
    "no linger": lambda gate: ({"linger_ms": 0}, map(stopping(gate), range(6)), {}),
    "with callbacks": lambda gate: ({"on_delivery": lambda *_: None}, map(stopping(gate), range(6)), {}),
    "the key of a list's value": lambda gate: ({}, list(range(6)), {"key": stopping(gate)}),
    "default": lambda gate: (
        {"default": lambda odd: stopping(gate)(odd).n},
        [Odd(n) for n in range(6)],
        {},
    ),
    "the value's serializer": lambda gate: ({"value_serializer": numbers_by(stopping(gate))}, tuple(range(6)), {}),
    "the key's serializer": lambda gate: (
        {"key_serializer": numbers_by(stopping(gate))},
        list(range(6)),
        {"key": lambda n: n},
    ),
}


@pytest.mark.parametrize("waits", WAITS)
def test_what_came_before_a_wait_is_under_way(servers: str, topic: str, waits: str) -> None:
    gate = Gate()
    options, values, more = WAITS[waits](gate)
    with Producer(servers, **options) as producer:
        sending = Sending(lambda: producer.send_many(topic, values, **more))
        try:
            assert gate.reached.wait(40)
            assert [record.value for record in read_records(servers, topic, 3)] == [b"0", b"1", b"2"]
        finally:
            gate.opened.set()
        batch = sending.ended()
        assert [place.offset for place in batch.result(20)] == list(range(6))
    stored = read_records(servers, topic, 6)
    assert [record.value for record in stored] == [b"%d" % n for n in range(6)]
    assert all(record.headers == ([("h", b"v")] if "headers" in more else []) for record in stored)


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
def test_every_value_is_under_way_however_many_came_before(servers: str, topic: str, count: int) -> None:
    gate = Gate()
    with Producer(servers) as producer, blocked(producer, topic, gate, count) as sending:
        assert [record.value for record in read_records(servers, topic, count)] == [b"%d" % n for n in range(count)]
        gate.opened.set()
        assert len(sending.ended().result(20)) == count + 1


def test_a_source_that_waits_often_has_each_value_under_way(servers: str, topic: str) -> None:
    """Each value is asked for when the one before has arrived."""
    with Producer(servers) as producer:

        def values() -> Iterator[int]:
            for n in range(30):
                yield n
                before = partial(lambda count: producer.metrics()["delivered"] > count, n)
                wait_until(before, "the value before", interval=0.001)

        assert len(producer.send_many(topic, values()).result(20)) == 30


@pytest.mark.mock_only
def test_a_far_broker_has_what_came_before_a_wait(cluster: Any, topic: str) -> None:
    gate = Gate()
    with Producer(cluster.bootstrap_servers) as producer:
        cluster.mock.round_trip_time(300)
        with blocked(producer, topic, gate) as sending:
            wait_until(lambda: producer.metrics()["delivered"] == 3, "three confirmations")
        assert [place.offset for place in sending.ended().result(20)] == [0, 1, 2, 3]


@pytest.mark.sync_only  # the source stops the event loop
def test_flush_waits_for_what_the_source_has_given(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        for round_ in range(20):
            gate = Gate()
            with blocked(producer, topic, gate) as sending:
                producer.flush(20)
                assert producer.metrics()["delivered"] == round_ * 4 + 3
            sending.ended().result(20)


@pytest.mark.sync_only
def test_close_sends_what_the_source_has_given(servers: str, new_topic: Any) -> None:
    for _ in range(5):
        topic, gate = new_topic(), Gate()
        producer = Producer(servers)
        with blocked(producer, topic, gate) as sending:
            producer.close()
            assert producer.metrics()["delivered"] == 3
        with pytest.raises(ClosedError) as caught:
            sending.ended()
        assert "index 3 " in caught.value.__notes__[0]  # type: ignore[attr-defined]
        assert [record.value for record in read_records(servers, topic, 3)] == [b"0", b"1", b"2"]


@pytest.mark.sync_only
def test_the_source_may_close_the_producer(servers: str, topic: str) -> None:
    producer = Producer(servers)

    def values() -> Iterator[int]:
        yield 0
        yield 1
        producer.close()
        yield 2

    with pytest.raises(ClosedError) as caught:
        producer.send_many(topic, values())
    assert "index 2 " in caught.value.__notes__[0]  # type: ignore[attr-defined]
    assert [record.value for record in read_records(servers, topic, 2)] == [b"0", b"1"]


@pytest.mark.mock_only
def test_a_full_queue_takes_the_rest_when_there_is_room_while_the_source_waits(cluster: Any, topic: str) -> None:
    gate = Gate()
    with Producer(cluster.bootstrap_servers, queue_buffering_max_messages=10) as producer:
        producer.send_and_wait(topic, "first", timeout=20)
        cluster.mock.broker_down(1)
        with blocked(producer, topic, gate, 50) as sending:
            wait_until(lambda: producer.metrics()["sent"] >= 11, "a full queue")
            cluster.mock.broker_up(1)
            wait_until(lambda: producer.metrics()["delivered"] == 51, "all that the source has given")
        assert [place.offset for place in sending.ended().result(20)] == list(range(1, 52))


@pytest.mark.mock_only
def test_a_queue_that_stays_full_raises_with_the_index(cluster: Any, topic: str) -> None:
    with Producer(
        cluster.bootstrap_servers, delivery_timeout_ms=3000, queue_buffering_max_messages=50, max_block_ms=300
    ) as producer:
        producer.send_and_wait(topic, 0, timeout=20)
        cluster.mock.broker_down(1)
        with pytest.raises(QueueFullError) as caught:
            producer.send_many(topic, iter(range(1000)))
        assert "index 50 " in caught.value.__notes__[0]  # type: ignore[attr-defined]
        cluster.mock.broker_up(1)


@pytest.mark.parametrize("bad_at", [0, 1, 5, 200])
def test_a_source_that_raises_after_a_wait_has_sent_what_came_before(servers: str, topic: str, bad_at: int) -> None:
    gate = Gate()

    def values() -> Iterator[Any]:
        yield from range(bad_at)
        gate.wait()
        yield object()

    with Producer(servers) as producer:
        sending = Sending(lambda: producer.send_many(topic, values()))
        assert gate.reached.wait(40)
        if bad_at:
            wait_until(lambda: producer.metrics()["delivered"] == bad_at, "what came before")
        gate.opened.set()
        with pytest.raises(EncodeError) as caught:
            sending.ended()
        assert f"index {bad_at} " in caught.value.__notes__[0]  # type: ignore[attr-defined]
    assert len(read_records(servers, topic, bad_at)) == bad_at


@pytest.mark.real_kafka
@pytest.mark.sync_only
@pytest.mark.parametrize("commits", [True, False])
def test_a_transaction_that_the_source_ends_has_what_it_gave(servers: str, topic: str, commits: bool) -> None:
    with Producer(servers, transactional_id=f"{topic}-id") as producer:

        def values() -> Iterator[str]:
            yield "a"
            yield "b"
            if commits:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
            producer.begin_transaction()
            yield "c"

        producer.begin_transaction()
        batch = producer.send_many(topic, values())
        producer.commit_transaction()
        assert len(batch) == 3
    kept = ["a", "b", "c"] if commits else ["c"]
    assert [json.loads(record.value or b"") for record in read_records(servers, topic, len(kept))] == kept


@pytest.mark.real_kafka
@pytest.mark.sync_only
def test_a_transaction_that_another_thread_commits_has_what_was_given(servers: str, topic: str) -> None:
    gate = Gate()
    with Producer(servers, transactional_id=f"{topic}-id") as producer:
        producer.begin_transaction()
        with blocked(producer, topic, gate) as sending:
            producer.commit_transaction()
            assert [record.value for record in read_records(servers, topic, 3)] == [b"0", b"1", b"2"]
            producer.begin_transaction()
        sending.ended()
        producer.commit_transaction()
    assert len(read_records(servers, topic, 4)) == 4


@pytest.mark.mock_only
def test_a_source_without_news_costs_no_time_of_the_processor(cluster: Any, topic: str) -> None:
    gate = Gate()
    with Producer(cluster.bootstrap_servers) as producer, blocked(producer, topic, gate):
        wait_until(lambda: producer.metrics()["delivered"] == 3, "three confirmations")
        rates = []
        for _ in range(5):  # the machine's own noise is not in every one
            used, begun = time.process_time(), time.monotonic()
            time.sleep(0.3)
            rates.append((time.process_time() - used) / (time.monotonic() - begun))
        assert min(rates) < 0.03, rates
