"""How fast messages get to Kafka: kjson against the other clients, on one real broker, in interleaved rounds.

    python -m benches.produce [--servers localhost:9092] [--messages 300000] [--rounds 5] [--only kjson,confluent]

Every client sends the same objects with the same guarantees (acks=all, idempotent where the client can be, 5 ms of
linger, a queue for the same number of messages) and learns of each delivery. Before anything is measured, what each
client stored is read back and compared. Without --servers a broker is started and stopped. `producers` has the clients.

Columns: messages a second until the last is acknowledged; CPU a message of the whole process and of the calling thread,
in microseconds. All are medians over the rounds. `floor` is librdkafka with encoded bytes, called through
confluent-kafka.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
import uuid
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import aiokafka
import orjson
from tests.kafka import Broker
from tests.peers import create_topic, read_records

import kjson

from .loads import Cost, drop_topic, large, small, table
from .producers import (
    Load,
    aiokafka_send,
    confluent_with,
    floor,
    kafka_python,
    kjson_callback,
    kjson_send,
    kjson_send_kept,
    kjson_send_many,
)


class Client(NamedTuple):
    name: str
    run: Callable[[Load], Cost]
    share: float
    """Of the messages: the slow ones get fewer."""


BASE = "confluent orjson"
CLIENTS = [
    Client("kjson send", kjson_send, 1),
    Client("kjson send, Delivery kept", kjson_send_kept, 1),
    Client("kjson send, on_delivery", kjson_callback, 1),
    Client("kjson send_many", kjson_send_many, 1),
    Client(BASE, confluent_with(orjson.dumps), 1),
    Client("confluent orjson, poll/1000", confluent_with(orjson.dumps, 1000), 1),
    Client("confluent json", confluent_with(lambda value: json.dumps(value).encode()), 0.3),
    Client("aiokafka orjson", aiokafka_send, 0.1),
    Client("kafka-python orjson", kafka_python, 0.05),
    Client("floor: ready bytes", floor, 1),
]


def check_equal(servers: str, clients: List[Client], shape: Callable[[int], Any]) -> None:
    """What each client stores is the same JSON."""
    values = [shape(n) for n in range(20)]
    for client in clients:
        topic = f"bench-check-{uuid.uuid4().hex[:8]}"
        create_topic(servers, topic)
        client.run(Load(servers, topic, values, "none"))
        stored = [json.loads(record.value or b"") for record in read_records(servers, topic, len(values))]
        assert stored == values, f"{client.name} stored something else"


def latencies(servers: str, count: int, rounds: int) -> Iterator[Tuple[str, List[float]]]:
    """Seconds of single confirmed sends, one after the other."""
    topic = f"bench-latency-{uuid.uuid4().hex[:8]}"
    create_topic(servers, topic)
    load = Load(servers, topic, [small(n) for n in range(count)], "none")
    for _ in range(rounds):
        for linger in (5, 1000):
            with kjson.Producer(servers, linger_ms=linger) as producer:
                producer.send_and_wait(topic, 0)
                taken = []
                for value in load.values:
                    start = time.perf_counter()
                    producer.send_and_wait(topic, value)
                    taken.append(time.perf_counter() - start)
            yield f"kjson send_and_wait, linger_ms={linger}", taken
        for linger in (0, 5):
            yield f"aiokafka send_and_wait, linger_ms={linger}", asyncio.run(_aiokafka_latency(load, linger))


async def _aiokafka_latency(load: Load, linger: int) -> List[float]:
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=load.servers, enable_idempotence=True, linger_ms=linger, value_serializer=orjson.dumps
    )
    await producer.start()
    taken = []
    try:
        await producer.send_and_wait(load.topic, 0)
        for value in load.values:
            start = time.perf_counter()
            await producer.send_and_wait(load.topic, value)
            taken.append(time.perf_counter() - start)
    finally:
        await producer.stop()
    return taken


def throughput(servers: str, clients: List[Client], messages: int, rounds: int) -> None:
    for title, shape, count, compression in (
        ("270 bytes, no compression", small, messages, "none"),
        ("270 bytes, lz4", small, messages, "lz4"),
        ("10 KB, no compression", large, messages // 40, "none"),
        ("10 KB, lz4", large, messages // 40, "lz4"),
    ):
        if count == 0:
            continue
        # The same thousand objects: a program's fresh objects are in the processor's cache, too.
        values = [shape(n) for n in range(min(count, 1000))] * max(1, count // 1000)
        gc.collect()
        gc.freeze()
        results: Dict[str, List[Cost]] = {client.name: [] for client in clients}
        for _ in range(rounds):
            for client in clients:
                topic = f"bench-{uuid.uuid4().hex[:8]}"
                create_topic(servers, topic)
                part = values[: max(20, int(count * client.share))]
                results[client.name].append(client.run(Load(servers, topic, part, compression)))
                drop_topic(servers, topic)
        table(f"{title}: {count:,} messages of {len(kjson.dumps(values[0])):,} bytes, {rounds} rounds", results, BASE)
        if messages < 40:
            break


def run(servers: str, arguments: argparse.Namespace) -> None:
    wanted = arguments.only.split(",") if arguments.only else [""]
    clients = [client for client in CLIENTS if any(part in client.name for part in wanted)]
    check_equal(servers, clients, small)
    print(f"what {len(clients)} clients stored is equal; Python {sys.version.split()[0]}, {kjson.librdkafka_version=}")
    if not arguments.latency_only:
        throughput(servers, clients, arguments.messages, arguments.rounds)
    gathered: Dict[str, List[float]] = {}
    for name, taken in latencies(servers, arguments.latency_messages, arguments.rounds):
        gathered.setdefault(name, []).extend(taken)
    print(f"\n{'single confirmed sends':40} {'p50 ms':>8} {'p99 ms':>8}")
    for name, taken in gathered.items():
        taken.sort()
        print(f"{name:40} {taken[len(taken) // 2] * 1e3:8.2f} {taken[len(taken) * 99 // 100] * 1e3:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure producers on one real Kafka.")
    parser.add_argument("--servers", help="a broker that runs already (default: one is started)")
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-messages", type=int, default=300)
    parser.add_argument("--latency-only", action="store_true")
    parser.add_argument("--only", help="parts of the names of the clients to run, with commas")
    arguments = parser.parse_args()
    if arguments.servers:
        run(arguments.servers, arguments)
    else:
        options = ["-Xms512m", "-Xmx1g", "-XX:+UseG1GC"]
        with Broker(java_options=options) as broker:
            run(broker.bootstrap_servers, arguments)


if __name__ == "__main__":
    main()
