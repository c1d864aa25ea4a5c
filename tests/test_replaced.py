"""What replaces a subscription or an assignment is read, and nothing else, in any order and at any moment."""

import time
from typing import Any, Callable, Dict, List

import pytest

from kjson import Consumer, KafkaError, Producer, TopicPartition

from .peers import committed_offset
from .waiting import close_in_time

pytestmark = pytest.mark.usefixtures("calling")

COUNT = 8
# Each letter is a call: Subscribe, Unsubscribe, assign (a: partition 0 from its beginning, b: partition 1 from offset
# 3, c: both), read the Next message, Poll without waiting, Wait for a moment, comMit.
ORDERS = [
    "SNa",
    "Sa",
    "SNaNb",
    *(
        pytest.param(order, marks=pytest.mark.slow)
        for order in [
            "SNaS",
            "SPa",
            "SWPa",
            "SNUa",
            "SUa",
            "SNaNa",
            "SNNMcNb",
            "SNU",
            "SU",
            "SNaNU",
            "aS",
            "aNS",
            "aNSNb",
            "SNUS",
            "SUS",
            "SPUPS",
            "SaSaSb",
            "SNaNSNUc",
        ]
    ),
]


@pytest.fixture
def filled(servers: str, new_topic: Callable[..., str]) -> str:
    """A topic whose two partitions have messages that say where they are stored."""
    topic = new_topic(2)
    fill(servers, topic)
    return topic


def fill(servers: str, topic: str, begin: int = 0) -> None:
    with Producer(servers) as producer:
        for partition in (0, 1):
            for offset in range(begin, begin + COUNT):
                producer.send(topic, [partition, offset], partition=partition)


def places(topic: str, letter: str) -> List[TopicPartition]:
    first, second = TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 3)
    return {"a": [first], "b": [second], "c": [first, second]}[letter]


def carry_out(consumer: Any, topic: str, order: str) -> None:
    for call in order:
        if call == "S":
            consumer.subscribe([topic])
        elif call == "U":
            consumer.unsubscribe()
        elif call == "N":
            assert consumer.poll(20) is not None, order
        elif call == "P":
            consumer.poll(0)
        elif call == "W":
            time.sleep(0.3)
        elif call == "M":
            consumer.commit()
        else:
            consumer.assign(places(topic, call))


def read(consumer: Any, count: int, timeout: float = 20.0) -> List[List[int]]:
    """Up to `count` messages, in the order of their partitions and offsets."""
    got: List[List[int]] = []
    deadline = time.monotonic() + timeout
    while len(got) < count and time.monotonic() < deadline:
        got += [message.value for message in consumer.consume(count - len(got), 0.1)]
    return sorted(got)


def stored(letter: str) -> List[List[int]]:
    begins = {"a": {0: 0}, "b": {1: 3}, "c": {0: 0, 1: 3}}[letter]
    return [[partition, offset] for partition, begin in begins.items() for offset in range(begin, COUNT)]


@pytest.mark.parametrize("order", ORDERS)
def test_the_last_call_says_what_is_read(servers: str, filled: str, member: Dict[str, Any], order: str) -> None:
    last = [call for call in order if call in "SUabc"][-1]
    consumer = Consumer(**member, enable_auto_commit=False)
    carry_out(consumer, filled, order)
    if last == "U":
        assert consumer.poll(0.5) is None
        assert consumer.assignment() == []
    elif last == "S":
        # Nothing was committed, so the group starts at the beginning, or without a rebalance after what was read.
        fill(servers, filled, COUNT)
        new = [[partition, offset] for partition in (0, 1) for offset in range(COUNT, 2 * COUNT)]
        got: List[List[int]] = []
        deadline = time.monotonic() + 20
        while any(place not in got for place in new) and time.monotonic() < deadline:
            got += read(consumer, 4 * COUNT, 0.2)
        assert [place for place in new if place not in got] == []
    else:
        assert read(consumer, len(stored(last))) == stored(last)
        assert consumer.poll(0.2) is None
        assert sorted(consumer.assignment()) == sorted(
            TopicPartition(p.topic, p.partition) for p in places(filled, last)
        )
    close_in_time(consumer)


@pytest.mark.parametrize("call", ["assign", pytest.param("unsubscribe", marks=pytest.mark.slow)])
def test_the_program_hears_once_of_what_it_saw(servers: str, filled: str, member: Dict[str, Any], call: str) -> None:
    calls: List[str] = []

    def on_assign(consumer: Any, partitions: List[TopicPartition]) -> None:
        calls.append(f"assign {sorted(p.partition for p in partitions)}")

    def on_revoke(consumer: Any, partitions: List[TopicPartition]) -> None:
        assert consumer is not None
        calls.append(f"revoke {sorted(p.partition for p in partitions)}")

    consumer = Consumer(filled, **member, on_assign=on_assign, on_revoke=on_revoke)
    assert consumer.poll(20) is not None
    if call == "assign":
        consumer.assign(places(filled, "b"))
        assert read(consumer, 5) == stored("b")
    else:
        consumer.unsubscribe()
        assert consumer.poll(0.3) is None
    assert calls == ["assign [0, 1]", "revoke [0, 1]"]
    close_in_time(consumer)
    assert calls == ["assign [0, 1]", "revoke [0, 1]"]


@pytest.mark.slow
def test_the_program_hears_nothing_of_what_it_never_saw(servers: str, filled: str, member: Dict[str, Any]) -> None:
    calls: List[str] = []
    callbacks: Any = {
        name: (lambda *_, name=name: calls.append(name)) for name in ("on_assign", "on_revoke", "on_lost")
    }
    consumer = Consumer(filled, **member, **callbacks)
    consumer.assign(places(filled, "b"))
    assert read(consumer, 5) == stored("b")
    assert read(consumer, 1, 4) == []  # time for the group to answer
    close_in_time(consumer)
    assert calls == []


@pytest.mark.slow
@pytest.mark.parametrize("when", ["on_assign", "on_revoke"])
def test_assign_in_a_callback(servers: str, filled: str, member: Dict[str, Any], when: str) -> None:
    def callback(consumer: Any, partitions: List[TopicPartition]) -> Any:
        return consumer.assign(places(filled, "b"))

    consumer = Consumer(filled, **member, **{when: callback})
    if when == "on_revoke":
        assert consumer.poll(20) is not None
        consumer.unsubscribe()
    assert read(consumer, 5) == stored("b")
    assert consumer.poll(0.2) is None
    close_in_time(consumer)


@pytest.mark.slow
def test_what_a_callback_raises_comes_out_of_the_call(servers: str, filled: str, member: Dict[str, Any]) -> None:
    def on_revoke(consumer: Any, partitions: List[TopicPartition]) -> None:
        raise RuntimeError("from on_revoke")

    consumer = Consumer(filled, **member, on_revoke=on_revoke)
    assert consumer.poll(20) is not None
    with pytest.raises(RuntimeError, match="from on_revoke"):
        consumer.assign(places(filled, "b"))
    assert read(consumer, 5) == stored("b")
    close_in_time(consumer)


@pytest.mark.parametrize(
    "call", ["assign", *(pytest.param(call, marks=pytest.mark.slow) for call in ("unsubscribe", "subscribe", "close"))]
)
def test_what_was_handled_before_is_committed(
    servers: str, cluster: Any, filled: str, new_topic: Callable[..., str], member: Dict[str, Any], call: str
) -> None:
    consumer = Consumer(filled, **member)
    assert len(read(consumer, 2 * COUNT)) == 2 * COUNT
    if call == "assign":
        consumer.assign(places(filled, "a"))
        assert read(consumer, 1) == [[0, 0]]
    elif call == "unsubscribe":
        consumer.unsubscribe()
        assert consumer.poll(0.2) is None
    elif call == "subscribe":
        other = new_topic(1)
        consumer.subscribe([other])
        assert consumer.poll(0.5) is None
    close_in_time(consumer)
    group = member["group_id"]
    # Where the program begins by its own choice is committed from there. The mock takes no commits of former members.
    again = call == "assign" and cluster.kind == "kafka"
    assert committed_offset(servers, group, filled, 0) == (1 if again else COUNT)
    assert committed_offset(servers, group, filled, 1) == COUNT


@pytest.mark.slow
def test_another_member_takes_over_at_once(servers: str, filled: str, member: Dict[str, Any]) -> None:
    consumer = Consumer(filled, **member, enable_auto_commit=False)
    assert consumer.poll(20) is not None
    consumer.assign(places(filled, "b"))
    assert read(consumer, 5) == stored("b")
    with Consumer(filled, **member) as other:
        assert other.poll(20) is not None
        assert len(other.assignment()) == 2
    close_in_time(consumer)


@pytest.mark.slow
def test_a_list_with_a_partition_twice_changes_nothing(servers: str, filled: str, member: Dict[str, Any]) -> None:
    place = places(filled, "a")[0]
    with Consumer(**member) as consumer:
        consumer.assign(places(filled, "b"))
        for refused in (lambda: consumer.assign([place, place]), lambda: consumer.subscribe([filled, filled])):
            with pytest.raises(KafkaError, match="INVALID_ARG"):
                refused()
        assert read(consumer, 5) == stored("b")


def test_what_was_read_before_unsubscribe_does_not_keep_close_waiting(
    servers: str, cluster: Any, filled: str, member: Dict[str, Any]
) -> None:
    consumer = Consumer(**member)
    carry_out(consumer, filled, "SNa")
    assert read(consumer, COUNT) == stored("a")
    consumer.unsubscribe()
    close_in_time(consumer)
    if cluster.kind == "kafka":  # the mock takes no commits of former members
        assert committed_offset(servers, member["group_id"], filled, 0) == COUNT
