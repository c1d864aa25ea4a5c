"""Transactions that fail: each error says why, and what to do next."""

import time
from typing import Any, Iterator

import pytest

from kjson import DeliveryError, FencedError, KafkaError, Producer, TransactionError

from . import peers
from .conftest import unique_name
from .kafka import Broker

pytestmark = [pytest.mark.real_kafka, pytest.mark.usefixtures("calling")]

TIMEOUT_MS = 1500


@pytest.fixture
def compacted(shared_broker: Broker, request: pytest.FixtureRequest) -> str:
    """A topic that refuses messages without a key."""
    name = unique_name(request.node.name)
    peers.create_topic(shared_broker.bootstrap_servers, name, config={"cleanup.policy": "compact"})
    return name


@pytest.fixture(scope="module")
def strict_broker(real_kafka_installed: None) -> Iterator[Broker]:
    """A broker that looks for transactions that are too old twice a second, not every ten seconds."""
    with Broker(properties={"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}) as broker:
        yield broker


def test_a_send_in_a_transaction_that_has_failed_says_so_and_why(
    shared_broker: Broker, compacted: str, group: str
) -> None:
    with Producer(shared_broker.bootstrap_servers, transactional_id=group) as producer:
        producer.begin_transaction()
        assert producer.send(compacted, "without a key").exception(20) is not None
        with pytest.raises(TransactionError, match=r"the transaction takes no more messages.*without key") as caught:
            producer.send(compacted, 1, key="k")
        assert caught.value.abortable
        with pytest.raises(TransactionError) as caught:
            producer.commit_transaction()
        assert caught.value.abortable
        producer.abort_transaction()
        with pytest.raises(KafkaError, match="no transaction has begun"):
            producer.send(compacted, 1, key="k")


def test_the_transactions_after_one_that_failed_go_through(shared_broker: Broker, compacted: str, group: str) -> None:
    with Producer(shared_broker.bootstrap_servers, transactional_id=group) as producer:
        for _ in range(3):
            with pytest.raises(TransactionError), producer.transaction():
                producer.send(compacted, "without a key")
            with producer.transaction():
                assert producer.send(compacted, 1, key="k").result(20).offset >= 0


def too_old(producer: Any, topic: str) -> Exception:
    """Begins a transaction and sends until the broker has had enough of it."""
    producer.begin_transaction()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        producer.send(topic, 1)
        try:
            producer.flush(20)
        except DeliveryError as error:
            return error
        time.sleep(TIMEOUT_MS / 1000 + 1)
    raise AssertionError("the broker keeps the transaction")


def test_a_transaction_that_the_broker_ended_for_its_age_is_not_told_as_another_producers_doing(
    strict_broker: Broker, group: str
) -> None:
    servers = strict_broker.bootstrap_servers
    peers.create_topic(servers, group)
    options = {"transaction_timeout_ms": TIMEOUT_MS, "delivery_timeout_ms": TIMEOUT_MS - 100}
    producer = Producer(servers, transactional_id=group, **options)
    ended = rf"longer than transaction_timeout_ms={TIMEOUT_MS}, so the broker has aborted it"
    assert ended in str(too_old(producer, group))
    for call in (
        producer.commit_transaction,
        producer.abort_transaction,
        producer.begin_transaction,
        lambda: producer.send(group, 2),
    ):
        with pytest.raises(TransactionError, match=ended) as caught:
            call()
        assert caught.value.fatal
        assert not isinstance(caught.value, FencedError)
    producer.close()


def test_another_producer_that_takes_over_is_told_as_that(shared_broker: Broker, compacted: str, group: str) -> None:
    first = Producer(shared_broker.bootstrap_servers, transactional_id=group)
    first.begin_transaction()
    first.send(compacted, 1, key="k")
    second = Producer(shared_broker.bootstrap_servers, transactional_id=group)
    with pytest.raises(FencedError, match="took over"):
        first.commit_transaction()
    second.close()
    first.close()
