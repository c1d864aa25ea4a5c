"""The pauses of this machine: a promise in milliseconds can be timed only without them."""

import threading
import time
from typing import Any, List, Tuple

from .waiting import wait_until

__all__ = ["Stalls"]

STEP_S = 0.005
# What a thread that is woken late on a busy machine oversleeps all the time is part of what is promised.
NOTED_S = 0.02


class Stalls:
    """While the block runs, a thread notes every time at which its own short sleep took much too long.

    It runs in the process of the test, not in the one under test: there a call that does not release the GIL would hold
    the watcher up, too, and be taken for a stall. The monotonic clock is the same in all processes.
    """

    def __init__(self) -> None:
        self._noted: List[Tuple[float, float]] = []
        self._seen = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Stalls":
        self._thread.start()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._ended.set()
        self._thread.join(20)

    def within(self, begun: float, ended: float) -> float:
        """How many seconds of that time, in `time.monotonic()`, this machine stood still."""
        wait_until(lambda: self._seen >= ended or not self._thread.is_alive(), "the watcher to come past that time")
        return sum(max(0.0, min(ended, until) - max(begun, since)) for since, until in self._noted)

    def _watch(self) -> None:
        while not self._ended.is_set():
            due = time.monotonic() + STEP_S
            time.sleep(STEP_S)
            now = time.monotonic()
            if now - due > NOTED_S:
                self._noted.append((due, now))
            self._seen = now
