"""What the benchmarks send and read, and how they measure: the same objects and the same clock for every client."""

import statistics
import time
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import confluent_kafka.admin


class Cost(NamedTuple):
    rate: float
    process: float
    thread: float


def small(n: int) -> Dict[str, Any]:
    """An event of about 270 bytes as JSON."""
    return {
        "event": "order.created",
        "id": n,
        "customer": {"id": n % 9973, "name": "Ada Lovelace", "email": "ada@example.com", "vip": n % 7 == 0},
        "total": 39.98 + n % 100,
        "currency": "EUR",
        "channel": "web",
        "warehouse": "Rotterdam",
        "items": [{"sku": "A-1001", "qty": 2, "price": 9.99}, {"sku": "B-2002", "qty": 1, "price": 20.0}],
        "note": None,
    }


def large(n: int) -> Dict[str, Any]:
    """About 10 KB."""
    return {"id": n, "lines": [{**small(n + k), "k": k} for k in range(36)]}


class Clock:
    """Seconds and CPU seconds since it was made."""

    def __init__(self) -> None:
        self.start = self._now()

    def cost(self, count: int) -> Cost:
        seconds, process, thread = (now - then for now, then in zip(self._now(), self.start))
        return Cost(count / seconds, process / count * 1e6, thread / count * 1e6)

    @staticmethod
    def _now() -> Tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), time.thread_time()


def measured(work: Callable[[], None], count: int) -> Cost:
    clock = Clock()
    work()
    return clock.cost(count)


def table(title: str, results: Dict[str, List[Cost]], base: str) -> None:
    """Medians, and their ratios to the row named `base`."""
    print(f"\n{title}")
    print(f"{'':34} {'messages/s':>11} {'us/msg':>8} {'thread':>8} {'rate':>7} {'us/msg':>7} {'thread':>7}")
    medians = {name: Cost(*(statistics.median(column) for column in zip(*costs))) for name, costs in results.items()}
    for name, cost in medians.items():
        line = f"{name:34} {cost.rate:11,.0f} {cost.process:8.2f} {cost.thread:8.2f}"
        if base in medians:
            line += "".join(f" {own / other:6.2f}x" for own, other in zip(cost, medians[base]))
        print(line, flush=True)


def drop_topic(servers: str, topic: str) -> None:
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": servers})
    admin.delete_topics([topic])[topic].result(30)
