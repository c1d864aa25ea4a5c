"""Producer.send_many in a program that ends, is killed or forks while its source waits."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from kjson import Producer
from kjson.testing import MockCluster

from .children import run_program
from .peers import committed_offset, read_records
from .waiting import wait_until

pytestmark = [pytest.mark.usefixtures("calling"), pytest.mark.sync_only]


FORKING = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import kjson

servers, topic = sys.argv[1:]
producer = kjson.Producer(servers)
parent = os.getpid()


def values():
    for n in range(100):
        yield n
        if n % 10 == 5:
            child = os.fork()
            if child == 0:
                assert producer.pending >= 0
                continue  # the next one is asked for in the child
            assert os.waitpid(child, 0)[1] == 0


try:
    batch = producer.send_many(topic, values())
except kjson.ForkError:
    os._exit(0 if os.getpid() != parent else 3)
if os.getpid() != parent:
    os._exit(4)
print(len(batch.result(20)))
producer.close()
"""


@pytest.mark.mock_only
def test_a_fork_inside_of_the_source_is_refused_in_the_child(servers: str, topic: str) -> None:
    done = run_program(FORKING, servers, topic)
    assert (done.status, done.stdout, done.stderr) == (0, "100\n", "")
    assert [record.value for record in read_records(servers, topic, 100)] == [b"%d" % n for n in range(100)]


ENDING = """
import sys, threading, time
import kjson

servers, topic = sys.argv[1:]
producer = kjson.Producer(servers)
waits = threading.Event()


def values():
    yield from range(100)
    waits.set()
    threading.Event().wait()


threading.Thread(target=lambda: producer.send_many(topic, values()), daemon=True).start()
assert waits.wait(20)
"""


def test_the_end_of_the_program_sends_what_the_source_has_given(servers: str, topic: str) -> None:
    done = run_program(ENDING, servers, topic)
    assert (done.status, done.stderr) == (0, "")
    assert len(read_records(servers, topic, 100)) == 100


# Passes on what it reads, until its source has no more; killed then.
PASSING_ON = """
import os, sys, threading, time
import kjson

servers, given, passed_on, group = sys.argv[1:]
producer = kjson.Producer(servers)
consumer = kjson.Consumer(given, bootstrap_servers=servers, group_id=group, auto_commit_interval_ms=100)


def killed():
    while producer.metrics()["delivered"] < 100:
        time.sleep(0.01)
    print("all", flush=True)
    time.sleep(60)


threading.Thread(target=killed, daemon=True).start()
if sys.platform != "win32":
    threading.Timer(30, os._exit, [9]).start()
producer.send_many(passed_on, (message.value for message in consumer))
"""


def test_what_a_killed_program_has_committed_it_has_passed_on(servers: str, new_topic: Any) -> None:
    given, passed_on, group = new_topic(), new_topic(), f"group-{os.urandom(4).hex()}"
    with Producer(servers) as producer:
        producer.send_many(given, range(100))
    program = subprocess.Popen(
        [sys.executable, "-c", PASSING_ON, servers, given, passed_on, group], stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "all\n"
        # All but the last one, which is done when the next one is asked for.
        wait_until(lambda: (committed_offset(servers, group, given) or 0) >= 99, "the commit")
    finally:
        program.send_signal(signal.SIGKILL)
        program.communicate()
    stored = read_records(servers, passed_on, 100)
    assert [json.loads(record.value or b"") for record in stored] == list(range(100))


LAST_WORDS = """
import os, sys, time
import kjson

servers, topic = sys.argv[1:]
producer = kjson.Producer(servers)


def values():
    yield from range(100)
    give_up = time.monotonic() + 20
    while producer.metrics()["delivered"] < 100 and time.monotonic() < give_up:
        time.sleep(0.01)
    os._exit(0)


producer.send_many(topic, values())
"""


@pytest.mark.mock_only
@pytest.mark.parametrize("far", [0, 300])
def test_a_source_that_ends_the_process_has_waited_for_its_values(cluster: Any, topic: str, far: int) -> None:
    cluster.mock.round_trip_time(far)
    done = run_program(LAST_WORDS, cluster.bootstrap_servers, topic)
    assert done.status == 0
    cluster.mock.round_trip_time(0)
    assert len(read_records(cluster.bootstrap_servers, topic, 100)) == 100


def test_a_producer_with_sources_leaves_no_thread() -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    if not os.path.isdir("/proc/self/task"):
        pytest.skip("counts threads as Linux shows them")
    with MockCluster(topics={"t": 1}) as mock:
        before = threads()
        for _ in range(5):
            with Producer(mock.bootstrap_servers) as producer:
                assert len(producer.send_many("t", iter(range(10))).result(20)) == 10
            del producer
        wait_until(lambda: threads() <= before, "the threads to end")
