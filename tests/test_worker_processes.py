"""Worker processes: what their code sent arrives, and what it read is committed, by every way to start one."""

import sys
from pathlib import Path
from typing import List

import pytest

from kjson.testing import MockCluster

from .children import Finished, run_command
from .peers import committed_offset, read_records
from .test_place import fill

METHODS = ["fork", "forkserver", "spawn"]

PROGRAM = """
import multiprocessing, os, sys, threading, time, warnings
from concurrent.futures import ProcessPoolExecutor
import kjson
warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads, which this is about
method, kind, servers = sys.argv[1:4]
at_import = kjson.Producer(servers) if kind == "at import" else None
kept = []

def ten(start):
    producer = kjson.Producer(servers)
    for n in range(start, start + 10):
        producer.send("t", n)
    if start % 20 == 0:
        kept.append(producer)

def many(start):
    kept.append(kjson.Producer(servers))
    kept[-1].send_many("t", range(start, start + 10))

def on_a_thread(start):
    threading.Thread(target=later, args=(start,)).start()

def later(start):  # than the finalizers
    time.sleep(0.2)
    producer = kjson.Producer(servers)
    producer.send_many("t", range(start, start + 5))
    threading.Thread(target=last, args=(producer, start + 5)).start()

def last(producer, start):
    time.sleep(0.2)
    producer.send_many("t", range(start, start + 5))

def on_both(start):
    threading.Thread(target=last, args=(kjson.Producer(servers), start + 5)).start()
    on_a_thread_of_a_thread = threading.Thread(target=last, args=(kjson.Producer(servers), start))
    threading.Thread(target=lambda: (time.sleep(0.2), on_a_thread_of_a_thread.start())).start()

def import_time(start):
    for n in range(start, start + 10):
        at_import.send("t", n)

def read(start):
    kept.append(kjson.Consumer("t", bootstrap_servers=servers, group_id="g"))
    for _ in range(6):
        next(kept[-1])

def nested(start):
    ten(start)
    context.Process(target=ten, args=(start + 10,)).start()

if __name__ == "__main__":
    context = multiprocessing.get_context(method)
    parents = kjson.Producer(servers)
    parents.send_and_wait("u", 0)
    if kind == "pool":
        with context.Pool(2) as pool:
            pool.map(ten, [0, 10], chunksize=1)
            pool.close()
            pool.join()
    elif kind == "executor":
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(ten, [0, 10]))
    else:
        targets = {"process": ten, "send_many": many, "at import": import_time, "consumer": read}
        target = {**targets, "thread": on_a_thread, "threads": on_both}[kind]
        workers = [context.Process(target=target, args=(n,)) for n in ([0] if kind == "consumer" else [0, 10])]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0, worker.exitcode
    parents.send_and_wait("u", 1)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, since spawned workers import the program."""
    path = tmp_path_factory.mktemp("workers") / "program.py"
    path.write_text(PROGRAM)
    return path


def run(program: Path, *arguments: str) -> Finished:
    done = run_command([sys.executable, str(program), *arguments], 60.0)
    assert (done.status, done.stderr) == (0, "")
    return done


def values(cluster: MockCluster, count: int) -> List[int]:
    cluster.round_trip_time(0)
    return sorted(int(record.value) for record in read_records(cluster.bootstrap_servers, "t", count))


@pytest.mark.parametrize("kind", ["process", "pool", "executor", "send_many", "at import", "thread", "threads"])
@pytest.mark.parametrize("method", METHODS)
def test_what_a_worker_sent_arrives(program: Path, method: str, kind: str) -> None:
    if kind == "at import" and method == "fork":
        pytest.skip("the producer is the parent's")
    with MockCluster(topics={"t": 1, "u": 1}) as cluster:
        cluster.round_trip_time(50)
        run(program, method, kind, cluster.bootstrap_servers)
        assert values(cluster, 20) == list(range(20))


@pytest.mark.parametrize("method", METHODS)
def test_what_a_worker_has_done_is_committed(program: Path, method: str) -> None:
    with MockCluster(topics={"t": 1, "u": 1}) as cluster:
        fill(cluster.bootstrap_servers, "t", 10)
        run(program, method, "consumer", cluster.bootstrap_servers)
        assert committed_offset(cluster.bootstrap_servers, "g", "t") == 5
