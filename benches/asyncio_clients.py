"""How each asyncio client sends and reads, for `asynchronous`."""

import asyncio
import json
import time
import uuid
from typing import Any, AsyncIterator, Awaitable, Callable, List, NamedTuple

import aiokafka
import confluent_kafka
import confluent_kafka.aio
import orjson

import kjson

from .loads import Clock, Cost

TOGETHER = 1000


class Load(NamedTuple):
    servers: str
    topic: str
    values: List[Any]


def kjson_producer(servers: str, linger_ms: float = 5) -> kjson.AsyncProducer:
    return kjson.AsyncProducer(servers, linger_ms=linger_ms)


def with_json(value: Any) -> bytes:
    return json.dumps(value).encode()


# The batch size of librdkafka, and so of the other two; aiokafka's default is 16 KiB.
BATCH_BYTES = 1_000_000


AIOKAFKA_BATCH_BYTES = 16_384


def aiokafka_producer(
    servers: str,
    linger_ms: float = 5,
    dumps: Callable[[Any], bytes] = orjson.dumps,
    batch_bytes: int = BATCH_BYTES,
) -> Any:
    return aiokafka.AIOKafkaProducer(
        bootstrap_servers=servers,
        enable_idempotence=True,
        linger_ms=linger_ms,
        max_batch_size=batch_bytes,
        value_serializer=dumps,
    )


def confluent_producer(servers: str, batch_size: int = 1000) -> Any:
    options = {"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5}
    return confluent_kafka.aio.AIOProducer(options, batch_size=batch_size)


def chunks(values: List[Any]) -> List[List[Any]]:
    return [values[start : start + TOGETHER] for start in range(0, len(values), TOGETHER)]


async def send_kjson(load: Load) -> Cost:
    async with kjson_producer(load.servers) as producer:
        await producer.partitions_for(load.topic)
        send, topic, clock = producer.send, load.topic, Clock()
        for chunk in chunks(load.values):
            await asyncio.gather(*[await send(topic, value) for value in chunk])
        return clock.cost(len(load.values))


async def send_kjson_pipelined(load: Load) -> Cost:
    """Sends the next thousand while the last are in flight."""
    async with kjson_producer(load.servers) as producer:
        await producer.partitions_for(load.topic)
        send, topic, clock = producer.send, load.topic, Clock()
        before: Awaitable[Any] = asyncio.sleep(0)
        for chunk in chunks(load.values):
            confirmed = asyncio.gather(*[await send(topic, value) for value in chunk])
            await before
            before = confirmed
        await before
        return clock.cost(len(load.values))


async def send_kjson_many(load: Load) -> Cost:
    async with kjson_producer(load.servers) as producer:
        await producer.partitions_for(load.topic)
        clock = Clock()
        for chunk in chunks(load.values):
            await (await producer.send_many(load.topic, chunk))
        return clock.cost(len(load.values))


async def send_aiokafka(
    load: Load, dumps: Callable[[Any], bytes] = orjson.dumps, batch_bytes: int = BATCH_BYTES
) -> Cost:
    producer = aiokafka_producer(load.servers, dumps=dumps, batch_bytes=batch_bytes)
    await producer.start()
    try:
        await producer.partitions_for(load.topic)
        send, topic, clock = producer.send, load.topic, Clock()
        for chunk in chunks(load.values):
            await asyncio.gather(*[await send(topic, value) for value in chunk])
        return clock.cost(len(load.values))
    finally:
        await producer.stop()


async def send_confluent(load: Load) -> Cost:
    producer = confluent_producer(load.servers)
    try:
        await producer.list_topics(load.topic)
        produce, topic, clock = producer.produce, load.topic, Clock()
        for chunk in chunks(load.values):
            await asyncio.gather(*[await produce(topic, orjson.dumps(value)) for value in chunk])
        return clock.cost(len(load.values))
    finally:
        await producer.close()


async def single_kjson(load: Load, linger_ms: float) -> List[float]:
    async with kjson_producer(load.servers, linger_ms) as producer:
        return await timed(lambda value: producer.send_and_wait(load.topic, value), load.values)


async def single_aiokafka(load: Load, linger_ms: float) -> List[float]:
    producer = aiokafka_producer(load.servers, linger_ms)
    await producer.start()
    try:
        return await timed(lambda value: producer.send_and_wait(load.topic, value), load.values)
    finally:
        await producer.stop()


async def single_confluent(load: Load, _linger_ms: float) -> List[float]:
    producer = confluent_producer(load.servers)

    async def send(value: Any) -> None:
        await (await producer.produce(load.topic, orjson.dumps(value)))

    try:
        return await timed(send, load.values[:3])
    finally:
        await producer.close()


async def timed(send: Callable[[Any], Awaitable[Any]], values: List[Any]) -> List[float]:
    await send(values[0])
    taken = []
    for value in values:
        start = time.perf_counter()
        await send(value)
        taken.append(time.perf_counter() - start)
    return taken


async def read_kjson(servers: str, topic: str) -> AsyncIterator[Any]:
    consumer: kjson.AsyncConsumer[Any] = kjson.AsyncConsumer(
        topic, bootstrap_servers=servers, group_id=uuid.uuid4().hex, queued_min_messages=100_000
    )
    async with consumer:
        async for message in consumer:
            yield message.value


async def read_kjson_consume(servers: str, topic: str) -> AsyncIterator[Any]:
    consumer: kjson.AsyncConsumer[Any] = kjson.AsyncConsumer(
        topic, bootstrap_servers=servers, group_id=uuid.uuid4().hex, queued_min_messages=100_000
    )
    async with consumer:
        while True:
            for message in await consumer.consume(1000):
                yield message.value


async def read_aiokafka(servers: str, topic: str, loads: Callable[[bytes], Any] = orjson.loads) -> AsyncIterator[Any]:
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        value_deserializer=loads,
    )
    await consumer.start()
    try:
        async for message in consumer:
            yield message.value
    finally:
        await consumer.stop()


def confluent_consumer(servers: str) -> Any:
    return confluent_kafka.aio.AIOConsumer(
        {
            "bootstrap.servers": servers,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 10,
            "queued.min.messages": 100_000,
        }
    )


async def read_confluent(servers: str, topic: str) -> AsyncIterator[Any]:
    consumer = confluent_consumer(servers)
    await consumer.subscribe([topic])
    try:
        while True:
            message = await consumer.poll(1.0)
            if message is not None and message.error() is None:
                yield orjson.loads(message.value())
    finally:
        await consumer.close()


async def read_confluent_consume(servers: str, topic: str) -> AsyncIterator[Any]:
    consumer = confluent_consumer(servers)
    await consumer.subscribe([topic])
    try:
        while True:
            for message in await consumer.consume(1000, 0.1):
                if message.error() is None:
                    yield orjson.loads(message.value())
    finally:
        await consumer.close()


Reader = Callable[[str, str], AsyncIterator[Any]]
