"""AsyncProducer on event loops: what tests that run with both classes cannot show."""

import asyncio
import gc
import json
import time
from typing import Any, List

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
    QueueFullError,
)

from .listeners import silent_address
from .loops import Run, least_turns
from .peers import read_records


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
