"""Committed offsets after transaction markers: other tools see no lag where everything has been read."""

import threading
from typing import Any, Callable, Dict, List, Optional

import pytest

from kjson import Consumer, Message, Producer, TopicPartition

from .conftest import unique_name
from .peers import committed_offset, end_offset
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = [pytest.mark.real_kafka, pytest.mark.usefixtures("calling")]

COMMITTED, ABORTED = True, False
# What the topic ends with, and the offsets of it that readers of committed messages get.
ENDINGS: Dict[str, List[bool]] = {
    "committed": [COMMITTED],
    "aborted": [COMMITTED, ABORTED],
    "only aborted": [ABORTED],
    "several": [COMMITTED, ABORTED, COMMITTED, ABORTED, ABORTED],
}


def transact(servers: str, topic: str, endings: List[bool], partition: int = 0) -> List[int]:
    """One transaction of two messages for each ending; returns the offsets of the committed ones."""
    offsets = []
    with Producer(servers, transactional_id=topic) as producer:
        for ending in endings:
            producer.begin_transaction()
            sent = [producer.send(topic, n, partition=partition) for n in range(2)]
            if ending == COMMITTED:
                producer.commit_transaction()
                offsets += [delivery.result(20).offset for delivery in sent]
            else:
                producer.flush()
                producer.abort_transaction()
    return offsets


def open_consumer(servers: str, topic: str, group: str, **options: Any) -> Consumer[Any]:
    return Consumer(topic, bootstrap_servers=servers, group_id=group, **{**LONG_SESSION, **options})


def read(consumer: Consumer[Any], count: int) -> List[Message[Any]]:
    messages: List[Message[Any]] = []
    while len(messages) < count:
        message = consumer.poll(20)
        assert message is not None, f"{len(messages)} of {count}"
        messages.append(message)
    return messages


def lag(servers: str, group: str, topic: str, partition: int = 0) -> Optional[int]:
    """As other tools compute it; None without a committed offset."""
    committed = committed_offset(servers, group, topic, partition)
    return None if committed is None else end_offset(servers, topic, partition) - committed


def next_one_is_read_once(servers: str, topic: str, group: str) -> None:
    """What follows the markers is the next message of the group, and the last one."""
    with Producer(servers) as producer:
        offset = producer.send_and_wait(topic, "next", partition=0).offset
    with open_consumer(servers, topic, group) as consumer:
        [message] = read(consumer, 1)
        assert (message.value, message.offset) == ("next", offset)
        assert consumer.poll(0.2) is None
    assert lag(servers, group, topic) == 0


@pytest.mark.sync_only
@pytest.mark.parametrize(
    ("ending", "isolation"), [*((ending, "read_committed") for ending in ENDINGS), ("several", "read_uncommitted")]
)
def test_a_commit_of_everything(servers: str, topic: str, group: str, ending: str, isolation: str) -> None:
    count = len(transact(servers, topic, ENDINGS[ending]))
    if isolation == "read_uncommitted":
        count = 2 * len(ENDINGS[ending])
    with open_consumer(servers, topic, group, isolation_level=isolation, enable_auto_commit=False) as consumer:
        read(consumer, count)
        assert consumer.poll(0.3) is None
        consumer.commit()
        wait_until(lambda: consumer.poll(0.05) is None and consumer.lag() == {TopicPartition(topic, 0): 0}, "the end")
        consumer.commit()
        assert lag(servers, group, topic) == 0
    next_one_is_read_once(servers, topic, group)


@pytest.mark.parametrize("how", ["automatic", "close", "close after until_end", "asynchronous", "dropped"])
def test_other_ways_to_commit(servers: str, topic: str, group: str, how: str) -> None:
    offsets = transact(servers, topic, [COMMITTED, ABORTED])
    options: Dict[str, Any] = {"auto_commit_interval_ms": 100 if how == "automatic" else 60_000}
    consumer = open_consumer(servers, topic, group, **options)
    if how == "close after until_end":
        assert [message.offset for message in consumer.until_end()] == offsets
    else:
        assert [message.offset for message in read(consumer, len(offsets))] == offsets
        wait_until(lambda: consumer.poll(0.05) is None and consumer.lag() == {TopicPartition(topic, 0): 0}, "the end")
    if how == "automatic":
        wait_until(lambda: consumer.poll(0.05) is None and lag(servers, group, topic) == 0, "the automatic commit")
    elif how == "asynchronous":
        consumer.commit(asynchronous=True)
        wait_until(lambda: consumer.poll(0.05) is None and lag(servers, group, topic) == 0, "the answer")
    if how == "dropped":
        del consumer
        wait_until(lambda: lag(servers, group, topic) == 0, "the commit of a dropped consumer")
    else:
        consumer.close()
    assert lag(servers, group, topic) == 0
    next_one_is_read_once(servers, topic, group)


@pytest.mark.sync_only
def test_a_lag_that_others_left_is_ended(servers: str, topic: str, group: str) -> None:
    offsets = transact(servers, topic, [COMMITTED, ABORTED])
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.assign(TopicPartition(topic, 0))
        consumer.commit(TopicPartition(topic, 0, offsets[-1] + 1))
    with open_consumer(servers, topic, group) as consumer:
        assert list(consumer.until_end()) == []
    assert lag(servers, group, topic) == 0


@pytest.mark.sync_only
def test_no_message_that_is_not_done_is_committed(servers: str, topic: str, group: str) -> None:
    first, second, *_ = transact(servers, topic, [COMMITTED, ABORTED])
    consumer = open_consumer(servers, topic, group)
    with pytest.raises(ZeroDivisionError), consumer:
        for message in consumer:
            1 // (second - message.offset)
    assert committed_offset(servers, group, topic) == second
    with open_consumer(servers, topic, group, enable_auto_commit=False) as consumer:
        assert [message.offset for message in read(consumer, 1)] == [second]
        consumer.seek(TopicPartition(topic, 0, first))
        consumer.commit()
        assert committed_offset(servers, group, topic) == first
        read(consumer, 1)
        consumer.commit()
        assert committed_offset(servers, group, topic) == second
        consumer.pause(TopicPartition(topic, 0))
        assert consumer.poll(0.3) is None
        consumer.commit()
        assert committed_offset(servers, group, topic) == second
        consumer.commit(TopicPartition(topic, 0, first))
        consumer.unsubscribe()
        assert committed_offset(servers, group, topic) == first


@pytest.mark.sync_only
def test_an_open_transaction_is_not_passed(servers: str, topic: str, group: str) -> None:
    offsets = transact(servers, topic, [COMMITTED])
    with Producer(servers, transactional_id=group) as producer:
        producer.begin_transaction()
        opened = producer.send(topic, "open", partition=0)
        producer.flush()
        with open_consumer(servers, topic, group) as consumer:
            read(consumer, len(offsets))
            wait_until(lambda: consumer.poll(0.05) is None and consumer.lag() == {TopicPartition(topic, 0): 0}, "end")
            consumer.commit()
            assert committed_offset(servers, group, topic) == offsets[-1] + 2
            producer.commit_transaction()
            [message] = read(consumer, 1)
            assert message.offset == opened.result(20).offset
            wait_until(lambda: consumer.poll(0.05) is None and consumer.lag() == {TopicPartition(topic, 0): 0}, "end")
    assert lag(servers, group, topic) == 0


@pytest.mark.sync_only
def test_partitions_that_are_revoked(servers: str, new_topic: Callable[..., str], group: str) -> None:
    """The member that reads a partition at the end commits its markers; the other member reads none of it again."""
    topic = new_topic(2)
    for partition in range(2):
        transact(servers, topic, [COMMITTED, ABORTED], partition)
    options = {"auto_commit_interval_ms": 60_000, "partition_assignment_strategy": "cooperative-sticky"}
    with open_consumer(servers, topic, group, **options) as first:
        read(first, 4)
        where = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        wait_until(lambda: first.poll(0.05) is None and set(first.lag().values()) == {0}, "the end")
        with open_consumer(servers, topic, group, **options) as second:

            def shared() -> bool:
                assert first.poll(0.05) is None
                assert second.poll(0.05) is None
                return len(first.assignment()) == len(second.assignment()) == 1

            wait_until(shared, "a partition each")
            [gone] = second.assignment()
            assert lag(servers, group, topic, gone.partition) == 0
            assert first.committed(where)[gone] == end_offset(servers, topic, gone.partition)
    assert [lag(servers, group, topic, partition) for partition in range(2)] == [0, 0]


@pytest.mark.sync_only
def test_close_passes_no_message_that_comes_while_the_group_is_left(
    servers: str, topic: str, member: Dict[str, Any]
) -> None:
    over = threading.Event()

    def produce() -> None:
        with Producer(servers, linger_ms=1) as producer:
            while not over.is_set():
                producer.send_and_wait(topic, 0)

    producing = threading.Thread(target=produce)
    producing.start()
    try:
        for n in range(10):
            member["group_id"] = unique_name("closes")
            with Consumer(topic, auto_offset_reset="latest", **member) as consumer:
                last = None
                for _ in range(5 + n):
                    last = consumer.poll(15)
                    assert last is not None
            committed = committed_offset(servers, str(member["group_id"]), topic)
            assert committed == last.offset + 1
    finally:
        over.set()
        producing.join()
