"""Event loops for tests: asyncio and uvloop, in this process and in child processes."""

import asyncio
import gc
import os
from typing import Any, Awaitable, Callable, List

import pytest

from .children import Finished, run_program

Main = Callable[[], Awaitable[Any]]
Run = Callable[[Main], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function to its end, as `asyncio.run` does, with asyncio in debug mode."""
    loops = pytest.importorskip("uvloop") if request.param == "uvloop" else asyncio

    def run_it(main: Main) -> Any:
        loop = loops.new_event_loop()
        loop.set_debug(True)
        complaints: List[Any] = []
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        try:
            return loop.run_until_complete(_bounded(main))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            gc.collect()
            assert not complaints

    return run_it


def least_turns(passed: float) -> float:
    """How often another task gets its turn: 50 times a second. A machine that stands still in that time gives none."""
    return min(passed, 1.0) * 50


async def _bounded(main: Main) -> Any:
    return await asyncio.wait_for(main(), 50)


LOUD = {"PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "error", "PYTHONFAULTHANDLER": "1"}
# The beginning of a program: `run(main())` runs on the loop that its first argument names.
LOOPS = """
import asyncio, sys
if sys.argv[1] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio

def run(main):
    loop = loops.new_event_loop()
    loop.slow_callback_duration = 60  # in debug mode asyncio complains of a slow machine, to stderr
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()
"""


@pytest.fixture(params=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> str:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return str(request.param)


def run_loud(source: str, *arguments: str) -> Finished:
    return run_program(source, *arguments, environment={**os.environ, **LOUD})


def ended_well(done: Finished) -> None:
    assert (done.status, done.stderr) == (0, "")
