"""Shared by the tests of consumer groups: messages to read, and a record of the callbacks."""

from typing import Any, Callable, Dict, List, Tuple

from kjson import Producer, TopicPartition

COOPERATIVE = {"partition_assignment_strategy": "cooperative-sticky"}


def send(servers: str, topic: str, count: int, partitions: int) -> None:
    with Producer(servers) as producer:
        for partition in range(partitions):
            producer.send_many(topic, range(count), partition=partition).result(20)


class Calls:
    """The calls of a consumer's rebalance callbacks, in order."""

    def __init__(self) -> None:
        self.events: List[Tuple[str, List[int]]] = []

    def options(self) -> Dict[str, Any]:
        def record(name: str) -> Callable[[Any, List[TopicPartition]], None]:
            return lambda consumer, partitions: self.events.append((name, [p.partition for p in partitions]))

        return {f"on_{name}": record(name) for name in ("assign", "revoke", "lost")}
