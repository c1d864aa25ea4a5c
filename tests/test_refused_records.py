"""What a broker refuses of a batch: each message's error says whose fault it was and what the broker said of it."""

import time
from typing import Any, Dict, List

import pytest

from kjson import DeliveryError, MessageTooLargeError, Producer

from . import peers
from .conftest import unique_name
from .kafka import Broker

pytestmark = [pytest.mark.real_kafka, pytest.mark.usefixtures("calling")]


@pytest.fixture
def limited_topic(shared_broker: Broker, request: pytest.FixtureRequest) -> Any:
    """Creates a topic with options."""

    def make(**config: str) -> str:
        name = unique_name(request.node.name)
        peers.create_topic(
            shared_broker.bootstrap_servers, name, config={k.replace("_", "."): v for k, v in config.items()}
        )
        return name

    return make


def errors(deliveries: List[Any]) -> List[Any]:
    """What became of each message of one batch: None, or the error of its one failed record."""
    found = []
    for delivery in deliveries:
        raised = delivery.exception(30)
        assert raised is None or isinstance(raised, DeliveryError)
        found.append(raised.failures[0].error if raised else None)
    return found


def send_as_one_batch(producer: Any, topic: str, messages: List[Dict[str, Any]]) -> List[Any]:
    """All within one linger, to a topic whose leader is known."""
    producer.partitions_for(topic)
    return [producer.send(topic, **message) for message in messages]


def test_a_record_without_a_key_on_a_compacted_topic_fails_with_the_brokers_words_and_its_neighbours_are_told_apart(
    shared_broker: Broker, limited_topic: Any
) -> None:
    topic = limited_topic(cleanup_policy="compact")
    messages = [{"value": n, "key": None if n == 4 else f"k{n}"} for n in range(10)]
    with Producer(shared_broker.bootstrap_servers, linger_ms=500) as producer:
        found = errors(send_as_one_batch(producer, topic, messages))
    assert found[4].name == "INVALID_RECORD"
    assert "Compacted topic cannot accept message without key" in str(found[4])
    for neighbour in found[:4] + found[5:]:
        assert neighbour.name == "_INVALID_DIFFERENT_RECORD"
        assert neighbour.retriable
        assert "not at fault" in str(neighbour)
        assert "Compacted topic cannot accept message without key" in str(neighbour)


def test_timestamps_that_the_topic_does_not_take_are_told_in_the_brokers_words_each_time(
    shared_broker: Broker, limited_topic: Any
) -> None:
    topic = limited_topic(message_timestamp_after_max_ms="1000")
    ahead = int(time.time() * 1000) + 3_600_000
    with Producer(shared_broker.bootstrap_servers, linger_ms=5) as producer:
        deliveries = [producer.send(topic, n, timestamp=ahead + n) for n in range(300)]
        producer_errors = errors(deliveries)
    for n, error in enumerate(producer_errors):
        assert error.name in ("INVALID_TIMESTAMP", "INVALID_RECORD"), (n, error)
        # Words of the answer that was freed were bytes of other objects.
        assert f"{ahead + n}" in str(error), (n, error)
        assert str(error).isprintable(), (n, error)


def test_a_record_too_large_for_its_topic_is_told_from_the_small_ones_of_its_batch(
    shared_broker: Broker, limited_topic: Any
) -> None:
    topic = limited_topic(max_message_bytes="20000")
    messages = [{"value": "x" * 50_000 if n == 7 else n} for n in range(21)]
    with Producer(shared_broker.bootstrap_servers, linger_ms=500) as producer:
        found = errors(send_as_one_batch(producer, topic, messages))
    assert isinstance(found[7], MessageTooLargeError)
    assert "max.message.bytes" in str(found[7])
    assert "50002 of them in this one" in str(found[7])
    for neighbour in found[:7] + found[8:]:
        assert neighbour.name == "_INVALID_DIFFERENT_RECORD"
        assert neighbour.retriable
        assert "one of 50002 bytes is too large" in str(neighbour)


def test_a_batch_that_is_too_large_as_a_whole_is_nobodys_fault_alone(shared_broker: Broker, limited_topic: Any) -> None:
    topic = limited_topic(max_message_bytes="20000")
    with Producer(shared_broker.bootstrap_servers, linger_ms=500) as producer:
        found = errors(send_as_one_batch(producer, topic, [{"value": "x" * 3_000}] * 20))
    for error in found:
        assert isinstance(error, MessageTooLargeError)
        assert "the batch of 20 messages" in str(error)
        assert "batch_size" in str(error)


@pytest.mark.parametrize("topic", ["a/b", "a b"])
def test_no_error_is_without_a_reason(shared_broker: Broker, topic: str) -> None:
    with Producer(shared_broker.bootstrap_servers) as producer:
        [error] = errors([producer.send(topic, 1)])
    reason = str(error).split(": ", 1)[1]
    assert reason.split(" (")[0].strip(), error
