"""What a long run shows: memory stays where it was, callbacks may raise, and a killed broker loses nothing confirmed.

`make soak` runs the first with a million messages: KJSON_SOAK=1000000.
"""

import contextlib
import json
import os
import sys
import threading
import time
from typing import Any, Dict, List

import confluent_kafka
import pytest

from kjson import DeliveryError, Producer
from kjson.testing import MockCluster

from .kafka import Broker
from .peers import create_topic, read_records
from .waiting import wait_until

pytestmark = pytest.mark.slow

MESSAGES = int(os.environ.get("KJSON_SOAK", "60000"))
GROWTH_MIB = 20.0


def resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.real_kafka
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc/self/statm")
@pytest.mark.timeout(60 + MESSAGES // 2000)
def test_sends_with_callbacks_failures_and_headers_leave_memory_where_it_was(servers: str, topic: str) -> None:
    outcomes = {"delivered": 0, "failed": 0}

    def delivered(error: Any, metadata: Any) -> None:
        outcomes["failed" if error is not None else "delivered"] += 1

    # Of a hundred messages one goes to a partition that does not exist, one to a topic that refuses its size, and one
    # batch has a message that is too large for the producer.
    strict = f"{topic}-strict"
    create_topic(servers, strict, config={"max.message.bytes": "1000"})
    with Producer(servers, max_request_size=20_000, queue_buffering_max_messages=10_000) as producer:
        base = 0.0
        failed = refused = 0
        for n in range(MESSAGES):
            if n == MESSAGES * 3 // 10:
                producer.flush(60)
                base = resident_mib()
            producer.send(topic, {"n": n, "text": "x" * 200}, headers={"h": b"1", "i": None}, on_delivery=delivered)
            if n % 100 == 0:
                try:
                    producer.send(topic, n, partition=99)
                except Exception:  # refused at once: the topic is known
                    refused += 1
                producer.send(strict, "y" * 2000, on_delivery=delivered)
                batch = producer.send_many(topic, ["y" * 30_000, n])
                failed += len(batch.failed)
        producer.flush(60)
        growth = resident_mib() - base
        assert refused == failed == outcomes["failed"] == (MESSAGES + 99) // 100
        assert outcomes["delivered"] == MESSAGES
        assert growth < GROWTH_MIB, f"{growth:.1f} MiB more after the last 70 % of {MESSAGES} messages"


def test_a_callback_that_raises_harms_nothing_and_is_reported(
    servers: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: List[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: reported.append(unraisable.exc_value))

    def broken(error: Any, metadata: Any) -> None:
        raise RuntimeError(f"callback of offset {metadata.offset}")

    with Producer(servers) as producer:
        for n in range(100):
            producer.send(topic, n, on_delivery=broken)
        producer.flush(20)
        assert producer.send(topic, "after").result(20).offset == 100
    assert sorted(str(error) for error in reported) == sorted(f"callback of offset {n}" for n in range(100))


@pytest.mark.timeout(120)
def test_a_broker_killed_while_sending_loses_nothing_confirmed_and_duplicates_nothing(own_broker: Broker) -> None:
    servers, topic = own_broker.bootstrap_servers, "events"
    create_topic(servers, topic, 3)
    stop = threading.Event()
    single: List[Any] = []
    batches: List[Any] = []

    def send_all() -> None:
        n = 0
        while not stop.is_set():
            single.append((n, producer.send(topic, n, key=str(n))))
            values = range(n + 1, n + 21)
            batches.append((values, producer.send_many(topic, values, key=str)))
            n += 21
            time.sleep(0.001)

    # A few seconds for a delivery, so that some of them fail while the broker is away.
    producer = Producer(servers, delivery_timeout_ms=6000, linger_ms=2)
    sender = threading.Thread(target=send_all)
    sender.start()
    for _ in range(2):
        time.sleep(1.5)
        own_broker.kill()
        time.sleep(1)
        own_broker.start()
    time.sleep(1)
    stop.set()
    sender.join(60)
    with contextlib.suppress(DeliveryError):  # looked at one by one below
        producer.flush(60)

    confirmed = {n for n, delivery in single if delivery.exception(30) is None}
    failed = {n for n, _ in single} - confirmed
    for values, batch in batches:
        wait_until(batch.done, "a batch")
        lost = {int(failure.value) for failure in batch.failed}
        confirmed |= set(values) - lost
        failed |= lost
    metrics = producer.metrics()
    assert (metrics["delivered"], metrics["failed"]) == (len(confirmed), len(failed))
    producer.close()
    assert len(confirmed) > 1000
    everything = all_values(servers, topic)
    assert len(everything) == len(set(everything)), "a message is there twice"
    assert set(everything) <= confirmed | failed
    lost = confirmed - set(everything)
    assert not lost, f"{len(lost)} confirmed messages are lost"


def all_values(servers: str, topic: str) -> List[int]:
    """All there is up to the end of each partition, with what was stored though its confirmation was lost."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": "end", "enable.auto.commit": False})
    try:
        ends = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), 20)[1] for p in range(3)]
    finally:
        consumer.close()
    records = read_records(servers, topic, sum(ends), partitions=3)
    return [json.loads(record.value or b"") for record in records]


def test_threads_share_a_producer_and_every_callback_comes_exactly_once(servers: str, topic: str) -> None:
    """`add_done_callback` races with the report thread; `flush` and `result` with both."""
    each, threads = 400, 4
    calls: List[Any] = []
    errors: List[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(each):
                producer.send(topic, [number, n]).add_done_callback(calls.append)
                if n % 50 == number:
                    assert len(producer.send_many(topic, range(30)).result(20)) == 30
                if n % 100 == 0:
                    producer.flush(20)
        except BaseException as error:
            errors.append(error)

    with Producer(servers, linger_ms=0) as producer:
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        producer.flush(20)
    assert not errors
    assert len(calls) == len(set(calls)) == each * threads
    assert sorted(delivery.result(0).offset for delivery in calls)[-1] < each * threads + 30 * 8 * threads


@pytest.mark.mock_only
@pytest.mark.skipif(sys.platform != "linux", reason="kjson paces librdkafka's broker threads on Linux only")
def test_waiting_for_an_answer_does_not_spin() -> None:
    newest: Dict[str, int] = {}

    def statistics(numbers: Dict[str, Any]) -> None:
        newest.update({name: broker["wakeups"] for name, broker in numbers["brokers"].items()})

    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(MockCluster(topics={"events": 1}))
        producer = stack.enter_context(
            Producer(cluster.bootstrap_servers, on_stats=statistics, statistics_interval_ms=50)
        )
        producer.send_and_wait("events", 0)
        cluster.round_trip_time(200)
        for _ in range(10):
            producer.send_many("events", range(2000))
            time.sleep(0.02)  # longer than linger_ms: what is queued is overdue while an answer is waited for
        producer.flush(30)
        newest.clear()
        wait_until(lambda: bool(newest), "statistics")
    # About 100. Without the pause it is 432,000.
    assert sum(newest.values()) < 5000, newest
