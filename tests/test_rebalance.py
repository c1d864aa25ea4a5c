"""Partitions that come and go: the callbacks, and the protocols of groups."""

import contextlib
import gc
import time
from typing import Any, Callable, Dict, List, Tuple

import pytest

from kjson import ClosedError, Consumer, KafkaError, TopicPartition

from .groups import COOPERATIVE, Calls, send
from .peers import committed_offset, create_topic, group_members
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.slow

PROTOCOLS: Dict[str, Dict[str, Any]] = {
    "range": LONG_SESSION,
    "roundrobin": {**LONG_SESSION, "partition_assignment_strategy": "roundrobin"},
    "cooperative": {**LONG_SESSION, **COOPERATIVE},
    "static": {**LONG_SESSION, "group_instance_id": "member"},
    "kip-848": {"group_protocol": "consumer"},
}


@pytest.mark.real_kafka
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_members_come_and_go_and_each_message_is_read_once(
    servers: str, new_topic: Callable[..., str], group: str, protocol: str
) -> None:
    topic = new_topic(4)
    options = {"bootstrap_servers": servers, "group_id": group, **PROTOCOLS[protocol]}
    other = {**options, "group_instance_id": "other"} if protocol == "static" else options
    calls = Calls()
    read: List[Tuple[int, int]] = []

    def take(consumer: Consumer[Any]) -> None:
        read.extend((m.partition, m.offset) for m in consumer.consume(100, 0.1))

    with Consumer(topic, **options, **calls.options()) as one:
        wait_until(lambda: take(one) or len(one.assignment()) == 4, "all partitions")
        send(servers, topic, 100, 4)
        wait_until(lambda: take(one) or len(read) == 400, "the first messages")
        with Consumer(topic, **other) as two:
            wait_until(
                lambda: take(one) or take(two) or len(one.assignment()) == len(two.assignment()) == 2,
                "two with two partitions",
                timeout=40,
            )
            send(servers, topic, 100, 4)
            wait_until(lambda: take(one) or take(two) or len(read) >= 800, "the second messages")
        if protocol != "static":  # a static member that closes is expected back
            wait_until(lambda: take(one) or len(one.assignment()) == 4, "all partitions again", timeout=40)
            send(servers, topic, 100, 4)
            wait_until(lambda: take(one) or len(read) >= 1200, "the third messages")
    assert len(read) == len(set(read)), "a message came twice"
    assert calls.events[0][0] == "assign"
    assert calls.events[-1][0] == "revoke"
    if protocol in ("cooperative", "kip-848"):  # only what moves is taken away
        assert [len(partitions) for name, partitions in calls.events[:-1] if name == "revoke"] == [2]
    assert not [event for event in calls.events if event[0] == "lost"]


def test_on_assign_may_seek_and_on_revoke_may_commit(servers: str, topic: str, group: str) -> None:
    send(servers, topic, 100, 1)
    calls: List[str] = []

    def on_assign(consumer: Consumer[Any], partitions: List[TopicPartition]) -> None:
        assert consumer.assignment() == partitions
        consumer.seek(partitions[0], 90)
        calls.append("assign")

    def on_revoke(consumer: Consumer[Any], partitions: List[TopicPartition]) -> None:
        assert consumer.position(partitions[0]) == 95
        consumer.commit(TopicPartition(partitions[0].topic, 0, 93))
        calls.append("revoke")

    with Consumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        **LONG_SESSION,
        enable_auto_commit=False,
        on_assign=on_assign,
        on_revoke=on_revoke,
    ) as consumer:
        assert [next(consumer).offset for _ in range(5)] == [90, 91, 92, 93, 94]
        assert calls == ["assign"]
    assert calls == ["assign", "revoke"]
    assert committed_offset(servers, group, topic) == 93


def test_what_a_callback_raises_comes_out_of_the_read(servers: str, topic: str, group: str) -> None:
    send(servers, topic, 3, 1)

    def on_assign(consumer: Consumer[Any], partitions: List[TopicPartition]) -> None:
        raise LookupError("no place for it")

    with Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_assign=on_assign) as consumer:
        with pytest.raises(LookupError, match="no place for it"):
            consumer.poll(20)
        # The assignment stands.
        assert [next(consumer).value for _ in range(3)] == [0, 1, 2]


def test_a_callback_may_not_read_or_close(servers: str, topic: str, group: str) -> None:
    refused: List[str] = []

    def on_assign(consumer: Consumer[Any], partitions: List[TopicPartition]) -> None:
        for call in (consumer.poll, consumer.close, consumer.consume, consumer.__next__):
            with pytest.raises(KafkaError, match="while on_assign") as raised:
                call()
            refused.append(str(raised.value))

    with Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_assign=on_assign) as consumer:
        wait_until(lambda: consumer.poll(0.1) or refused, "the callback")
    assert len(refused) == 4


@pytest.mark.real_kafka
def test_a_member_that_was_away_too_long_loses_its_partitions_and_comes_back(
    servers: str, topic: str, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    send(servers, topic, 20, 1)
    calls = Calls()
    options = {"max_poll_interval_ms": 2000, "session_timeout_ms": 2000, "heartbeat_interval_ms": 200}
    with Consumer(topic, bootstrap_servers=servers, group_id=group, **options, **calls.options()) as consumer:
        first = next(consumer)
        wait_until(lambda: not group_members(servers, group), "the group to expel it", timeout=30, interval=0.3)
        again = [next(consumer) for _ in range(20)]
        assert [m.offset for m in again] == list(range(20)), "nothing was committed, so all comes again"
        assert first.offset == 0
    assert [name for name, _ in calls.events] == ["assign", "lost", "assign", "revoke"]
    assert "it joins again now" in caplog.text


@pytest.mark.real_kafka
def test_patterns_take_in_topics_that_come_later(servers: str, group: str) -> None:
    create_topic(servers, f"{group}-a")
    send(servers, f"{group}-a", 1, 1)
    with Consumer(bootstrap_servers=servers, group_id=group, topic_metadata_refresh_interval_ms=500) as consumer:
        consumer.subscribe(pattern=f"{group}-.*")
        assert next(consumer).topic == f"{group}-a"
        create_topic(servers, f"{group}-b")
        send(servers, f"{group}-b", 1, 1)
        assert next(consumer).topic == f"{group}-b"


@pytest.mark.real_kafka
@pytest.mark.parametrize("grouped", [True, False])
def test_a_topic_that_is_not_there_is_warned_of_once_and_read_when_it_comes(
    servers: str, group: str, grouped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"{group}-later"
    options = {"group_id": group, "topic_metadata_refresh_interval_ms": 500} if grouped else {}
    with Consumer(name, bootstrap_servers=servers, **options) as consumer:
        wait_until(lambda: consumer.poll(0.2) or "does not exist" in caplog.text, "the warning")
        create_topic(servers, name)
        send(servers, name, 1, 1)
        message = consumer.poll(30)
        assert message is not None
        assert message.topic == name
    assert caplog.text.count(f"topic '{name}' does not exist") == 1


@pytest.mark.real_kafka
def test_a_consumer_that_is_let_go_leaves_its_group(servers: str, topic: str, group: str) -> None:
    send(servers, topic, 5, 1)
    consumer = Consumer(topic, bootstrap_servers=servers, group_id=group)
    next(consumer)
    assert group_members(servers, group) == [1]
    begun = time.monotonic()
    del consumer
    gc.collect()
    wait_until(lambda: not group_members(servers, group), "an empty group")
    assert time.monotonic() - begun < 10
    # The last message was not committed: it may not have been processed.
    assert committed_offset(servers, group, topic) is None


@pytest.mark.real_kafka
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "let-go"])
@pytest.mark.parametrize("protocol", ["range", "cooperative", "kip-848"])
def test_a_member_without_partitions_leaves_its_group(
    servers: str, topic: str, group: str, protocol: str, closed: bool
) -> None:
    options = {"bootstrap_servers": servers, "group_id": group, **PROTOCOLS[protocol]}
    if protocol != "kip-848":
        options.update(session_timeout_ms=45_000)
    members = [Consumer(topic, **options) for _ in range(2)]

    def balanced() -> bool:
        for member in members:
            member.poll(0.05)
        shares = sorted(len(member.assignment()) for member in members)
        return shares == sorted(group_members(servers, group) or []) == [0, 1]

    wait_until(balanced, "a member with the partition and one without", timeout=40)
    members.sort(key=lambda member: len(member.assignment()))
    idle = members.pop(0)
    if closed:
        idle.close()
    del idle
    gc.collect()
    # Long before the session times out. The next rebalance would wait for it until then.
    wait_until(lambda: members[0].poll(0.05) or group_members(servers, group) == [1], "the other alone", timeout=15)
    members[0].close()


def test_another_thread_that_reads_is_refused_and_takes_nothing(servers: str, topic: str, group: str) -> None:
    import threading

    send(servers, topic, 2000, 1)
    read: List[int] = []
    refused: List[str] = []

    with Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION) as consumer:

        def work() -> None:
            while len(read) < 2000:
                try:
                    message = consumer.poll(0.2)
                except KafkaError as error:
                    refused.append(str(error))
                    continue
                except ClosedError:
                    return
                if message is not None:
                    read.append(message.offset)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    # The thread that was admitted got the next one: each message went to one of them.
    assert sorted(read) == list(range(2000))
    assert [text for text in refused if "another thread is using this consumer" not in text] == []


def test_options_that_the_group_protocol_of_kip_848_leaves_to_the_broker(servers: str, topic: str, group: str) -> None:
    with contextlib.suppress(KafkaError), Consumer(
        topic, bootstrap_servers=servers, group_id=group, group_protocol="consumer"
    ) as consumer:
        consumer.poll(0.5)
    with pytest.raises(KafkaError, match=r"session\.timeout\.ms"):
        Consumer(topic, bootstrap_servers=servers, group_id=group, group_protocol="consumer", session_timeout_ms=6000)
