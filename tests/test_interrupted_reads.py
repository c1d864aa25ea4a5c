"""A signal handler that raises at the end of a read takes its result from the program: what it read comes again."""

import random
import signal
import time
from typing import Any, Dict, Iterator, List

import pytest

from kjson import Consumer, Producer

from .sessions import LONG_SESSION

COUNT = 8  # of half a megabyte each: the mock keeps 5 MB
STOPS = 4


class Stop(Exception):
    """What the handler raises while a read is under way."""


class Interrupter:
    """Has a signal sent to this process after some milliseconds of its CPU time, during a read if it is a long one."""

    def __init__(self) -> None:
        self.chance = random.Random(6)
        self.reading = False
        self.stops = 0

    def handle(self, _number: int, _frame: Any) -> None:
        if self.reading:
            self.reading = False
            self.stops += 1
            raise Stop

    def arm(self) -> None:
        """Half of the time: the others get through."""
        signal.setitimer(signal.ITIMER_VIRTUAL, self.chance.choice([0, self.chance.uniform(0.0001, 0.012)]))

    def __enter__(self) -> "Interrupter":
        signal.signal(signal.SIGVTALRM, self.handle)
        return self

    def __exit__(self, *_exception: Any) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)


@pytest.fixture
def large_messages(servers: str, topic: str) -> str:
    """Each takes some milliseconds to decode, beside which the moment after that is short."""
    with Producer(servers) as producer:
        producer.send_many(topic, ({"n": n, "list": [{"key": [n]}] * 35_000} for n in range(COUNT)))
    return topic


def batches(consumer: Any, way: str, interrupter: Interrupter) -> Iterator[List[Any]]:
    ending = consumer.until_end() if way == "until_end" else None
    while True:
        interrupter.arm()
        try:
            # Between a call and the assignments after it Python runs no handlers.
            if way == "consume":
                interrupter.reading = True
                read = consumer.consume(1000, 5)
                interrupter.reading = False
            elif way == "poll":
                interrupter.reading = True
                one = consumer.poll(5)
                interrupter.reading = False
                read = [one]
            else:
                interrupter.reading = True
                one = next(ending, None)
                interrupter.reading = False
                read = [one]
        except Stop:
            continue
        yield [message for message in read if message is not None]


@pytest.mark.parametrize("policy", ["raise", "yield"])
@pytest.mark.parametrize("way", ["consume", "poll", "until_end"])
def test_nothing_is_lost_to_a_signal(servers: str, large_messages: str, group: str, way: str, policy: str) -> None:
    give_up = time.monotonic() + 45
    options: Dict[str, Any] = {"group_id": group, "on_decode_error": policy, **LONG_SESSION}
    with Consumer(large_messages, bootstrap_servers=servers, **options) as consumer, Interrupter() as interrupter:
        while interrupter.stops < STOPS:
            assert time.monotonic() < give_up, f"{interrupter.stops} reads were interrupted"
            seen: List[int] = []
            for read in batches(consumer, way, interrupter):
                seen += [message.value["n"] for message in read]
                if not read or seen[-1] == COUNT - 1:
                    break
            assert seen == list(range(COUNT))
            consumer.seek_to_beginning()
