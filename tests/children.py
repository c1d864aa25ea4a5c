"""Programs in child processes, for what cannot be tested in this one: signals, forks, the end of Python."""

import subprocess
import sys
import textwrap
from typing import Dict, List, NamedTuple, Optional

__all__ = ["Finished", "finishes", "quiet", "run_command", "run_program"]


class Finished(NamedTuple):
    """How a program ended."""

    status: int
    stdout: str
    stderr: str


def run_program(
    source: str, *arguments: str, timeout: float = 40.0, environment: Optional[Dict[str, str]] = None
) -> Finished:
    """Runs Python source text with the arguments in `sys.argv[1:]` to its end; too long a time is a failure."""
    return run_command([sys.executable, "-c", textwrap.dedent(source), *arguments], timeout, environment)


def run_command(
    command: List[str], timeout: float, environment: Optional[Dict[str, str]] = None, *, cwd: Optional[str] = None
) -> Finished:
    """Runs a command to its end; too long a time is a failure, and the process is killed."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=environment, cwd=cwd
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def quiet(done: Finished, stdout: str = "") -> None:
    """It ended well, and said nothing but this."""
    assert (done.status, done.stdout, done.stderr) == (0, stdout, "")


# Prints where every thread stands and ends the process if it is still there by then.
PREAMBLE = """
import faulthandler, gc, sys, threading, time
faulthandler.dump_traceback_later(30, exit=True)
import kjson
from kjson.testing import MockCluster
sys.setswitchinterval(1e-5)


def together(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def finishes(source: str) -> None:
    """The program gets to its last line, which prints "done"; a deadlock prints where every thread stands instead."""
    done = run_program(PREAMBLE + source)
    assert (done.status, done.stdout) == (0, "done\n"), done.stderr
