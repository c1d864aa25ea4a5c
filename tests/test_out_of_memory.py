"""A lack of memory is a MemoryError, loses no message, and is not the message's fault."""

import json
from typing import Any, List

import pytest

import kjson
from kjson import Consumer

from .peers import write_with_confluent

pytestmark = pytest.mark.usefixtures("calling")


@pytest.mark.parametrize("policy", ["raise", "skip", "yield"])
def test_a_lack_of_memory_is_not_the_messages_fault(servers: str, topic: str, policy: str) -> None:
    write_with_confluent(servers, topic, [b'{"n":0}', b'{"n":1}', b'{"n":2}'])
    failed = []

    def deserialize(data: bytes) -> Any:
        if data == b'{"n":1}' and not failed:
            failed.append(data)
            raise MemoryError
        return json.loads(data)

    with Consumer(topic, bootstrap_servers=servers, on_decode_error=policy, value_deserializer=deserialize) as consumer:
        assert next(consumer).value["n"] == 0
        with pytest.raises(MemoryError):
            next(consumer)
        assert [next(consumer).value["n"] for _ in range(2)] == [1, 2]


@pytest.mark.mock_only
@pytest.mark.sync_only
def test_a_batch_that_runs_out_of_memory_loses_nothing(servers: str, topic: str) -> None:
    """The messages decoded before that are let go of already."""
    memory = pytest.importorskip("_testcapi", reason="CPython's own tests are not installed")
    write_with_confluent(servers, topic, [b'{"n":%d,"list":[{"key":%d}]}' % (n, 1000 + n) for n in range(2000)])
    sizes = []
    for allocation in range(40, 3000, 450):
        with Consumer(topic, bootstrap_servers=servers, on_decode_error="raise") as consumer:
            seen: List[int] = []
            while len(seen) < 500:
                seen += [message.value["n"] for message in consumer.consume(100)]
            memory.set_nomemory(allocation, allocation + 1)
            try:
                messages = consumer.consume(400)
            except MemoryError:
                messages = []
            finally:
                memory.remove_mem_hooks()
            sizes.append(len(messages))
            seen += [message.value["n"] for message in messages]
            while len(seen) < 2000:
                more = consumer.consume(1000)
                assert more, f"{len(seen)} of 2000 messages"
                seen += [message.value["n"] for message in more]
        assert seen == list(range(2000))
    assert min(sizes) < 400, "no allocation failed"


@pytest.mark.mock_only
@pytest.mark.sync_only
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python's own, of what it lets go
@pytest.mark.parametrize("way", ["poll", "consume"])
def test_each_allocation_that_fails_is_a_memory_error(servers: str, topic: str, way: str) -> None:
    """And no panic, after which messages would be gone."""
    memory = pytest.importorskip("_testcapi", reason="CPython's own tests are not installed")
    write_with_confluent(servers, topic, [b'{"n":%d}' % n for n in range(1000)], key=b"key", headers=[("a", b"1")])
    seen: List[int] = []
    outcomes = set()
    with Consumer(topic, bootstrap_servers=servers, on_decode_error="raise") as consumer:
        read = consumer.poll if way == "poll" else lambda: consumer.consume(3)
        for allocation in [*range(60), *range(60)]:
            memory.set_nomemory(allocation, allocation + 1)
            try:
                got = read()
            except MemoryError:
                got = []
                outcomes.add("MemoryError")
            finally:
                memory.remove_mem_hooks()
            seen += [message.value["n"] for message in (got if isinstance(got, list) else [got]) if message]
        seen += [message.value["n"] for message in consumer.until_end()]
    assert outcomes
    assert seen == list(range(1000))


@pytest.mark.sync_only
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python's own, of what it lets go
def test_dumps_and_loads_without_memory() -> None:
    memory = pytest.importorskip("_testcapi", reason="CPython's own tests are not installed")
    data = {"key": ["text", 1.5, 2**70, None, {"a": "\u00e9"}]}
    text = kjson.dumps(data)
    failed = 0
    for work in (lambda: kjson.dumps(data), lambda: kjson.loads(text)):
        for allocation in range(30):
            memory.set_nomemory(allocation, allocation + 1)
            try:
                work()
            except MemoryError:
                failed += 1
            finally:
                memory.remove_mem_hooks()
    assert failed
