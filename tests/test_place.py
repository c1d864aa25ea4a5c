"""Where reading continues: seek, pause and resume, positions, and assigned partitions."""

import time
from typing import Any, Callable, Dict, List, Optional

import pytest

from kjson import Consumer, KafkaError, Producer, TopicPartition

from .peers import committed_offset
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.slow

COUNT = 2000


def fill(servers: str, topic: str, count: int = COUNT, partitions: int = 1) -> None:
    """Writes `count` numbers to every partition, each at the offset that it names."""
    with Producer(servers) as producer:
        for partition in range(partitions):
            producer.send_many(topic, range(count), partition=partition)


def read(consumer: Any, count: int, timeout: float = 20.0) -> List[Any]:
    """Exactly `count` messages."""
    messages: List[Any] = []
    deadline = time.monotonic() + timeout
    while len(messages) < count:
        message = consumer.poll(0.1)
        if message is not None:
            messages.append(message)
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages within {timeout} s"
    return messages


def open_consumer(servers: str, topic: str, group: Optional[str], **options: Any) -> Any:
    return Consumer(topic, bootstrap_servers=servers, group_id=group, **{**LONG_SESSION, **options})


def test_after_a_seek_the_next_message_is_the_one_at_the_offset(
    servers: str, topic: str, group_or_none: Optional[str]
) -> None:
    fill(servers, topic)
    where = TopicPartition(topic, 0)
    with open_consumer(servers, topic, group_or_none) as consumer:
        read(consumer, 3)
        # Within what is buffered, within what librdkafka has queued, beyond both, and back again.
        for offset in (100, 5, 1999, 0, 700, 699, 1500, 1500):
            consumer.seek(where, offset)
            assert consumer.position(where) == offset
            messages = read(consumer, 1)
            assert [message.offset for message in messages] == [offset]
            assert consumer.position(where) == offset + 1
        consumer.seek(TopicPartition(topic, 0, 42))
        assert [message.offset for message in read(consumer, 3)] == [42, 43, 44]


def test_many_seeks_in_a_row_never_show_a_message_of_an_older_place(servers: str, topic: str) -> None:
    fill(servers, topic)
    # A seek waits for the fetch that is under way, which the broker answers after this time if there is nothing new.
    with open_consumer(servers, topic, None, fetch_wait_max_ms=20) as consumer:
        read(consumer, 1)
        for n in range(100):
            offset = n * 7919 % COUNT
            consumer.seek(TopicPartition(topic, 0), offset)
            message = next(consumer)
            assert (message.offset, message.value) == (offset, offset), n


def test_seeking_a_message_hands_it_out_again(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 10)
    with open_consumer(servers, topic, group) as consumer:
        third = read(consumer, 3)[-1]
        consumer.seek(third)
        assert read(consumer, 1) == [third]


def test_seek_refuses_what_it_cannot_do(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 1)
    with open_consumer(servers, topic, group) as consumer:
        with pytest.raises(KafkaError, match="not assigned"):
            consumer.seek(TopicPartition(topic, 0), 0)
        read(consumer, 1)
        with pytest.raises(TypeError, match="offset"):
            consumer.seek(TopicPartition(topic, 0))
        with pytest.raises(ValueError, match="seek_to_end"):
            consumer.seek(TopicPartition(topic, 0), -1)
        with pytest.raises(KafkaError, match="not assigned"):
            consumer.seek(TopicPartition(topic, 99), 0)


def test_seek_moves_one_partition_and_leaves_the_others_where_they_are(
    servers: str, new_topic: Callable[..., str], group_or_none: Optional[str]
) -> None:
    topic = new_topic(2)
    fill(servers, topic, 300, partitions=2)
    with open_consumer(servers, topic, group_or_none) as consumer:
        before = read(consumer, 100)
        counts = [sum(message.partition == p for message in before) for p in range(2)]
        consumer.seek(TopicPartition(topic, 0), 290)
        after = read(consumer, 10 + 300 - counts[1])
        assert [message.offset for message in after if message.partition == 0] == list(range(290, 300))
        assert [message.offset for message in after if message.partition == 1] == list(range(counts[1], 300))


def test_seek_to_the_beginning_and_the_end(
    servers: str, new_topic: Callable[..., str], group_or_none: Optional[str]
) -> None:
    topic = new_topic(2)
    fill(servers, topic, 50, partitions=2)
    with open_consumer(servers, topic, group_or_none) as consumer:
        read(consumer, 60)
        consumer.seek_to_end()
        assert set(consumer.position().values()) == {50}
        assert consumer.poll(0.3) is None
        consumer.seek_to_beginning(TopicPartition(topic, 1))
        assert [(m.partition, m.offset) for m in read(consumer, 50)] == [(1, n) for n in range(50)]
        consumer.seek_to_beginning()
        assert len(read(consumer, 100)) == 100


def test_a_seek_in_on_assign_decides_where_reading_begins(
    servers: str, new_topic: Callable[..., str], group: str
) -> None:
    topic = new_topic(2)
    fill(servers, topic, 300, partitions=2)
    seen = []

    def on_assign(consumer: Any, partitions: List[TopicPartition]) -> None:
        for partition in partitions:
            consumer.seek(partition, 295)
            seen.append((partition.partition, consumer.position(partition)))

    with open_consumer(servers, topic, group, on_assign=on_assign) as consumer:
        messages = read(consumer, 10)
        assert sorted((m.partition, m.offset) for m in messages) == [(p, o) for p in range(2) for o in range(295, 300)]
        assert sorted(seen) == [(0, 295), (1, 295)]


def test_what_is_committed_after_a_seek_is_the_place_that_was_sought(
    servers: str, topic: str, group: str, session: Dict[str, int]
) -> None:
    fill(servers, topic, 100)
    with open_consumer(servers, topic, group, enable_auto_commit=False, **session) as consumer:
        read(consumer, 50)
        consumer.commit()
        assert consumer.committed(TopicPartition(topic, 0)) == 50
        consumer.seek(TopicPartition(topic, 0), 10)
        consumer.commit()
        assert consumer.committed(TopicPartition(topic, 0)) == 10
    assert committed_offset(servers, group, topic) == 10
    with open_consumer(servers, topic, group, **session) as consumer:
        read(consumer, 5)
        consumer.seek(TopicPartition(topic, 0), 90)
    assert committed_offset(servers, group, topic) == 90


def test_nothing_of_a_paused_partition_is_handed_out_and_nothing_is_lost(
    servers: str, new_topic: Callable[..., str], group_or_none: Optional[str]
) -> None:
    topic = new_topic(2)
    fill(servers, topic, 1000, partitions=2)
    paused = TopicPartition(topic, 0)
    with open_consumer(servers, topic, group_or_none) as consumer:
        got = read(consumer, 10)
        consumer.pause(paused)
        assert consumer.paused() == [paused]
        rest = read(consumer, 1000 - sum(message.partition == 1 for message in got))
        assert {message.partition for message in rest} == {1}
        assert consumer.poll(0.3) is None
        consumer.resume(paused)
        assert consumer.paused() == []
        more = read(consumer, 1000 - sum(message.partition == 0 for message in got))
        everything = [(message.partition, message.offset) for message in got + rest + more]
        assert sorted(everything) == [(p, n) for p in range(2) for n in range(1000)]
        assert [message.offset for message in more] == sorted(message.offset for message in more)


def test_pausing_and_resuming_after_every_message_loses_and_repeats_none(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 300)
    with open_consumer(servers, topic, group) as consumer:
        offsets = []
        for _ in range(300):
            offsets.append(read(consumer, 1)[0].offset)
            consumer.pause()
            assert consumer.poll(0) is None
            consumer.resume()
        assert offsets == list(range(300))


def test_a_seek_while_paused_holds_when_resumed(servers: str, topic: str, group_or_none: Optional[str]) -> None:
    fill(servers, topic, 500)
    where = TopicPartition(topic, 0)
    with open_consumer(servers, topic, group_or_none) as consumer:
        read(consumer, 10)
        consumer.pause(where)
        consumer.seek(where, 400)
        assert consumer.poll(0.2) is None
        assert consumer.position(where) == 400
        consumer.resume(where)
        assert [message.offset for message in read(consumer, 3)] == [400, 401, 402]


def test_positions_count_what_was_handed_out(servers: str, topic: str, group_or_none: Optional[str]) -> None:
    fill(servers, topic, 20)
    where = TopicPartition(topic, 0)
    with open_consumer(servers, topic, group_or_none) as consumer:
        wait_until(lambda: consumer.poll(0.1), "the first message")
        assert consumer.position(where) == 1
        assert consumer.position() == {where: 1}
        read(consumer, 19)
        assert consumer.position(where) == 20
        assert consumer.poll(0.2) is None
        assert consumer.position(where) == 20
        consumer.seek(where, 3)
        read(consumer, 4)
        read(consumer, 1)

        def at_the_end() -> bool:
            consumer.consume(500, 0.2)
            return bool(consumer.position(where) == 20)

        wait_until(at_the_end, "the position at the end")
        consumer.consume(1, 0)
        assert consumer.position(where) == 20


def test_assign_reads_what_was_chosen_from_where_it_was_said(
    servers: str, new_topic: Callable[..., str], group_or_none: Optional[str]
) -> None:
    topic = new_topic(3)
    fill(servers, topic, 20, partitions=3)
    with Consumer(bootstrap_servers=servers, group_id=group_or_none) as consumer:
        consumer.assign([TopicPartition(topic, 0, 15), TopicPartition(topic, 2)])
        assert consumer.assignment() == [TopicPartition(topic, 0), TopicPartition(topic, 2)]
        consumer.seek(TopicPartition(topic, 2), 18)
        messages = read(consumer, 7)
        assert sorted((m.partition, m.offset) for m in messages) == [(0, n) for n in range(15, 20)] + [(2, 18), (2, 19)]
        consumer.assign(TopicPartition(topic, 1, 19))
        assert [(m.partition, m.offset) for m in read(consumer, 1)] == [(1, 19)]
        consumer.assign([])
        assert consumer.assignment() == []
        assert consumer.poll(0.1) is None


def test_assign_with_a_group_goes_on_where_the_group_was(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 20)
    for first in (0, 7):
        with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            assert [message.offset for message in read(consumer, 7)] == list(range(first, first + 7))
    assert committed_offset(servers, group, topic) == 14


def test_what_comes_while_a_partition_is_paused_at_its_end_is_not_passed_over(
    servers: str, topic: str, group_or_none: Optional[str]
) -> None:
    """librdkafka 2.12 continues one offset too far there: it counts the end of the partition as a message."""
    fill(servers, topic, 3)
    with open_consumer(servers, topic, group_or_none) as consumer:
        read(consumer, 3)
        for n in range(3, 9):
            # Long enough for the end to have been noticed.
            assert consumer.poll(0.7) is None
            consumer.pause()
            with Producer(servers) as producer:
                producer.send(topic, n)
            consumer.resume()
            assert read(consumer, 1)[0].offset == n


def test_a_partition_that_comes_back_in_a_rebalance_stays_paused(
    servers: str, new_topic: Callable[..., str], group: str, session: Dict[str, int]
) -> None:
    topic = new_topic(2)
    fill(servers, topic, 100, partitions=2)
    with open_consumer(servers, topic, group, **session) as one:
        read(one, 10)
        one.pause()
        with open_consumer(servers, topic, group, **session) as two:
            wait_until(
                lambda: (one.poll(0.05), two.poll(0.05)) and len(one.assignment()) == len(two.assignment()) == 1,
                "a partition each",
                timeout=30,
            )
            assert one.paused() == one.assignment()
            for _ in range(10):
                assert one.poll(0.05) is None
            one.resume()
            assert one.poll(20) is not None
