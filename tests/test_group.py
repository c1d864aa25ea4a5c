"""Consumer groups: members share the partitions, each message reaches one of them, and who stays takes over."""

import threading
from typing import Any, Callable, Dict, List, Tuple

import pytest

from kjson import Consumer, Producer

from .peers import committed_offset, group_members
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")

PARTITIONS = 4


class Member:
    """A consumer that reads in its own thread until it is closed, with all that it has read."""

    def __init__(self, servers: str, topic: str, group: str, session: Dict[str, int]) -> None:
        self.read: List[Tuple[int, int]] = []
        self.error: Any = None
        self._stop = threading.Event()
        self._consumer = Consumer(topic, bootstrap_servers=servers, group_id=group, **session)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                message = self._consumer.poll(0.1)
                if message is not None:
                    self.read.append((message.partition, message.offset))
        except BaseException as error:
            self.error = error
        finally:
            self._consumer.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.error is None, self.error


def send_round(servers: str, topic: str, count: int) -> List[Tuple[int, int]]:
    """Sends `count` messages to every partition and returns where they are."""
    with Producer(servers) as producer:
        sent = [producer.send(topic, n, partition=p) for n in range(count) for p in range(PARTITIONS)]
        return sorted((d.result(20).partition, d.result(20).offset) for d in sent)


@pytest.mark.real_kafka
def test_two_consumers_with_one_group_id_share_a_topics_partitions_and_each_message_reaches_one_of_them(
    servers: str, new_topic: Callable[..., str], group: str, session: Dict[str, int]
) -> None:
    topic = new_topic(PARTITIONS)
    one, two = Member(servers, topic, group, session), Member(servers, topic, group, session)
    try:
        wait_until(lambda: group_members(servers, group) == [2, 2], "two members with two partitions each")
        sent = send_round(servers, topic, 25)
        wait_until(lambda: len(one.read) + len(two.read) >= len(sent), "all messages")
    finally:
        one.close()
        two.close()
    assert sorted(one.read + two.read) == sent
    assert len({partition for partition, _ in one.read}) == 2
    assert len({partition for partition, _ in two.read}) == 2


@pytest.mark.real_kafka
def test_when_one_of_two_consumers_closes_the_other_takes_over(
    servers: str, new_topic: Callable[..., str], group: str, session: Dict[str, int]
) -> None:
    topic = new_topic(PARTITIONS)
    one, two = Member(servers, topic, group, session), Member(servers, topic, group, session)
    try:
        wait_until(lambda: group_members(servers, group) == [2, 2], "two members with two partitions each")
        first = send_round(servers, topic, 5)
        wait_until(lambda: len(one.read) + len(two.read) >= len(first), "the first messages")
        one.close()
        wait_until(lambda: group_members(servers, group) == [PARTITIONS], "one member with every partition")
        second = send_round(servers, topic, 5)
        wait_until(lambda: len(one.read) + len(two.read) >= len(first) + len(second), "the second messages")
    finally:
        two.close()
    # Nothing is lost, and nothing that a member had read before it closed in order is read again.
    assert sorted(one.read + two.read) == sorted(first + second)
    assert set(second) <= set(two.read)


def test_a_group_goes_on_where_it_stopped(servers: str, topic: str, group: str, session: Dict[str, int]) -> None:
    with Producer(servers) as producer:
        for n in range(6):
            producer.send(topic, n)
    read = []
    for _ in range(3):
        with Consumer(topic, bootstrap_servers=servers, group_id=group, **session) as consumer:
            read += [next(consumer).value, next(consumer).value]
    assert read == [0, 1, 2, 3, 4, 5]
    assert committed_offset(servers, group, topic) == 6


def test_two_groups_each_read_everything(servers: str, topic: str, group: str) -> None:
    with Producer(servers) as producer:
        for n in range(3):
            producer.send(topic, n)
    for name in (f"{group}-a", f"{group}-b"):
        with Consumer(topic, bootstrap_servers=servers, group_id=name, **LONG_SESSION) as consumer:
            assert [next(consumer).value for _ in range(3)] == [0, 1, 2]


def test_a_second_member_joins_and_both_read(
    servers: str, new_topic: Callable[..., str], group: str, session: Dict[str, int]
) -> None:
    """On the mock cluster too, where nobody can be asked who has which partition."""
    topic = new_topic(PARTITIONS)
    options = {**session, "auto_commit_interval_ms": 100}
    members = [Member(servers, topic, group, options), Member(servers, topic, group, options)]
    try:

        def both_read_new_messages() -> bool:
            before = [len(member.read) for member in members]
            sent = send_round(servers, topic, 1)
            wait_until(
                lambda: set(sent) <= {where for member in members for where in member.read},
                "this round's messages",
                timeout=30,
            )
            return all(len(member.read) > count for member, count in zip(members, before))

        wait_until(both_read_new_messages, "both members to have partitions", timeout=30)
        # When one closes, the mock rebalances the group, and refuses the last commit of the other.
        read = {where for member in members for where in member.read}
        ends = [sum(partition == p for partition, _ in read) for p in range(PARTITIONS)]
        wait_until(
            lambda: [committed_offset(servers, group, topic, p) for p in range(PARTITIONS)] == ends, "all commits"
        )
    finally:
        for member in members:
            member.close()
