"""Programs that end without closing their clients: what was sent arrives, and what was processed is committed."""

import textwrap
from typing import Any, Dict, Iterator, Tuple

import pytest

from kjson import Consumer
from kjson.testing import MockCluster

from .children import quiet, run_program
from .peers import committed_offset, read_records
from .test_place import fill

COUNT = 100

SYNC = """
import sys
import kjson
servers, topic = sys.argv[1:3]

def send(producer, count=100, first=0):
    for n in range(first, first + count):
        producer.send(topic, n)
"""

ASYNC = """
import asyncio, sys
import kjson
servers, topic = sys.argv[1:3]

async def send(producer, count=100, first=0):
    for n in range(first, first + count):
        await producer.send(topic, n)
"""

SENDING = {
    "returns from main": SYNC + "def main():\n    p = kjson.Producer(servers)\n    send(p)\nmain()",
    "drops it": SYNC + "p = kjson.Producer(servers)\nsend(p)\np = None",
    "drops it, with callbacks": SYNC
    + "p = kjson.Producer(servers, on_delivery=lambda error, at: reports.append(at))\nreports = []\nsend(p)\np = None\n"
    + "import atexit\natexit.register(lambda: print('early'))",
    "exits out of main": SYNC + "def main():\n    p = kjson.Producer(servers)\n    send(p)\n    sys.exit(0)\nmain()",
    "keeps it": SYNC + "p = kjson.Producer(servers)\nsend(p)",
    "with": SYNC + "with kjson.Producer(servers) as p:\n    send(p)",
    "send_many": SYNC + "def main():\n    kjson.Producer(servers).send_many(topic, range(100))\nmain()",
    "keeps a delivery": SYNC
    + "def main():\n    p = kjson.Producer(servers)\n    send(p, 99)\n    return p.send(topic, 99)\nd = main()",
    "asyncio, drops it": ASYNC
    + "async def main():\n    p = kjson.AsyncProducer(servers)\n    await send(p)\nasyncio.run(main())",
    "asyncio, with": ASYNC
    + "async def main():\n    async with kjson.AsyncProducer(servers) as p:\n        await send(p)\n"
    + "asyncio.run(main())",
    "asyncio, send_many": ASYNC
    + "async def main():\n    p = kjson.AsyncProducer(servers)\n    await p.send_many(topic, range(100))\n"
    + "asyncio.run(main())",
    "a thread drops it": SYNC
    + "import threading\ndef main():\n    p = kjson.Producer(servers)\n    send(p)\n"
    + "t = threading.Thread(target=main)\nt.start()\nt.join()",
}


@pytest.fixture(params=[20, pytest.param(300, marks=pytest.mark.slow)], ids=["near", "far"])
def distant(request: pytest.FixtureRequest) -> Iterator[Tuple[MockCluster, str]]:
    """A mock cluster whose brokers take so many milliseconds to answer, and its servers."""
    with MockCluster(topics={"t": 1}) as cluster:
        cluster.round_trip_time(request.param)
        yield cluster, cluster.bootstrap_servers


def arrived(cluster: MockCluster, count: int = COUNT) -> None:
    cluster.round_trip_time(0)
    values = [int(record.value) for record in read_records(cluster.bootstrap_servers, "t", count)]
    assert values == list(range(count))


@pytest.mark.parametrize("ending", SENDING)
def test_what_was_sent_arrives(distant: Tuple[MockCluster, str], ending: str) -> None:
    cluster, servers = distant
    quiet(run_program(SENDING[ending], servers, "t"), "early\n" if "callbacks" in ending else "")
    arrived(cluster)


def test_an_exception_that_ends_the_program_loses_nothing(distant: Tuple[MockCluster, str]) -> None:
    cluster, servers = distant
    done = run_program(
        SYNC + "def main():\n    p = kjson.Producer(servers)\n    send(p)\n    1 / 0\nmain()", servers, "t"
    )
    assert done.status == 1
    assert "ZeroDivisionError" in done.stderr
    arrived(cluster)


def test_callbacks_are_called_before_the_program_ends(distant: Tuple[MockCluster, str]) -> None:
    _cluster, servers = distant
    program = """
    def main():
        p = kjson.Producer(servers, on_delivery=lambda error, at: print(at.offset))
        send(p, 10)
    main()
    """
    done = run_program(SYNC + textwrap.dedent(program), servers, "t")
    quiet(done, "".join(f"{n}\n" for n in range(10)))


READING = {
    "returns from main": "def main():\n    c = consumer()\n    [next(c) for _ in range(6)]\nmain()",
    "drops it": "c = consumer()\n[next(c) for _ in range(6)]\nc = None",
    "keeps it": "c = consumer()\n[next(c) for _ in range(6)]",
    "breaks the loop": "def main():\n    for m in consumer():\n        if m.offset == 5:\n            break\nmain()",
    "exits out of main": "def main():\n    c = consumer()\n    [next(c) for _ in range(6)]\n    sys.exit(0)\nmain()",
    "asyncio": "async def main():\n    c = consumer(kjson.AsyncConsumer)\n    [await c.poll(20) for _ in range(6)]\n"
    "import asyncio\nasyncio.run(main())",
}

CONSUMER = """
import sys
import kjson
servers, topic, group = sys.argv[1:4]

def consumer(kind=kjson.Consumer):
    return kind(topic, bootstrap_servers=servers, group_id=group)
"""


@pytest.mark.parametrize("ending", READING)
def test_what_is_done_is_committed_and_the_group_left(
    cluster: Any, servers: str, topic: str, group: str, session: Dict[str, int], ending: str
) -> None:
    fill(servers, topic, 10)
    quiet(run_program(CONSUMER + READING[ending], servers, topic, group))
    # The last message may not have been processed.
    assert committed_offset(servers, group, topic) == 5
    if cluster.kind == "mock":
        return  # it makes the next member wait for a session timeout in any case
    # A member that had not left would hold up the next one until its session times out.
    with Consumer(topic, bootstrap_servers=servers, group_id=group, **session) as consumer:
        message = consumer.poll(5)
        assert message is not None
        assert message.offset == 5


def test_a_far_broker_has_the_commit(distant: Tuple[MockCluster, str]) -> None:
    cluster, servers = distant
    fill(servers, "t", 10)
    quiet(run_program(CONSUMER + READING["returns from main"], servers, "t", "g"))
    cluster.round_trip_time(0)
    assert committed_offset(servers, "g", "t") == 5


def test_a_dropped_producer_says_nothing_about_messages_that_arrive(servers: str, topic: str) -> None:
    program = """
    for _ in range(100):
        p = kjson.Producer(servers)
        p.send(topic, 1)
        del p
    """
    quiet(run_program(SYNC + textwrap.dedent(program), servers, topic))
    assert len(read_records(servers, topic, 100)) == 100


@pytest.mark.parametrize("ending", ["p = None", "pass"])
def test_what_is_lost_is_counted(ending: str) -> None:
    program = f"""
    from kjson.testing import MockCluster
    with MockCluster(topics={{"t": 1}}) as cluster:
        p = kjson.Producer(cluster.bootstrap_servers, delivery_timeout_ms=1000, linger_ms=500)
        send(p, 7)
    {ending}
    """
    done = run_program(SYNC + textwrap.dedent(program), "", "t")
    assert "7 messages" in done.stderr, done


def test_ctrl_c_ends_the_wait_and_the_loss_is_counted() -> None:
    program = """
    import os, signal, threading
    from kjson.testing import MockCluster
    cluster = MockCluster(topics={"t": 1})
    p = kjson.Producer(cluster.bootstrap_servers)
    cluster.round_trip_time(60_000)
    send(p, 7)
    del p
    timer = threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT])
    timer.daemon = True  # or it would be waited for before the handlers run
    timer.start()
    """
    done = run_program(SYNC + textwrap.dedent(program), "", "t", timeout=20)
    assert "with 7 messages unacknowledged" in done.stderr, done
