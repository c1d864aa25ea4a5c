"""Failed messages that nobody has looked at: so many are kept for `flush`, and the others are counted."""

from typing import Any

import pytest

from kjson import DeliveryError, Producer

MOCK_BROKER = 1
KEPT = 64 << 20


@pytest.fixture
def without_broker(cluster: Any, topic: str) -> Any:
    """A producer whose broker has gone, and the topic."""
    producer = Producer(cluster.bootstrap_servers, delivery_timeout_ms=2000, queue_buffering_max_kbytes=1 << 20)
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(MOCK_BROKER)
    return producer, topic


def bytes_of(failures: Any) -> int:
    return sum(len(failure.value) for failure in failures)


@pytest.mark.mock_only
def test_single_messages_are_kept_up_to_64_mib(without_broker: Any) -> None:
    producer, topic = without_broker
    for _ in range(100):
        producer.send(topic, "x" * 900_000)
    with pytest.raises(
        DeliveryError, match=r"^100 messages were not delivered, of which the first \d\d are kept"
    ) as caught:
        producer.flush(30)
    assert KEPT - 1_000_000 < bytes_of(caught.value.failures) <= KEPT
    producer.send(topic, 1)
    with pytest.raises(DeliveryError) as caught:
        producer.flush(30)
    assert len(caught.value.failures) == 1
    producer.close()


@pytest.mark.mock_only
def test_many_small_batches_are_kept_up_to_64_mib_together(without_broker: Any) -> None:
    producer, topic = without_broker
    for _ in range(100):
        producer.send_many(topic, ["x" * 900_000])
    with pytest.raises(
        DeliveryError, match=r"^100 messages were not delivered, of which the first \d\d are kept"
    ) as caught:
        producer.flush(30)
    assert KEPT - 1_000_000 < bytes_of(caught.value.failures) <= KEPT
    producer.send_many(topic, [1])
    with pytest.raises(DeliveryError) as caught:
        producer.flush(30)
    assert len(caught.value.failures) == 1
    producer.close()


@pytest.mark.mock_only
def test_messages_of_batches_are_kept_up_to_64_mib_together_and_the_count_is_true(without_broker: Any) -> None:
    producer, topic = without_broker
    batches = [producer.send_many(topic, ["x" * 900_000] * 30) for _ in range(4)]
    with pytest.raises(
        DeliveryError, match=r"^120 messages were not delivered, of which the first \d\d are kept"
    ) as caught:
        producer.flush(30)
    # The first of each batch is kept in any case.
    assert KEPT - 1_000_000 < bytes_of(caught.value.failures) <= KEPT + 4 * 1_000_000
    assert "30 failed" in repr(batches[3])
    assert 1 <= len(batches[3].failed) < 30
    with pytest.raises(DeliveryError, match=r"^30 messages were not delivered"):
        batches[3].result(1)
    producer.close()
