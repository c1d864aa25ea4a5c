"""Daemon threads inside the codec when the interpreter ends: the process ends as if they had not been there."""

from .children import run_program

PROGRAM = """
import threading, time
import kjson

started = threading.Semaphore(0)

class Other:
    pass

class Items(list):
    def __iter__(self):
        return iter([default(self)])

class Pairs(dict):
    def items(self):
        return [("a", default(self))]

def default(value):
    started.release()
    time.sleep(0.001)
    return 1.5

def forever(work):
    while True:
        work()

ways = (
    lambda: kjson.dumps([Other(), Other()], default=default),
    lambda: kjson.loads(b"[1.5, 2.5]", parse_float=default),
    lambda: kjson.dumps([Items(), Pairs()]),
)
for work in ways:
    work()  # what is imported at the first call is there then
for work in ways * 3:
    threading.Thread(target=forever, args=(work,), daemon=True).start()
for _ in range(50):
    started.acquire()
"""


def test_daemon_threads_in_callbacks_do_not_end_the_process_by_a_signal() -> None:
    for _ in range(5):
        done = run_program(PROGRAM)
        assert (done.status, done.stderr) == (0, "")
