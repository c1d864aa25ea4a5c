"""Ctrl-C and SIGTERM get through within 200 ms, whatever call is waiting: each runs in a child process."""

import json
from typing import Any, Dict

import pytest

from .children import run_program
from .listeners import silent_address
from .stalls import Stalls

LIMIT_S = 0.2

# The call under test stands alone in `blocks`. A second thread watches the main thread until it has been inside that
# function for a while (seeing that at all needs the GIL, so the call has given it up), and then sends the signal.
PROGRAM = """
import json, os, signal, sys, threading, time
import kjson
from kjson.testing import MockCluster

number = getattr(signal, sys.argv[1])
address = sys.argv[2]

class Terminated(BaseException):
    pass

def terminate(number, frame):
    raise Terminated

signal.signal(signal.SIGTERM, terminate)
sent = []

def interrupt(main):
    since = None
    give_up = time.monotonic() + 20
    while since is None or time.monotonic() - since < 0.4:
        frame = sys._current_frames()[main]
        while frame is not None and frame.f_code.co_name != "blocks":
            frame = frame.f_back
        inside = frame is not None
        since = (since or time.monotonic()) if inside else None
        if time.monotonic() > give_up:
            os._exit(3)
        time.sleep(0.01)
    sent.append(time.monotonic())
    os.kill(os.getpid(), number)

def connected_producer(**options):
    # Left open on purpose: its broker is gone, and only the call under test may notice.
    cluster = MockCluster(topics={{"t": 1}})
    producer = kjson.Producer(cluster.bootstrap_servers, max_block_ms=60_000, **options)
    producer.send_and_wait("t", 0)
    cluster.broker_down(1)
    keep.append(cluster)
    return producer

def idle_consumer(**options):
    cluster = MockCluster(topics={{"t": 1}})
    keep.append(cluster)
    return kjson.Consumer("t", bootstrap_servers=cluster.bootstrap_servers, **options)

keep = []
{prepare}

def blocks():
    {call}

watcher = threading.Thread(target=interrupt, args=(threading.get_ident(),), daemon=True)
watcher.start()
try:
    blocks()
    raised = None
except BaseException as error:
    raised = type(error).__name__
print(json.dumps({{"raised": raised, "sent": sent[0] if sent else None, "ended": time.monotonic()}}), flush=True)
os._exit(0)  # a flush at exit is another test's subject
"""

SEND = "with kjson.Producer(keep[0].bootstrap_servers) as p: p.send('t', 1)\n"

CALLS: Dict[str, "tuple[str, str]"] = {
    "Producer-constructor": ("", "kjson.Producer(address, connect_timeout=30)"),
    "Consumer-constructor": ("", "kjson.Consumer('t', bootstrap_servers=address, connect_timeout=30)"),
    "flush": ("p = connected_producer(); p.send('t', 1)", "p.flush()"),
    "flush-with-timeout": ("p = connected_producer(); p.send('t', 1)", "p.flush(30)"),
    "producer-close": ("p = connected_producer(); p.send('t', 1)", "p.close(30)"),
    "with-block": ("p = connected_producer(); p.send('t', 1)", "p.__exit__(None, None, None)"),
    "send_and_wait": ("p = connected_producer()", "p.send_and_wait('t', 1)"),
    "send-into-a-full-queue": (
        "p = connected_producer(config={'queue.buffering.max.messages': 1}); p.send('t', 1)",
        "p.send('t', 2)",
    ),
    "delivery-result": ("d = connected_producer().send('t', 1)", "d.result()"),
    "delivery-exception": ("d = connected_producer().send('t', 1)", "d.exception(30)"),
    "poll": ("c = idle_consumer()", "c.poll(30)"),
    "iteration": ("c = idle_consumer()", "next(c)"),
    "consume": ("c = idle_consumer()", "c.consume(10, timeout=30)"),
    "poll-in-a-group": ("c = idle_consumer(group_id='g')", "c.poll(30)"),
    "commit": (
        "c = idle_consumer(group_id='g', enable_auto_commit=False)\n"
        "with kjson.Producer(keep[0].bootstrap_servers) as p: p.send('t', 1)\n"
        "next(c); keep[0].broker_down(1)",
        "c.commit()",
    ),
    "close-without-the-broker": (
        f"c = idle_consumer(group_id='g')\n{SEND}next(c); keep[0].broker_down(1)",
        "c.close(30)",
    ),
    "close-of-an-eager-member-without-the-broker": (
        "c = idle_consumer(group_id='g', partition_assignment_strategy='range')\n"
        f"{SEND}next(c); keep[0].broker_down(1)",
        "c.close(30)",
    ),
    "close-with-the-broker-far-away": (
        f"c = idle_consumer(group_id='g')\n{SEND}next(c); keep[0].round_trip_time(20_000)",
        "c.close(30)",
    ),
    "consumer-with-block": (
        f"c = idle_consumer(group_id='g')\n{SEND}next(c); keep[0].broker_down(1)",
        "c.__exit__(None, None, None)",
    ),
    "until_end": ("c = idle_consumer(); keep[0].broker_down(1)", "list(c.until_end(timeout=30))"),
    "until_end-in-a-group": (
        "c = idle_consumer(group_id='g'); keep[0].broker_down(1)",
        "list(c.until_end(timeout=30))",
    ),
    "peek": ("", "kjson.Consumer.peek('t', bootstrap_servers=address, timeout=30)"),
    "committed": (
        "c = idle_consumer(group_id='g'); keep[0].broker_down(1)",
        "c.committed(kjson.TopicPartition('t', 0), timeout=30)",
    ),
    "end_offsets": (
        "c = idle_consumer(); keep[0].broker_down(1)",
        "c.end_offsets([kjson.TopicPartition('t', 0)], timeout=30)",
    ),
    "lag": ("c = idle_consumer(); keep[0].broker_down(1)", "c.lag(timeout=30)"),
    "ping": ("p = connected_producer()", "p.ping(timeout=30)"),
    "partitions_for": ("p = connected_producer()", "p.partitions_for('u', timeout=30)"),
    "batch-result": ("b = connected_producer().send_many('t', [1, 2])", "b.result()"),
}


def interrupted(call: str, name: str) -> "dict[str, Any]":
    prepare, expression = CALLS[call]
    with silent_address() as address, Stalls() as stalls:
        done = run_program(PROGRAM.format(prepare=prepare, call=expression), name, address)
        assert done.status == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        if report["sent"] is not None:
            report["stalled"] = stalls.within(report["sent"], report["ended"])
            report["took"] = report["ended"] - report["sent"] - report["stalled"]
    return report


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_every_blocking_call_within_200_ms(call: str) -> None:
    report = interrupted(call, "SIGINT")
    assert report["raised"] == "KeyboardInterrupt", report
    assert report["took"] < LIMIT_S, report


@pytest.mark.parametrize("call", ["Producer-constructor", "flush", "poll"])
def test_a_sigterm_handler_runs_within_200_ms_of_a_blocking_call(call: str) -> None:
    report = interrupted(call, "SIGTERM")
    assert report["raised"] == "Terminated", report
    assert report["took"] < LIMIT_S, report
