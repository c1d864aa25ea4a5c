"""A signal that a program blocks stays blocked, whatever threads kjson has."""

import sys

import pytest

from .children import run_program

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

PROGRAM = """
import os, pathlib, signal, subprocess, sys, threading, time
import kjson
from kjson.testing import MockCluster

def blocked():
    for task in pathlib.Path("/proc/self/task").iterdir():
        try:
            status = (task / "status").read_text()
        except OSError:
            continue  # it has just ended
        name, mask = (status.split(field + ":")[1].split()[0] for field in ("Name", "SigBlk"))
        yield name, bool(int(mask, 16) & 1 << signal.SIGTERM - 1)

cluster = MockCluster(topics={"t": 1})
servers = cluster.bootstrap_servers
"""


def test_no_thread_of_a_client_takes_a_signal() -> None:
    program = """
    import asyncio

    async def main():
        async with kjson.AsyncProducer(servers, statistics_interval_ms=100, on_stats=print) as producer:
            await producer.send_and_wait("t", 1)
            async with kjson.AsyncConsumer("t", bootstrap_servers=servers, group_id="g") as consumer:
                await consumer.poll(10)
                await consumer.poll(0.3)
                with kjson.Producer(servers) as other, kjson.Consumer("t", bootstrap_servers=servers) as reader:
                    other.send_many("t", (n for n in range(2)))
                    next(reader)
                    names = [name for name, deaf in blocked() if not deaf]
                    assert len(names) == 1, names  # the main thread
                    assert sum(deaf for _name, deaf in blocked()) > 5

    sys.stdout = open(os.devnull, "w")
    asyncio.run(main())
    """
    done = run_program(PROGRAM + program.replace("\n    ", "\n"))
    assert (done.status, done.stderr) == (0, "")


def test_a_signal_waits_until_the_program_takes_it() -> None:
    program = """
    signal.signal(signal.SIGTERM, lambda number, frame: print("handled"))
    producer = kjson.Producer(servers)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.3)
    print("blocked")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    """
    done = run_program(PROGRAM + program.replace("\n    ", "\n"))
    assert (done.status, done.stdout, done.stderr) == (0, "blocked\nhandled\n", "")


def test_what_a_callback_starts_takes_signals() -> None:
    program = """
    import logging
    MASK = "print([line for line in open('/proc/self/status') if line.startswith('SigBlk')][0].split()[1])"

    def start(*arguments):
        done.append(subprocess.run([sys.executable, "-c", MASK], stdout=subprocess.PIPE).stdout)

    done = []
    with kjson.Producer(servers, on_delivery=start) as producer:
        producer.send("t", 1)
    handler = logging.Handler()
    handler.emit = start
    logging.getLogger("kjson").addHandler(handler)
    with kjson.Producer(servers, on_error=start) as producer:
        cluster.close()
        while len(done) < 2:
            time.sleep(0.05)
    assert all(int(mask, 16) == 0 for mask in done), done
    """
    done = run_program(PROGRAM + program.replace("\n    ", "\n"))
    assert (done.status, done.stderr) == (0, "")
