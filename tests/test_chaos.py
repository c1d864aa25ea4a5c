"""Groups under stress: members join, leave and are killed while they work, and every message is worked on."""

import collections
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, Callable, Counter, Dict, List, Tuple

import pytest

from kjson import Producer

from .waiting import wait_until

pytestmark = pytest.mark.slow

COUNT = 100_000
PARTITIONS = 12

# A broker that shares a small machine with its clients stood still for more than 10 s, twice in some twenty runs.
STALL_S = 25

# Works on a message by writing down where it lay. Paced, so that members come and go while there is work.
MEMBER = textwrap.dedent(
    """
    import json, signal, sys, time
    from kjson import Consumer

    servers, topic, group, path, options = sys.argv[1:]
    stop = False

    def leave(number, frame):
        global stop
        stop = True

    signal.signal(signal.SIGTERM, leave)
    with open(path, "ab", buffering=0) as done:
        with Consumer(
            topic, bootstrap_servers=servers, group_id=group, connect_timeout=STALL_S, **json.loads(options)
        ) as consumer:
            count = 0
            while not stop:
                message = consumer.poll(0.1)
                if message is not None:
                    done.write(b"%d %d\\n" % (message.partition, message.offset))
                    count += 1
                    if count % 100 == 0:
                        time.sleep(0.01)
            consumer.close(STALL_S)
    """
).replace("STALL_S", str(STALL_S))


class Members:
    """Child processes that are members of one group, and what they have done."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self.arguments = arguments
        self.paths: List[Path] = []
        self.running: List[Tuple[Any, Path]] = []

    def join(self) -> None:
        path = self.directory / f"done-{len(self.paths)}"
        self.paths.append(path)
        command = [sys.executable, "-c", MEMBER, *self.arguments[:3], str(path), self.arguments[3]]
        self.running.append((subprocess.Popen(command, env=os.environ.copy()), path))

    def end_one(self, how: "signal.Signals") -> None:
        child, path = self.running.pop(random.randrange(len(self.running)))
        if how == signal.SIGTERM:
            # It opens its file when it is ready for the signal, and a slow one is not yet.
            wait_until(path.exists, f"the member that writes {path}")
        child.send_signal(how)
        status = child.wait(2 * STALL_S + 10)
        assert status == (0 if how == signal.SIGTERM else -how)

    def done(self) -> Counter[bytes]:
        lines: Counter[bytes] = collections.Counter()
        for path in self.paths:
            if path.exists():
                # What a killed process had half written is not done.
                lines.update(line for line in path.read_bytes().splitlines(True) if line.endswith(b"\n"))
        return lines

    def close(self) -> None:
        for child, _ in self.running:
            child.kill()
            child.wait(30)


def work_through(members: Members, how: Callable[[], "signal.Signals"], pause: float, seconds: float) -> Counter[bytes]:
    """Ends members one after the other and puts new ones in their place, until all is done."""
    for _ in range(3):
        members.join()
    deadline = time.monotonic() + seconds
    while True:
        time.sleep(pause)
        done = members.done()
        if len(done) >= COUNT:
            return done
        assert time.monotonic() < deadline, f"{len(done)} of {COUNT} messages were worked on within {seconds} s"
        # The last stretch in peace, or the test would never end.
        if time.monotonic() < deadline - seconds / 2:
            members.end_one(how())
            members.join()


def members_of(tmp_path: Path, servers: str, topic: str, group: str, options: str) -> Members:
    with Producer(servers) as producer:
        for partition in range(PARTITIONS):
            count = COUNT // PARTITIONS + (1 if partition < COUNT % PARTITIONS else 0)
            producer.send_many(topic, range(count), partition=partition)
    return Members(tmp_path, servers, topic, group, options)


@pytest.mark.real_kafka
@pytest.mark.timeout(150)
def test_a_group_whose_members_are_killed_works_on_every_message(
    servers: str, new_topic: Callable[..., str], group: str, tmp_path: Path
) -> None:
    members = members_of(
        tmp_path, servers, new_topic(PARTITIONS), group,
        '{"session_timeout_ms": 1500, "heartbeat_interval_ms": 300, "auto_commit_interval_ms": 500}',
    )  # fmt: skip
    ways: Dict[int, Any] = {0: signal.SIGTERM, 1: signal.SIGKILL, 2: signal.SIGKILL}
    turn = iter(range(10_000))
    try:
        done = work_through(members, lambda: ways[next(turn) % 3], pause=1.5, seconds=60)
    finally:
        members.close()
    assert len(done) == COUNT


@pytest.mark.real_kafka
@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    "options", ['{"partition_assignment_strategy": "cooperative-sticky"}', '{"group_protocol": "consumer"}'],
    ids=["cooperative", "kip-848"],
)  # fmt: skip
def test_members_that_leave_in_order_have_each_message_worked_on_exactly_once(
    servers: str, new_topic: Callable[..., str], group: str, tmp_path: Path, options: str
) -> None:
    members = members_of(tmp_path, servers, new_topic(PARTITIONS), group, options)
    try:
        done = work_through(members, lambda: signal.SIGTERM, pause=1.0, seconds=60)
        for _ in range(3):
            members.end_one(signal.SIGTERM)
    finally:
        members.close()
    done = members.done()
    assert len(done) == COUNT
    twice = [line for line, count in done.items() if count > 1]
    assert twice == [], f"{len(twice)} messages were worked on more than once"
