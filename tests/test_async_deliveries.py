"""Deliveries of an AsyncProducer as awaitables and futures: gather, cancelling, callbacks, linger."""

import asyncio
import contextvars
import time
from typing import Any, List

import pytest

from kjson import (
    AsyncProducer,
    Delivery,
    KafkaTimeoutError,
)

from .loops import Run
from .peers import read_records


def test_a_thousand_are_awaited_together_without_a_task_each(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            deliveries = [await producer.send(topic, n) for n in range(1000)]
            together = asyncio.gather(*deliveries)
            assert len(asyncio.all_tasks()) <= 2  # this one, and that of the bound
            places = await together
            assert [place.offset for place in places] == list(range(1000))
            assert [await delivery for delivery in deliveries] == places

    run(main)
    assert [record.value for record in read_records(servers, topic, 1000)] == [b"%d" % n for n in range(1000)]


def test_operations_are_coroutines_that_tasks_can_be_made_of(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            sends = [asyncio.ensure_future(producer.send_and_wait(topic, n)) for n in range(50)]
            assert sorted(place.offset for place in await asyncio.gather(*sends)) == list(range(50))
            assert isinstance(await asyncio.ensure_future(producer.send(topic, "x")), Delivery)
            assert await asyncio.wait_for(producer.ping(), 20) is None
            flush = asyncio.ensure_future(producer.flush())
            assert "AsyncProducer.flush" in repr(flush)
            await flush

    run(main)


def test_several_tasks_await_one_delivery_and_one_that_is_cancelled_ends_no_other(
    servers: str, topic: str, run: Run
) -> None:
    async def main() -> None:
        async with AsyncProducer(servers, linger_ms=60_000) as producer:
            delivery = await producer.send(topic, 1)

            async def wait() -> int:
                return (await delivery).offset

            waits = [asyncio.ensure_future(wait()) for _ in range(5)]
            await asyncio.sleep(0)
            waits[2].cancel()
            results = await asyncio.gather(*waits, return_exceptions=True)
            assert isinstance(results.pop(2), asyncio.CancelledError)
            assert results == [0] * 4

    run(main)


@pytest.mark.mock_only
def test_cancelling_a_wait_does_not_unsend_the_message(cluster: Any, servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            await producer.send_and_wait(topic, 0)
            cluster.mock.round_trip_time(5000)
            first = await producer.send(topic, 1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(first, 0.05)
            assert not first.done()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(producer.send_and_wait(topic, 2), 0.05)
            with pytest.raises(KafkaTimeoutError, match="still in flight"):
                await producer.send_and_wait(topic, 3, timeout=0.05)
            gathered = asyncio.gather(first, *[await producer.send(topic, n) for n in (4, 5)])
            await asyncio.sleep(0.01)
            assert gathered.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gathered
            assert producer.pending == 5
            cluster.mock.round_trip_time(0)
            assert (await first).offset == 1
            await producer.flush()

    run(main)
    assert [record.value for record in read_records(servers, topic, 6)] == [b"%d" % n for n in range(6)]


def test_wait_shield_and_as_completed_take_deliveries(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            deliveries = [await producer.send(topic, n) for n in range(10)]
            assert await asyncio.shield(deliveries[0]) == await deliveries[0]
            done, pending = await asyncio.wait(deliveries)
            assert (done, pending) == (set(deliveries), set())
            more = [await producer.send(topic, n) for n in range(10)]
            assert sorted([(await one).offset for one in asyncio.as_completed(more)]) == list(range(10, 20))

    run(main)


def test_callbacks_are_called_on_the_loop_and_can_be_taken_back(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        here = asyncio.get_running_loop()
        called: List[Any] = []

        def callback(delivery: Delivery) -> None:
            called.append((delivery, asyncio.get_running_loop() is here))

        async with AsyncProducer(servers, linger_ms=60_000) as producer:  # until somebody awaits it
            delivery = await producer.send(topic, 1)
            delivery.add_done_callback(callback)
            delivery.add_done_callback(called.append)
            assert delivery.remove_done_callback(called.append) == 1
            with pytest.raises(asyncio.InvalidStateError, match="await it"):
                delivery.result()
            with pytest.raises(asyncio.InvalidStateError):
                delivery.exception()
            await delivery
            await asyncio.sleep(0)
            delivery.add_done_callback(callback)
            assert len(called) == 1
            while len(called) < 2:
                await asyncio.sleep(0.01)
            assert called == [(delivery, True)] * 2
            assert delivery.result().offset == 0

    run(main)


def test_a_callback_runs_in_the_context_that_it_was_given_in(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
        seen: List[str] = []
        async with AsyncProducer(servers) as producer:
            delivery = await producer.send(topic, 1)
            for name in ("first", "second"):
                variable.set(name)
                delivery.add_done_callback(lambda _: seen.append(variable.get()))
            other = contextvars.copy_context()
            other.run(variable.set, "other")
            delivery.add_done_callback(lambda _: seen.append(variable.get()), context=other)
            variable.set("later")
            gathered = asyncio.gather(delivery, return_exceptions=True)
            gathered.add_done_callback(lambda _: seen.append(variable.get()))
            await gathered
            await asyncio.sleep(0)
        assert seen == ["first", "second", "other", "later"]

    run(main)


def test_single_messages_do_not_wait_for_linger(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers, linger_ms=30_000) as producer:
            await producer.send_and_wait(topic, "the first asks for metadata")
            start = time.monotonic()
            await producer.send_and_wait(topic, 1)
            await (await producer.send(topic, 2))
            await (await producer.send_many(topic, [3]))
            await asyncio.gather(*[await producer.send(topic, n) for n in range(10)])
            assert time.monotonic() - start < 15

    run(main)
