"""Python's cycle collector and `consume`: paused while a batch is made, and tracking its objects only afterwards."""

import gc
import sys
import threading
import weakref
from typing import Any, Dict, Iterator, List

import pytest

import kjson
from kjson import Consumer, DecodeError, Message, Producer

from .peers import write_with_confluent
from .waiting import wait_until

pytestmark = [pytest.mark.usefixtures("calling"), pytest.mark.mock_only]

# A dict with a dict with a list: CPython tracks the outermost and the list from the beginning, the other when it has
# the list.
NESTED = b'{"nested": {"n": [%d]}, "flat": {"a": 1}}'
CONTAINERS = 3

only_one_thread = pytest.mark.sync_only  # the collector's counts are the process's


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.enable()


def batch_of(consumer: Any, at_least: int) -> List[Message[Any]]:
    """A large batch; the broker's first answer may be a short one."""
    next(consumer)
    while consumer.metrics()["buffered"] < at_least:
        next(consumer)
    return consumer.consume(1000)


def containers(message: Message[Any]) -> List[Any]:
    return [message.value, message.value["nested"], message.value["nested"]["n"]]


@only_one_thread
@pytest.mark.parametrize("enabled", [True, False])
def test_a_batch_is_not_looked_through_when_it_is_made_or_at_once_after(
    servers: str, topic: str, enabled: bool
) -> None:
    write_with_confluent(servers, topic, [NESTED % n for n in range(5000)])
    looks: List[int] = []

    def notice(phase: str, details: Dict[str, int]) -> None:
        if phase == "start":
            assert details["generation"] == 0
            looks.append(sum(1 for _ in gc.get_objects(generation=0)))

    with Consumer(topic, bootstrap_servers=servers) as consumer:
        last = next(consumer)
        while consumer.metrics()["buffered"] <= 300:
            last = next(consumer)
        (gc.enable if enabled else gc.disable)()
        gc.set_threshold(700)  # later versions begin with a larger one
        gc.collect()
        gc.callbacks.append(notice)
        try:
            messages = consumer.consume(1000)
            count = gc.get_count()[0]
            assert gc.isenabled() == enabled
        finally:
            gc.callbacks.remove(notice)
            gc.enable()
    read = [message.value["nested"]["n"][0] for message in messages]
    assert len(messages) > 300
    assert read == list(range(last.offset + 1, last.offset + 1 + len(messages)))
    assert all(map(gc.is_tracked, containers(messages[0]) + containers(messages[-1])))
    if enabled and sys.version_info < (3, 14):
        assert len(looks) <= 1
        assert sum(looks) < len(messages)
        assert count < 300
    else:
        assert looks == []


@only_one_thread
def test_a_collector_without_a_threshold_is_left_alone(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [NESTED % n for n in range(1000)])
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        gc.collect()
        gc.set_threshold(0)
        runs = gc.get_stats()[0]["collections"]
        messages = batch_of(consumer, 100)
        assert gc.get_stats()[0]["collections"] == runs
        assert all(map(gc.is_tracked, containers(messages[-1])))


class Thing:
    """Something that a weak reference can point to."""


def test_cycles_through_values_of_a_batch_are_collected(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [NESTED % n for n in range(1000)])
    ghosts = []
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        messages = batch_of(consumer, 100)
        for message in messages:
            outer, inner, numbers = containers(message)
            for holder in (outer, inner, message.value["flat"]):
                holder["thing"] = thing = Thing()
                ghosts.append(weakref.ref(thing))
            numbers.append(outer)
            message.value["flat"]["up"] = outer
        del message, messages, outer, inner, numbers, holder, thing
    gc.collect()
    assert [ghost for ghost in ghosts if ghost() is not None] == []


@only_one_thread
def test_old_cycles_are_collected_while_batches_are_read(servers: str, topic: str) -> None:
    """The look at the young that a batch begins with does not stand in for the others that are due."""
    write_with_confluent(servers, topic, [NESTED % n for n in range(8000)])
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        gc.set_threshold(100, 5, 5)
        thing = Thing()
        thing.itself = thing  # type: ignore[attr-defined]
        gc.collect(0)  # no more among the youngest
        ghost = weakref.ref(thing)
        del thing
        read = 0
        while ghost() is not None:
            for _message in consumer.consume(200):  # the iterator is what the collector's count grows by
                read += 1
            assert read < 8000, "no look at older objects"


def test_references_are_counted_right_whatever_becomes_of_a_message(servers: str, topic: str) -> None:
    bad = [
        b'{"nested": {"n": [1]}, "lost": [[1, {"a": [2]}], {',
        b'{"nested": [1, [2, tru]]}',
        b'[[[[1], {"a": {"b": []}}]',
    ]
    values = [bad[n % 3] if n % 10 == 9 else NESTED % n for n in range(1000)]
    write_with_confluent(servers, topic, values)
    before = sys.getrefcount([])
    with Consumer(topic, bootstrap_servers=servers, on_decode_error="skip") as consumer:
        messages: List[Message[Any]] = []
        while len(messages) < 900:
            messages += consumer.consume(1000)
    assert all(gc.is_tracked(one) for message in messages for one in containers(message))
    value, nested = messages[0].value, messages[-1].value["nested"]
    n = nested["n"]
    del messages
    assert [sys.getrefcount(value), sys.getrefcount(nested), sys.getrefcount(n)] == [before + 1, before + 1, before + 2]
    wait_until(lambda: gc.collect() == 0, "nothing left to collect")


def test_a_finalizer_that_reads_json_while_a_batch_is_made(servers: str, topic: str) -> None:
    """The collector may run it inside `consume`."""
    write_with_confluent(servers, topic, [NESTED % n for n in range(1000)])
    done: List[Any] = []

    class Last:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            done.append(kjson.loads(b'{"nested": {"n": [1]}}'))
            with pytest.raises(DecodeError):
                kjson.loads(b'{"nested": {"n": [1}}')

    with Consumer(topic, bootstrap_servers=servers) as consumer:
        next(consumer)
        gc.collect()
        gc.disable()
        Last()
        gc.enable()
        messages = batch_of(consumer, 100)
        gc.collect()
    assert done == [{"nested": {"n": [1]}}]
    assert len({message.value["nested"]["n"][0] for message in messages}) == len(messages)


def test_other_threads_decode_while_batches_are_made(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        producer.send_many(topic, ({"nested": {"n": [n]}, "other": [[n], {"n": {"n": n}}]} for n in range(3000)))
    over = threading.Event()
    wrong: List[Any] = []

    def decode() -> None:
        while not over.is_set():
            value = kjson.loads(b'{"n": [1, {"nested": [2]}]}')
            if value != {"n": [1, {"nested": [2]}]} or not gc.is_tracked(value):
                wrong.append(value)

    threads = [threading.Thread(target=decode) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with Consumer(topic, bootstrap_servers=servers) as consumer:
            seen: List[int] = []
            while len(seen) < 3000:
                seen += [message.value["other"][1]["n"]["n"] for message in consumer.consume(1000)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert seen == list(range(3000))
    assert wrong == []
