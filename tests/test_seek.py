"""Where a consumer reads: seek, pause, assign, and what it says of its place."""

from datetime import datetime, timedelta, timezone
from typing import Any, Callable, List

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from kjson import Consumer, KafkaError, Message, Producer, TopicPartition, UnknownTopicError

from .peers import committed_offset
from .sessions import LONG_SESSION
from .waiting import wait_until


@pytest.fixture
def filled(servers: str, new_topic: Callable[..., str]) -> str:
    """A topic with 1,000 messages in each of two partitions."""
    topic = new_topic(2)
    with Producer(servers) as producer:
        for partition in range(2):
            producer.send_many(topic, range(1000), partition=partition).result(20)
    return topic


def places(topic: str) -> List[TopicPartition]:
    return [TopicPartition(topic, 0), TopicPartition(topic, 1)]


def next_of(consumer: Consumer[Any], partition: TopicPartition) -> Message[Any]:
    for message in consumer:
        if message.partition == partition.partition:
            return message
    raise AssertionError(f"nothing of {partition}")


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("offset", [0, 3, 700, 999])
def test_the_next_message_is_the_sought_one(servers: str, filled: str, group: str, grouped: bool, offset: int) -> None:
    one, _ = places(filled)
    with Consumer(filled, bootstrap_servers=servers, group_id=group if grouped else None, **LONG_SESSION) as consumer:
        for _ in range(600):
            next(consumer)
        consumer.seek(one, offset)
        assert consumer.position(one) == offset
        assert next_of(consumer, one).offset == offset
        # The other partition continues without a gap, and both are read to their end.
        assert [m.offset for m in consumer.until_end() if m.partition == 0] == list(range(offset + 1, 1000))


def test_seek_again_and_again_hands_out_nothing_of_before(servers: str, filled: str) -> None:
    one, _ = places(filled)
    with Consumer(bootstrap_servers=servers) as consumer:
        consumer.assign([one])
        for offset in (500, 10, 990, 0, 321, 322, 5):
            consumer.seek(one, offset)
            assert [next(consumer).offset for _ in range(3)] == [offset, offset + 1, offset + 2]


def test_a_message_stands_for_its_own_place(servers: str, filled: str) -> None:
    with Consumer(filled, bootstrap_servers=servers) as consumer:
        message = next(consumer)
        consumer.seek(message)
        again = next_of(consumer, TopicPartition(message.topic, message.partition))
        assert again == message


def test_seek_to_the_ends(servers: str, filled: str) -> None:
    one, two = places(filled)
    with Consumer(filled, bootstrap_servers=servers) as consumer:
        next(consumer)
        consumer.seek_to_end()
        assert consumer.position() == {one: 1000, two: 1000}
        assert consumer.poll(0.3) is None
        consumer.seek_to_beginning(two)
        assert consumer.position() == {one: 1000, two: 0}
        message = next(consumer)
        assert (message.partition, message.offset) == (1, 0)


def test_a_sought_place_is_what_is_committed(servers: str, filled: str, group: str) -> None:
    one, _ = places(filled)
    with Consumer(filled, bootstrap_servers=servers, group_id=group, **LONG_SESSION) as consumer:
        for _ in range(1200):
            next(consumer)
        consumer.seek(one, 7)
    assert committed_offset(servers, group, filled, 0) == 7


def test_seeking_where_it_is_not_is_an_error(servers: str, filled: str, group: str) -> None:
    with Consumer(filled, bootstrap_servers=servers) as consumer:
        with pytest.raises(KafkaError, match=r"seek: 'other' \[0\] is not assigned to this consumer"):
            consumer.seek(TopicPartition("other", 0), 1)
        with pytest.raises(ValueError, match="offsets begin at 0; got -1"):
            consumer.seek(TopicPartition(filled, 0), -1)
        with pytest.raises(TypeError, match="seek takes an offset"):
            consumer.seek(TopicPartition(filled, 0))
        with pytest.raises(TypeError, match="seek takes a TopicPartition or a Message, not str"):
            consumer.seek(filled, 1)  # type: ignore[arg-type]


def test_paused_partitions_hand_out_nothing_and_lose_nothing(servers: str, filled: str) -> None:
    one, _ = places(filled)
    with Consumer(filled, bootstrap_servers=servers) as consumer:
        read = [next(consumer) for _ in range(300)]
        consumer.pause(one)
        assert consumer.paused() == [one]
        before = sum(message.partition == 0 for message in read)
        while sum(message.partition == 1 for message in read) < 1000:
            batch = consumer.consume(100, 20)
            assert {message.partition for message in batch} == {1}
            read += batch
        assert consumer.consume(100, 0.5) == []
        assert consumer.position(one) == before
        consumer.resume()
        assert consumer.paused() == []
        read += consumer.until_end()
    for partition in (0, 1):
        assert [m.offset for m in read if m.partition == partition] == list(range(1000))


def test_assign_reads_these_partitions_from_these_offsets(servers: str, filled: str) -> None:
    one, two = places(filled)
    with Consumer(bootstrap_servers=servers) as consumer:
        consumer.assign([TopicPartition(filled, 0, 990), two])
        assert consumer.assignment() == [one, two]
        assert consumer.position() == {one: 990, two: 0}
        assert consumer.lag() == {one: 10, two: 1000}
        assert len(list(consumer.until_end())) == 1010
        assert consumer.lag() == {one: 0, two: 0}
        consumer.assign(TopicPartition(filled, 1, 5))
        assert next(consumer).offset == 5
        consumer.assign([])
        assert consumer.assignment() == []
        assert consumer.poll(0.2) is None


def test_assign_goes_on_where_the_group_was(servers: str, filled: str, group: str) -> None:
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.assign(places(filled)[:1])
        for _ in range(10):
            next(consumer)
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.assign(places(filled)[:1])
        assert consumer.position(places(filled)[0]) == 10
        assert next(consumer).offset == 10


def test_what_the_brokers_and_the_group_say(servers: str, filled: str, group: str) -> None:
    one, two = places(filled)
    with Consumer(
        filled, bootstrap_servers=servers, group_id=group, **LONG_SESSION, enable_auto_commit=False
    ) as consumer:
        messages = [next(consumer) for _ in range(50)]
        assert consumer.beginning_offsets() == {one: 0, two: 0}
        assert consumer.end_offsets([one]) == {one: 1000}
        assert consumer.committed() == {one: None, two: None}
        mine = TopicPartition(filled, messages[-1].partition)
        consumer.commit(messages[-1])
        assert consumer.committed(mine) == messages[-1].offset + 1
        assert consumer.lag()[mine] == 1000 - messages[-1].offset - 1
        assert sum(consumer.lag().values()) == 1950
        with pytest.raises(UnknownTopicError, match=r"end_offsets: of 'not-there' \[0\] at least one does not exist"):
            consumer.end_offsets(TopicPartition("not-there", 0))


@pytest.mark.real_kafka  # the mock has no index by time
def test_offsets_for_times(servers: str, topic: str) -> None:
    start = 1_700_000_000_000
    with Producer(servers) as producer:
        for n in range(10):
            producer.send(topic, n, timestamp=start + n * 1000)
    place = TopicPartition(topic, 0)
    when = datetime.fromtimestamp(start / 1000, timezone.utc)
    with Consumer(bootstrap_servers=servers) as consumer:
        assert consumer.offsets_for_times({place: start + 2500}) == {place: 3}
        assert consumer.offsets_for_times({place: when + timedelta(seconds=7)}) == {place: 7}
        assert consumer.offsets_for_times({place: start + 10_000}) == {place: None}


@pytest.mark.real_kafka
def test_a_consumer_without_a_group_notices_partitions_that_come_later(servers: str, topic: str) -> None:
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        assert consumer.poll(0.1) is None
        admin = AdminClient({"bootstrap.servers": servers})
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(20)

        def sent() -> bool:
            with Producer(servers) as producer:  # a new one: producers look for new partitions every 5 minutes
                if len(producer.partitions_for(topic)) == 2:
                    producer.send(topic, "new", partition=1)
                    return True
            return False

        wait_until(sent, "the new partition to be known to the producer")
        message = consumer.poll(25)
        assert message is not None
        assert (message.partition, message.offset) == (1, 0)
