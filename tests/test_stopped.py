"""What ends reading is raised at every read, until seek, assign or subscribe resolves it; a fatal error, always."""

import time
from typing import Any, Callable, Dict, List, Optional

import pytest

from kjson import Consumer, FencedError, KafkaError, Producer, TopicPartition

from .peers import committed_offset, delete_records
from .refused import each_read_is_refused, ways_to_read
from .sessions import LONG_SESSION

pytestmark = pytest.mark.usefixtures("calling")

PROTOCOLS: Dict[str, Dict[str, Any]] = {
    "eager": LONG_SESSION,
    "cooperative": {**LONG_SESSION, "partition_assignment_strategy": "cooperative-sticky"},
    "kip-848": {"group_protocol": "consumer"},
}


def fill(servers: str, topic: str, count: int) -> None:
    with Producer(servers) as producer:
        for n in range(count):
            producer.send(topic, n, partition=0)


def refused(read: Callable[[], Any]) -> KafkaError:
    with pytest.raises(KafkaError) as caught:
        read()
    return caught.value


def no_offset_is_raised(consumer: Consumer[Any]) -> None:
    each_read_is_refused(consumer, KafkaError, "_AUTO_OFFSET_RESET", "seek")


def values(consumer: Consumer[Any], count: int) -> List[Any]:
    return [consumer.poll(15).value for _ in range(count)]


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_no_offset_to_begin_at(servers: str, topic: str, group: str, protocol: str) -> None:
    fill(servers, topic, 3)
    options = {**PROTOCOLS[protocol], "bootstrap_servers": servers, "group_id": group, "auto_offset_reset": "error"}
    with Consumer(topic, **options) as consumer:
        no_offset_is_raised(consumer)
        consumer.seek(TopicPartition(topic, 0), 1)
        assert values(consumer, 2) == [1, 2]
        consumer.commit()
    assert committed_offset(servers, group, topic) == 3


@pytest.mark.parametrize("resolve", ["seek_to_beginning", "seek_to_end", "commit and subscribe"])
def test_what_resolves_the_error_of_a_group(
    servers: str, topic: str, group: str, session: Dict[str, int], resolve: str
) -> None:
    fill(servers, topic, 3)
    with Consumer(topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="error", **session) as consumer:
        refused(lambda: consumer.poll(15))
        if resolve == "seek_to_beginning":
            consumer.seek_to_beginning()
            assert values(consumer, 3) == [0, 1, 2]
        elif resolve == "seek_to_end":
            consumer.seek_to_end()
            assert consumer.poll(0.3) is None
            fill(servers, topic, 1)
            assert consumer.poll(15).offset == 3
        else:
            consumer.commit(TopicPartition(topic, 0, 1))
            consumer.subscribe([topic])
            assert values(consumer, 2) == [1, 2]


@pytest.mark.real_kafka
def test_a_committed_offset_whose_messages_were_deleted(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 10)
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.assign(TopicPartition(topic, 0))
        consumer.commit(TopicPartition(topic, 0, 5))
    delete_records(servers, topic, 8)
    with Consumer(
        topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="error", **LONG_SESSION
    ) as consumer:
        no_offset_is_raised(consumer)
        consumer.seek(TopicPartition(topic, 0), 8)
        assert values(consumer, 2) == [8, 9]


def test_other_partitions_go_on(servers: str, new_topic: Callable[..., str], group: str) -> None:
    topic = new_topic(2)
    with Producer(servers) as producer:
        for n in range(3):
            producer.send(topic, n, partition=1)
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        consumer.assign(TopicPartition(topic, 1))
        consumer.commit(TopicPartition(topic, 1, 0))
    got: List[int] = []
    errors = 0
    with Consumer(
        topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="error", **LONG_SESSION
    ) as consumer:
        deadline = time.monotonic() + 20  # a read that is refused does not wait
        while time.monotonic() < deadline:
            try:
                message = consumer.poll(0.1)
            except KafkaError:
                errors += 1
            else:
                got += [] if message is None else [message.value]
            if got == [0, 1, 2] and errors > 2:
                break
        assert got == [0, 1, 2]
        fill(servers, topic, 1)
        consumer.seek(TopicPartition(topic, 0), 0)
        assert consumer.poll(15).partition == 0
        with Producer(servers) as producer:
            producer.send(topic, "more", partition=1)
        assert consumer.poll(15).value == "more"


@pytest.mark.parametrize("how", ["topics", "assign"])
def test_without_a_group(servers: str, topic: str, how: str) -> None:
    fill(servers, topic, 3)
    topics = [topic] if how == "topics" else []
    with Consumer(*topics, bootstrap_servers=servers, auto_offset_reset="error") as consumer:
        if how == "assign":
            consumer.assign(TopicPartition(topic, 0))
        no_offset_is_raised(consumer)
        consumer.seek(TopicPartition(topic, 0), 1)
        assert values(consumer, 2) == [1, 2]
        consumer.assign(TopicPartition(topic, 0, 2))
        assert values(consumer, 1) == [2]


@pytest.mark.real_kafka
@pytest.mark.parametrize("reset", ["earliest", "error"])
def test_a_fenced_static_member(servers: str, topic: str, group: str, reset: str) -> None:
    options = {**LONG_SESSION, "bootstrap_servers": servers, "group_id": group, "group_instance_id": "one"}
    fill(servers, topic, 3)
    with Consumer(topic, **options, enable_auto_commit=False) as first:
        assert values(first, 3) == [0, 1, 2]
        first.commit()
        with Consumer(topic, **options, auto_offset_reset=reset) as second:
            fill(servers, topic, 1)
            assert second.poll(30).offset == 3
            for read in ways_to_read(first):
                with pytest.raises(FencedError, match="make a new one") as caught:
                    for _ in range(3):
                        read()
                assert caught.value.fatal


@pytest.mark.sync_only
@pytest.mark.parametrize(
    ("resolve", "unread"), [("seek", 0.03), ("assign", 0.03), ("seek", 0.6), ("seek and assign", 0.6)]
)
def test_a_report_from_before_is_not_raised_after(
    servers: str,
    topic: str,
    group_or_none: Optional[str],
    resolve: str,
    unread: float,
) -> None:
    """The error is in flight, or unread, when the consumer is asked to read elsewhere."""
    fill(servers, topic, 3)
    with Consumer(bootstrap_servers=servers, group_id=group_or_none, auto_offset_reset="error") as consumer:
        for begin in range(2):
            consumer.assign(TopicPartition(topic, 0, 100))
            time.sleep(unread)
            if "seek" in resolve:
                consumer.seek(TopicPartition(topic, 0, begin))
            if "assign" in resolve:
                consumer.assign(TopicPartition(topic, 0, begin))
            assert values(consumer, 3 - begin) == list(range(begin, 3))
        consumer.seek(TopicPartition(topic, 0, 100))
        refused(lambda: consumer.poll(15))
        consumer.assign(TopicPartition(topic, 0, 100))
        no_offset_is_raised(consumer)


@pytest.mark.parametrize("protocol", ["eager", "cooperative"])
def test_a_member_that_was_told_where_to_begin(
    servers: str, topic: str, group: str, session: Dict[str, int], protocol: str
) -> None:
    """By a seek in `on_assign`, or by a commit and a new subscription, with the report unread."""
    fill(servers, topic, 3)

    def begin(consumer: Any, partitions: List[TopicPartition]) -> Any:
        return consumer.seek(TopicPartition(topic, 0), 1)

    options = {**PROTOCOLS[protocol], **session, "bootstrap_servers": servers, "auto_offset_reset": "error"}
    with Consumer(topic, group_id=group, on_assign=begin, **options) as consumer:
        assert values(consumer, 2) == [1, 2]
    with Consumer(topic, group_id=f"{group}-2", **options) as consumer:
        refused(lambda: consumer.poll(15))
        consumer.commit(TopicPartition(topic, 0, 100))
        consumer.subscribe([topic])
        time.sleep(0.5)
        consumer.commit(TopicPartition(topic, 0, 2))
        consumer.subscribe([topic])
        assert values(consumer, 1) == [2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seek_of_a_stopped_partition_leaves_the_others_where_they_are(
    servers: str, cluster: Any, new_topic: Callable[..., str], group: str, protocol: str
) -> None:
    if cluster.kind == "mock" and protocol == "kip-848":
        pytest.skip("the mock has no KIP-848")
    topic = new_topic(2)
    fill(servers, topic, 6)
    options: Dict[str, Any] = {"bootstrap_servers": servers, "group_id": group, **PROTOCOLS[protocol]}
    with Consumer(**options, auto_offset_reset="error", enable_auto_commit=False) as consumer:
        consumer.subscribe([topic])
        consumer.poll(0)
        first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
        consumer.assign([TopicPartition(topic, 0, 1000), TopicPartition(topic, 1, 0)])  # the second one is empty
        refused(lambda: consumer.poll(20))
        consumer.seek(first, 2)
        with Producer(servers) as producer:
            producer.send(topic, "new", partition=1)
        places = set()
        deadline = time.monotonic() + 20
        while len(places) < 5 and time.monotonic() < deadline:
            places |= {(message.partition, message.offset) for message in consumer.consume(5, 0.2)}
        assert places == {(first.partition, n) for n in range(2, 6)} | {(second.partition, 0)}
