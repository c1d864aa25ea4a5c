"""How each client sends messages, for `produce`."""

import asyncio
from typing import Any, Callable, List, NamedTuple

import aiokafka
import confluent_kafka
import kafka
import orjson

import kjson

from .loads import Clock, Cost, measured

# librdkafka's defaults. With a larger queue, a faster producer would allocate more memory from the kernel.
QUEUE = 100_000


QUEUE_KB = 1_048_576


class Load(NamedTuple):
    servers: str
    topic: str
    values: List[Any]
    compression: str


def kjson_producer(load: Load) -> kjson.Producer:
    return kjson.Producer(
        load.servers,
        linger_ms=5,
        compression_type=load.compression,
        queue_buffering_max_messages=QUEUE,
        queue_buffering_max_kbytes=QUEUE_KB,
    )


def confluent_producer(load: Load) -> confluent_kafka.Producer:
    return confluent_kafka.Producer(
        {
            "bootstrap.servers": load.servers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": load.compression,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": QUEUE,
            "queue.buffering.max.kbytes": QUEUE_KB,
        }
    )


def kjson_send(load: Load) -> Cost:
    producer = kjson_producer(load)
    producer.partitions_for(load.topic)
    send, topic = producer.send, load.topic

    def run() -> None:
        for value in load.values:
            send(topic, value)
        producer.flush()

    with producer:
        return measured(run, len(load.values))


def kjson_send_kept(load: Load) -> Cost:
    producer = kjson_producer(load)
    producer.partitions_for(load.topic)
    send, topic = producer.send, load.topic

    def run() -> None:
        kept = [send(topic, value) for value in load.values]
        producer.flush()
        assert kept[-1].done()

    with producer:
        return measured(run, len(load.values))


def kjson_callback(load: Load) -> Cost:
    failures: List[Any] = []

    def delivered(error: Any, metadata: Any) -> None:
        if error is not None:
            failures.append(error)

    producer = kjson_producer(load)
    producer.partitions_for(load.topic)
    send, topic = producer.send, load.topic

    def run() -> None:
        for value in load.values:
            send(topic, value, on_delivery=delivered)
        producer.flush()

    with producer:
        cost = measured(run, len(load.values))
    assert not failures
    return cost


def kjson_send_many(load: Load) -> Cost:
    producer = kjson_producer(load)
    producer.partitions_for(load.topic)

    def run() -> None:
        batch = producer.send_many(load.topic, load.values)
        producer.flush()
        assert batch.done()
        assert not batch.failed

    with producer:
        return measured(run, len(load.values))


def confluent_with(dumps: Callable[[Any], Any], every: int = 1) -> Callable[[Load], Cost]:
    """Polls after every `every` messages; its documentation polls after each."""

    def run_confluent(load: Load) -> Cost:
        failures: List[Any] = []

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                failures.append(error)

        producer = confluent_producer(load)
        producer.list_topics(load.topic)
        produce, poll, topic = producer.produce, producer.poll, load.topic

        def run() -> None:
            for number, value in enumerate(load.values):
                message = dumps(value)
                while True:
                    try:
                        produce(topic, message, on_delivery=delivered)
                        break
                    except BufferError:
                        poll(0.01)
                if number % every == 0:
                    poll(0)
            assert producer.flush(60) == 0

        cost = measured(run, len(load.values))
        assert not failures
        return cost

    return run_confluent


def floor(load: Load) -> Cost:
    ready = [kjson.dumps(value) for value in load.values]
    producer = confluent_producer(load)
    producer.list_topics(load.topic)
    produce, poll, topic = producer.produce, producer.poll, load.topic

    def run() -> None:
        for number, value in enumerate(ready):
            while True:
                try:
                    produce(topic, value)
                    break
                except BufferError:
                    poll(0.01)
            if number % 1000 == 0:
                poll(0)
        assert producer.flush(60) == 0

    return measured(run, len(ready))


def aiokafka_send(load: Load) -> Cost:
    async def run() -> Cost:
        producer = aiokafka_producer(load)
        await producer.start()
        try:
            clock = Clock()
            confirmed = [await producer.send(load.topic, value) for value in load.values]
            await asyncio.gather(*confirmed)
            return clock.cost(len(load.values))
        finally:
            await producer.stop()

    return asyncio.run(run())


def aiokafka_producer(load: Load) -> Any:
    return aiokafka.AIOKafkaProducer(
        bootstrap_servers=load.servers,
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=1_000_000,
        compression_type=None if load.compression == "none" else load.compression,
        value_serializer=orjson.dumps,
    )


def kafka_python(load: Load) -> Cost:
    producer = kafka.KafkaProducer(
        bootstrap_servers=load.servers,
        acks="all",
        linger_ms=5,
        compression_type=None if load.compression == "none" else load.compression,
        value_serializer=orjson.dumps,
    )
    producer.partitions_for(load.topic)

    def run() -> None:
        for value in load.values:
            producer.send(load.topic, value)
        producer.flush()

    try:
        return measured(run, len(load.values))
    finally:
        producer.close()
