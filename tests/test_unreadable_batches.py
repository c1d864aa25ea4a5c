"""Batches that librdkafka cannot decompress: each of their messages is a DecodeError, and the consumer reads on."""

from typing import Any, Callable, List, Optional

import pytest

from kjson import Consumer, DeadLetter, DecodeError, Producer

from .kafka import Broker
from .peers import create_topic
from .waiting import wait_until

# So that a small message is too large: 2 MB, where the default is 100 MB.
SMALL = {"fetch_max_bytes": 1_000_000, "receive_message_max_bytes": 1_000_600}


def fill(servers: str, topic: str, bad: int) -> None:
    """Two good messages, a batch of `bad` that unpack to 2 MB each, and two more good ones."""
    with Producer(servers, compression_type="zstd", message_max_bytes=50_000_000, linger_ms=0) as producer:
        producer.send_and_wait(topic, 0)
        producer.send_and_wait(topic, 1)
    options = {"batch_size": 50_000_000, "linger_ms": 300}
    with Producer(servers, compression_type="zstd", message_max_bytes=50_000_000, **options) as producer:
        producer.send_many(topic, ["a" * 2_000_000] * bad)
    with Producer(servers, linger_ms=0) as producer:
        producer.send_and_wait(topic, 2)
        producer.send_and_wait(topic, 3)


def read(consumer: Any, count: int, one: Callable[[Any], Optional[Any]]) -> List[Any]:
    found: List[Any] = []

    def more() -> bool:
        try:
            message = one(consumer)
            found.extend([] if message is None else [message])
        except DecodeError as error:
            found.append(error)
        return len(found) >= count

    wait_until(more, f"{count} messages")
    return found


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("bad", [1, 3])
def test_each_is_raised_and_the_consumer_goes_on(servers: str, topic: str, group: str, bad: int, grouped: bool) -> None:
    fill(servers, topic, bad)
    options = {"group_id": group} if grouped else {}
    with Consumer(topic, bootstrap_servers=servers, **SMALL, **options) as consumer:
        found = read(consumer, 4 + bad, lambda consumer: consumer.poll(1))
        assert [message.offset for message in found] == list(range(4 + bad))
        errors = found[2 : 2 + bad]
        assert all(isinstance(error, DecodeError) for error in errors)
        assert "receive_message_max_bytes" in str(errors[0])
        assert errors[0].raw_value is None
        assert [message.value for message in found if message not in errors] == [0, 1, 2, 3]
        assert consumer.metrics()["decode_errors"] == bad


@pytest.mark.parametrize("policy", ["skip", "yield", "call", "dead letter"])
def test_every_policy_is_asked(
    servers: str, topic: str, new_topic: Callable[..., str], calling: str, policy: str
) -> None:
    fill(servers, topic, 2)
    dead_letters = new_topic()
    policies = {"call": lambda error: "repaired", "dead letter": DeadLetter(dead_letters)}
    with Consumer(topic, bootstrap_servers=servers, on_decode_error=policies.get(policy, policy), **SMALL) as consumer:
        count = 6 if policy in ("yield", "call") else 4
        found = read(consumer, count, lambda consumer: consumer.poll(1))
    instead = {"call": ["repaired"] * 2, "yield": [None] * 2}.get(policy, [])
    assert [message.value for message in found] == [0, 1, *instead, 2, 3]
    if policy == "dead letter":
        with Consumer(dead_letters, bootstrap_servers=servers) as consumer:
            letter = next(iter(consumer))
            assert letter.value is None
            assert ("kjson-dlt-original-offset", b"2") in letter.headers


def test_consume_hands_out_the_good_ones_around_it(servers: str, topic: str, calling: str) -> None:
    fill(servers, topic, 2)
    with Consumer(topic, bootstrap_servers=servers, **SMALL) as consumer:
        found: List[Optional[int]] = []

        def more() -> bool:
            try:
                found.extend(message.offset for message in consumer.consume(10, timeout=0.5))
            except DecodeError as error:
                found.append(error.offset)
            return len(found) >= 6

        wait_until(more, "all messages")
    assert found == list(range(6))


def test_a_member_that_comes_again_goes_on_in_the_middle_of_the_batch(
    servers: str, topic: str, group: str, session: dict
) -> None:
    fill(servers, topic, 4)
    offsets: List[int] = []
    for count in (4, 4):
        with Consumer(topic, bootstrap_servers=servers, group_id=group, **session, **SMALL) as consumer:
            offsets += [message.offset for message in read(consumer, count, lambda consumer: consumer.poll(1))]
    assert offsets == list(range(8))


@pytest.mark.real_kafka
@pytest.mark.parametrize("grouped", [False, True])
def test_a_batch_that_is_damaged_on_the_disk_of_its_broker(own_broker: Broker, grouped: bool) -> None:
    servers, topic = own_broker.bootstrap_servers, "orders"
    create_topic(servers, topic)
    with Producer(servers, linger_ms=0) as producer:
        for value in ("zero", "to be damaged", "two"):
            producer.send_and_wait(topic, value)
    own_broker.stop()
    [segment] = (own_broker.directory / "data" / f"{topic}-0").glob("*.log")
    segment.write_bytes(segment.read_bytes().replace(b"to be damaged", b"to be Damaged"))
    own_broker.start()
    options = {"group_id": "billing"} if grouped else {}
    with Consumer(topic, bootstrap_servers=servers, check_crcs=True, **options) as consumer:
        first, damaged, last = read(consumer, 3, lambda consumer: consumer.poll(1))
        assert (first.value, last.value) == ("zero", "two")
        assert isinstance(damaged, DecodeError)
        assert (damaged.offset, damaged.raw_value) == (1, None)
