"""Reading to the end that there is now: until_end, values, and peek."""

import contextlib
import itertools
import threading
from typing import Any, Callable, Dict, Optional

import pytest

from kjson import Consumer, KafkaTimeoutError, Producer, UnknownTopicError

from .test_place import fill, open_consumer, read


def test_until_end_stops_at_the_end_that_was_there_when_it_was_called(
    servers: str,
    new_topic: Callable[..., str],
    group_or_none: Optional[str],
) -> None:
    topic = new_topic(3)
    fill(servers, topic, 700, partitions=2)
    with open_consumer(servers, topic, group_or_none) as consumer:
        messages = consumer.until_end()
        fill(servers, topic, 10, partitions=3)
        got = [(message.partition, message.offset) for message in messages]
        assert sorted(got) == [(p, n) for p in range(2) for n in range(700)]
        # What came later is still there, for any other way of reading.
        later = [(message.partition, message.offset) for message in consumer.until_end()]
        assert sorted(later) == [(p, n) for p in range(2) for n in range(700, 710)] + [(2, n) for n in range(10)]
        assert list(consumer.until_end()) == []
        fill(servers, topic, 1)
        assert read(consumer, 1)[0].offset == 710


def test_what_comes_after_the_end_is_read_by_poll(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 5)
    with open_consumer(servers, topic, group) as consumer:
        messages = consumer.until_end()
        fill(servers, topic, 5)
        assert [message.offset for message in messages] == list(range(5))
        assert [message.offset for message in read(consumer, 5)] == list(range(5, 10))


def test_until_end_that_is_left_early_loses_nothing(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 20)
    with open_consumer(servers, topic, group) as consumer:
        for message in consumer.until_end():
            if message.offset == 4:
                break
        assert [message.offset for message in read(consumer, 15)] == list(range(5, 20))


def test_until_end_of_an_empty_topic_ends_at_once(servers: str, topic: str, group_or_none: Optional[str]) -> None:
    with open_consumer(servers, topic, group_or_none) as consumer:
        assert list(consumer.until_end()) == []


def test_until_end_of_a_topic_that_does_not_exist_does_not_hang(servers: str, group_or_none: Optional[str]) -> None:
    consumer = open_consumer(servers, "no-such-topic", group_or_none, allow_auto_create_topics=False)
    with consumer, contextlib.suppress(KafkaTimeoutError, UnknownTopicError):
        assert list(consumer.until_end(timeout=1.0)) == []


@pytest.mark.real_kafka
@pytest.mark.parametrize("ending", ["committed", "aborted"])
def test_until_end_passes_markers_and_aborted_messages_at_the_end(
    servers: str,
    topic: str,
    ending: str,
    group_or_none: Optional[str],
) -> None:
    fill(servers, topic, 5)
    with Producer(servers, transactional_id=topic) as producer:
        producer.begin_transaction()
        for n in range(5, 10):
            producer.send(topic, n).result(20)
        producer.commit_transaction() if ending == "committed" else producer.abort_transaction()
    with open_consumer(servers, topic, group_or_none) as consumer:
        got = [message.offset for message in consumer.until_end()]
        assert got == list(range(10 if ending == "committed" else 5))
        assert list(consumer.until_end()) == []


@pytest.mark.real_kafka
def test_until_end_with_an_open_transaction_stops_before_it(servers: str, topic: str) -> None:
    fill(servers, topic, 5)
    with Producer(servers, transactional_id=topic) as producer:
        producer.begin_transaction()
        producer.send(topic, 5).result(20)
        with Consumer(topic, bootstrap_servers=servers) as consumer:
            assert [message.offset for message in consumer.until_end()] == list(range(5))
        producer.commit_transaction()


def test_until_end_goes_on_through_a_rebalance(
    servers: str, new_topic: Callable[..., str], group: str, session: Dict[str, int]
) -> None:
    """Every member hands out what it still has, and ends; together nothing is missing."""
    topic = new_topic(4)
    fill(servers, topic, 500, partitions=4)
    read_by_two = []
    stop = threading.Event()
    with open_consumer(servers, topic, group, **session) as one:
        messages = one.until_end()
        got = [next(messages) for _ in range(10)]

        def second() -> None:
            with open_consumer(servers, topic, group, **session) as two:
                while not stop.is_set():
                    message = two.poll(0.05)
                    if message is not None:
                        read_by_two.append((message.partition, message.offset))

        thread = threading.Thread(target=second)
        thread.start()
        try:
            for message in messages:
                got.append(message)
                # Slow enough for the other one to join meanwhile.
                if len(read_by_two) == 0:
                    stop.wait(0.005)
        finally:
            stop.set()
            thread.join(30)
    seen = {(message.partition, message.offset) for message in got} | set(read_by_two)
    with open_consumer(servers, topic, group, **session) as rest:
        seen |= {(message.partition, message.offset) for message in rest.until_end()}
    assert seen == {(p, n) for p in range(4) for n in range(500)}


def test_values_are_the_values(servers: str, topic: str) -> None:
    fill(servers, topic, 5)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        assert list(itertools.islice(consumer.values(), 5)) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("calling")
def test_peek_shows_the_newest_messages_in_the_order_of_time(servers: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic(3)
    with Producer(servers) as producer:
        for n in range(60):
            producer.send(topic, n, partition=n % 2, timestamp=1_700_000_000_000 + n)
    assert [message.value for message in Consumer.peek(topic, bootstrap_servers=servers)] == [55, 56, 57, 58, 59]
    assert [message.value for message in Consumer.peek(topic, 1, bootstrap_servers=servers)] == [59]
    assert len(Consumer.peek(topic, n=1000, bootstrap_servers=servers)) == 60


@pytest.mark.usefixtures("calling")
def test_peek_always_ends(servers: str, topic: str) -> None:
    assert Consumer.peek(topic, bootstrap_servers=servers) == []
    with pytest.raises(UnknownTopicError, match="no-such-topic"):
        Consumer.peek("no-such-topic", bootstrap_servers=servers, allow_auto_create_topics=False)
    with pytest.raises(ValueError, match="n must be"):
        Consumer.peek(topic, 0, bootstrap_servers=servers)
    with pytest.raises(TypeError, match="group"):
        Consumer.peek(topic, bootstrap_servers=servers, group_id="g")


@pytest.mark.usefixtures("calling")
@pytest.mark.real_kafka
def test_peek_looks_further_back_where_transactions_left_gaps(servers: str, topic: str) -> None:
    fill(servers, topic, 5)
    with Producer(servers, transactional_id=topic) as producer:
        for n in range(5):
            producer.begin_transaction()
            producer.send(topic, 100 + n).result(20)
            producer.abort_transaction()
    assert [message.value for message in Consumer.peek(topic, 3, bootstrap_servers=servers)] == [2, 3, 4]


def test_a_consumer_that_is_closed_ends_its_iterators(servers: str, topic: str) -> None:
    from kjson import ClosedError

    fill(servers, topic, 5)
    consumer: Any = Consumer(topic, bootstrap_servers=servers)
    messages, values = consumer.until_end(), consumer.values()
    next(messages)
    consumer.close()
    for iterator in (messages, values):
        with pytest.raises(ClosedError):
            next(iterator)


@pytest.mark.usefixtures("calling")
def test_peek_shows_what_cannot_be_decoded(servers: str, topic: str) -> None:
    from .peers import write_with_confluent

    write_with_confluent(servers, topic, [b"1", b"{", b"3"])
    good, bad, last = Consumer.peek(topic, bootstrap_servers=servers)
    assert (good.value, last.value) == (1, 3)
    assert bad.error is not None
    assert bad.raw_value == b"{"
