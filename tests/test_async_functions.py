"""`async def` is refused where it would be called and never awaited, before anything is sent or read."""

import asyncio
import functools
from typing import Any, Callable

import pytest

import kjson
from kjson import AsyncConsumer, AsyncProducer, ConfigError, Consumer, DeadLetter, Producer
from kjson.testing import MockCluster

NOWHERE = "localhost:1"  # what is refused is refused before connecting

PRODUCER_OPTIONS = ["default", "value_serializer", "key_serializer", "on_delivery", "on_error", "on_stats"]
CONSUMER_OPTIONS = ["on_decode_error", "value_deserializer", "parse_float", "on_error", "on_stats"]
AWAITED_OPTIONS = ["on_assign", "on_revoke", "on_lost", "on_commit"]


async def asynchronous(*_: Any) -> None: ...


class Called:
    async def __call__(self, *_: Any) -> None: ...

    async def method(self, *_: Any) -> None: ...

    def plain(self, *_: Any) -> None: ...


KINDS = [asynchronous, functools.partial(asynchronous, 1), Called(), Called().method]


@pytest.mark.parametrize("function", KINDS, ids=["function", "partial", "object", "method"])
@pytest.mark.parametrize("option", PRODUCER_OPTIONS)
@pytest.mark.parametrize("make", [Producer, AsyncProducer])
def test_producers_refuse_what_they_would_not_await(make: Any, option: str, function: Callable[..., Any]) -> None:
    with pytest.raises(
        ConfigError, match=f"^{make.__name__}: {option} is an async function.* plain function$"
    ) as caught:
        make(NOWHERE, **{option: function})
    assert caught.value.option == option


@pytest.mark.parametrize("function", KINDS, ids=["function", "partial", "object", "method"])
@pytest.mark.parametrize("option", CONSUMER_OPTIONS)
@pytest.mark.parametrize("make", [Consumer, AsyncConsumer])
def test_consumers_refuse_what_they_would_not_await(make: Any, option: str, function: Callable[..., Any]) -> None:
    with pytest.raises(
        ConfigError, match=f"^{make.__name__}: {option} is an async function.* plain function$"
    ) as caught:
        make("t", bootstrap_servers=NOWHERE, **{option: function})
    assert caught.value.option == option


@pytest.mark.parametrize("option", AWAITED_OPTIONS)
def test_only_the_asynchronous_consumer_takes_rebalance_callbacks_that_are_awaited(option: str) -> None:
    with pytest.raises(ConfigError, match=f"^Consumer: {option} is an async function.* use AsyncConsumer"):
        Consumer("t", bootstrap_servers=NOWHERE, group_id="g", **{option: asynchronous})
    consumer: AsyncConsumer[Any] = AsyncConsumer(
        "t",
        bootstrap_servers=NOWHERE,
        group_id="g",
        **{option: asynchronous},  # type: ignore[arg-type]
    )
    asyncio.run(_closed(consumer))


async def _closed(client: Any) -> None:
    await client.close()


def test_peek_refuses_them_too() -> None:
    with pytest.raises(ConfigError, match=r"^Consumer: on_decode_error is an async function"):
        Consumer.peek("t", bootstrap_servers=NOWHERE, on_decode_error=asynchronous)


def test_a_dead_letter_handler_is_plain() -> None:
    with pytest.raises(TypeError, match=r"^DeadLetter: handler is an async function, which consumers call"):
        DeadLetter("t.dlq", handler=asynchronous, retries=1)


def test_the_codec_refuses_them() -> None:
    with pytest.raises(TypeError, match=r"^dumps: default is an async function"):
        kjson.dumps(object(), default=asynchronous)
    with pytest.raises(TypeError, match=r"^loads: parse_float is an async function"):
        kjson.loads("1.5", parse_float=asynchronous)


def test_callbacks_of_one_message_are_plain() -> None:
    with MockCluster(topics={"t": 1}) as cluster, Producer(cluster.bootstrap_servers) as producer:
        for function in KINDS:
            with pytest.raises(TypeError, match=r"^send: on_delivery is an async function, which producers call"):
                producer.send("t", 1, on_delivery=function)
        delivery = producer.send("t", 1, on_delivery=Called().plain)
        for function in KINDS:
            with pytest.raises(TypeError, match=r"^send: on_delivery is an async function"):
                producer.send_and_wait("t", 1, on_delivery=function)
            with pytest.raises(TypeError, match=r"^add_done_callback: callback is an async function"):
                delivery.add_done_callback(function)
        assert producer.metrics()["sent"] == 1

    async def main() -> None:
        async with AsyncProducer(cluster.bootstrap_servers) as producer:
            for function in KINDS:
                with pytest.raises(TypeError, match=r"^send: on_delivery is an async function"):
                    await producer.send("t", 1, on_delivery=function)

    with MockCluster(topics={"t": 1}) as cluster:
        asyncio.run(main())


def test_every_plain_callable_is_taken() -> None:
    called = []

    class Collector:
        def __call__(self, error: Any, metadata: Any) -> None:
            called.append(metadata.offset)

        def method(self, error: Any, metadata: Any) -> None:
            called.append(metadata.offset)

    def closure(number: int) -> Callable[[Any, Any], None]:
        return lambda error, metadata: called.append(metadata.offset)

    collector = Collector()
    callables = [collector, collector.method, closure(1), closure(2), functools.partial(Collector.method, collector)]
    with MockCluster(topics={"t": 1}) as cluster, Producer(cluster.bootstrap_servers) as producer:
        for function in callables:
            producer.send("t", 1, on_delivery=function)
        producer.flush()
    assert called == list(range(len(callables)))
