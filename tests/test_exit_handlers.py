"""Exit handlers that run after kjson's: what they send arrives, as producers stay open until the last one ends."""

import re
import textwrap
import time

import pytest

from kjson.testing import MockCluster

from .children import quiet, run_program
from .exits import arrived
from .peers import committed_offset
from .test_place import fill

PRODUCER = """
import atexit, logging, sys
servers = sys.argv[1]

@atexit.register
def last():  # registered before kjson was imported, so it runs after kjson's own
    handler()

import kjson
producer = kjson.Producer(servers, linger_ms=100)
for n in range(10):
    producer.send("t", n)

def report(error, at):
    print(error or at.offset)
"""

HANDLERS = {
    "send": "def handler():\n    for n in range(10, 20):\n        producer.send('t', n)",
    "send_many": "def handler():\n    producer.send_many('t', range(10, 20))",
    "send_and_wait": (
        "def handler():\n    for n in range(10, 20):\n        print(producer.send_and_wait('t', n).offset)"
    ),
    "callbacks": "def handler():\n    for n in range(10, 20):\n        producer.send('t', n, on_delivery=report)",
    "flush": "def handler():\n    for n in range(10, 20):\n        producer.send('t', n, on_delivery=report)\n"
    "    producer.flush()\n    print('flushed')",
    "close": "def handler():\n    for n in range(10, 20):\n        producer.send('t', n)\n    producer.close()",
    "with": "def handler():\n    with producer:\n        producer.send_many('t', range(10, 20))",
    "a producer made there": "def handler():\n    global late\n    late = kjson.Producer(servers)\n"
    "    late.send_many('t', range(10, 20))",
    "a producer dropped there": "def handler():\n    late = kjson.Producer(servers, on_delivery=report)\n"
    "    for n in range(10, 20):\n        late.send('t', n)",
    "a thread": "import threading\nstart, done = threading.Event(), threading.Event()\n"
    "def work():\n    start.wait()\n    producer.send_many('t', range(10, 20))\n    done.set()\n"
    "threading.Thread(target=work, daemon=True).start()\ndef handler():\n    start.set()\n    done.wait()",
    "logging.shutdown": "class Handler(logging.Handler):\n    def emit(self, record):\n        pass\n"
    "    def close(self):\n        super().close()\n        producer.send_many('t', range(10, 20))\n"
    "logging.getLogger().addHandler(Handler())\ndef handler():\n    pass",
    "two of them": "@atexit.register\ndef first():\n    producer.send_many('t', range(10, 15))\n"
    "def handler():\n    producer.send_many('t', range(15, 20))",
    "asyncio": "import asyncio\nasync def work():\n    async with kjson.AsyncProducer(servers) as late:\n"
    "        for n in range(10, 20):\n            await late.send('t', n)\ndef handler():\n    asyncio.run(work())",
    "asyncio, a producer of before": "import asyncio\nasync def make():\n    producer = kjson.AsyncProducer(servers)\n"
    "    await producer.send('t', 10)\n    return producer\nmade = asyncio.run(make())\nasync def work():\n"
    "    for n in range(11, 15):\n        await made.send('t', n)\n    await made.send_many('t', range(15, 19))\n"
    "    await made.send_and_wait('t', 19)\ndef handler():\n    asyncio.run(work())",
}
OFFSETS = "".join(f"{n}\n" for n in range(10, 20))
PRINTED = {"send_and_wait": OFFSETS, "callbacks": OFFSETS, "flush": OFFSETS + "flushed\n"}
PRINTED["a producer dropped there"] = OFFSETS


@pytest.mark.parametrize("kind", HANDLERS)
def test_what_a_late_handler_sends_arrives(far: MockCluster, kind: str) -> None:
    quiet(run_program(PRODUCER + HANDLERS[kind], far.bootstrap_servers), PRINTED.get(kind, ""))
    arrived(far, 20)


IMPORTED_LATE = {
    "by a handler": "def ends():\n    send()\natexit.register(ends)",
    # Before 3.9 a handler at exit waits for the threads of executors.
    "by a task that nobody waits for": "from concurrent.futures import ThreadPoolExecutor\n"
    "ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.3), send()))",
}


@pytest.mark.parametrize("by", IMPORTED_LATE)
def test_kjson_may_be_imported_while_the_program_ends(far: MockCluster, by: str) -> None:
    program = """
    import atexit, sys, time
    def send():
        import kjson
        global producer
        producer = kjson.Producer(sys.argv[1])
        for n in range(10):
            producer.send("t", n)
    """
    quiet(run_program(textwrap.dedent(program) + IMPORTED_LATE[by], far.bootstrap_servers))
    arrived(far, 10)


def test_in_a_forked_child_too(far: MockCluster) -> None:
    program = """
    import atexit, os, sys, warnings
    servers = sys.argv[1]

    @atexit.register
    def last():
        producer.send_many("t", range(5) if os.getpid() == parent else range(5, 10))

    import kjson
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads, which this is about
    parent = os.getpid()
    producer = kjson.Producer(servers)
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        producer = kjson.Producer(servers)
    """
    quiet(run_program(program, far.bootstrap_servers))
    arrived(far, 10)


def test_a_handler_registered_before_the_first_client_runs_before_its_end(far: MockCluster) -> None:
    fill(far.bootstrap_servers, "t", 10)
    program = """
    import atexit, sys
    import kjson
    atexit.register(lambda: consumer.close())
    consumer = kjson.Consumer("t", bootstrap_servers=sys.argv[1], group_id="g")
    for _ in range(6):
        next(consumer)
    """
    quiet(run_program(program, far.bootstrap_servers))
    assert committed_offset(far.bootstrap_servers, "g", "t") == 6


GONE = """
import atexit, os, signal, sys, threading, time

@atexit.register
def last():
    producer.send_many("t", range(3))
    handler()

import kjson
from kjson.testing import MockCluster
cluster = MockCluster(topics={"t": 1})
"""


def test_what_a_late_handler_loses_is_counted() -> None:
    program = """
    producer = kjson.Producer(cluster.bootstrap_servers, delivery_timeout_ms=1000)
    handler = cluster.close
    """
    done = run_program(GONE + textwrap.dedent(program))
    assert done.status == 0
    assert "3 messages were not delivered" in done.stderr, done
    assert "not acknowledged within delivery_timeout_ms=1000" in done.stderr, done


@pytest.mark.parametrize("late", [False, True])
def test_one_ctrl_c_ends_every_wait(late: bool) -> None:
    program = f"""
    late = {late}
    producers = [kjson.Producer(cluster.bootstrap_servers) for _ in range(3)]
    producer, begun = producers.pop(), threading.Event()

    def interrupt():
        begun.wait()
        time.sleep(0.5)
        print(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()

    def strand():
        cluster.round_trip_time(60_000)
        for one in (*producers, producer):
            one.send_many("t", range(2))
        producers.pop()  # a thread delivers what was sent with it
        begun.set()

    def handler():
        strand() if late else None

    strand() if not late else None
    """
    source = GONE.replace('    producer.send_many("t", range(3))\n', "") + textwrap.dedent(program)
    done = run_program(source, timeout=20)
    assert done.stdout, done
    assert time.monotonic() - float(done.stdout) < 3, done
    counted = [int(count) for count in re.findall(r"with (\d+) messages unacknowledged", done.stderr)]
    assert counted == [2, 2, 2], done
    assert "KeyboardInterrupt" in done.stderr


def test_a_daemon_thread_that_sends_all_the_time_loses_nothing_and_holds_nothing_up(far: MockCluster) -> None:
    program = """
    import atexit, os, sys, threading, time
    taken = 0

    @atexit.register
    def last():
        time.sleep(0.3)

    import kjson
    def forever():
        global taken
        while True:
            try:
                producer.send("t", taken)
            except kjson.ClosedError:
                os.write(1, b"%d" % taken)
                return
            taken += 1
            time.sleep(0.001)

    producer = kjson.Producer(sys.argv[1])
    threading.Thread(target=forever, daemon=True).start()
    time.sleep(0.2)
    """
    done = run_program(program, far.bootstrap_servers, timeout=10)
    assert (done.status, done.stderr) == (0, "")
    arrived(far, int(done.stdout))
