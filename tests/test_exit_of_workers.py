"""What multiprocessing's workers and celery's pool processes send at their end arrives."""

import sys
from pathlib import Path

import pytest

from kjson.testing import MockCluster

from .children import quiet, run_command, run_program
from .exits import arrived

WORKERS = """
import atexit, multiprocessing, multiprocessing.util, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
method, kind, servers = sys.argv[1:4]

def send():
    producer.send_many("t", range(10, 20))

def slowly():
    for n in range(10, 20):
        time.sleep(0.05)
        producer.send("t", n)

def work():
    global producer
    if kind == "atexit":
        atexit.register(send)
    import kjson
    producer = kjson.Producer(servers)
    producer.send_many("t", range(10))
    if kind == "finalizer":
        multiprocessing.util.Finalize(None, send, exitpriority=-1000)
    elif kind == "thread":
        threading.Thread(target=slowly).start()
    elif kind == "executor":
        ThreadPoolExecutor(1).submit(slowly)

if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads, which this is about
    worker = multiprocessing.get_context(method).Process(target=work)
    worker.start()
    worker.join()
    assert worker.exitcode == 0, worker.exitcode
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, since spawned workers import the program."""
    path = tmp_path_factory.mktemp("workers") / "program.py"
    path.write_text(WORKERS)
    return path


@pytest.mark.parametrize("kind", ["atexit", "finalizer", "thread", "executor"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_what_the_end_of_a_worker_sends_arrives(far: MockCluster, workers: Path, method: str, kind: str) -> None:
    if kind == "atexit" and method != "spawn" and sys.version_info < (3, 13):
        pytest.skip("such workers run no atexit before 3.13")
    if kind == "executor" and sys.version_info < (3, 9):
        pytest.skip("its threads are daemons before 3.9, and nothing waits for them")
    quiet(run_command([sys.executable, str(workers), method, kind, far.bootstrap_servers], 30.0))
    arrived(far, 20)


def test_what_a_process_of_celery_s_pool_sent_arrives(far: MockCluster) -> None:
    """Those leave by `os._exit` without finalizers. This stands for celery, with the one signal that kjson uses."""
    program = """
    import os, sys, types, warnings

    class Signal:
        def __init__(self):
            self.receivers = {}

        def connect(self, receiver, weak=True, dispatch_uid=None):
            assert not weak
            self.receivers[dispatch_uid] = receiver

        def send(self, **named):
            for receiver in self.receivers.values():
                receiver(signal=self, **named)

    signals = types.ModuleType("celery.signals")
    signals.worker_process_shutdown = Signal()
    sys.modules["celery.signals"] = signals

    import kjson
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads, which this is about
    parents = kjson.Producer(sys.argv[1])
    for start in (0, 10):
        child = os.fork()
        if child == 0:
            producer = kjson.Producer(sys.argv[1], linger_ms=100)
            for n in range(start, start + 10):
                producer.send("t", n)
            signals.worker_process_shutdown.send(sender="here", pid=os.getpid(), exitcode=0)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """
    quiet(run_program(program, far.bootstrap_servers))
    arrived(far, 20)
