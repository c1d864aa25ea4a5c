"""Every failed message has a reason in words, also where librdkafka has none or only the code's name."""

import contextlib
import re
from typing import Any

import pytest

from kjson import KafkaError, Producer

pytestmark = [pytest.mark.mock_only, pytest.mark.usefixtures("calling")]


def reason(error: BaseException, topic: str) -> str:
    """What stands between the operation and the code's name."""
    found = re.fullmatch(rf"cannot (?:deliver|send) to '{re.escape(topic)}'(?: \[\d+\])?: (.*) \((\w+)\)", str(error))
    assert found, error
    return found.group(1)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("TOPIC_EXCEPTION", "its name is not allowed"),
        ("TOPIC_AUTHORIZATION_FAILED", "ACLs"),
        ("POLICY_VIOLATION", "policy"),
        ("INVALID_REQUIRED_ACKS", "acks"),
        ("UNSUPPORTED_COMPRESSION_TYPE", "compression_type"),
    ],
)
def test_what_a_broker_refuses_without_a_word_has_a_reason(cluster: Any, topic: str, code: str, says: str) -> None:
    with Producer(cluster.bootstrap_servers, enable_idempotence=False, retries=0) as producer:
        producer.send_and_wait(topic, 0, timeout=20)
        cluster.mock.fail_requests("Produce", code, times=5)
        error = producer.send(topic, 1).exception(20)
        assert says in reason(error, topic)
        batch = producer.send_many(topic, [2])
        assert says in reason(batch.exception(20), topic)


@pytest.mark.parametrize("sent", [False, True])
def test_what_a_close_gives_up_says_so_with_the_cause(cluster: Any, topic: str, sent: bool) -> None:
    producer = Producer(cluster.bootstrap_servers)
    producer.send_and_wait(topic, 0, timeout=20)
    if sent:
        cluster.mock.round_trip_time(5000)
    else:
        cluster.mock.broker_down(1)
    delivery = producer.send(topic, 1)
    with pytest.raises(KafkaError):
        producer.close(0.5)
    text = reason(delivery.exception(20), topic)
    if sent:
        assert text.startswith(
            "given up before it was acknowledged, so it may have arrived, since the producer was closed"
        )
    else:
        assert text.startswith("given up before it was sent, since the producer was closed. The connection failed: ")


def test_messages_of_a_producer_that_failed_for_good_say_why(cluster: Any, topic: str) -> None:
    cluster.mock.fail_requests("InitProducerId", "CLUSTER_AUTHORIZATION_FAILED", times=20)
    producer = Producer(cluster.bootstrap_servers)
    try:
        error = producer.send(topic, 1).exception(20)
    except KafkaError as refused:  # it had failed by then
        error = refused
    assert "failed for good" in str(error)
    assert "authorization failed" in str(error).lower()
    with contextlib.suppress(KafkaError):
        producer.close(5)
