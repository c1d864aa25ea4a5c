"""Brokers that take longer with an answer than a read may block: another continent, or a moment without time."""

import contextlib
from itertools import islice
from typing import Any, Optional

import pytest

from kjson import Consumer, Producer

pytestmark = [pytest.mark.mock_only, pytest.mark.usefixtures("calling")]

ROUND_TRIP_MS = 400


@pytest.fixture
def far(cluster: Any, topic: str) -> str:
    """The servers, far away, with ten messages."""
    with Producer(cluster.bootstrap_servers) as producer:
        for n in range(10):
            producer.send(topic, n)
    cluster.mock.round_trip_time(ROUND_TRIP_MS)
    return str(cluster.bootstrap_servers)


def test_a_far_broker_is_read_from(far: str, topic: str, group_or_none: Optional[str]) -> None:
    with Consumer(topic, bootstrap_servers=far, group_id=group_or_none) as consumer:
        assert list(islice(consumer.values(), 10)) == list(range(10))


def test_until_end_waits_for_the_answer_that_names_the_partitions(cluster: Any, far: str, topic: str) -> None:
    with Consumer(topic, bootstrap_servers=far) as consumer:
        assert [message.value for message in consumer.until_end()] == list(range(10))


def test_a_far_broker_is_written_to(cluster: Any, far: str, topic: str) -> None:
    with Producer(far) as producer:
        assert producer.send_and_wait(topic, 10, timeout=20).offset == 10
    cluster.mock.round_trip_time(0)
    with contextlib.closing(Consumer(topic, bootstrap_servers=far)) as consumer:
        assert [message.value for message in consumer.until_end()] == list(range(11))
