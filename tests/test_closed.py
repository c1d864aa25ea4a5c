"""After `close` every use is a ClosedError, and closing twice is no error."""

import threading
from typing import Any, Callable, List

import pytest

from kjson import ClosedError, Consumer, Delivery, Producer

from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")

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
    consumer = Consumer(topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION)
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


def test_close_takes_no_new_messages_and_leaves_none_undecided(servers: str, topic: str) -> None:
    """Closing used to flush for as long as another thread went on sending, and to lose what came in at the end."""
    producer = Producer(servers)
    sent: List[Delivery] = []
    refused: List[ClosedError] = []

    def send_until_closed() -> None:
        try:
            while True:
                sent.append(producer.send(topic, len(sent)))
        except ClosedError as error:
            refused.append(error)

    threads = [threading.Thread(target=send_until_closed) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(sent) > 100, "messages under way")
    producer.close(20)
    for thread in threads:
        thread.join(10)
    assert len(refused) == 2
    assert all(delivery.done() for delivery in sent)
    assert producer.pending == 0
