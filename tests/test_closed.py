"""After `close` every use is a ClosedError, and closing twice is no error."""

from typing import Any, Callable

import pytest

from kjson import ClosedError, Consumer, Producer

PRODUCER_CALLS = {
    "send": lambda producer: producer.send("t", 1),
    "send_and_wait": lambda producer: producer.send_and_wait("t", 1),
    "flush": lambda producer: producer.flush(),
    "with": lambda producer: producer.__enter__(),
}

CONSUMER_CALLS = {
    "next": next,
    "poll": lambda consumer: consumer.poll(1),
    "consume": lambda consumer: consumer.consume(),
    "commit": lambda consumer: consumer.commit(),
    "subscribe": lambda consumer: consumer.subscribe(["t"]),
    "with": lambda consumer: consumer.__enter__(),
}


@pytest.mark.parametrize("call", PRODUCER_CALLS.values(), ids=PRODUCER_CALLS)
def test_a_closed_producer_raises_closed_error(servers: str, call: Callable[[Producer], Any]) -> None:
    producer = Producer(servers)
    producer.close()
    producer.close()
    with pytest.raises(ClosedError, match=r"(?i)producer"):
        call(producer)


@pytest.mark.parametrize("call", CONSUMER_CALLS.values(), ids=CONSUMER_CALLS)
def test_a_closed_consumer_raises_closed_error(
    servers: str, topic: str, group: str, call: Callable[[Consumer], Any]
) -> None:
    consumer = Consumer(topic, bootstrap_servers=servers, group_id=group)
    consumer.close()
    consumer.close()
    with pytest.raises(ClosedError, match=r"(?i)consumer"):
        call(consumer)


def test_leaving_the_with_block_closes(servers: str, topic: str) -> None:
    with Producer(servers) as producer, Consumer(topic, bootstrap_servers=servers) as consumer:
        pass
    with pytest.raises(ClosedError):
        producer.send(topic, 1)
    with pytest.raises(ClosedError):
        consumer.poll(0)


def test_a_delivery_outlives_its_producer(servers: str, topic: str) -> None:
    with Producer(servers) as producer:
        delivery = producer.send(topic, 1)
    assert delivery.result(0).offset == 0
