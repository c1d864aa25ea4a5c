"""To `inspect`, `unittest.mock` and web frameworks the awaited methods are coroutine functions, at no cost."""

import ast
import asyncio
import gc
import inspect
import sys
from pathlib import Path
from typing import Any, List
from unittest.mock import AsyncMock, create_autospec, patch

import pytest

import kjson
from kjson import AsyncConsumer, AsyncProducer, KafkaError, Producer, _kjson
from kjson.testing import MockCluster

STUB = Path(kjson.__file__).with_name("_kjson.pyi")


def awaited(client: str) -> List[str]:
    """The methods that return an `Operation`, without those that are not called by name on an instance."""
    classes = [node for node in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    (found,) = [node for node in classes if node.name == client]
    methods = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.returns is not None]
    names = {node.name for node in methods if "'Operation'" in ast.dump(node.returns)}  # type: ignore[arg-type]
    return sorted(names - {"peek", "__anext__"})


METHODS = [(client, name) for client in (AsyncProducer, AsyncConsumer) for name in awaited(client.__name__)]


def test_the_stub_has_them() -> None:
    assert len(METHODS) > 30


@pytest.mark.parametrize(("client", "name"), METHODS)
def test_every_awaited_method_is_a_coroutine_function(client: Any, name: str) -> None:
    made = client(bootstrap_servers="localhost:1")
    method = getattr(made, name)
    for seen in (method, getattr(client, name), getattr(type("Derived", (client,), {}), name)):
        assert inspect.iscoroutinefunction(seen)
        assert asyncio.iscoroutinefunction(seen) or sys.version_info >= (3, 14)
    assert inspect.ismethod(method)
    assert method.__self__ is made
    assert method.__name__ == name
    assert method.__doc__ == getattr(getattr(_kjson, client.__name__), name).__doc__
    native = inspect.signature(getattr(getattr(_kjson, client.__name__), name))
    assert list(inspect.signature(method).parameters) == list(native.parameters)[1:]
    assert list(inspect.signature(getattr(client, name)).parameters) == list(native.parameters)


def test_what_is_not_awaited_is_none() -> None:
    producer, consumer = AsyncProducer("localhost:1"), AsyncConsumer("t", bootstrap_servers="localhost:1")
    for method in (producer.metrics, producer.transaction, consumer.subscription, consumer.values, consumer.until_end):
        assert not inspect.iscoroutinefunction(method)


def test_autospec_has_signatures_and_coroutines() -> None:
    async def main() -> None:
        producer = create_autospec(AsyncProducer, instance=True)
        await producer.send("t", 1, key="k")
        producer.send.assert_awaited_once_with("t", 1, key="k")
        with pytest.raises(TypeError):
            await producer.send("t")
        with pytest.raises(TypeError):
            await producer.send("t", 1, kye="k")
        consumer = create_autospec(AsyncConsumer, instance=True)
        consumer.poll.return_value = None
        assert await consumer.poll(timeout=1) is None
        assert isinstance(consumer.commit, AsyncMock)
        assert not isinstance(consumer.metrics, AsyncMock)

    asyncio.run(main())


def test_patches_and_calls_of_every_kind() -> None:
    class Derived(AsyncProducer):
        async def send(self, topic: str, value: object, **options: Any) -> Any:  # type: ignore[override]
            return await super().send(topic, [value], **options)

    async def main(servers: str) -> None:
        async with AsyncProducer(servers) as producer, Derived(servers) as derived:
            bound = producer.send
            outcomes = [
                await producer.send("t", 0, key="k"),
                await bound("t", 1, key="k"),
                await AsyncProducer.send(producer, "t", 2, key="k"),
                await derived.send("t", 3, key="k"),
                await producer.send(*("t",), value=4, key="k"),
            ]
            assert sorted([(await outcome).offset for outcome in outcomes]) == [0, 1, 2, 3, 4]
            for wrong in (
                lambda: producer.send("t"),  # type: ignore[call-arg]
                lambda: producer.send("t", 1, kye=1),  # type: ignore[call-arg]
                lambda: bound(),  # type: ignore[call-arg]
            ):
                with pytest.raises(TypeError, match=r"AsyncProducer\.send\(\)"):
                    wrong()
            with pytest.raises(TypeError):
                AsyncProducer.__dict__["send"](object(), "t", 1)
            with patch.object(producer, "send") as send:
                await producer.send("t", 5)
                send.assert_awaited_once_with("t", 5)
            with patch.object(AsyncProducer, "send", autospec=True) as send:
                await producer.send("t", 6)
                send.assert_awaited_once_with(producer, "t", 6)
            assert (await (await producer.send("t", 7, key="k"))).offset == 5

    with MockCluster(topics=["t"]) as cluster:
        asyncio.run(main(cluster.bootstrap_servers))


def test_the_type_makes_no_objects_that_are_not_complete() -> None:
    made = type(AsyncProducer.__dict__["send"])
    with pytest.raises(TypeError, match="cannot create"):
        made()
    with pytest.raises(TypeError):
        _kjson._coroutine_method(1, 2)  # type: ignore[arg-type]


def test_calls_leak_nothing() -> None:
    producer = AsyncProducer("localhost:1")
    method = AsyncProducer.__dict__["ping"]
    gc.collect()
    before = [sys.getrefcount(method), sys.getrefcount(producer)]
    for _ in range(1000):
        producer.ping().close()
        producer.ping(timeout=1.0).close()
        bound = producer.ping
        bound(1.0).close()
        AsyncProducer.ping(producer).close()
    del bound
    gc.collect()
    after = [sys.getrefcount(method), sys.getrefcount(producer)]
    assert [new - old for new, old in zip(after, before)] == pytest.approx([0, 0], abs=5)


def test_where_a_framework_would_ask_it_awaits() -> None:
    """As Starlette's BackgroundTask does: it awaits coroutine functions, and runs others in a thread."""

    async def run(function: Any, *arguments: Any) -> Any:
        if asyncio.iscoroutinefunction(function):
            return await function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    async def main(servers: str) -> None:
        async with AsyncProducer(servers) as producer:
            assert (await run(producer.send_and_wait, "t", 1)).offset == 0
        with Producer(servers) as blocking:
            assert (await run(blocking.send_and_wait, "t", 1)).offset == 1

    with MockCluster(topics=["t"]) as cluster:
        asyncio.run(main(cluster.bootstrap_servers))


def test_a_subclass_that_was_not_made_says_so() -> None:
    class Forgetful(AsyncProducer):
        def __init__(self) -> None:
            pass

    with pytest.raises(KafkaError, match="__init__ was not called"):
        Forgetful().send("t", 1)
