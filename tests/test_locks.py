"""No lock of kjson deadlocks: threads that share a client, Python code that runs in between, cancelled waits.

A thread that holds the GIL and waits for ever stops the whole process, so each program here runs in a child process.
"""

import asyncio
from typing import Any, List

import pytest

from kjson import AsyncConsumer, KafkaError, TopicPartition

from .children import finishes
from .loops import Run
from .peers import numbers, write_with_confluent
from .sessions import LONG_SESSION


def test_batches_and_first_messages_to_new_topics_go_side_by_side() -> None:
    finishes(
        """
cluster = MockCluster(topics={"t": 1})
producer = kjson.Producer(cluster.bootstrap_servers, queue_buffering_max_messages=1000000)
over = threading.Event()


def batches():
    while not over.is_set():
        producer.send_many("t", range(200))


def new_topics(prefix):
    for n in range(1000):
        producer.send(f"{prefix}-{n}", n)


def run(prefix):
    new_topics(prefix)
    over.set()


together(batches, lambda: run("a"), lambda: run("b"))
producer.close(timeout=60)
print("done")
"""
    )


@pytest.mark.parametrize("error", ["closed", "bad name", "not text", "too large", "no partition"])
def test_threads_that_are_refused_do_not_stand_in_each_others_way(error: str) -> None:
    finishes(
        f"""
error = {error!r}
cluster = MockCluster(topics={{"t": 1}})
producer = kjson.Producer(cluster.bootstrap_servers, message_max_bytes=2000, linger_ms=0)
producer.send_and_wait("t", 0)
if error == "closed":
    producer.close()
until = time.monotonic() + 1.5
refused = [0, 0]


def retry(index):
    names = {{"bad name": ["nul\\0", "t"], "not text": ["\\ud800", "t"]}}.get(error, ["t", "".join(["", "t"])])
    while time.monotonic() < until:
        for name in names:
            value = "x" * 4000 if error == "too large" else 1
            try:
                if index == 2:
                    producer.send_many(name, [value])
                else:
                    producer.send(name, value, partition=77 if error == "no partition" else None)
            except (kjson.KafkaError, ValueError):
                refused[index % 2] += 1


together(*[lambda index=index: retry(index) for index in range(3)])
assert all(refused) or error == "no partition", refused
try:
    producer.close()
except kjson.DeliveryError:
    pass
print("done")
"""
    )


def test_a_batch_asked_for_by_a_finalizer_while_it_is_asked_for() -> None:
    finishes(
        """
cluster = MockCluster(topics={"t": 1})
producer = kjson.Producer(cluster.bootstrap_servers)
batch = producer.send_many("t", range(5000))
assert len(batch.result(20)) == 5000
asked = []


class Asks:
    def __del__(self):
        asked.append(len(batch.result(5)))


def garbage():
    one = Asks()
    one.itself = one


gc.set_threshold(1)
for _ in range(20):
    garbage()
    batch.result(5)
gc.set_threshold(700)
gc.collect()
assert asked and set(asked) == {5000}, asked
producer.close()
print("done")
"""
    )


def test_a_finalizer_of_a_callback_that_sends() -> None:
    finishes(
        """
cluster = MockCluster(topics={"t": 1})
producer = kjson.Producer(cluster.bootstrap_servers, linger_ms=0)
sent = []


class Sends:
    def __call__(self, error, metadata):
        pass

    def __del__(self):
        try:
            sent.append(producer.send(f"new-{len(sent)}", 1))
        except kjson.KafkaError:
            pass


for n in range(300):
    producer.send("t", n, on_delivery=Sends())
    try:
        producer.send("nul\\0", n, on_delivery=Sends())
    except kjson.KafkaError:
        pass
producer.flush(20)
assert len(sent) >= 300, len(sent)
producer.close(timeout=20)
print("done")
"""
    )


@pytest.mark.parametrize("pause", [0.0005, 0.002])
def test_a_read_after_a_cancelled_one_waits_for_its_group_callback(
    servers: str,
    new_topic: Any,
    group: str,
    pause: float,
    run: Run,
) -> None:
    topic = new_topic(2)
    write_with_confluent(servers, topic, numbers(20), partition=0)

    async def main() -> None:
        refused: List[str] = []
        over = asyncio.Event()

        async def on_assign(consumer: Any, partitions: List[TopicPartition]) -> None:
            await asyncio.sleep(0.2)
            for read in (consumer.poll, consumer.consume, consumer.until_end().__anext__):
                with pytest.raises(KafkaError, match="on_assign"):
                    await read()
                refused.append("read")
            with pytest.raises(KafkaError, match="on_assign"):
                await asyncio.wait_for(consumer.close(), 5)  # in a task of the callback's
            over.set()

        options: Any = {"bootstrap_servers": servers, "group_id": group, **LONG_SESSION, "on_assign": on_assign}
        async with AsyncConsumer(topic, **options) as consumer:
            reads = consumer.until_end(timeout=20)
            values = []
            while not values:
                try:
                    values.append((await asyncio.wait_for(reads.__anext__(), pause)).value)
                except asyncio.TimeoutError:
                    await asyncio.sleep(0)
                if over.is_set():
                    pause_over = asyncio.wait_for(reads.__anext__(), 20)
                    values.append((await pause_over).value)
            assert refused == ["read"] * 3
            async for message in reads:
                values.append(message.value)
            assert sorted(values) == list(range(20))

    run(main)


@pytest.mark.parametrize("read", ["poll", "consume", "for", "close"])
def test_whatever_follows_a_cancelled_read_waits_for_its_group_callback(
    servers: str,
    topic: str,
    group: str,
    read: str,
    run: Run,
) -> None:
    write_with_confluent(servers, topic, numbers(3))

    async def main() -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        async def on_assign(consumer: Any, partitions: List[TopicPartition]) -> None:
            begun.set()
            await release.wait()

        consumer: AsyncConsumer[int] = AsyncConsumer(
            topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_assign=on_assign
        )
        first = asyncio.ensure_future(consumer.poll(30))
        await asyncio.wait_for(begun.wait(), 30)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await consumer.poll(0.01) is None  # while the callback runs, nothing is returned
        assert await consumer.consume(5, timeout=0) == []
        asyncio.get_running_loop().call_later(0.1, release.set)
        if read == "close":
            await consumer.close()
            return
        if read == "poll":
            message = await consumer.poll(20)
        elif read == "consume":
            message = (await consumer.consume(1, timeout=20))[0]
        else:
            message = await consumer.__anext__()
        assert message is not None
        assert message.value == 0
        await consumer.close()

    run(main)
