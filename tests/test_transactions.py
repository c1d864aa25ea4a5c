"""Transactions: all of it is seen or none, offsets go with it, and a producer that is fenced learns that."""

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, List, Optional

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kjson import ClosedError, Consumer, DeliveryError, FencedError, KafkaError, Producer, TransactionError

from .kafka import Broker
from .peers import committed_offset, create_topic, read_records

pytestmark = [pytest.mark.real_kafka, pytest.mark.usefixtures("calling")]


def committed_values(servers: str, topic: str, count: int, partitions: int = 1) -> List[Any]:
    """What a reader of committed messages finds in the topic, as JSON."""
    return [json.loads(record.value or b"") for record in read_records(servers, topic, count, partitions=partitions)]


@pytest.fixture
def transactional_id() -> str:
    return f"tx-{uuid.uuid4().hex[:8]}"


def test_a_block_that_ends_commits_and_one_that_raises_aborts(servers: str, topic: str, transactional_id: str) -> None:
    with Producer(servers, transactional_id=transactional_id) as producer:
        with producer.transaction():
            first = producer.send(topic, {"n": 1})
            producer.send_many(topic, [{"n": 2}, {"n": 3}])
        assert first.result(0).offset == 0
        with pytest.raises(ZeroDivisionError), producer.transaction():
            producer.send(topic, {"n": "never"})
            producer.send_many(topic, [{"n": "never"}] * 100)
            _ = 1 / 0
        with producer.transaction():
            producer.send(topic, {"n": 4})
    assert committed_values(servers, topic, 4) == [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}]


def test_an_aborted_message_says_so_and_is_no_unseen_failure(servers: str, topic: str, transactional_id: str) -> None:
    with Producer(servers, transactional_id=transactional_id, linger_ms=30_000) as producer:
        producer.begin_transaction()
        lost = producer.send(topic, "never")
        producer.abort_transaction()
        with pytest.raises(DeliveryError, match="PURGE"):
            lost.result(5)
        producer.begin_transaction()
        producer.send(topic, "kept")
        producer.commit_transaction()
    assert committed_values(servers, topic, 1) == ["kept"]


def test_sending_outside_of_a_transaction_is_refused_with_the_way_out(
    servers: str, topic: str, transactional_id: str
) -> None:
    with Producer(servers, transactional_id=transactional_id) as producer:
        for send in (lambda: producer.send(topic, 1), lambda: producer.send_many(topic, [1])):
            with pytest.raises(KafkaError, match=r"no transaction has begun.*producer\.transaction\(\)"):
                send()
        with pytest.raises(TransactionError) as caught:
            producer.commit_transaction()
        assert not caught.value.abortable
        with producer.transaction(), pytest.raises(TransactionError):
            producer.begin_transaction()


def test_a_producer_without_an_id_has_no_transactions(servers: str) -> None:
    with Producer(servers) as producer, pytest.raises(KafkaError, match="transactional_id"):
        producer.begin_transaction()
    with pytest.raises(ClosedError):
        producer.commit_transaction()


def test_the_older_producer_of_the_same_id_is_fenced(servers: str, topic: str, transactional_id: str) -> None:
    old = Producer(servers, transactional_id=transactional_id)
    old.begin_transaction()
    old.send(topic, "of the old one").result(20)
    with Producer(servers, transactional_id=transactional_id) as new:
        with pytest.raises(FencedError) as caught:
            old.commit_transaction()
        assert caught.value.fatal
        assert not caught.value.abortable
        assert "took over" in str(caught.value)
        with pytest.raises(FencedError):
            old.send(topic, "again")
        with pytest.raises(FencedError):
            old.begin_transaction()
        with new.transaction():
            new.send(topic, "of the new one")
    old.close()
    assert committed_values(servers, topic, 1) == ["of the new one"]


def test_offsets_are_committed_with_the_transaction_and_not_without(
    servers: str, topic: str, group: str, transactional_id: str
) -> None:
    with Producer(servers) as source:
        source.send_many(topic, range(10)).result(20)
    with Consumer(topic, bootstrap_servers=servers, group_id=group, enable_auto_commit=False) as consumer:
        messages = [next(consumer) for _ in range(10)]
        with Producer(servers, transactional_id=transactional_id) as producer:
            with pytest.raises(KeyError), producer.transaction():
                producer.send_offsets_to_transaction(messages[8], consumer.group_metadata())
                raise KeyError
            assert committed_offset(servers, group, topic) is None
            with producer.transaction():
                producer.send_offsets_to_transaction(messages[:5], consumer.group_metadata())
            assert committed_offset(servers, group, topic) == 5


def test_a_commit_with_a_failed_message_asks_for_an_abort(servers: str, transactional_id: str) -> None:
    topic = f"small-records-{uuid.uuid4().hex[:8]}"
    narrow = NewTopic(topic, 1, config={"max.message.bytes": "1000"})
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([narrow])[topic].result(20)
    with Producer(servers, transactional_id=transactional_id) as producer:
        producer.begin_transaction()
        large = producer.send(topic, "x" * 5000)
        with pytest.raises(TransactionError) as caught:
            producer.commit_transaction()
        assert caught.value.abortable
        assert not caught.value.fatal
        assert large.exception(5) is not None
        producer.abort_transaction()
        # The refused message had a sequence number, which librdkafka 2.12 notices in the next transaction: that one may
        # fail in an abortable way too, and the one after it does not.
        for _ in range(3):
            try:
                with producer.transaction():
                    producer.send(topic, "small")
                break
            except TransactionError as error:
                if not error.abortable:
                    raise
        else:
            raise AssertionError("no transaction went through")
    assert committed_values(servers, topic, 1) == ["small"]


@pytest.mark.timeout(180)
@pytest.mark.sync_only
def test_the_loop_of_the_example_copies_every_message_exactly_once_through_kills(
    own_broker: Broker, tmp_path: Path
) -> None:
    """consume_transform_produce.py, killed with -9 three times and started again."""
    servers, count = own_broker.bootstrap_servers, 3000
    for name in ("orders", "totals"):
        create_topic(servers, name, 2)
    with Producer(servers) as producer:
        producer.send_many(
            "orders", [{"id": n, "price": 2, "quantity": n} for n in range(count)], key=lambda o: o["id"]
        )
    script = str(Path(__file__).parents[1] / "examples" / "consume_transform_produce.py")
    command = [sys.executable, script, servers, "--batch", "50", "--pause", "0.02"]
    for life in (1.5, 2.0, 2.5, None):
        process = subprocess.Popen([*command, "--until-idle", "20"])
        _end(process, life)
    copied = committed_values(servers, "totals", count, partitions=2)
    assert sorted(order["id"] for order in copied) == list(range(count))
    assert all(order["total"] == 2 * order["id"] for order in copied)


def _end(process: "subprocess.Popen[bytes]", life: Optional[float]) -> None:
    if life is None:
        assert process.wait(120) == 0
        return
    time.sleep(life)
    process.kill()
    process.wait(10)
