"""Consumer: what it reads, how one asks for it, and what it has committed by the time it is closed."""

import time
from typing import Any, Dict, List

import pytest

from kjson import Consumer, Message, Producer

from .peers import committed_offset, write_with_confluent, write_with_kafka_python
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")


def numbers(count: int) -> List[bytes]:
    return [b'{"n":%d}' % n for n in range(count)]


@pytest.mark.real_kafka
def test_a_consumer_that_subscribes_to_a_topic_reads_its_messages(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        for n in range(3):
            producer.send(topic, {"n": n}, key=f"key-{n}")
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        messages = [next(consumer) for _ in range(3)]
    assert [(m.topic, m.partition, m.offset, m.key, m.value) for m in messages] == [
        (topic, 0, n, f"key-{n}", {"n": n}) for n in range(3)
    ]


@pytest.mark.real_kafka
def test_messages_that_confluent_kafka_and_kafka_python_wrote_are_read_too(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b'{"by": "confluent-kafka"}'], key=b"k", headers=[("h", b"1")])
    write_with_kafka_python(servers, topic, [b'{"by": "kafka-python"}'])
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        first, second = next(consumer), next(consumer)
    assert (first.value, first.key, first.headers) == ({"by": "confluent-kafka"}, "k", (("h", b"1"),))
    assert (second.value, second.key, second.headers) == ({"by": "kafka-python"}, None, ())


@pytest.mark.real_kafka
def test_a_json_message_is_a_python_dict_in_message_value(servers: str, topic: str) -> None:
    sent = {"id": 1, "nested": {"list": [1, 2.5, None, True, "é"]}, "big": 2**80}
    with Producer(servers) as producer:
        producer.send(topic, sent)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        value = next(consumer).value
    assert type(value) is dict
    assert value == sent
    assert list(value) == list(sent)


def test_a_message_has_attributes(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        producer.send(topic, {"n": 1}, key="k", headers=[("a", "1"), ("b", None)], timestamp=1_517_932_242_400)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        message = next(consumer)
    assert isinstance(message, Message)
    assert (message.topic, message.partition, message.offset) == (topic, 0, 0)
    assert message.timestamp_ms == 1_517_932_242_400
    assert message.timestamp.timestamp() == 1_517_932_242.4
    assert message.timestamp.utcoffset() is not None
    assert (message.key, message.raw_key) == ("k", b"k")
    assert (message.value, message.raw_value) == ({"n": 1}, b'{"n":1}')
    assert message.headers == (("a", b"1"), ("b", None))
    assert message.is_tombstone is False
    assert message.error is None


def test_a_tombstone_has_no_value(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [None], key=b"gone")
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        message = next(consumer)
    assert (message.key, message.value, message.raw_value, message.is_tombstone) == ("gone", None, None, True)


def test_a_null_is_no_tombstone(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"null"])
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        message = next(consumer)
    assert (message.value, message.raw_value, message.is_tombstone) == (None, b"null", False)


def test_poll_returns_one_message_or_none_after_its_timeout(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, numbers(1))
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        assert consumer.poll(20).value == {"n": 0}
        took = []
        for _ in range(3):
            started = time.monotonic()
            assert consumer.poll(0.3) is None
            took.append(time.monotonic() - started)
        assert min(took) > 0.25
        assert min(took) < 0.9  # by default it takes 1 s
        assert consumer.poll(0) is None


@pytest.mark.mock_only
@pytest.mark.parametrize("count", [0, -1, -(2**40)])
def test_consume_of_no_messages_is_refused(servers: str, topic: str, count: int) -> None:
    refused = pytest.raises(ValueError, match=rf"consume: max_messages must be at least 1, not {count}")
    with Consumer(topic, bootstrap_servers=servers) as consumer, refused:
        consumer.consume(count)


def test_consume_returns_at_most_max_messages(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, numbers(25))
    read: List[Any] = []
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        while len(read) < 25:
            batch = consumer.consume(max_messages=10, timeout=20)
            assert 1 <= len(batch) <= 10
            read += batch
        assert consumer.consume(10, timeout=0.2) == []
    assert [message.value["n"] for message in read] == list(range(25))


def test_consume_takes_no_more_than_one_mebibyte_beyond_the_first_message(servers: str, topic: str) -> None:
    texts = ["x" * 900_000] + [f"{n:010000}" for n in range(300)]
    with Producer(servers) as producer:
        for text in texts[1:151] + texts[:1] + texts[151:]:
            producer.send(topic, text)
    lots: List[List[Any]] = []
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        while sum(map(len, lots)) < 301:
            lots.append([message.value for message in consumer.consume(1000)])
    assert [text for lot in lots for text in lot] == texts[1:151] + texts[:1] + texts[151:]
    sizes = [sum(map(len, lot[1:])) for lot in lots if lot]
    assert max(sizes) <= 1 << 20


def test_consume_hands_out_what_is_there_without_waiting_for_more(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, numbers(3))
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        started = time.monotonic()
        assert consumer.consume(500, timeout=20)
        assert time.monotonic() - started < 10


def test_iteration_ends_after_consumer_timeout_ms_without_a_message(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, numbers(3))
    with Consumer(topic, bootstrap_servers=servers, consumer_timeout_ms=5000) as consumer:
        assert [message.value["n"] for message in consumer] == [0, 1, 2]


def test_a_waiting_consumer_gets_a_message_at_once(servers: str, topic: str) -> None:
    with Producer(servers, linger_ms=0) as producer, Consumer(topic, bootstrap_servers=servers) as consumer:
        producer.send_and_wait(topic, 0, timeout=20)
        assert next(consumer).value == 0
        took = []
        for n in range(1, 6):
            sent = time.monotonic()
            producer.send(topic, n)
            assert next(consumer).value == n
            took.append(time.monotonic() - sent)
        assert sorted(took)[2] < 0.9, took  # one may have met a machine that stood still


def test_several_topics_and_all_their_partitions(servers: str, new_topic: Any) -> None:
    one, two = new_topic(3), new_topic(2)
    with Producer(servers) as producer:
        for partition in range(3):
            producer.send(one, partition, partition=partition)
        for partition in range(2):
            producer.send(two, partition, partition=partition)
    with Consumer(one, two, bootstrap_servers=servers) as consumer:
        read = {(m.topic, m.partition, m.value) for m in (next(consumer) for _ in range(5))}
    assert read == {(one, 0, 0), (one, 1, 1), (one, 2, 2), (two, 0, 0), (two, 1, 1)}


def test_topics_can_be_subscribed_to_later(servers: str, topic: str, group: str) -> None:
    write_with_confluent(servers, topic, numbers(1))
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.subscribe([topic])
        assert next(consumer).value == {"n": 0}


def test_without_a_group_everything_is_read_every_time_and_nothing_is_committed(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, numbers(2))
    for _ in range(2):
        with Consumer(topic, bootstrap_servers=servers) as consumer:
            assert [next(consumer).offset for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("reset", ["latest", "error"])
def test_without_a_group_a_topic_that_is_created_later_is_read_from_its_beginning(
    cluster: Any, servers: str, group: str, reset: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Consumer(group, bootstrap_servers=servers, auto_offset_reset=reset) as consumer:
        wait_until(lambda: consumer.poll(0.05) is None and "waits for it to be created" in caplog.text, "the warning")
        cluster.create_topic(group, 2)
        with Producer(servers) as producer:
            for n in range(6):
                producer.send(group, n, partition=n % 2)
        assert sorted(consumer.poll(15).value for _ in range(6)) == list(range(6))


def test_without_a_group_auto_offset_reset_latest_starts_at_the_end(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, numbers(2))
    with Producer(servers) as producer, Consumer(
        topic, bootstrap_servers=servers, auto_offset_reset="latest"
    ) as consumer:
        assert consumer.poll(0.5) is None
        # The consumer looks the end up in the background; messages sent before that are not seen.
        message = wait_until(
            lambda: producer.send_and_wait(topic, {"n": 2}, timeout=20) and consumer.poll(0.5), "a message"
        )
    assert message.value == {"n": 2}
    assert message.offset >= 2


def test_a_loop_body_that_raises_leaves_its_record_uncommitted(
    servers: str, topic: str, group: str, session: Dict[str, int]
) -> None:
    write_with_confluent(servers, topic, numbers(10))
    options = {"bootstrap_servers": servers, "group_id": group, **session}
    with pytest.raises(ZeroDivisionError), Consumer(topic, **options) as consumer:
        for message in consumer:
            if message.value["n"] == 4:
                raise ZeroDivisionError
    assert committed_offset(servers, group, topic) == 4
    with Consumer(topic, **options) as consumer:
        assert next(consumer).value == {"n": 4}


def test_close_after_a_finished_loop_body_commits_its_record(
    servers: str, topic: str, group: str, session: Dict[str, int]
) -> None:
    write_with_confluent(servers, topic, numbers(10))
    options = {"bootstrap_servers": servers, "group_id": group, **session}
    with Consumer(topic, **options) as consumer:
        for message in consumer:
            if message.value["n"] == 4:
                break
    assert committed_offset(servers, group, topic) == 5
    with Consumer(topic, **options) as consumer:
        assert next(consumer).value == {"n": 5}


def test_close_commits_what_was_handed_out_and_not_what_was_fetched(servers: str, topic: str, group: str) -> None:
    """Closing the way the rdkafka crate does it commits records that nobody has seen."""
    write_with_confluent(servers, topic, numbers(5000))
    consumer = Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION)
    handed_out = [next(consumer) for _ in range(10)]
    consumer.close()
    assert committed_offset(servers, group, topic) == len(handed_out) == 10


def test_a_record_is_stored_when_the_next_one_is_asked_for(servers: str, topic: str, group: str) -> None:
    write_with_confluent(servers, topic, numbers(3))
    options = {"bootstrap_servers": servers, "group_id": group, **LONG_SESSION, "auto_commit_interval_ms": 50}
    with pytest.raises(ZeroDivisionError), Consumer(topic, **options) as consumer:
        next(consumer)
        next(consumer)
        wait_until(lambda: committed_offset(servers, group, topic) == 1, "the automatic commit of the first record")
        raise ZeroDivisionError
    assert committed_offset(servers, group, topic) == 1


def test_commit_commits_what_was_handed_out(servers: str, topic: str, group: str) -> None:
    write_with_confluent(servers, topic, numbers(5))
    options = {"bootstrap_servers": servers, "group_id": group, **LONG_SESSION, "enable_auto_commit": False}
    with Consumer(topic, **options) as consumer:
        for _ in range(3):
            next(consumer)
        consumer.commit()
        next(consumer)
    assert committed_offset(servers, group, topic) == 3


def test_without_automatic_commits_close_commits_nothing(servers: str, topic: str, group: str) -> None:
    write_with_confluent(servers, topic, numbers(2))
    with Consumer(
        topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, enable_auto_commit=False
    ) as consumer:
        next(consumer)
    assert committed_offset(servers, group, topic) is None
