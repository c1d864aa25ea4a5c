"""No silent loss: a message that is not delivered fails loudly, in one place at least, and says which error kept it."""

import re
import time
from typing import Any, List, Tuple

import pytest

from kjson import DeliveryError, FlushTimeoutError, Producer, QueueFullError

from .kafka import Broker

pytestmark = pytest.mark.usefixtures("calling")

MOCK_BROKER = 1


def test_the_broker_goes_away_and_an_unfinished_send_fails_with_a_delivery_error_that_names_the_connection_failure(
    own_broker: Broker,
) -> None:
    producer = Producer(own_broker.bootstrap_servers, delivery_timeout_ms=3000)
    producer.send_and_wait("events", {"n": 1}, timeout=20)
    own_broker.kill()
    started = time.monotonic()
    delivery = producer.send("events", {"n": 2}, key="k")
    with pytest.raises(DeliveryError) as caught:
        delivery.result(20)
    assert (
        2.5 < time.monotonic() - started < 15
    )  # by default it takes 120 s; librdkafka looks at the clock once a second
    message = str(caught.value)
    assert re.search(r"(?i)connection refused", message), message
    assert own_broker.bootstrap_servers in message
    assert "events" in message
    (failure,) = caught.value.failures
    assert (failure.topic, failure.key, failure.value) == ("events", b"k", b'{"n":2}')
    producer.close()  # somebody looked at the failure


def test_the_broker_comes_back_in_time_and_the_unfinished_send_is_delivered(own_broker: Broker) -> None:
    with Producer(own_broker.bootstrap_servers, delivery_timeout_ms=60_000) as producer:
        producer.send_and_wait("events", 1, timeout=20)
        own_broker.kill()
        delivery = producer.send("events", 2)
        own_broker.start()
        assert delivery.result(40).offset == 1


def send_into_nothing(cluster: Any, topic: str, **options: Any) -> Tuple[Producer, List[Any]]:
    """A producer whose only broker has gone, and the deliveries of two messages that will fail within four seconds."""
    producer = Producer(cluster.bootstrap_servers, delivery_timeout_ms=4000, **options)
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(MOCK_BROKER)
    return producer, [producer.send(topic, {"n": 1}, key="a"), producer.send(topic, {"n": 2}, key="b")]


def assert_names_both(error: DeliveryError, topic: str) -> None:
    assert sorted((f.topic, f.key, f.value) for f in error.failures) == [
        (topic, b"a", b'{"n":1}'),
        (topic, b"b", b'{"n":2}'),
    ]
    assert topic in str(error)
    assert "2" in str(error)


@pytest.mark.mock_only
def test_flush_raises_for_failures_that_nobody_looked_at_and_only_once(cluster: Any, topic: str) -> None:
    producer, _ = send_into_nothing(cluster, topic)
    with pytest.raises(DeliveryError) as caught:
        producer.flush(20)
    assert_names_both(caught.value, topic)
    producer.flush(20)
    producer.close()


@pytest.mark.mock_only
def test_close_raises_for_failures_that_nobody_looked_at(cluster: Any, topic: str) -> None:
    producer, _ = send_into_nothing(cluster, topic)
    with pytest.raises(DeliveryError) as caught:
        producer.close()
    assert_names_both(caught.value, topic)
    producer.close()


@pytest.mark.mock_only
def test_leaving_the_with_block_raises_for_failures_that_nobody_looked_at(cluster: Any, topic: str) -> None:
    producer, _ = send_into_nothing(cluster, topic)
    with pytest.raises(DeliveryError) as caught, producer:
        pass
    assert_names_both(caught.value, topic)


@pytest.mark.mock_only
def test_an_error_in_the_with_block_is_not_replaced_by_the_delivery_error(cluster: Any, topic: str) -> None:
    producer, _ = send_into_nothing(cluster, topic)
    with pytest.raises(ZeroDivisionError), producer:
        raise ZeroDivisionError


@pytest.mark.mock_only
def test_failures_that_somebody_looked_at_are_not_raised_again(cluster: Any, topic: str) -> None:
    producer, (first, second) = send_into_nothing(cluster, topic)
    assert isinstance(first.exception(20), DeliveryError)
    with pytest.raises(DeliveryError):
        second.result(20)
    producer.flush(20)
    producer.close()


@pytest.mark.mock_only
def test_on_delivery_gets_the_error(cluster: Any, topic: str) -> None:
    seen = []
    producer, (first, second) = send_into_nothing(
        cluster, topic, on_delivery=lambda error, metadata: seen.append((error, metadata))
    )
    assert first.exception(20) is not None
    assert second.exception(20) is not None
    producer.close()
    failed = [(type(error), metadata) for error, metadata in seen if error is not None]
    assert failed == [(DeliveryError, None)] * 2


@pytest.mark.mock_only
def test_flush_that_runs_out_of_time_says_how_many_remain(cluster: Any, topic: str) -> None:
    producer = Producer(cluster.bootstrap_servers, delivery_timeout_ms=60_000)
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(MOCK_BROKER)
    for n in range(3):
        producer.send(topic, n)
    started = time.monotonic()
    with pytest.raises(FlushTimeoutError) as caught:
        producer.flush(0.5)
    assert 0.4 < time.monotonic() - started < 20  # the messages have 60 s
    assert caught.value.remaining == 3
    assert producer.pending == 3
    cluster.mock.broker_up(MOCK_BROKER)
    producer.flush(20)
    producer.close()


@pytest.mark.mock_only
def test_close_that_runs_out_of_time_says_how_many_were_lost(cluster: Any, topic: str) -> None:
    producer = Producer(cluster.bootstrap_servers, delivery_timeout_ms=60_000)
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(MOCK_BROKER)
    producer.send(topic, 1)
    started = time.monotonic()
    with pytest.raises((FlushTimeoutError, DeliveryError)):
        producer.close(timeout=0.5)
    assert time.monotonic() - started < 15  # 30 s by default


@pytest.mark.mock_only
def test_a_full_queue_blocks_send_for_max_block_ms_and_then_raises(cluster: Any, topic: str) -> None:
    producer = Producer(
        cluster.bootstrap_servers,
        delivery_timeout_ms=60_000,
        max_block_ms=700,
        config={"queue.buffering.max.messages": 10},
    )
    producer.send_and_wait(topic, 0, timeout=20)
    cluster.mock.broker_down(MOCK_BROKER)
    for n in range(10):
        producer.send(topic, n)
    started = time.monotonic()
    with pytest.raises(QueueFullError) as caught:
        producer.send(topic, "one too many")
    assert 0.6 < time.monotonic() - started < 20  # 60 s by default
    assert isinstance(caught.value, BufferError)
    assert "max_block_ms" in str(caught.value)
    assert producer.pending == 10
    cluster.mock.broker_up(MOCK_BROKER)
    producer.close()


def test_a_queue_that_is_full_for_a_moment_only_slows_send_down(servers: str, topic: str) -> None:
    with Producer(servers, config={"queue.buffering.max.messages": 10}) as producer:
        deliveries = [producer.send(topic, n) for n in range(500)]
        producer.flush(30)
    assert [delivery.result(0).offset for delivery in deliveries] == list(range(500))
