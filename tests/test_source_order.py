"""Producer.send_many over a source that sends, too, or beside others: every message keeps its place."""

import json
import time
from functools import partial
from typing import Any, Callable, Dict, Iterator, List

import pytest

from kjson import Producer

from .peers import read_records
from .sources import Sending

pytestmark = pytest.mark.usefixtures("calling")


# What a source may do with its own producer before it gives the next value. Each sends or does not; 60 values in all.
MEDDLING: Dict[str, Callable[[Any, str, int], Any]] = {
    "send": lambda producer, topic, n: producer.send(topic, n),
    "send_and_wait": lambda producer, topic, n: producer.send_and_wait(topic, n, timeout=20),
    "send_many of a list": lambda producer, topic, n: producer.send_many(topic, [n]),
    "send_many of a generator": lambda producer, topic, n: producer.send_many(topic, (m for m in [n])),
    "send_many, and wait": lambda producer, topic, n: producer.send_many(topic, [n]).result(20),
    "send with headers": lambda producer, topic, n: producer.send(topic, n, headers={"h": "v"}),
    "send and flush": lambda producer, topic, n: (producer.send(topic, n), producer.flush(20)),
}


@pytest.mark.sync_only
@pytest.mark.parametrize("room", [100_000, 5])
@pytest.mark.parametrize("meddling", MEDDLING)
def test_what_the_source_sends_by_itself_keeps_its_place(servers: str, topic: str, meddling: str, room: int) -> None:
    with Producer(servers, queue_buffering_max_messages=room) as producer:

        def values() -> Iterator[int]:
            for n in range(60):
                if n % 3 == 2:
                    MEDDLING[meddling](producer, topic, n)
                else:
                    yield n

        assert len(producer.send_many(topic, values()).result(20)) == 40
    assert [json.loads(record.value or b"") for record in read_records(servers, topic, 60)] == list(range(60))


def test_what_the_source_sends_by_itself_on_an_event_loop_keeps_its_place(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        inner = getattr(producer, "wrapped", producer)

        def values() -> Iterator[int]:
            for n in range(0, 60, 2):
                yield n
                kept.append(inner.send(topic, n + 1))

        kept: List[Any] = []
        producer.send_many(topic, values()).result(20)
        if inner is not producer:
            for operation in kept:
                producer.driver.run(operation)
    assert [json.loads(record.value or b"") for record in read_records(servers, topic, 60)] == list(range(60))


@pytest.mark.sync_only
def test_sources_within_sources_keep_the_order(servers: str, topic: str) -> None:
    with Producer(servers, queue_buffering_max_messages=7) as producer:

        def values(first: int, depth: int) -> Iterator[int]:
            yield first
            if depth > 1:
                producer.send_many(topic, values(first + 1, depth - 1))
            yield first + 2 * depth - 1

        producer.send_many(topic, values(0, 20))
    assert [json.loads(record.value or b"") for record in read_records(servers, topic, 40)] == list(range(40))


@pytest.mark.sync_only
def test_threads_with_sources_and_others_that_send_and_flush(servers: str, new_topic: Any) -> None:
    topics = [new_topic() for _ in range(3)]
    with Producer(servers, queue_buffering_max_messages=40) as producer:

        def values(topic: str) -> Iterator[int]:
            for n in range(0, 400, 2):
                yield n
                if n % 20 == 0:
                    time.sleep(0.002)
                producer.send(topic, n + 1)

        threads = [Sending(partial(lambda topic: producer.send_many(topic, values(topic)), topic)) for topic in topics]
        while any(sending.batch is None and sending.raised is None for sending in threads):
            producer.flush(20)
            time.sleep(0.003)
        assert [len(sending.ended().result(20)) for sending in threads] == [200] * 3
    for topic in topics:
        assert [json.loads(record.value or b"") for record in read_records(servers, topic, 400)] == list(range(400))


def test_many_short_sources_one_after_the_other(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        for n in range(0, 600, 3):
            producer.send_many(topic, iter([n, n + 1]))
            producer.send(topic, n + 2)
    assert [json.loads(record.value or b"") for record in read_records(servers, topic, 600)] == list(range(600))
