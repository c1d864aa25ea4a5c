"""Commits: of everything, of messages, of offsets; waited for and not; and the errors of those that fail."""

import logging
from typing import Any, Callable, List, Optional, Tuple

import pytest

from kjson import CommitError, Consumer, KafkaError, Producer, TopicPartition

from .peers import committed_offset
from .sessions import LONG_SESSION
from .test_place import fill, open_consumer, read
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")

Answers = List[Tuple[Optional[BaseException], List[TopicPartition]]]


WRONG = [
    ("t", 0, -5, "offsets begin at 0; got -5"),
    ("t", 0, -1001, "offsets begin at 0; got -1001"),
    ("t", -1, 5, "partitions begin at 0"),
    ("", 0, 5, "is empty, so that no topic"),
    ("t\0u", 0, 5, r"contains '\\0', so that no topic"),
]


@pytest.mark.mock_only  # nothing reaches a broker
@pytest.mark.parametrize(("topic_", "partition", "offset", "why"), WRONG)
def test_what_no_broker_has_is_refused_before_anything_is_sent(
    servers: str, topic: str, group: str, topic_: str, partition: int, offset: int, why: str
) -> None:
    wrong = TopicPartition(topic_, partition, offset)
    good = TopicPartition(topic, 0, 1)
    with Consumer(bootstrap_servers=servers, group_id=group) as consumer:
        calls: List[Callable[[], Any]] = [
            lambda: consumer.commit([good, wrong]),
            lambda: consumer.commit([wrong, good], asynchronous=True),
            lambda: consumer.seek(wrong),
            lambda: consumer.assign([good, wrong]),
        ]
        if offset >= 0:
            calls += [
                lambda: consumer.committed([good, wrong]),
                lambda: consumer.position([wrong]),
                lambda: consumer.pause(wrong),
                lambda: consumer.resume(wrong),
                lambda: consumer.end_offsets([good, wrong]),
                lambda: consumer.offsets_for_times({wrong: 5}),
            ]
        for call in calls:
            with pytest.raises(ValueError, match=why):
                call()
        assert consumer.committed(good) is None
        metadata = consumer.group_metadata()
    with Producer(servers, transactional_id=group) as producer, producer.transaction(), pytest.raises(
        ValueError, match=why
    ):
        producer.send_offsets_to_transaction([good, wrong], metadata)


def test_commit_takes_messages_offsets_lists_and_everything(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 20)
    where = TopicPartition(topic, 0)
    with open_consumer(servers, topic, group, enable_auto_commit=False) as consumer:
        messages = read(consumer, 10)
        consumer.commit(messages[2])
        assert consumer.committed(where) == 3
        consumer.commit(messages[:6])
        assert consumer.committed(where) == 6
        consumer.commit(TopicPartition(topic, 0, 4))
        assert consumer.committed(where) == 4
        consumer.commit()
        assert consumer.committed(where) == 10
        for asynchronous in (False, True):  # an offset of one's own does not stand in the way of the next `commit()`
            consumer.commit(TopicPartition(topic, 0, 2), asynchronous=asynchronous)
            consumer.commit()
            assert consumer.committed(where) == 10
        with pytest.raises(ValueError, match="offset"):
            consumer.commit(where)
        with pytest.raises(TypeError):
            consumer.commit("orders")
    assert committed_offset(servers, group, topic) == 10


def test_without_automatic_commits_nothing_is_committed_by_itself(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 20)
    with open_consumer(servers, topic, group, enable_auto_commit=False) as consumer:
        read(consumer, 10)
    assert committed_offset(servers, group, topic) is None


def test_an_asynchronous_commit_is_heard_of_by_on_commit(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 20)
    answers: Answers = []
    with open_consumer(
        servers,
        topic,
        group,
        enable_auto_commit=False,
        on_commit=lambda error, offsets: answers.append((error, offsets)),
    ) as consumer:
        read(consumer, 10)
        assert consumer.commit(asynchronous=True) is None
        wait_until(lambda: (consumer.poll(0.05), answers)[1], "the answer")
        assert answers == [(None, [TopicPartition(topic, 0, 10)])]
        # One that is waited for is not reported twice.
        consumer.commit()
        for _ in range(5):
            consumer.poll(0.05)
        assert len(answers) == 1


def test_an_automatic_commit_is_heard_of_by_on_commit(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 20)
    answers: Answers = []
    with open_consumer(
        servers,
        topic,
        group,
        auto_commit_interval_ms=100,
        on_commit=lambda error, offsets: answers.append((error, offsets)),
    ) as consumer:
        read(consumer, 10)
        wait_until(lambda: (consumer.poll(0.05), answers)[1], "an automatic commit")
    assert answers[0][0] is None
    assert answers[0][1][0].topic == topic


@pytest.mark.mock_only
def test_a_commit_that_the_broker_refuses_is_an_error(
    cluster: Any, servers: str, topic: str, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(servers, topic, 20)
    refused = "GROUP_AUTHORIZATION_FAILED"
    answers: Answers = []
    for callback in (None, lambda error, offsets: answers.append((error, offsets))):
        caplog.clear()
        name = f"{group}-{callback is None}"
        with open_consumer(servers, topic, name, enable_auto_commit=False, on_commit=callback) as consumer:
            read(consumer, 5)
            cluster.mock.fail_requests("OffsetCommit", refused, times=2)
            with pytest.raises(CommitError, match=refused) as caught:
                consumer.commit()
            assert caught.value.name == refused
            with caplog.at_level(logging.ERROR, "kjson"):
                consumer.commit(TopicPartition(topic, 0, 3), asynchronous=True)

                def answered() -> bool:
                    consumer.poll(0.05)
                    return bool(answers) or refused in caplog.text

                wait_until(answered, "the refusal")
            # Either to the callback or to the log, once.
            assert (refused in caplog.text) == (callback is None)
            consumer.commit()
    assert len(answers) == 1
    error, offsets = answers[0]
    assert isinstance(error, CommitError)
    assert error.name == refused
    assert offsets == [TopicPartition(topic, 0, 3)]


def test_what_on_commit_raises_comes_out_of_the_read(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 5)

    def on_commit(error: Optional[BaseException], offsets: List[TopicPartition]) -> None:
        raise LookupError("on_commit")

    with open_consumer(servers, topic, group, enable_auto_commit=False, on_commit=on_commit) as consumer:
        read(consumer, 2)
        consumer.commit(asynchronous=True)
        got = []

        def raised() -> bool:
            try:
                message = consumer.poll(0.05)
            except LookupError:
                return True
            if message is not None:
                got.append(message.offset)
            return False

        wait_until(raised, "the exception")
        got += [message.offset for message in read(consumer, 3 - len(got))]
        assert got == [2, 3, 4]


def test_a_consumer_without_a_group_commits_nothing(servers: str, topic: str) -> None:
    fill(servers, topic, 5)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        read(consumer, 1)
        with pytest.raises(KafkaError, match="group_id"):
            consumer.commit()


@pytest.mark.real_kafka
def test_a_commit_after_the_partitions_went_to_others_is_an_error(servers: str, topic: str, group: str) -> None:
    fill(servers, topic, 5)
    gone: List[TopicPartition] = []
    with open_consumer(
        servers,
        topic,
        group,
        # Long enough for the first two messages, whatever this machine does meanwhile. A session may not be longer.
        max_poll_interval_ms=6000,
        session_timeout_ms=6000,
        auto_commit_interval_ms=100_000,  # or on a slow machine the first message is committed before all is over
        # As lost, or as revoked if the group had asked for it before the timeout: without on_lost, on_revoke is called.
        on_revoke=lambda consumer, partitions: gone.extend(partitions),
    ) as slow:
        read(slow, 2)
        with Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION) as quick:
            # The slow one does not read any more, and is put out.
            assert [message.offset for message in read(quick, 5, timeout=40)] == list(range(5))
            with pytest.raises(CommitError):
                slow.commit()
        # It joins again at the next read.
        fill(servers, topic, 3)
        message = read(slow, 1)[0]
        assert gone == [TopicPartition(topic, 0)]
        # Where the other one stopped, and not what was still buffered here.
        assert message.offset == 5
