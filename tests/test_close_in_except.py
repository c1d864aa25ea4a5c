"""`close` where an exception is handled: the last message is committed if the exception has nothing to do with it."""

import asyncio
from typing import Any

import pytest

from kjson import AsyncConsumer, Consumer, Producer, TopicPartition

pytestmark = pytest.mark.usefixtures("calling")


class Failure(Exception):
    """Of the program's own."""


@pytest.fixture
def three(servers: str, topic: str) -> TopicPartition:
    with Producer(servers) as producer:
        producer.send_many(topic, [0, 1, 2])
    return TopicPartition(topic, 0)


def committed(servers: str, group: str, where: TopicPartition) -> Any:
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        return consumer.committed(where)


def read(consumer: Any, how: str) -> None:
    """Hands out two messages."""
    if how == "poll":
        assert [consumer.poll(20).value for _ in range(2)] == [0, 1]
    elif how == "consume":
        values: Any = []
        while len(values) < 2:
            values += [message.value for message in consumer.consume(2 - len(values), 20)]
    else:
        messages = consumer.until_end() if how == "until_end" else iter(consumer)
        assert [next(messages).value for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("how", ["poll", "consume", "iteration", "until_end"])
def test_a_consumer_that_is_used_where_an_older_exception_is_handled(
    servers: str, group: str, three: TopicPartition, how: str
) -> None:
    consumer = Consumer(three.topic, bootstrap_servers=servers, group_id=group)
    try:
        raise Failure
    except Failure:
        read(consumer, how)
        consumer.close()
    assert committed(servers, group, three) == 2


@pytest.mark.sync_only  # with the asynchronous class the exception would be on another thread, see below
@pytest.mark.parametrize("how", ["poll", "iteration"])
def test_an_exception_that_came_after_the_message_keeps_it_uncommitted(
    servers: str, group: str, three: TopicPartition, how: str
) -> None:
    consumer = Consumer(three.topic, bootstrap_servers=servers, group_id=group)
    with pytest.raises(Failure):
        try:
            read(consumer, how)
            raise Failure
        finally:
            consumer.close()
    assert committed(servers, group, three) == 1


@pytest.mark.sync_only
@pytest.mark.mock_only
def test_a_new_exception_inside_an_older_one_keeps_it_uncommitted(
    servers: str, group: str, three: TopicPartition
) -> None:
    consumer = Consumer(three.topic, bootstrap_servers=servers, group_id=group)
    try:
        raise Failure
    except Failure:
        read(consumer, "poll")
        try:
            raise ValueError
        except ValueError:
            consumer.close()
    assert committed(servers, group, three) == 1


@pytest.mark.sync_only
@pytest.mark.mock_only
@pytest.mark.parametrize(("older", "expected"), [(True, 2), (False, 1)])
def test_the_same_in_a_task(servers: str, group: str, three: TopicPartition, older: bool, expected: int) -> None:
    async def two(consumer: AsyncConsumer[Any]) -> None:
        assert [(await consumer.poll(20)).value for _ in range(2)] == [0, 1]

    async def main() -> None:
        consumer: AsyncConsumer[Any] = AsyncConsumer(three.topic, bootstrap_servers=servers, group_id=group)
        await consumer.start()
        if not older:
            await two(consumer)
        try:
            raise Failure
        except Failure:
            if older:
                await two(consumer)
            await consumer.close()

    asyncio.run(main())
    assert committed(servers, group, three) == expected
