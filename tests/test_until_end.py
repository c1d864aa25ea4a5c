"""until_end, values and peek: reading that ends by itself."""

import threading
from typing import Any, Callable, List

import pytest

from kjson import Consumer, KafkaTimeoutError, Producer, TopicPartition


def fill(servers: str, topic: str, count: int, partitions: int = 1) -> None:
    with Producer(servers) as producer:
        for partition in range(partitions):
            producer.send_many(topic, range(count), partition=partition).result(20)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("count", [0, 1, 1234])
def test_it_reads_all_there_is_and_ends(
    servers: str, new_topic: Callable[..., str], group: str, grouped: bool, count: int
) -> None:
    topic = new_topic(3)
    fill(servers, topic, count, 3)
    with Consumer(topic, bootstrap_servers=servers, group_id=group if grouped else None) as consumer:
        read = [(m.partition, m.offset) for m in consumer.until_end()]
        assert sorted(read) == [(p, n) for p in range(3) for n in range(count)]
        assert list(consumer.until_end()) == []


def test_what_comes_later_is_left_for_the_next_read(servers: str, topic: str) -> None:
    fill(servers, topic, 10)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        messages = consumer.until_end()
        first = [next(messages).offset for _ in range(5)]
        fill(servers, topic, 10)
        assert first + [m.offset for m in messages] == list(range(10))
        assert [next(consumer).offset for _ in range(10)] == list(range(10, 20))


def test_a_break_in_the_middle_loses_nothing(servers: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic(2)
    fill(servers, topic, 500, 2)
    read: List[Any] = []
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        ends = consumer.until_end()
        fill(servers, topic, 500, 2)
        for message in ends:
            read.append(message)
            if len(read) == 700:
                break
        read += consumer.until_end()
    for partition in range(2):
        assert [m.offset for m in read if m.partition == partition] == list(range(1000))


@pytest.mark.real_kafka
@pytest.mark.parametrize("level", ["read_committed", "read_uncommitted"])
def test_markers_of_transactions_are_no_messages_and_no_obstacle(
    servers: str, topic: str, group: str, level: str
) -> None:
    with Producer(servers, transactional_id=group) as producer:
        with producer.transaction():
            producer.send(topic, "kept")
        with pytest.raises(RuntimeError), producer.transaction():
            producer.send(topic, "aborted").result(20)
            raise RuntimeError
    with Consumer(topic, bootstrap_servers=servers, isolation_level=level) as consumer:
        read = [message.value for message in consumer.until_end()]
        assert read == (["kept"] if level == "read_committed" else ["kept", "aborted"])
        assert list(consumer.until_end()) == []


@pytest.mark.real_kafka
def test_an_open_transaction_is_behind_the_end_of_committed_readers(servers: str, topic: str, group: str) -> None:
    place = TopicPartition(topic, 0)
    with Producer(servers, transactional_id=group) as producer:
        producer.begin_transaction()
        producer.send(topic, "open").result(20)
        with Consumer(topic, bootstrap_servers=servers) as consumer:
            assert list(consumer.until_end()) == []
            assert (consumer.end_offsets(), consumer.lag()) == ({place: 0}, {place: 0})
        with Consumer(topic, bootstrap_servers=servers, isolation_level="read_uncommitted") as consumer:
            assert [m.value for m in consumer.until_end()] == ["open"]
        producer.abort_transaction()


def test_values_are_the_values(servers: str, topic: str) -> None:
    fill(servers, topic, 10)
    with Consumer(topic, bootstrap_servers=servers, consumer_timeout_ms=500) as consumer:
        assert list(consumer.values()) == list(range(10))


def test_a_topic_that_is_not_there_has_no_end_to_wait_for(servers: str, group: str) -> None:
    with Consumer("not-there", bootstrap_servers=servers, group_id=group) as consumer:
        done = threading.Event()

        def read() -> None:
            try:
                assert list(consumer.until_end(timeout=5)) == []
            except KafkaTimeoutError:  # a broker that assigns nothing instead of an empty list
                pass
            done.set()

        threading.Thread(target=read, daemon=True).start()
        assert done.wait(15)
