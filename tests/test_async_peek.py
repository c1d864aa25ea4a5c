"""AsyncConsumer.peek on event loops: what tests that run with both classes cannot show (see `test_ends`)."""

import asyncio
import time

import pytest

from kjson import AsyncConsumer, KafkaConnectionError

from .listeners import silent_address
from .loops import Run
from .peers import numbers, write_with_confluent


def test_a_peek_that_is_cancelled_is_over(run: Run) -> None:
    async def main() -> None:
        with silent_address() as servers:
            look = asyncio.ensure_future(AsyncConsumer.peek("t", bootstrap_servers=servers, timeout=60.0))
            for _ in range(10):
                await asyncio.sleep(0.01)  # the loop runs meanwhile
            assert not look.done()
            look.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(look, 5)
            with pytest.raises(KafkaConnectionError):
                await AsyncConsumer.peek("t", bootstrap_servers=servers, timeout=0.2)

    started = time.monotonic()
    run(main)
    assert time.monotonic() - started < 10


def test_a_long_peek_lets_other_tasks_run(servers: str, topic: str, run: Run) -> None:
    write_with_confluent(servers, topic, numbers(20_000))

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        messages = await AsyncConsumer.peek(topic, 20_000, bootstrap_servers=servers)
        counting.cancel()
        assert [message.value for message in messages] == list(range(20_000))
        assert turns > 20

    run(main)
