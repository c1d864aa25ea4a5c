"""A consumer whose broker goes away: it raises after `unreachable_timeout`, stays usable, and reads on afterwards."""

import contextlib
import time
from typing import Any, Callable, Dict, Optional

import pytest

from kjson import Consumer, KafkaConnectionError, KafkaError, Message, TopicPartition

from .kafka import Broker
from .peers import write_with_confluent
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")


def read_when_back(consumer: Consumer) -> Optional[Message]:
    """One message, or None while the consumer has not found its broker again."""
    try:
        return consumer.poll(1.0)
    except KafkaConnectionError:
        return None


@pytest.mark.parametrize(("call", "group_id"), [("next", None), ("poll", "waiting"), ("consume", "waiting")])
def test_a_waiting_consumer_raises_after_unreachable_timeout_then_goes_on_when_the_broker_is_back(
    own_broker: Broker, group_id: Optional[str], call: str
) -> None:
    servers = own_broker.bootstrap_servers
    write_with_confluent(servers, "events", [b'{"n":0}'])

    waits: Dict[str, Callable[[Consumer], Any]] = {
        "next": next,
        "poll": lambda consumer: consumer.poll(30),
        "consume": lambda consumer: consumer.consume(1, timeout=30),
    }
    with Consumer("events", bootstrap_servers=servers, group_id=group_id, unreachable_timeout=2.0) as consumer:
        assert next(consumer).value == {"n": 0}
        own_broker.kill()
        started = time.monotonic()
        with pytest.raises(KafkaConnectionError) as caught:
            waits[call](consumer)
        assert 1.0 < time.monotonic() - started < 20  # the call has 30 s, or no end
        assert servers in str(caught.value)
        assert "refused" in str(caught.value).lower()
        assert "unreachable_timeout" in str(caught.value)

        own_broker.start()
        write_with_confluent(servers, "events", [b'{"n":1}'])
        message = wait_until(lambda: read_when_back(consumer), "the next message", timeout=30)
    assert (message.offset, message.value) == (1, {"n": 1})


def test_a_poll_shorter_than_unreachable_timeout_returns_none_and_the_time_adds_up(own_broker: Broker) -> None:
    servers = own_broker.bootstrap_servers
    write_with_confluent(servers, "events", [b'{"n":0}'])
    with Consumer("events", bootstrap_servers=servers, unreachable_timeout=3.0) as consumer:
        assert next(consumer).value == {"n": 0}
        own_broker.kill()
        started = time.monotonic()
        assert consumer.poll(0.3) is None
        with pytest.raises(KafkaConnectionError):
            while time.monotonic() - started < 30:
                consumer.poll(0.3)
        assert 2.0 < time.monotonic() - started < 15  # 60 s by default


@pytest.mark.mock_only
def test_it_is_the_same_on_the_mock(cluster: Any, servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"0", b"1"])
    with Consumer(topic, bootstrap_servers=servers, unreachable_timeout=2.0) as consumer:
        assert next(consumer).value == 0
        consumer.seek(TopicPartition(topic, 0), 2)  # beyond what is fetched already
        cluster.mock.broker_down(1)
        started = time.monotonic()
        with pytest.raises(KafkaConnectionError, match="unreachable_timeout"):
            consumer.poll(30)
        assert 1.0 < time.monotonic() - started < 20
        cluster.mock.broker_up(1)
        write_with_confluent(servers, topic, [b"2"])
        message = wait_until(lambda: read_when_back(consumer), "the next message", timeout=30)
    assert (message.offset, message.value) == (2, 2)


def test_a_quiet_topic_on_a_living_broker_raises_nothing(own_broker: Broker) -> None:
    servers = own_broker.bootstrap_servers
    write_with_confluent(servers, "events", [b'{"n":0}'])
    with Consumer("events", bootstrap_servers=servers, unreachable_timeout=1.0) as consumer:
        assert next(consumer).value == {"n": 0}
        assert consumer.poll(4.0) is None


def test_close_is_bounded_with_the_broker_gone(own_broker: Broker) -> None:
    servers = own_broker.bootstrap_servers
    write_with_confluent(servers, "events", [b'{"n":0}'])
    consumer = Consumer("events", bootstrap_servers=servers, group_id="gone")
    assert next(consumer).value == {"n": 0}
    own_broker.kill()
    started = time.monotonic()
    with contextlib.suppress(KafkaError):  # that it could not commit
        consumer.close(timeout=2.0)
    assert time.monotonic() - started < 8  # 10 s by default
