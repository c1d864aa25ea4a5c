"""A progress bar on standard error; silent if that is not a terminal."""

import sys
import time
from types import TracebackType
from typing import Optional, TextIO, Type

__all__ = ["ProgressBar"]

WIDTH = 40
REDRAW_EVERY_S = 0.05
"""Twenty frames a second look smooth at no noticeable cost."""


class ProgressBar:
    """Use it as `with ProgressBar("sending", 1707) as bar: bar.advance()`."""

    def __init__(self, label: str, total: int, *, stream: Optional[TextIO] = None) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._stream = sys.stderr if stream is None else stream
        self._visible = self._stream.isatty()
        self._next_drawing = 0.0

    def advance(self, count: int = 1) -> None:
        """Adds to the count, and redraws the bar at most every `REDRAW_EVERY_S`."""
        self._done += count
        if self._visible and time.monotonic() >= self._next_drawing:
            self._draw()
            self._next_drawing = time.monotonic() + REDRAW_EVERY_S

    def __enter__(self) -> "ProgressBar":
        if self._visible:
            self._draw()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._visible:
            self._draw()
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self) -> None:
        share = min(1.0, self._done / self._total) if self._total else 1.0
        bar = ("#" * round(WIDTH * share)).ljust(WIDTH, ".")
        self._stream.write(f"\r{self._label:<10} [{bar}] {self._done:,} of {self._total:,}")
        self._stream.flush()
