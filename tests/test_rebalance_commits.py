"""Commits around rebalances: what is committed then, and what the program learns of it."""

import time
from typing import Any, Callable, List, Tuple

import pytest

from kjson import CommitError, Consumer, TopicPartition

from .groups import COOPERATIVE, send
from .peers import committed_offset
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.real_kafka  # the mock refuses commits during a rebalance
def test_what_is_done_is_committed_before_the_partition_goes(
    servers: str, new_topic: Callable[..., str], group: str
) -> None:
    topic = new_topic(2)
    send(servers, topic, 50, 2)
    options = {"bootstrap_servers": servers, "group_id": group, "auto_commit_interval_ms": 100_000, **LONG_SESSION}
    read: List[Tuple[int, int]] = []
    with Consumer(topic, **options) as one:
        for _ in range(100):
            message = next(one)
            read.append((message.partition, message.offset))
        with Consumer(topic, **options) as two:

            def both() -> bool:
                for consumer in (one, two):
                    message = consumer.poll(0.05)
                    if message is not None:
                        read.append((message.partition, message.offset))
                return len(one.assignment()) == len(two.assignment()) == 1

            wait_until(both, "a partition each", timeout=40)
            send(servers, topic, 10, 2)
            wait_until(lambda: both() and len(read) >= 120, "the rest", timeout=40)
    assert len(read) == len(set(read)) == 120


def test_asynchronous_commits_are_told_to_on_commit(servers: str, topic: str, group: str) -> None:
    send(servers, topic, 10, 1)
    answers: List[Tuple[Any, List[TopicPartition]]] = []
    with Consumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        **LONG_SESSION,
        enable_auto_commit=False,
        on_commit=lambda error, offsets: answers.append((error, offsets)),
    ) as consumer:
        for _ in range(4):
            next(consumer)
        consumer.commit(asynchronous=True)
        wait_until(lambda: consumer.poll(0.05) is None and answers, "the answer")
        assert answers == [(None, [TopicPartition(topic, 0, 4)])]
        consumer.commit(TopicPartition("not-mine", 0, 5), asynchronous=True)
        wait_until(lambda: consumer.poll(0.05) is None and len(answers) == 2, "the second answer")
    assert committed_offset(servers, group, topic) == 4


@pytest.mark.real_kafka
def test_a_commit_that_fails_is_an_error(servers: str, topic: str, group: str) -> None:
    answers: List[Any] = []
    send(servers, topic, 10, 1)
    with Consumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        enable_auto_commit=False,
        on_commit=lambda error, offsets: answers.append(error),
    ) as consumer:
        next(consumer)
        missing = TopicPartition("no-such-topic", 0, 5)
        with pytest.raises(CommitError, match=r"cannot commit offsets of 'no-such-topic' \[0\] @5"):
            consumer.commit(missing)
        consumer.commit(missing, asynchronous=True)
        wait_until(lambda: consumer.poll(0.05) is None and answers, "the answer")
        assert isinstance(answers[0], CommitError)
        assert "'no-such-topic' [0] @5" in str(answers[0])


@pytest.mark.real_kafka
@pytest.mark.timeout(180)
def test_a_commit_holds_through_a_cooperative_rebalance(
    servers: str, new_topic: Callable[..., str], group: str
) -> None:
    topic = new_topic(4)
    send(servers, topic, 10, 4)
    options = {
        "bootstrap_servers": servers, "group_id": group, "enable_auto_commit": False, "session_timeout_ms": 30_000,
        **COOPERATIVE,
    }  # fmt: skip
    # The broker answers the fast one's JoinGroup, and after that its commits, when the slow one has joined, too.
    with Consumer(topic, **options, heartbeat_interval_ms=100) as hasty, Consumer(
        topic, **options, heartbeat_interval_ms=3000
    ) as slow:
        longest, offset, rounds = 0.0, 0, 0
        # Where the slow one's heartbeat happens to be due at once, nobody waits for it.
        while longest <= 0.5 and rounds < 5:
            rounds += 1
            wait_until(
                lambda: hasty.poll(0.05) or slow.poll(0.05) or len(hasty.assignment()) == len(slow.assignment()) == 2,
                "two partitions each",
                timeout=40,
            )
            kept = hasty.assignment()[0]
            with Consumer(topic, **options) as third:

                def commit() -> bool:
                    nonlocal longest, offset
                    for consumer in (hasty, slow, third):
                        consumer.poll(0)
                    offset += 1
                    begun = time.monotonic()
                    hasty.commit(TopicPartition(topic, hasty.assignment()[0].partition, offset))
                    longest = max(longest, time.monotonic() - begun)
                    return bool(third.assignment())

                wait_until(commit, "a partition for the third", timeout=40)
    assert longest > 0.5, "no commit met the rebalance, so nothing was tested"
    assert committed_offset(servers, group, topic, kept.partition)
