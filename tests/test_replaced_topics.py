"""A subscription or an assignment of other topics, with and without a group."""

import time
from typing import Any, Callable, Dict, List, Optional

import pytest

from kjson import Consumer, Producer, TopicPartition

from .waiting import close_in_time

pytestmark = pytest.mark.usefixtures("calling")


@pytest.mark.slow
def test_a_subscription_to_other_topics(servers: str, new_topic: Callable[..., str], member: Dict[str, Any]) -> None:
    one, two = new_topic(1), new_topic(1)
    with Producer(servers) as producer:
        for n in range(2000):
            producer.send(one, n)
        for n in range(3):
            producer.send(two, f"two {n}")
    consumer = Consumer(one, **member)
    assert consumer.poll(20).value == 0
    consumer.subscribe([two])
    assert [message.value for message in read_messages(consumer, 3)] == ["two 0", "two 1", "two 2"]
    consumer.subscribe([one, two])
    assert {message.topic for message in read_messages(consumer, 5)} == {one}
    close_in_time(consumer)


@pytest.mark.parametrize("calls", ["subscribe", "assign", "both"])
def test_without_a_group(servers: str, new_topic: Callable[..., str], calls: str) -> None:
    one, two = new_topic(1), new_topic(1)
    for topic in (one, two):
        with Producer(servers) as producer:
            for n in range(5):
                producer.send(topic, [topic, n])
    with Consumer(one, bootstrap_servers=servers) as consumer:
        assert consumer.poll(20).value == [one, 0]
        if calls == "subscribe":
            consumer.subscribe([two])
            assert [message.value[1] for message in read_messages(consumer, 5, two)] == [0, 1, 2, 3, 4]
            consumer.subscribe([one, two])
            assert consumer.poll(20).value == [one, 0]
        elif calls == "assign":
            for _ in range(3):
                consumer.assign(TopicPartition(two, 0, 2))
                assert [message.value[1] for message in read_messages(consumer, 3, two)] == [2, 3, 4]
            consumer.unsubscribe()
            assert consumer.poll(0.3) is None
        else:
            consumer.assign(TopicPartition(two, 0, 2))
            consumer.subscribe([one, two])
            assert {(m.topic, m.offset) for m in read_messages(consumer, 10)} == {
                (topic, n) for topic in (one, two) for n in range(5)
            }
        assert consumer.poll(0.2) is None or calls == "subscribe"


def read_messages(consumer: Any, count: int, topic: Optional[str] = None) -> List[Any]:
    got: List[Any] = []
    deadline = time.monotonic() + 20
    while len(got) < count and time.monotonic() < deadline:
        got += consumer.consume(count - len(got), 0.1)
    assert topic is None or {message.topic for message in got} == {topic}
    return got
