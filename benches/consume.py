"""How fast messages come from Kafka: kjson against the other clients, on one real broker, in interleaved rounds.

    python -m benches.consume [--servers localhost:9092] [--messages 300000] [--rounds 5] [--only kjson,confluent]

Every client reads the same topic from its beginning to its end, in its own group, and decodes each value to a dict.
Before anything is measured, what each client reads is compared. The clock runs from the first message to the last, so
that joining the group is not counted. Without --servers a broker is started and stopped.

Columns: messages a second; CPU a message of the whole process and of the calling thread, in microseconds. All are
medians over the rounds. "tuned" is confluent-kafka with fetch.queue.backoff.ms=10 and queued.min.messages=100000; at
the default of 1,000 ms it waits. `floor` is librdkafka through confluent-kafka, values not decoded.
"""

import argparse
import asyncio
import gc
import itertools
import json
import sys
import uuid
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple

import aiokafka
import confluent_kafka
import kafka
import orjson
from tests.kafka import Broker
from tests.peers import create_topic

import kjson

from .loads import Clock, Cost, drop_topic, large, small, table

TUNED = {"fetch.queue.backoff.ms": 10, "queued.min.messages": 100_000}


class Load(NamedTuple):
    servers: str
    topic: str
    count: int


# A reader gives values as they come; what it gives first starts the clock.
Reader = Callable[[Load], Iterator[Any]]


def kjson_consumer(load: Load) -> kjson.Consumer[Any]:
    return kjson.Consumer(
        load.topic, bootstrap_servers=load.servers, group_id=uuid.uuid4().hex, queued_min_messages=100_000
    )


def kjson_iteration(load: Load) -> Iterator[Any]:
    with kjson_consumer(load) as consumer:
        for message in consumer:
            yield message.value


def kjson_poll(load: Load) -> Iterator[Any]:
    with kjson_consumer(load) as consumer:
        poll = consumer.poll
        while True:
            message = poll()
            if message is not None:
                yield message.value


def kjson_consume(load: Load) -> Iterator[Any]:
    with kjson_consumer(load) as consumer:
        while True:
            for message in consumer.consume(1000):
                yield message.value


def confluent_consumer(load: Load, options: Dict[str, Any]) -> confluent_kafka.Consumer:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": load.servers,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            **options,
        }
    )
    consumer.subscribe([load.topic])
    return consumer


def confluent_poll(loads: Callable[[Any], Any], options: Dict[str, Any]) -> Reader:
    def read(load: Load) -> Iterator[Any]:
        consumer = confluent_consumer(load, options)
        poll = consumer.poll
        try:
            while True:
                message = poll(1.0)
                if message is not None and message.error() is None:
                    yield loads(message.value())
        finally:
            consumer.close()

    return read


def confluent_consume(loads: Callable[[Any], Any], options: Dict[str, Any]) -> Reader:
    def read(load: Load) -> Iterator[Any]:
        consumer = confluent_consumer(load, options)
        try:
            while True:
                # A short timeout: it waits for all thousand.
                for message in consumer.consume(1000, 0.1):
                    if message.error() is None:
                        yield loads(message.value())
        finally:
            consumer.close()

    return read


def kafka_python(load: Load) -> Iterator[Any]:
    consumer = kafka.KafkaConsumer(
        load.topic,
        bootstrap_servers=load.servers,
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        value_deserializer=orjson.loads,
    )
    try:
        for message in consumer:
            yield message.value
    finally:
        consumer.close()


def timed(read: Reader) -> Callable[[Load], Cost]:
    """Exhausts a reader at the speed of C, but for the reader itself."""

    def run(load: Load) -> Cost:
        values = read(load)
        try:
            next(values)
            clock = Clock()
            last = None
            for last in itertools.islice(values, load.count - 1):  # noqa: B007
                pass
            cost = clock.cost(load.count - 1)
            assert last is not None
            return cost
        finally:
            values.close()  # type: ignore[attr-defined]

    return run


async def aiokafka_values(load: Load, count: int, clock: List[Clock]) -> List[Any]:
    consumer = aiokafka.AIOKafkaConsumer(
        load.topic,
        bootstrap_servers=load.servers,
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        value_deserializer=orjson.loads,
    )
    await consumer.start()
    try:
        values = []
        async for message in consumer:
            if not clock:
                clock.append(Clock())
            values.append(message.value)
            if len(values) == count:
                return values
    finally:
        await consumer.stop()
    return []


def aiokafka_timed(load: Load) -> Cost:
    clock: List[Clock] = []
    asyncio.run(aiokafka_values(load, load.count, clock))
    return clock[0].cost(load.count - 1)


class Client(NamedTuple):
    name: str
    run: Callable[[Load], Cost]
    first: Callable[[Load], Iterable[Any]]
    share: float
    """Of the messages: the slow ones get fewer."""


def client(name: str, read: Reader, share: float = 1) -> Client:
    return Client(name, timed(read), lambda load: itertools.islice(read(load), load.count), share)


BASE = "confluent poll orjson, tuned"
CLIENTS = [
    client("kjson iteration", kjson_iteration),
    client("kjson poll", kjson_poll),
    client("kjson consume(1000)", kjson_consume),
    client(BASE, confluent_poll(orjson.loads, TUNED)),
    client("confluent consume orjson, tuned", confluent_consume(orjson.loads, TUNED)),
    client("confluent poll orjson, default", confluent_poll(orjson.loads, {})),
    client("confluent poll json, tuned", confluent_poll(json.loads, TUNED), 0.3),
    Client(
        "aiokafka orjson",
        aiokafka_timed,
        lambda load: asyncio.run(aiokafka_values(load, load.count, [])),
        0.2,
    ),
    client("kafka-python orjson", kafka_python, 0.1),
    client("floor: consume, not decoded", confluent_consume(lambda value: value, TUNED)),
]


def fill(load: Load, shape: Callable[[int], Any]) -> None:
    create_topic(load.servers, load.topic)
    with kjson.Producer(load.servers) as producer:
        for start in range(0, load.count, 10_000):
            producer.send_many(load.topic, map(shape, range(start, min(start + 10_000, load.count))))


def check_equal(load: Load, clients: List[Client], shape: Callable[[int], Any]) -> None:
    expected = [shape(n) for n in range(load.count)]
    for one in clients:
        values = [orjson.loads(value) if isinstance(value, bytes) else value for value in one.first(load)]
        assert values == expected, f"{one.name} read something else"


def run(servers: str, arguments: argparse.Namespace) -> None:
    wanted = arguments.only.split(",") if arguments.only else [""]
    clients = [one for one in CLIENTS if any(part in one.name for part in wanted)]
    for title, shape, count in (
        ("270 bytes", small, arguments.messages),
        ("10 KB", large, arguments.messages // 40),
    ):
        few = Load(servers, f"bench-check-{uuid.uuid4().hex[:8]}", 50)
        fill(few, shape)
        check_equal(few, clients, shape)
        load = Load(servers, f"bench-{uuid.uuid4().hex[:8]}", count)
        fill(load, shape)
        gc.collect()
        gc.freeze()
        results: Dict[str, List[Cost]] = {one.name: [] for one in clients}
        for _ in range(arguments.rounds):
            for one in clients:
                results[one.name].append(one.run(load._replace(count=max(100, int(count * one.share)))))
        drop_topic(servers, load.topic)
        size = len(kjson.dumps(shape(0)))
        table(f"{title}: {count:,} messages of {size:,} bytes, {arguments.rounds} rounds; equal first", results, BASE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure consumers on one real Kafka.")
    parser.add_argument("--servers", help="a broker that runs already (default: one is started)")
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="parts of the names of the clients to run, with commas")
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {kjson.librdkafka_version=}, {confluent_kafka.libversion()[0]=}")
    if arguments.servers:
        run(arguments.servers, arguments)
    else:
        with Broker(java_options=["-Xms512m", "-Xmx1g", "-XX:+UseG1GC"]) as broker:
            run(broker.bootstrap_servers, arguments)


if __name__ == "__main__":
    main()
