"""kjson.testing.MockCluster: a Kafka cluster in this process, and the faults it can show."""

import threading
import time
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from kjson import Consumer, DeliveryError, KafkaConnectionError, Producer
from kjson.testing import MockCluster

from .peers import read_records
from .sessions import LONG_SESSION


def metadata(cluster: MockCluster) -> Any:
    return AdminClient({"bootstrap.servers": cluster.bootstrap_servers}).list_topics(timeout=10)


def test_it_has_one_broker_by_default_and_as_many_as_one_asks_for() -> None:
    with MockCluster() as one, MockCluster(brokers=3) as three:
        assert sorted(metadata(one).brokers) == [1]
        assert sorted(metadata(three).brokers) == [1, 2, 3]
        assert len(three.bootstrap_servers.split(",")) == 3


def test_it_is_on_loopback_only() -> None:
    with MockCluster(brokers=2) as cluster:
        hosts = {address.rpartition(":")[0] for address in cluster.bootstrap_servers.split(",")}
        assert hosts <= {"127.0.0.1", "localhost"}


@pytest.mark.parametrize(
    ("topics", "expected"),
    [({"orders": 6, "events": 1}, {"orders": 6, "events": 1}), (["a", "b"], {"a": 1, "b": 1}), ((), {})],
    ids=["mapping", "names", "none"],
)
def test_topics_are_a_mapping_to_partition_counts_or_names(topics: Any, expected: Any) -> None:
    with MockCluster(topics=topics) as cluster:
        found = metadata(cluster).topics
    assert {name: len(topic.partitions) for name, topic in found.items()} == expected


def test_create_topic_makes_a_topic_later() -> None:
    with MockCluster() as cluster:
        cluster.create_topic("one")
        cluster.create_topic("three", partitions=3)
        found = metadata(cluster).topics
    assert {name: len(topic.partitions) for name, topic in found.items()} == {"one": 1, "three": 3}


def test_messages_go_through_it() -> None:
    with MockCluster(brokers=3, topics={"orders": 6}) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            for n in range(60):
                producer.send("orders", {"n": n}, partition=n % 6)
        with Consumer("orders", bootstrap_servers=cluster.bootstrap_servers, group_id="g", **LONG_SESSION) as consumer:
            assert sorted(next(consumer).value["n"] for _ in range(60)) == list(range(60))
        assert len(read_records(cluster.bootstrap_servers, "orders", 60, partitions=6)) == 60


def test_a_first_member_joins_its_group_at_once() -> None:
    """librdkafka's own default makes it wait for three seconds."""
    with MockCluster(topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send("t", 1)
        took = []
        for group in ("one", "two", "three"):
            started = time.monotonic()
            with Consumer("t", bootstrap_servers=cluster.bootstrap_servers, group_id=group) as consumer:
                assert next(consumer).value == 1
            took.append(time.monotonic() - started)
        assert min(took) < 2.5, took


def test_a_member_that_joins_after_another_left_does_not_wait_out_a_session_timeout() -> None:
    with MockCluster(topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send("t", 1)
            producer.send("t", 2)
        started = time.monotonic()
        for expected in (1, 2):
            with Consumer("t", bootstrap_servers=cluster.bootstrap_servers, group_id="g") as consumer:
                assert next(consumer).value == expected
        assert time.monotonic() - started < 8


def test_broker_down_and_up() -> None:
    with MockCluster(topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers, delivery_timeout_ms=2000) as producer:
            producer.send_and_wait("t", 0, timeout=10)
            cluster.broker_down(1)
            with pytest.raises(DeliveryError):
                producer.send("t", 1).result(10)
            with pytest.raises(KafkaConnectionError):
                Producer(cluster.bootstrap_servers)
            cluster.broker_up(1)
            Producer(cluster.bootstrap_servers).close()
        with Producer(cluster.bootstrap_servers) as producer:
            assert producer.send_and_wait("t", 2, timeout=10).topic == "t"


def test_round_trip_time_delays_every_answer() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers, linger_ms=0) as producer:
        producer.send_and_wait("t", 0, timeout=10)
        cluster.round_trip_time(600)
        started = time.monotonic()
        producer.send_and_wait("t", 1, timeout=10)
        assert 0.5 < time.monotonic() - started < 5
        cluster.round_trip_time(0, broker=1)
        producer.send_and_wait("t", 2, timeout=10)


def test_fail_requests_answers_with_the_error_that_many_times() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers) as producer:
        producer.send_and_wait("t", 0, timeout=10)
        cluster.fail_requests("Produce", "TOPIC_AUTHORIZATION_FAILED", times=1)
        with pytest.raises(DeliveryError) as caught:
            producer.send_and_wait("t", 1, timeout=10)
        assert "TOPIC_AUTHORIZATION_FAILED" in str(caught.value)


def test_a_retriable_failure_is_retried() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers) as producer:
        producer.send_and_wait("t", 0, timeout=10)
        cluster.fail_requests("Produce", "NOT_LEADER_FOR_PARTITION", times=2)
        assert producer.send_and_wait("t", 1, timeout=20).offset == 1


def test_clear_failures_forgets_those_that_were_not_used() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers) as producer:
        producer.send_and_wait("t", 0, timeout=10)
        cluster.fail_requests("Produce", "TOPIC_AUTHORIZATION_FAILED", times=1000)
        cluster.clear_failures()
        producer.send_and_wait("t", 1, timeout=10)


@pytest.mark.parametrize(("api", "error"), [("Produkt", "TOPIC_AUTHORIZATION_FAILED"), ("Produce", "NO_SUCH_ERROR")])
def test_a_name_that_is_none_is_refused(api: str, error: str) -> None:
    with MockCluster() as cluster, pytest.raises(ValueError, match=api if api == "Produkt" else error):
        cluster.fail_requests(api, error)


def test_close_ends_it_and_closing_twice_is_no_error() -> None:
    cluster = MockCluster()
    servers = cluster.bootstrap_servers
    cluster.close()
    cluster.close()
    with pytest.raises(KafkaConnectionError):
        Producer(servers)


def test_many_clusters_at_once_and_one_after_the_other() -> None:
    before = threading.active_count()
    for _ in range(20):
        with MockCluster(brokers=2, topics=["t"]) as cluster, Producer(cluster.bootstrap_servers) as producer:
            producer.send_and_wait("t", 1, timeout=10)
    assert threading.active_count() == before
