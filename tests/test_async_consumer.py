"""AsyncConsumer on event loops: what tests that run with both classes cannot show."""

import asyncio
import contextlib
import time
from typing import Any, Dict, List

import pytest

from kjson import (
    AsyncConsumer,
    AsyncProducer,
    ClosedError,
    ConfigError,
    DeadLetter,
    DecodeError,
    KafkaConnectionError,
    KafkaError,
    Message,
    TopicPartition,
)

from .listeners import silent_address
from .loops import Run, least_turns
from .peers import committed_offset, numbers, read_records, write_with_confluent
from .sessions import LONG_SESSION


def test_async_for_poll_consume_values_and_until_end(servers: str, topic: str, run: Run) -> None:
    write_with_confluent(servers, topic, numbers(2000))

    async def main() -> None:
        async with AsyncConsumer(topic, bootstrap_servers=servers) as consumer:
            seen: List[int] = []
            async for message in consumer:
                seen.append(message.value)
                if len(seen) == 700:
                    break
            async for value in consumer.values():
                seen.append(value)
                if len(seen) == 1000:
                    break
            message = await consumer.poll(20)
            assert isinstance(message, Message)
            seen.append(message.value)
            while len(seen) < 1500:
                seen += [message.value for message in await consumer.consume(100)]
            seen += [message.value async for message in consumer.until_end()]
            assert seen == list(range(2000))
            assert await consumer.poll(0.1) is None
            assert await consumer.consume(timeout=0.1) == []

    run(main)


def test_cancelled_waits_lose_no_message(servers: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with AsyncProducer(servers) as producer, AsyncConsumer(topic, bootstrap_servers=servers) as consumer:
            seen: List[int] = []
            total = 300

            async def send() -> None:
                for n in range(total):
                    await producer.send_and_wait(topic, n)
                    await asyncio.sleep(0.002)

            sending = asyncio.ensure_future(send())
            turn = 0
            while len(seen) < total:
                turn += 1
                with contextlib.suppress(asyncio.TimeoutError):
                    if turn % 3 == 0:
                        got = await asyncio.wait_for(consumer.consume(10, None), 0.003)
                        seen += [message.value for message in got]
                    elif turn % 3 == 1:
                        seen.append((await asyncio.wait_for(consumer.poll(None), 0.003)).value)
                    else:
                        reading = asyncio.ensure_future(consumer.__anext__())
                        await asyncio.sleep(0)
                        if turn % 2:
                            reading.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            seen.append((await reading).value)
            assert seen == list(range(total))
            await sending

    run(main)


def test_a_body_that_is_cancelled_leaves_its_message_uncommitted(
    servers: str,
    topic: str,
    group: str,
    session: Dict[str, int],
    run: Run,
) -> None:
    write_with_confluent(servers, topic, numbers(10))
    options: Dict[str, Any] = {"bootstrap_servers": servers, "group_id": group, **session}

    async def main() -> None:
        reached = asyncio.Event()

        async def work() -> None:
            async with AsyncConsumer(topic, **options) as consumer:
                async for message in consumer:
                    if message.value == 4:
                        reached.set()
                        await asyncio.sleep(60)

        working = asyncio.ensure_future(work())
        await asyncio.wait_for(reached.wait(), 30)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert await asyncio.get_running_loop().run_in_executor(None, committed_offset, servers, group, topic) == 4
        consumer: AsyncConsumer[int] = AsyncConsumer(topic, **options)
        try:
            assert (await consumer.__anext__()).value == 4
            raise LookupError
        except LookupError:
            await consumer.close()
        assert await asyncio.get_running_loop().run_in_executor(None, committed_offset, servers, group, topic) == 4

    run(main)


def test_controls_work_while_a_read_waits(servers: str, topic: str, group: str, run: Run) -> None:
    write_with_confluent(servers, topic, numbers(5))

    async def main() -> None:
        async with AsyncConsumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION) as consumer:
            for _ in range(5):
                await consumer.__anext__()
            waiting = asyncio.ensure_future(consumer.poll(None))
            await asyncio.sleep(0.1)
            place = TopicPartition(topic, 0)
            assert consumer.assignment() == [place]
            assert await consumer.position(place) == 5
            assert await consumer.end_offsets() == {place: 5}
            assert await consumer.lag() == {place: 0}
            await consumer.commit()
            assert await consumer.committed(place) == 5
            with pytest.raises(KafkaError, match="another task"):
                await consumer.poll(0.1)
            await consumer.pause()
            assert await consumer.paused() == [place]
            await consumer.resume()
            await consumer.seek(place, 2)
            message = await waiting
            assert message is not None
            assert message.value == 2

    run(main)


def test_close_ends_a_read_that_waits(servers: str, topic: str, group: str, run: Run) -> None:
    async def main() -> None:
        consumer: AsyncConsumer[Any] = AsyncConsumer(topic, bootstrap_servers=servers, group_id=group)
        waiting = asyncio.ensure_future(consumer.poll(None))
        await asyncio.sleep(0.3)
        await consumer.close()
        with pytest.raises(ClosedError):
            await waiting
        with pytest.raises(ClosedError):
            await consumer.poll()
        await consumer.close()

    run(main)


def test_a_read_without_a_pause_lets_other_tasks_run(servers: str, topic: str, run: Run) -> None:
    write_with_confluent(servers, topic, numbers(20_000))

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with AsyncConsumer(topic, bootstrap_servers=servers) as consumer:
            await consumer.__anext__()
            counting = asyncio.ensure_future(count())
            started = time.monotonic()
            for _ in range(19_999):
                await consumer.__anext__()
            assert turns >= least_turns(time.monotonic() - started)
            counting.cancel()

    run(main)


def test_dead_letters_of_an_async_producer_and_a_handler(servers: str, new_topic: Any, run: Run) -> None:
    topic, dead = new_topic(), new_topic()
    write_with_confluent(servers, topic, [b"0", b"bad", b"2", b"worse", b"4"])
    tries: List[bytes] = []

    def handler(error: DecodeError) -> Any:
        tries.append(error.raw_value or b"")
        if error.raw_value == b"worse":
            raise LookupError
        return "mended"

    async def main() -> None:
        async with AsyncProducer(servers) as producer:
            dead_letters = DeadLetter(dead, producer=producer, handler=handler, retries=2, retry_backoff_ms=10)
            async with AsyncConsumer(topic, bootstrap_servers=servers, on_decode_error=dead_letters) as consumer:
                assert [message.value async for message in consumer.until_end()] == [0, "mended", 2, 4]
                assert consumer.metrics()["dead_lettered"] == 1
            assert tries == [b"bad"] + [b"worse"] * 3
            await producer.send_and_wait(dead, "the producer is open still")

    run(main)
    assert read_records(servers, dead, 2)[0].value == b"worse"


def test_the_constructor_waits_for_nothing_and_connecting_raises(run: Run) -> None:
    with pytest.raises(ConfigError, match="gruop_id"):
        AsyncConsumer("t", bootstrap_servers="localhost:1", gruop_id="x")
    with silent_address() as address:
        consumer: AsyncConsumer[Any] = AsyncConsumer("t", bootstrap_servers=address, connect_timeout=0.3)
        assert consumer.subscription() == ["t"]

        async def main() -> None:
            for _ in range(2):
                with pytest.raises(KafkaConnectionError, match="no answer"):
                    await consumer.start()
            with pytest.raises(KafkaConnectionError):
                async for _ in consumer:
                    pass
            await consumer.close()

        run(main)


def test_it_is_iterated_until_the_idle_time_is_over(servers: str, topic: str, run: Run) -> None:
    write_with_confluent(servers, topic, numbers(3))

    async def main() -> None:
        consumer: AsyncConsumer[int] = AsyncConsumer(topic, bootstrap_servers=servers, consumer_timeout_ms=5000)
        assert [message.value async for message in consumer] == [0, 1, 2]
        await consumer.close()

    run(main)
