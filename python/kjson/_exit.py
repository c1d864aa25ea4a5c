"""Registers what runs when a process ends: with `atexit`, and with what worker processes run instead of it.

`drain` delivers the messages of the producers, which stay open, and closes the consumers. `close` closes all clients.
"""

import atexit
import sys
import threading
from typing import Any, Callable, List

__all__ = ["install", "install_for_workers"]

_MODULES = ("multiprocessing", "billiard")  # billiard is celery's fork of multiprocessing
_NAME = "kjson-exit"
_watched: List[Any] = []


class _Handler:
    """Runs `drain` in its turn among the handlers of atexit, and `close` after the last of them.

    atexit runs handlers that were registered earlier after this one, and they may send, as `logging.shutdown` may. Then
    it drops all its handlers, while the interpreter is still intact; it holds the only reference to this one, so
    `__del__` runs then. A handler that is registered while handlers run, because one of them imports kjson, is dropped
    without a call, and with no Python frame below; a multiprocessing worker that starts drops it from Python code.
    """

    def __init__(self, drain: Callable[[], object], close: Callable[[], object]) -> None:
        self._drain = drain
        self._close = close
        self._called = False

    def __call__(self) -> None:
        self._called = True
        self._drain()

    def __del__(self) -> None:
        if self._called or sys._getframe().f_back is None:
            self._close()


def install(drain: Callable[[], object], close: Callable[[], object]) -> None:
    """Drain and close when this process ends. Installing it again, as a forked child has to, is harmless."""
    atexit.register(_Handler(drain, close))


def install_for_workers(drain: Callable[[], object]) -> None:
    """Drain when a worker of multiprocessing or celery ends: these leave by `os._exit`, which skips atexit.

    Workers of multiprocessing run finalizers before that, and from Python 3.13 on atexit, too. Celery's send a signal.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(lambda **_: drain(), weak=False, dispatch_uid=__name__)
    for name in _MODULES:
        process, util = sys.modules.get(f"{name}.process"), sys.modules.get(f"{name}.util")
        if process is None or util is None:
            continue
        if util not in _watched:
            # A client that the import of the main module creates exists before the process is marked as a worker, which
            # also clears all finalizers.
            _watched.append(util)
            util.register_after_fork(install_for_workers, lambda install: install(drain))
        if getattr(process.current_process(), "_parent_pid", None) is not None:  # the main process has atexit
            # The last finalizer: others may send.
            util.Finalize(None, _drain_worker, args=(drain,), exitpriority=-sys.maxsize)
            if util.is_exiting():  # finalizers have run already: this is a thread that the worker waits for
                _drain_threads(drain)


def _drain_worker(drain: Callable[[], object]) -> None:
    """multiprocessing waits for threads after the finalizers; one more thread drains what they send until then."""
    drain()
    _drain_threads(drain)


def _drain_threads(drain: Callable[[], object]) -> None:
    if _threads():
        threading.Thread(target=_drain_last, args=(drain,), name=_NAME).start()


def _drain_last(drain: Callable[[], object]) -> None:
    while True:
        threads = _threads()  # threads may start others
        if not threads:
            break
        for thread in threads:
            thread.join()
    drain()


def _threads() -> List[threading.Thread]:
    """The threads that the end of a worker waits for, without the main thread and the draining one."""
    main = threading.main_thread()
    return [
        thread for thread in threading.enumerate() if not thread.daemon and thread is not main and thread.name != _NAME
    ]
