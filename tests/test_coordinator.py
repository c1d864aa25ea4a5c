"""The coordinator of a group, or of a transaction, is another broker from now on."""

from itertools import islice
from typing import Iterator

import pytest

from kjson import Consumer, KafkaError, Producer, TopicPartition
from kjson.testing import MockCluster

from .sessions import LONG_SESSION

pytestmark = pytest.mark.usefixtures("calling")

TOPIC, GROUP = "orders", "billing"
PLACE = TopicPartition(TOPIC, 0)


@pytest.fixture
def brokers() -> Iterator[MockCluster]:
    """Two brokers, the first of which coordinates, and sixty messages."""
    with MockCluster(brokers=2, topics=[TOPIC]) as cluster:
        cluster.move_coordinator(GROUP, 1)
        with Producer(cluster.bootstrap_servers) as producer:
            for n in range(60):
                producer.send(TOPIC, n)
        yield cluster


@pytest.mark.parametrize("old_one", ["stays", "is lost"])
def test_a_consumer_reads_and_commits_on(brokers: MockCluster, old_one: str) -> None:
    options = {"bootstrap_servers": brokers.bootstrap_servers, "group_id": GROUP, **LONG_SESSION}
    with Consumer(TOPIC, enable_auto_commit=False, **options) as consumer:
        assert list(islice(consumer.values(), 20)) == list(range(20))
        consumer.commit()
        brokers.move_coordinator(GROUP, 2)
        if old_one == "is lost":
            brokers.broker_down(1)
        consumer.commit(TopicPartition(TOPIC, 0, 21), timeout=30)
        brokers.broker_up(1)
        assert consumer.committed(PLACE, timeout=30) == 21
        assert list(islice(consumer.values(), 40)) == list(range(20, 60))
        consumer.commit(timeout=30)
        assert consumer.committed(PLACE, timeout=30) == 60


def test_close_commits_to_the_new_one(brokers: MockCluster) -> None:
    options = {"bootstrap_servers": brokers.bootstrap_servers, "group_id": GROUP, **LONG_SESSION}
    with Consumer(TOPIC, auto_commit_interval_ms=100_000, **options) as consumer:
        assert list(islice(consumer.values(), 10)) == list(range(10))
        brokers.move_coordinator(GROUP, 2)
    with Consumer(bootstrap_servers=brokers.bootstrap_servers, group_id=GROUP) as consumer:
        assert consumer.committed(PLACE, timeout=30) == 10


@pytest.mark.sync_only
def test_a_transaction_ends_at_the_new_one(brokers: MockCluster) -> None:
    brokers.move_coordinator("transfers", 1)
    with Producer(brokers.bootstrap_servers, transactional_id="transfers") as producer:
        for n in (60, 61):
            with producer.transaction():
                producer.send(TOPIC, n)
                brokers.move_coordinator("transfers", 2)
    with Consumer(TOPIC, bootstrap_servers=brokers.bootstrap_servers) as consumer:
        assert [message.value for message in consumer.until_end()][-2:] == [60, 61]


@pytest.mark.sync_only
def test_a_coordinator_is_a_broker_of_the_cluster(brokers: MockCluster) -> None:
    with pytest.raises(KafkaError, match="there is no broker 3; ids are 1 to 2"):
        brokers.move_coordinator(GROUP, 3)
