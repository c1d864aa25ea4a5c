"""What other clients see and write: topics read as bytes by confluent-kafka, records written by it and kafka-python."""

import json
import time
import uuid
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import confluent_kafka
import kafka
from confluent_kafka.admin import AdminClient, NewTopic

__all__ = [
    "Record",
    "committed_offset",
    "create_topic",
    "delete_records",
    "end_offset",
    "group_members",
    "read_records",
    "write_with_confluent",
    "write_with_kafka_python",
]

Headers = Optional[Sequence[Tuple[str, Optional[bytes]]]]


class Record(NamedTuple):
    """One record as bytes, of any client."""

    partition: int
    offset: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: List[Tuple[str, Optional[bytes]]]
    timestamp_ms: int


def create_topic(
    bootstrap_servers: str,
    topic: str,
    partitions: int = 1,
    timeout: float = 20.0,
    config: Optional[Dict[str, str]] = None,
) -> None:
    """Creates the topic and returns when every partition has a leader."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, partitions, config=config or {})])[topic].result(timeout)
    deadline = time.monotonic() + timeout
    while True:
        found = admin.list_topics(topic, timeout=timeout).topics[topic].partitions
        if len(found) == partitions and all(p.leader >= 0 for p in found.values()):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{topic} has no leader for each of {partitions} partitions: {found}")


def delete_records(bootstrap_servers: str, topic: str, before: int, *, partition: int = 0) -> None:
    """Has the broker delete the records before an offset, as it does after the retention time."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    [deleted] = admin.delete_records([confluent_kafka.TopicPartition(topic, partition, before)]).values()
    assert deleted.result(20).low_watermark == before


def read_records(
    bootstrap_servers: str, topic: str, count: int, *, partitions: int = 1, timeout: float = 20.0
) -> List[Record]:
    """The first `count` records of the topic, in the order of their partitions and offsets; fewer is a failure."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"reader-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    records: List[Record] = []
    deadline = time.monotonic() + timeout
    try:
        # Not OFFSET_BEGINNING: librdkafka looks that up in half a second.
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(partitions)])
        while len(records) < count:
            message = consumer.poll(0.2)
            if message is not None:
                if message.error() is not None:
                    raise confluent_kafka.KafkaException(message.error())
                records.append(_record(message))
            elif time.monotonic() > deadline:
                raise AssertionError(f"{len(records)} of {count} records of {topic} within {timeout:g} s: {records}")
    finally:
        consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def write_with_confluent(
    bootstrap_servers: str,
    topic: str,
    values: Sequence[Optional[bytes]],
    *,
    key: Optional[bytes] = None,
    headers: Headers = None,
    partition: Optional[int] = None,
) -> None:
    """Writes bytes as they are, and fails unless each is confirmed."""
    errors: List[object] = []
    where: Dict[str, int] = {} if partition is None else {"partition": partition}
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap_servers, "message.timeout.ms": 20_000})
    for value in values:
        producer.produce(
            topic, value, key, headers=headers, on_delivery=lambda error, _: error and errors.append(error), **where
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not errors, errors


def write_with_kafka_python(bootstrap_servers: str, topic: str, values: Sequence[Optional[bytes]]) -> None:
    """Writes bytes as they are, and fails unless each is confirmed."""
    producer = kafka.KafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=5)
    try:
        for confirmed in [producer.send(topic, value=value) for value in values]:
            confirmed.get(timeout=20)
    finally:
        producer.close(timeout=10)


def committed_offset(bootstrap_servers: str, group: str, topic: str, partition: int = 0) -> Optional[int]:
    """The offset that the group has committed, or None."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group})
    try:
        (found,) = consumer.committed([confluent_kafka.TopicPartition(topic, partition)], timeout=20)
    finally:
        consumer.close()
    return found.offset if found.offset >= 0 else None


def end_offset(bootstrap_servers: str, topic: str, partition: int = 0) -> int:
    """The offset that the next message will have."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "none"})
    try:
        _, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=20)
    finally:
        consumer.close()
    return int(end)


def group_members(bootstrap_servers: str, group: str) -> Optional[List[int]]:
    """How many partitions each member of the group has, or None while the group is not stable. Real Kafka only."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    deadline = time.monotonic() + 20
    while True:
        try:
            description = admin.describe_consumer_groups([group], request_timeout=10)[group].result(20)
            break
        except confluent_kafka.KafkaException as error:
            # A broker that has begun a moment ago reads its groups first.
            loading = error.args[0].code() == confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS
            if not loading or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    if description.state != confluent_kafka.ConsumerGroupState.STABLE:
        return None
    return sorted(len(member.assignment.topic_partitions) for member in description.members)


def _record(message: confluent_kafka.Message) -> Record:
    return Record(
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers() or [],
        message.timestamp()[1],
    )


def numbers(count: int) -> List[bytes]:
    """The JSON of the numbers below `count`."""
    return [json.dumps(n).encode() for n in range(count)]
