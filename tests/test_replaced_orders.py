"""Any order of subscribe, unsubscribe, assign, seek, reads and commits: a model says what may and what must be read.

`KJSON_ORDERS_S` is how many seconds each combination runs (1), `KJSON_ORDERS_SEED` the first seed (0).
"""

import itertools
import os
import random
import time
from typing import Any, Callable, Dict, List, Optional

import pytest

from kjson import Consumer, Producer, TopicPartition

from .waiting import close_in_time

pytestmark = pytest.mark.usefixtures("calling")

SECONDS = float(os.environ.get("KJSON_ORDERS_S", "1"))
SEED = int(os.environ.get("KJSON_ORDERS_SEED", "0"))
PARTITIONS = 3
STEPS = 12


class Model:
    """What a consumer is to read: `own` is the next offset of each partition that the program has chosen."""

    def __init__(self) -> None:
        self.ends = [0] * PARTITIONS
        self.topics = False
        self.own: Optional[Dict[int, int]] = None

    def read(self, messages: List[Any]) -> None:
        for message in messages:
            assert message.value == [message.partition, message.offset]
            if self.own is not None:
                assert self.own.get(message.partition) == message.offset, (self.own, message)
                self.own[message.partition] += 1
            else:
                assert self.topics, message


class Run:
    """One consumer, and a random number of calls on it."""

    def __init__(self, servers: str, topic: str, seed: int, member: Dict[str, Any]) -> None:
        self.random = random.Random(seed)
        self.topic = topic
        self.model = Model()
        self.trace: List[str] = []
        self.producer = Producer(servers)
        callbacks: Dict[str, Any] = {}
        if self.random.random() < 0.5:
            callbacks = dict.fromkeys(["on_assign", "on_revoke", "on_lost"], self.called)
        group = f"{member['group_id']}-{seed}"
        automatic = self.random.random() < 0.5
        self.consumer: Any = Consumer(**{**member, "group_id": group}, enable_auto_commit=automatic, **callbacks)

    def called(self, consumer: Any, partitions: List[TopicPartition]) -> None:
        self.trace.append(f"called {[p.partition for p in partitions]}")

    def produce(self) -> None:
        for partition in range(PARTITIONS):
            for _ in range(self.random.choice([1, 5, 40])):
                self.producer.send(self.topic, [partition, self.model.ends[partition]], partition=partition)
                self.model.ends[partition] += 1
        self.producer.flush()

    def subscribe(self) -> None:
        self.model.topics, self.model.own = True, None
        self.consumer.subscribe([self.topic])

    def unsubscribe(self) -> None:
        self.consumer.unsubscribe()
        self.model.topics, self.model.own = False, None

    def assign(self) -> None:
        chosen = self.random.sample(range(PARTITIONS), self.random.randint(1, PARTITIONS))
        own = {partition: self.random.randint(0, self.model.ends[partition]) for partition in chosen}
        self.trace.append(str(own))
        self.consumer.assign([TopicPartition(self.topic, *place) for place in own.items()])
        self.model.topics, self.model.own = False, own

    def seek(self) -> None:
        if self.model.own:
            partition = self.random.choice(sorted(self.model.own))
            offset = self.random.randint(0, self.model.ends[partition])
            self.consumer.seek(TopicPartition(self.topic, partition), offset)
            self.model.own[partition] = offset

    def poll(self) -> None:
        message = self.consumer.poll(self.random.choice([0, 0.05, 0.4]))
        self.model.read([] if message is None else [message])

    def consume(self) -> None:
        self.model.read(self.consumer.consume(self.random.choice([1, 3, 500]), self.random.choice([0, 0.05, 0.3])))

    def commit(self) -> None:
        if self.model.topics:
            try:
                self.consumer.commit(timeout=5)
            except Exception as error:  # while the group rebalances
                self.trace.append(str(error))

    def pause(self) -> None:
        time.sleep(self.random.choice([0.001, 0.02, 0.2]))

    def step(self) -> None:
        calls = [self.subscribe, self.unsubscribe, self.assign, self.seek, self.poll, self.consume, self.consume]
        call: Callable[[], None] = self.random.choice([*calls, self.assign, self.commit, self.pause, self.produce])
        self.trace.append(call.__name__)
        call()

    def finish(self) -> None:
        """What has to be read is, and nothing else."""
        self.trace.append("finish")
        before = list(self.model.ends)
        self.produce()
        left = {
            (partition, n)
            for partition in range(PARTITIONS)
            for n in range(before[partition], self.model.ends[partition])
        }
        if self.model.own is not None:
            left = {
                (partition, n)
                for partition, at in self.model.own.items()
                for n in range(at, self.model.ends[partition])
            }
        elif not self.model.topics:
            left = set()
        deadline = time.monotonic() + 20
        while left and time.monotonic() < deadline:
            messages = self.consumer.consume(500, 0.1)
            self.model.read(messages)
            left -= {(message.partition, message.offset) for message in messages}
        assert not left
        self.model.read(self.consumer.consume(500, 0.05))


def carry_out(servers: str, topic: str, seed: int, member: Dict[str, Any]) -> None:
    run = Run(servers, topic, seed, member)
    try:
        run.produce()
        for _ in range(STEPS):
            run.step()
        if seed % 3:
            run.finish()
        close_in_time(run.consumer)
        run.producer.close()
    except BaseException as error:
        raise AssertionError(f"seed {seed}: {', '.join(run.trace)}") from error


def test_any_order(servers: str, new_topic: Callable[..., str], member: Dict[str, Any]) -> None:
    until = time.monotonic() + SECONDS
    for seed in itertools.count(SEED):
        if time.monotonic() > until:
            break
        carry_out(servers, new_topic(PARTITIONS), seed, member)


# A commit after unsubscribe that a mock refuses; a revocation while an unexpected partition is sought again.
@pytest.mark.slow
@pytest.mark.parametrize("seed", [3001, 5006])
def test_orders_that_went_wrong(servers: str, new_topic: Callable[..., str], member: Dict[str, Any], seed: int) -> None:
    carry_out(servers, new_topic(PARTITIONS), seed, member)
