"""AsyncProducer on event loops: what tests that run with both classes cannot show."""

import asyncio
import contextvars
import gc
import json
import time
from typing import Any, Awaitable, Callable, List

import pytest

from kjson import (
    AsyncProducer,
    ClosedError,
    ConfigError,
    Delivery,
    DeliveryError,
    EncodeError,
    FlushTimeoutError,
    KafkaConnectionError,
    KafkaTimeoutError,
    QueueFullError,
)

from .listeners import silent_address
from .peers import read_records

Main = Callable[[], Awaitable[Any]]
Run = Callable[[Main], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function to its end, as `asyncio.run` does, with asyncio in debug mode."""
    loops = pytest.importorskip("uvloop") if request.param == "uvloop" else asyncio

    def run_it(main: Main) -> Any:
        loop = loops.new_event_loop()
        loop.set_debug(True)
        complaints: List[Any] = []
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        try:
            return loop.run_until_complete(_bounded(main))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            gc.collect()
            assert not complaints

    return run_it


def least_turns(passed: float) -> float:
    """How often another task gets its turn: 50 times a second. A machine that stands still in that time gives none."""
    return min(passed, 1.0) * 50


async def _bounded(main: Main) -> Any:
    return await asyncio.wait_for(main(), 50)


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
            with pytest.raises(KafkaTimeoutError, match="still under way"):
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


def test_errors_are_raised_where_the_result_is_awaited(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            results = await asyncio.gather(
                producer.send_and_wait(topic, 1), producer.send_and_wait(topic, object()), return_exceptions=True
            )
            assert results[0].offset == 0
            assert isinstance(results[1], EncodeError)
            with pytest.raises(ValueError, match="timeout"):
                await producer.send_and_wait(topic, 1, timeout=-1)
        with pytest.raises(ClosedError):
            await producer.send(topic, 1)

    run(main)


@pytest.mark.mock_only
def test_a_full_queue_holds_up_the_sender_and_nobody_else(cluster: Any, servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers, queue_buffering_max_messages=10, max_block_ms=3000) as producer:
            await producer.send_and_wait(topic, "first")
            cluster.mock.broker_down(1)
            for n in range(10):
                await producer.send(topic, n)
            waiting = [asyncio.ensure_future(producer.send(topic, 10 + n)) for n in range(5)]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in waiting)
            waiting[1].cancel()
            started = time.monotonic()
            with pytest.raises(QueueFullError, match="max_block_ms"):
                await producer.send(topic, "one too many")
            assert time.monotonic() - started > 2
            cluster.mock.broker_up(1)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(results[1], asyncio.CancelledError)
            assert all(isinstance(result, (QueueFullError, asyncio.CancelledError)) for result in results)
            await producer.flush()
            # There is room again, also after all who waited had gone.
            await asyncio.gather(*[asyncio.ensure_future(producer.send(topic, n)) for n in range(200)])
            await producer.flush()
            assert producer.metrics()["delivered"] == 1 + 10 + 200

    run(main)


def test_many_tasks_send_into_a_small_queue_and_everything_arrives(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers, queue_buffering_max_messages=20) as producer:

            async def send(task: int) -> None:
                for n in range(50):
                    await producer.send(topic, [task, n])

            tasks = [asyncio.ensure_future(send(task)) for task in range(20)]
            await asyncio.sleep(0.002)
            tasks[3].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await producer.send_many(topic, range(100))

    run(main)
    count = 19 * 50 + 100
    stored = [json.loads(record.value or b"") for record in read_records(servers, topic, count)]
    for task in set(range(20)) - {3}:
        assert [n[1] for n in stored if isinstance(n, list) and n[0] == task] == list(range(50))


def test_other_tasks_run_while_one_sends_without_a_pause(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with AsyncProducer(servers) as producer:
            await producer.start()
            counting = asyncio.ensure_future(count())
            started = time.monotonic()
            for n in range(5000):
                await producer.send(topic, n)
            passed = time.monotonic() - started
            assert turns >= least_turns(passed)
            turns, started = 0, time.monotonic()
            await producer.send_many(topic, range(100_000))
            assert turns >= least_turns(time.monotonic() - started)
            counting.cancel()

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


def test_one_producer_serves_one_loop_after_another(servers: str, topic: str, run: Run) -> None:
    producer = AsyncProducer(servers, linger_ms=300)
    left: List[Delivery] = []

    async def first() -> None:
        left.append(await producer.send(topic, 0))
        waiting = asyncio.ensure_future(asyncio.shield(left[0]))
        await asyncio.sleep(0)
        waiting.cancel()

    async def second() -> None:
        assert (await left[0]).offset == 0
        assert (await producer.send_and_wait(topic, 1)).offset == 1
        await producer.close()

    run(first)
    run(second)
    assert left[0].result().offset == 0  # no loop runs here


def test_the_constructor_waits_for_nothing_and_connecting_raises(run: Run) -> None:
    with pytest.raises(ConfigError, match="linger_sm"):
        AsyncProducer("localhost:1", linger_sm=3)
    with silent_address() as address:
        producer = AsyncProducer(address, connect_timeout=0.3)

        async def main() -> None:
            for _ in range(2):
                with pytest.raises(KafkaConnectionError, match="no answer"):
                    await producer.start()
            results = await asyncio.gather(*[producer.send("t", n) for n in range(10)], return_exceptions=True)
            assert [type(result) for result in results] == [KafkaConnectionError] * 10
            with pytest.raises(KafkaConnectionError):
                async with producer:
                    pass
            starting = asyncio.ensure_future(producer.start())
            await asyncio.sleep(0.05)
            starting.cancel()
            await producer.close()
            with pytest.raises(ClosedError):
                await producer.start()

        run(main)


def test_the_first_who_needs_it_connects(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        producer = AsyncProducer(servers)
        places = await asyncio.gather(*[producer.send_and_wait(topic, n) for n in range(20)])
        assert sorted(place.offset for place in places) == list(range(20))
        await producer.close()

    run(main)


@pytest.mark.mock_only
def test_failures_that_nobody_awaits_make_no_noise_and_are_raised_by_flush(
    cluster: Any, servers: str, topic: str, run: Run
) -> None:
    async def main() -> None:
        producer = AsyncProducer(servers, delivery_timeout_ms=4000)
        await producer.send_and_wait(topic, 0)
        cluster.mock.broker_down(1)
        seen = await producer.send(topic, 1)
        dropped = await producer.send(topic, 2)
        waiting = asyncio.ensure_future(asyncio.wait_for(dropped, 20))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(DeliveryError):
            await seen
        del waiting, dropped
        gc.collect()
        with pytest.raises(DeliveryError) as caught:
            await producer.flush()
        assert [failure.value for failure in caught.value.failures] == [b"2"]
        await producer.close()

    run(main)


@pytest.mark.mock_only
def test_flush_and_close_can_be_cancelled(cluster: Any, servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        producer = AsyncProducer(servers)
        await producer.send_and_wait(topic, 0)
        cluster.mock.broker_down(1)
        delivery = await producer.send(topic, 1)
        with pytest.raises(FlushTimeoutError) as caught:
            await producer.flush(0.1)
        assert caught.value.remaining == 1
        for _ in range(2):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(producer.flush(), 0.1)
        assert not delivery.done()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(producer.close(), 0.1)
        with pytest.raises(DeliveryError):
            await delivery
        await producer.close()
        with pytest.raises(ClosedError):
            await producer.send(topic, 2)

    run(main)


@pytest.mark.real_kafka
def test_a_task_that_is_cancelled_in_a_transaction_aborts_it(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers, transactional_id=f"tx-{topic}") as producer:
            sent = asyncio.Event()

            async def work() -> None:
                async with producer.transaction():
                    await producer.send_and_wait(topic, "never")
                    sent.set()
                    await asyncio.sleep(60)

            working = asyncio.ensure_future(work())
            await asyncio.wait_for(sent.wait(), 30)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            async with producer.transaction():
                await producer.send(topic, "seen")
            await producer.begin_transaction()
            await producer.send(topic, "seen too")
            commit = asyncio.ensure_future(producer.commit_transaction())
            await asyncio.sleep(0)
            commit.cancel()
            await asyncio.gather(commit, return_exceptions=True)
            await producer.commit_transaction()

    run(main)
    assert [record.value for record in read_records(servers, topic, 2)] == [b'"seen"', b'"seen too"']


def test_what_is_not_awaited_is_warned_of(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            await producer.start()
            with pytest.warns(RuntimeWarning, match="AsyncProducer.send was never awaited"):
                producer.send(topic, 1)
            with pytest.warns(RuntimeWarning, match="AsyncProducer.close was never awaited"):
                producer.close()
            sending = producer.send(topic, 2)
            await sending
            with pytest.raises(RuntimeError, match="can be awaited once"):
                await sending

    run(main)
