"""Sources of values that wait until a test lets them go on, and a `send_many` that takes from them."""

import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

__all__ = ["Gate", "Sending", "blocked"]


class Gate:
    """Where a source stops until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(40)


class Sending:
    """A `send_many` on its own thread."""

    def __init__(self, send: Callable[[], Any]) -> None:
        self.batch: Any = None
        self.raised: Optional[BaseException] = None
        self._send = send
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.batch = self._send()
        except BaseException as error:
            self.raised = error

    def ended(self) -> Any:
        self._thread.join(40)
        assert not self._thread.is_alive()
        if self.raised is not None:
            raise self.raised
        return self.batch


@contextmanager
def blocked(producer: Any, topic: str, gate: Gate, count: int = 3, **options: Any) -> Iterator[Sending]:
    """`send_many` over a source that gives so many values and then waits at the gate, which opens in the end."""

    def values() -> Iterator[int]:
        yield from range(count)
        gate.wait()
        yield count

    sending = Sending(lambda: producer.send_many(topic, values(), **options))
    try:
        assert gate.reached.wait(40)
        yield sending
    finally:
        gate.opened.set()
