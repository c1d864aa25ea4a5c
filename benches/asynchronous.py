"""asyncio: kjson against aiokafka and confluent-kafka's AIO classes, on one real broker, in interleaved rounds.

    python -m benches.asynchronous [--servers localhost:9092] [--messages 200000] [--rounds 5] [--only kjson,aiokafka]

Three loads, and the delay of a busy loop:

- sending, with the acknowledgements of a thousand messages awaited together;
- single awaited sends, one after the other (p50 and p99);
- reading a topic from its beginning with `async for`, or the nearest that a client has;
- how late a ticker of 10 ms is on the loop while a producer and a consumer run at full speed on it.

Every client sends the same objects with acks=all, idempotent, and 5 ms of linger, and awaits the delivery of every
message. What each stored and read is compared before anything is measured. The slow ones get fewer messages. Without
--servers a broker is started and stopped. All numbers are medians over the rounds. `asyncio_clients` has the clients.
"""

import argparse
import asyncio
import gc
import itertools
import json
import statistics
import sys
import time
import uuid
from typing import Any, Awaitable, Callable, Dict, List, NamedTuple

import confluent_kafka
import confluent_kafka.aio
import orjson
from tests.kafka import Broker
from tests.peers import create_topic, read_records

import kjson

from .asyncio_clients import (
    AIOKAFKA_BATCH_BYTES,
    TOGETHER,
    Load,
    Reader,
    aiokafka_producer,
    kjson_producer,
    read_aiokafka,
    read_confluent,
    read_confluent_consume,
    read_kjson,
    read_kjson_consume,
    send_aiokafka,
    send_confluent,
    send_kjson,
    send_kjson_many,
    send_kjson_pipelined,
    single_aiokafka,
    single_confluent,
    single_kjson,
    with_json,
)
from .loads import Clock, Cost, drop_topic, small, table


async def first(read: Reader, servers: str, topic: str, count: int) -> List[Any]:
    values: List[Any] = []
    reading = read(servers, topic)
    async for value in reading:
        values.append(value)
        if len(values) == count:
            break
    await reading.aclose()  # type: ignore[attr-defined]
    return values


async def read_timed(read: Reader, servers: str, topic: str, count: int) -> Cost:
    """From the first message on, so that joining the group is not counted."""
    reading, left, clock = read(servers, topic), count, None
    async for _ in reading:
        clock = clock or Clock()
        left -= 1
        if not left:
            break
    assert clock is not None
    cost = clock.cost(count - 1)
    await reading.aclose()  # type: ignore[attr-defined]
    return cost


async def lags(send: Callable[[Any], Awaitable[None]], read: Reader, servers: str, seconds: float) -> "Lag":
    """How late a ticker of 10 ms is while both run in its loop."""
    topic = f"bench-lag-{uuid.uuid4().hex[:8]}"
    create_topic(servers, topic)
    values, counts = [small(n) for n in range(TOGETHER)], {"sent": 0, "read": 0}

    async def sending() -> None:
        async def one_thousand() -> None:
            await send((topic, values))
            counts["sent"] += TOGETHER

        while True:
            await one_thousand()

    async def reading() -> None:
        async for _ in read(servers, topic):
            counts["read"] += 1

    tasks = [asyncio.ensure_future(work()) for work in (sending, reading)]
    while counts["read"] < 1000:
        await asyncio.sleep(0.05)
    late, begun = [], time.perf_counter()
    before = dict(counts)
    while time.perf_counter() - begun < seconds:
        due = time.perf_counter() + 0.01
        await asyncio.sleep(0.01)
        late.append(time.perf_counter() - due)
    passed = time.perf_counter() - begun
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    late.sort()
    return Lag(
        late[len(late) * 99 // 100] * 1e3,
        late[-1] * 1e3,
        (counts["sent"] - before["sent"]) / passed,
        (counts["read"] - before["read"]) / passed,
    )


class Lag(NamedTuple):
    p99_ms: float
    worst_ms: float
    sent: float
    read: float


async def lag_kjson(servers: str, seconds: float) -> Lag:
    async with kjson_producer(servers) as producer:

        async def send(work: Any) -> None:
            topic, values = work
            await asyncio.gather(*[await producer.send(topic, value) for value in values])

        return await lags(send, read_kjson, servers, seconds)


async def lag_aiokafka(servers: str, seconds: float) -> Lag:
    producer = aiokafka_producer(servers)
    await producer.start()

    async def send(work: Any) -> None:
        topic, values = work
        await asyncio.gather(*[await producer.send(topic, value) for value in values])

    try:
        return await lags(send, read_aiokafka, servers, seconds)
    finally:
        await producer.stop()


class Client(NamedTuple):
    name: str
    run: Any
    share: float = 1
    """Of the messages: the slow ones get fewer."""


SENDERS = [
    Client("kjson", send_kjson),
    Client("kjson, next under way", send_kjson_pipelined),
    Client("kjson send_many", send_kjson_many),
    Client("aiokafka orjson", send_aiokafka, 0.2),
    Client("aiokafka json", lambda load: send_aiokafka(load, with_json), 0.2),
    Client("aiokafka orjson, its batches", lambda load: send_aiokafka(load, orjson.dumps, AIOKAFKA_BATCH_BYTES), 0.2),
    Client("aiokafka json, its batches", lambda load: send_aiokafka(load, with_json, AIOKAFKA_BATCH_BYTES), 0.2),
    Client("confluent AIOProducer orjson", send_confluent, 0.1),
]
READERS = [
    Client("kjson async for", read_kjson),
    Client("kjson consume(1000)", read_kjson_consume),
    Client("aiokafka async for, orjson", read_aiokafka, 0.3),
    Client("aiokafka async for, json", lambda servers, topic: read_aiokafka(servers, topic, json.loads), 0.3),
    Client("confluent AIOConsumer poll", read_confluent, 0.05),
    Client("confluent AIOConsumer consume", read_confluent_consume, 0.5),
]
SINGLE = [
    Client("kjson, linger_ms=5", lambda load: single_kjson(load, 5)),
    Client("kjson, linger_ms=1000", lambda load: single_kjson(load, 1000)),
    Client("aiokafka, linger_ms=0", lambda load: single_aiokafka(load, 0)),
    Client("aiokafka, linger_ms=5", lambda load: single_aiokafka(load, 5)),
    Client("confluent AIOProducer", lambda load: single_confluent(load, 5)),
]
LAGS = [Client("kjson", lag_kjson), Client("aiokafka", lag_aiokafka)]


def new_topic(servers: str) -> str:
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    create_topic(servers, topic)
    return topic


def check_equal(servers: str, senders: List[Client], readers: List[Client]) -> None:
    values = [small(n) for n in range(50)]
    topic = ""
    for sender in senders:
        topic = new_topic(servers)
        asyncio.run(sender.run(Load(servers, topic, values)))
        stored = [orjson.loads(record.value or b"") for record in read_records(servers, topic, len(values))]
        assert stored == values, f"{sender.name} stored something else"
    for reader in readers:
        assert asyncio.run(first(reader.run, servers, topic, 50)) == values, f"{reader.name} read something else"


def run(servers: str, arguments: argparse.Namespace) -> None:
    parts = arguments.only.split(",") if arguments.only else [""]

    def wanted(clients: List[Client]) -> List[Client]:
        return [client for client in clients if any(part in client.name for part in parts)]

    senders, readers, count, rounds = wanted(SENDERS), wanted(READERS), arguments.messages, arguments.rounds
    check_equal(servers, senders, readers)
    print(f"equal. Python {sys.version.split()[0]}, {kjson.librdkafka_version=}, {confluent_kafka.libversion()[0]=}")
    values = [small(n) for n in range(TOGETHER)] * (count // TOGETHER)
    gc.collect()
    gc.freeze()
    sent: Dict[str, List[Cost]] = {client.name: [] for client in senders}
    for _, client in itertools.product(range(rounds), senders):
        topic = new_topic(servers)
        part = values[: max(TOGETHER, int(count * client.share))]
        sent[client.name].append(asyncio.run(client.run(Load(servers, topic, part))))
        drop_topic(servers, topic)
    table(f"sending {count:,} messages of 270 bytes, {TOGETHER} awaited together", sent, "aiokafka json")

    topic = new_topic(servers)
    asyncio.run(send_kjson_many(Load(servers, topic, values)))
    read: Dict[str, List[Cost]] = {client.name: [] for client in readers}
    for _, client in itertools.product(range(rounds), readers):
        part = max(TOGETHER, int(count * client.share))
        read[client.name].append(asyncio.run(read_timed(client.run, servers, topic, part)))
    drop_topic(servers, topic)
    table(f"reading {count:,} messages of 270 bytes", read, "aiokafka async for, json")

    print(f"\n{'single awaited sends':34} {'p50 ms':>8} {'p99 ms':>8}")
    single: Dict[str, List[List[float]]] = {client.name: [] for client in wanted(SINGLE)}
    for _, client in itertools.product(range(rounds), wanted(SINGLE)):
        topic = new_topic(servers)
        load = Load(servers, topic, values[: arguments.latency_messages])
        single[client.name].append(sorted(asyncio.run(client.run(load))))
    for name, runs in single.items():
        p50, p99 = (
            statistics.median(taken[min(len(taken) * percent // 100, len(taken) - 1)] for taken in runs) * 1e3
            for percent in (50, 99)
        )
        print(f"{name:34} {p50:8.2f} {p99:8.2f}")

    print(f"\n{'ticker of 10 ms':34} {'p99 ms':>8} {'worst ms':>8} {'sent/s':>10} {'read/s':>10}")
    late: Dict[str, List[Lag]] = {client.name: [] for client in wanted(LAGS)}
    for _, client in itertools.product(range(rounds), wanted(LAGS)):
        late[client.name].append(asyncio.run(client.run(servers, arguments.lag_seconds)))
    for name, all_lags in late.items():
        p99, worst, out, back = (statistics.median(column) for column in zip(*all_lags))
        print(f"{name:34} {p99:8.2f} {worst:8.2f} {out:10,.0f} {back:10,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure asyncio clients on one real Kafka.")
    parser.add_argument("--servers", help="a broker that runs already (default: one is started)")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-messages", type=int, default=300)
    parser.add_argument("--lag-seconds", type=float, default=3.0)
    parser.add_argument("--only", help="parts of the names of the clients to run, with commas")
    arguments = parser.parse_args()
    if arguments.servers:
        run(arguments.servers, arguments)
    else:
        with Broker(java_options=["-Xms512m", "-Xmx1g", "-XX:+UseG1GC"]) as broker:
            run(broker.bootstrap_servers, arguments)


if __name__ == "__main__":
    main()
