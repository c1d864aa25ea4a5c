"""Rebalance callbacks of an AsyncConsumer."""

import asyncio
from typing import Any, List

import pytest

from kjson import (
    AsyncConsumer,
    KafkaError,
    TopicPartition,
)

from .loops import Run
from .peers import committed_offset, numbers, write_with_confluent
from .sessions import LONG_SESSION


def test_rebalance_callbacks_run_on_the_loop_and_may_be_coroutines(
    servers: str,
    new_topic: Any,
    group: str,
    run: Run,
) -> None:
    topic = new_topic(2)
    write_with_confluent(servers, topic, numbers(50), partition=0)

    async def main() -> None:
        here, calls = asyncio.get_running_loop(), []

        async def on_assign(consumer: Any, partitions: List[TopicPartition]) -> None:
            assert asyncio.get_running_loop() is here
            assert isinstance(consumer, AsyncConsumer)
            with pytest.raises(KafkaError, match="on_assign"):
                await consumer.poll()
            await consumer.seek(TopicPartition(topic, 0), 40)
            calls.append(("assign", sorted(one.partition for one in partitions)))

        async def on_revoke(consumer: Any, partitions: List[TopicPartition]) -> None:
            await asyncio.sleep(0.01)
            await consumer.commit()
            calls.append(("revoke", sorted(one.partition for one in partitions)))

        async with AsyncConsumer(
            topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_assign=on_assign, on_revoke=on_revoke
        ) as consumer:
            assert [(await consumer.__anext__()).value for _ in range(3)] == [40, 41, 42]
        assert calls == [("assign", [0, 1]), ("revoke", [0, 1])]

    run(main)
    assert committed_offset(servers, group, topic) == 43


def test_what_a_rebalance_callback_raises_comes_out_of_the_read(
    servers: str,
    topic: str,
    group: str,
    run: Run,
) -> None:
    write_with_confluent(servers, topic, numbers(3))

    async def raising(_consumer: Any, _partitions: Any) -> None:
        raise LookupError("no such place")

    def plainly(_consumer: Any, _partitions: Any) -> None:
        raise LookupError("no such place")

    async def main() -> None:
        for n, callback in enumerate((raising, plainly)):
            async with AsyncConsumer(
                topic, bootstrap_servers=servers, group_id=f"{group}-{n}", **LONG_SESSION, on_assign=callback
            ) as consumer:
                with pytest.raises(LookupError, match="no such place"):
                    await consumer.poll(20)
                assert (await consumer.__anext__()).value == 0

    run(main)
