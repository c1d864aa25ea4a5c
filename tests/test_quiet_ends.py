"""until_end and peek of a partition whose last offsets have no message: they end all the same, and not too early."""

import contextlib
import queue
import threading
import time
from typing import Any, Callable, Iterator, List, Optional, TypeVar

import pytest

from kjson import Consumer, Producer, TopicPartition

from .kafka import Broker
from .peers import committed_offset, create_topic, delete_records
from .sessions import LONG_SESSION
from .test_place import fill
from .waiting import wait_until

pytestmark = [pytest.mark.real_kafka, pytest.mark.usefixtures("calling")]

T = TypeVar("T")


def ended(work: Callable[[], T], timeout: float = 30.0) -> T:
    """What `work` returns, which has to be over in time."""
    results: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=timeout)
    except queue.Empty:
        raise AssertionError(f"it did not end within {timeout:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def rest(consumer: Any) -> List[int]:
    return ended(lambda: [message.offset for message in consumer.until_end()])


def open_consumer(servers: str, topic: str, group: Optional[str], **options: Any) -> Any:
    return Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, **options)


@contextlib.contextmanager
def aborted_behind_an_open_transaction(servers: str, topic: str) -> Iterator[Any]:
    """The last messages are aborted, and the marker that says so is after the last stable offset."""
    with Producer(servers, transactional_id=f"{topic}-1") as one, Producer(
        servers, transactional_id=f"{topic}-2"
    ) as two:
        one.begin_transaction()
        two.begin_transaction()
        for n in range(3):
            one.send(topic, n, partition=0).result(20)
        two.send(topic, "open", partition=0).result(20)
        one.abort_transaction()
        yield two
        two.commit_transaction()


def test_aborted_messages_before_an_open_transaction(
    servers: str,
    topic: str,
    group_or_none: Optional[str],
) -> None:
    fill(servers, topic, 5)
    with open_consumer(servers, topic, group_or_none) as consumer:
        with aborted_behind_an_open_transaction(servers, topic):
            assert rest(consumer) == list(range(5))
            assert rest(consumer) == []
            peeked = ended(lambda: Consumer.peek(topic, 2, bootstrap_servers=servers))
            assert [message.offset for message in peeked] == [3, 4]
        # Nothing was skipped.
        assert rest(consumer) == [8]


def test_other_partitions_are_read_to_their_ends(servers: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic(3)
    fill(servers, topic, 300, partitions=3)
    with aborted_behind_an_open_transaction(servers, topic):
        with Consumer(topic, bootstrap_servers=servers) as consumer:
            got = ended(lambda: [(message.partition, message.offset) for message in consumer.until_end()])
        assert sorted(got) == [(p, n) for p in range(3) for n in range(300)]


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_a_group_whose_messages_were_deleted(servers: str, topic: str, group: str, reset: str) -> None:
    fill(servers, topic, 10)
    with open_consumer(servers, topic, group) as consumer:
        for message in consumer.until_end():
            if message.offset == 4:
                break
        consumer.commit()
    assert committed_offset(servers, group, topic) == 5
    delete_records(servers, topic, 10)
    with open_consumer(servers, topic, group, auto_offset_reset=reset) as consumer:
        assert rest(consumer) == []
        with Producer(servers) as producer:
            producer.send(topic, "new")
        assert rest(consumer) == [10]


def test_what_is_deleted_meanwhile_is_not_waited_for(servers: str, topic: str) -> None:
    fill(servers, topic, 10)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        messages = consumer.until_end()
        assert next(messages).offset == 0
        delete_records(servers, topic, 10)
        consumer.seek(TopicPartition(topic, 0), 3)
        assert ended(lambda: list(messages)) == []


def test_part_of_the_messages_was_deleted(servers: str, topic: str) -> None:
    fill(servers, topic, 10)
    delete_records(servers, topic, 7)
    with Consumer(bootstrap_servers=servers) as consumer:
        consumer.assign(TopicPartition(topic, 0, 2))
        assert rest(consumer) == [7, 8, 9]


def test_a_paused_partition_is_waited_for(servers: str, topic: str) -> None:
    fill(servers, topic, 10)
    where = TopicPartition(topic, 0)
    with Consumer(bootstrap_servers=servers) as consumer:
        consumer.assign(where)
        consumer.pause(where)
        resumer = threading.Timer(3.0, consumer.resume, [where])  # longer than a lull
        resumer.start()
        try:
            assert rest(consumer) == list(range(10))
        finally:
            resumer.join()


@pytest.fixture
def patient_broker(real_kafka_installed: None) -> Iterator[Broker]:
    """One whose controller, in the same process, does not take it for dead when it is frozen for a few seconds."""
    with Broker(properties={"broker.session.timeout.ms": "20000"}) as broker:
        yield broker


def test_a_broker_that_is_slow_is_waited_for(patient_broker: Broker) -> None:
    servers = patient_broker.bootstrap_servers
    fill(servers, "t", 10)
    with Consumer("t", bootstrap_servers=servers) as consumer:
        messages = consumer.until_end()
        assert next(messages).offset == 0
        patient_broker.pause()
        resumer = threading.Timer(4.0, patient_broker.resume)  # longer than a lull, twice
        resumer.start()
        try:
            consumer.seek(TopicPartition("t", 0), 0)
            assert ended(lambda: [message.offset for message in messages]) == list(range(10))
        finally:
            resumer.join()


def test_a_compacted_topic(real_kafka_installed: None, topic_of_two_passes: Any) -> None:
    """The cleaner leaves the segment that is written to, so the last message stays; before it there may be any gap."""
    servers, topic = topic_of_two_passes
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        offsets = rest(consumer)
        assert offsets[-1] == 99
        assert len(offsets) < 50
        assert rest(consumer) == []
    peeked = ended(lambda: Consumer.peek(topic, 2, bootstrap_servers=servers))
    assert [message.offset for message in peeked] == offsets[-2:]


@pytest.fixture(scope="module")
def topic_of_two_passes(real_kafka_installed: None) -> Iterator[Any]:
    """100 offsets of which compaction has left few; the last messages are tombstones."""
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "50",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0",
    }
    with Broker(properties={"log.cleaner.backoff.ms": "100"}) as broker:
        servers, topic = broker.bootstrap_servers, "compacted"
        create_topic(servers, topic, config=config)
        with Producer(servers) as producer:
            for n in range(100):
                producer.send(topic, None if n >= 50 else n, key=f"k{n % 10}").result(20)
                if n % 10 == 9:
                    time.sleep(0.06)  # by the clock a segment ends, and the last one is never cleaned

        earlier: List[int] = []

        def compacted() -> bool:
            """Whether the cleaner has come to rest: everything is read, little is left, and as much as a second ago."""
            nonlocal earlier
            before, earlier = earlier, []
            with Consumer(topic, bootstrap_servers=servers, consumer_timeout_ms=2000) as consumer:
                for message in consumer:
                    earlier.append(message.offset)
                    if message.offset == 99:
                        return len(earlier) < 50 and earlier == before
            return False

        wait_until(compacted, "the cleaner", timeout=40, interval=1.0)
        yield servers, topic
