"""What brokers and the group know of offsets: committed, first, last, at a time, and the lag."""

import datetime
import time
from typing import Any, Callable

import pytest

from kjson import Consumer, KafkaError, Producer, TopicPartition, UnknownTopicError

from .test_place import fill, open_consumer, read
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")


def test_beginning_and_end_offsets(servers: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic(3)
    fill(servers, topic, 7, partitions=2)
    partitions = [TopicPartition(topic, p) for p in range(3)]
    with Consumer(bootstrap_servers=servers) as consumer:
        assert consumer.end_offsets(partitions) == dict(zip(partitions, (7, 7, 0)))
        assert consumer.beginning_offsets(partitions) == dict(zip(partitions, (0, 0, 0)))
        assert consumer.end_offsets(partitions[0]) == {partitions[0]: 7}
        assert consumer.end_offsets() == {}
        assert consumer.lag() == {}
        with pytest.raises(UnknownTopicError, match="no-such-topic"):
            consumer.end_offsets(TopicPartition("no-such-topic", 0))


@pytest.mark.real_kafka  # the mock cluster knows no times
def test_offsets_for_times(servers: str, topic: str) -> None:
    begin = int(time.time() * 1000) - 100_000
    with Producer(servers) as producer:
        for n in range(10):
            producer.send(topic, n, timestamp=begin + n * 1000)
    where = TopicPartition(topic, 0)
    with Consumer(bootstrap_servers=servers) as consumer:
        assert consumer.offsets_for_times({where: begin + 3500}) == {where: 4}
        moment = datetime.datetime.fromtimestamp((begin + 4000) / 1000, datetime.timezone.utc)
        assert consumer.offsets_for_times({where: moment}) == {where: 4}
        assert consumer.offsets_for_times({where: begin + 60_000}) == {where: None}


def test_lag_counts_from_the_position(servers: str, new_topic: Callable[..., str], group: str) -> None:
    topic = new_topic(2)
    fill(servers, topic, 30, partitions=2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    with open_consumer(servers, topic, group) as consumer:
        messages = read(consumer, 40)
        counts = [sum(message.partition == p for message in messages) for p in range(2)]
        assert consumer.lag() == {one: 30 - counts[0], two: 30 - counts[1]}
        consumer.seek(one, 5)
        assert consumer.lag()[one] == 25
        consumer.seek_to_end()
        assert consumer.lag() == {one: 0, two: 0}
        fill(servers, topic, 3)
        assert consumer.lag() == {one: 3, two: 0}


def test_lag_before_anything_was_read_counts_from_what_is_committed_else_from_the_beginning(
    servers: str, new_topic: Callable[..., str], group: str
) -> None:
    topic = new_topic(2)
    fill(servers, topic, 30, partitions=2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.assign([one, two])
        consumer.commit(TopicPartition(topic, 0, 12))
        assert consumer.lag() == {one: 18, two: 30}
        assert consumer.committed([one, two]) == {one: 12, two: None}
        assert consumer.committed(one) == 12
        assert consumer.committed(two) is None
        assert consumer.position() == {one: 12, two: 0}


def test_a_consumer_without_a_group_has_lag_and_nothing_committed(servers: str, topic: str) -> None:
    fill(servers, topic, 30)
    where = TopicPartition(topic, 0)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        read(consumer, 4)
        assert consumer.lag() == {where: 26}
        read(consumer, 1)
        assert consumer.lag() == {where: 25}
        with pytest.raises(KafkaError, match="group"):
            consumer.committed(where)


@pytest.mark.real_kafka
def test_the_lag_of_a_reader_of_committed_messages_ends_before_an_open_transaction(servers: str, topic: str) -> None:
    where = TopicPartition(topic, 0)
    fill(servers, topic, 5)
    with Producer(servers, transactional_id=topic) as producer:
        producer.begin_transaction()
        for n in range(5):
            producer.send(topic, n).result(20)
        with Consumer(topic, bootstrap_servers=servers) as reader, Consumer(
            topic, bootstrap_servers=servers, isolation_level="read_uncommitted"
        ) as peeper:
            read(reader, 5)
            read(peeper, 5)
            assert reader.end_offsets(where) == {where: 5}
            assert reader.lag() == {where: 0}
            assert peeper.lag() == {where: 5}
            producer.commit_transaction()
            # The marker that ends the transaction has an offset too, and is read past without a message.
            wait_until(lambda: reader.lag() == {where: 6}, "the committed messages")
            read(reader, 5)
            wait_until(lambda: reader.poll(0.05) is None and reader.lag() == {where: 0}, "no lag")


def test_questions_of_a_cluster_that_is_gone_end_in_time(own_broker: Any) -> None:
    from kjson import KafkaConnectionError

    servers = own_broker.bootstrap_servers
    with Consumer(bootstrap_servers=servers, group_id="g") as consumer:
        own_broker.kill()
        for ask in (consumer.end_offsets, consumer.committed):
            begun = time.monotonic()
            with pytest.raises(KafkaConnectionError):
                ask(TopicPartition("t", 0), timeout=1.0)
            assert time.monotonic() - begun < 8
