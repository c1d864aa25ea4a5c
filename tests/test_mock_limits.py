"""Where `MockCluster` differs from a Kafka, as docs/testing.md says: a new librdkafka may fix it."""

import time
from typing import Any, List

import pytest

from kjson import Consumer, Producer, TopicPartition
from kjson.testing import MockCluster

PARTITION = TopicPartition("t", 0)


def read(servers: str, **options: Any) -> List[Any]:
    with Consumer("t", bootstrap_servers=servers, **options) as consumer:
        return [message.value for message in consumer.until_end()]


def test_offsets_for_times_finds_nothing() -> None:
    with MockCluster(topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send("t", 1, timestamp=1_000_000)
        with Consumer(bootstrap_servers=cluster.bootstrap_servers) as consumer:
            assert consumer.offsets_for_times({PARTITION: 1}) == {PARTITION: None}
            assert consumer.end_offsets([PARTITION]) == {PARTITION: 1}


def test_everybody_reads_open_and_aborted_transactions() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers, transactional_id="x") as producer:
        producer.begin_transaction()
        producer.send("t", "aborted")
        producer.flush()
        producer.abort_transaction()
        producer.begin_transaction()
        producer.send("t", "open")
        producer.flush()
        assert read(cluster.bootstrap_servers, isolation_level="read_committed") == ["aborted", "open"]
        producer.abort_transaction()


def test_a_producer_of_the_same_transactional_id_does_not_fence() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers, transactional_id="x") as first:
        first.begin_transaction()
        first.send("t", 1)
        with Producer(cluster.bootstrap_servers, transactional_id="x"):
            first.commit_transaction()


def test_offsets_of_a_transaction_are_not_stored() -> None:
    with MockCluster(topics=["t"]) as cluster, Producer(cluster.bootstrap_servers, transactional_id="x") as producer:
        with producer.transaction():
            producer.send("t", 1)
        options: Any = {"bootstrap_servers": cluster.bootstrap_servers, "group_id": "g", "enable_auto_commit": False}
        with Consumer("t", **options) as consumer:
            message = next(consumer)
            with producer.transaction():
                producer.send_offsets_to_transaction([message], consumer.group_metadata())
            assert consumer.committed(PARTITION) is None


def test_a_partition_keeps_5_mib_and_nothing_is_compacted() -> None:
    with MockCluster(topics=["t", "keyed"]) as cluster:
        with Producer(cluster.bootstrap_servers, compression_type="none") as producer:
            for _ in range(60):
                producer.send("t", "x" * 100_000)
            for n in range(3):
                producer.send("keyed", n, key="k")
        with Consumer(bootstrap_servers=cluster.bootstrap_servers) as consumer:
            assert consumer.beginning_offsets([PARTITION])[PARTITION] > 0
            keyed = TopicPartition("keyed", 0)
            assert consumer.beginning_offsets([keyed]) == {keyed: 0}


def test_topics_are_made_with_four_partitions_by_producers() -> None:
    with MockCluster() as cluster, Producer(cluster.bootstrap_servers) as producer:
        assert producer.partitions_for("asked") == [0, 1, 2, 3]


def test_confirmations_carry_the_timestamp_1234_and_need_no_replicas() -> None:
    with MockCluster(brokers=3, topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            assert producer.send_and_wait("t", 1, timeout=10, timestamp=1_000_000).timestamp_ms == 1234
        assert read(cluster.bootstrap_servers) == [1]


@pytest.mark.parametrize(("session", "least"), [({}, 0.9), ({"session_timeout_ms": 4000}, 2.9)], ids=["2 s", "4 s"])
def test_the_next_member_waits_for_the_session_timeout_of_the_last(session: Any, least: float) -> None:
    with MockCluster(topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send_many("t", range(10))
        options: Any = {"bootstrap_servers": cluster.bootstrap_servers, "group_id": "g", **session}
        took = []
        for _ in range(2):
            started = time.monotonic()
            with Consumer("t", **options) as consumer:
                next(consumer)
            took.append(time.monotonic() - started)
        assert took[0] < least < took[1] < least + 4


def test_the_consumer_protocol_of_kip_848_works() -> None:
    with MockCluster(topics={"t": 2}) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send("t", 1)
        options: Any = {"bootstrap_servers": cluster.bootstrap_servers, "group_id": "g", "group_protocol": "consumer"}
        with Consumer("t", **options) as one:
            message = next(one)
            one.commit(message)
            assert one.committed(TopicPartition("t", message.partition)) == message.offset + 1
            with Consumer("t", **options) as other:
                ends = time.monotonic() + 30
                while len(one.assignment()) != 1 or len(other.assignment()) != 1:
                    one.poll(0.1)
                    other.poll(0.1)
                    assert time.monotonic() < ends, (one.assignment(), other.assignment())
