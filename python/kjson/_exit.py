"""Registers what runs when a process ends: with `atexit`, and with what worker processes run instead of it.

`flush` delivers the messages of the producers, which stay open, and closes the consumers. `close` closes all clients.
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
    """Runs `flush` in its turn among the handlers of atexit, and `close` after the last of them.

    atexit runs handlers that were registered earlier after this one, and they may send, as `logging.shutdown` may. Then
    it drops all its handlers, while the interpreter is still intact; it holds the only reference to this one, so
    `__del__` runs then. A handler that is registered while handlers run, because one of them imports kjson, is dropped
    without a call, and with no Python frame below; a multiprocessing worker that starts drops it from Python code.
    """

    def __init__(self, flush: Callable[[], object], close: Callable[[], object]) -> None:
        self._flush = flush
        self._close = close
        self._called = False

    def __call__(self) -> None:
        self._called = True
        self._flush()

    def __del__(self) -> None:
        if self._called or sys._getframe().f_back is None:
            self._close()


def install(flush: Callable[[], object], close: Callable[[], object]) -> None:
    """Flush and close when this process ends. Installing it again, as a forked child has to, is harmless."""
    atexit.register(_Handler(flush, close))


def install_for_workers(flush: Callable[[], object]) -> None:
    """Flush when a worker of multiprocessing or celery ends: these leave by `os._exit`, which skips atexit.

    Workers of multiprocessing run finalizers before that, and from Python 3.13 on atexit, too. Celery's send a signal.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(lambda **_: flush(), weak=False, dispatch_uid=__name__)
    for name in _MODULES:
        process, util = sys.modules.get(f"{name}.process"), sys.modules.get(f"{name}.util")
        if process is None or util is None:
            continue
        if util not in _watched:
            # A client that the import of the main module creates exists before the process is marked as a worker, which
            # also clears all finalizers.
            _watched.append(util)
            util.register_after_fork(install_for_workers, lambda install: install(flush))
        if getattr(process.current_process(), "_parent_pid", None) is not None:  # the main process has atexit
            # The last finalizer: others may send.
            util.Finalize(None, _flush_worker, args=(flush,), exitpriority=-sys.maxsize)
            if util.is_exiting():  # finalizers have run already: this is a thread that the worker waits for
                _flush_threads(flush)


def _flush_worker(flush: Callable[[], object]) -> None:
    """multiprocessing waits for threads after the finalizers; one more thread flushes what they send until then."""
    flush()
    _flush_threads(flush)


def _flush_threads(flush: Callable[[], object]) -> None:
    if _threads():
        threading.Thread(target=_flush_last, args=(flush,), name=_NAME).start()


def _flush_last(flush: Callable[[], object]) -> None:
    while True:
        threads = _threads()  # threads may start others
        if not threads:
            break
        for thread in threads:
            thread.join()
    flush()


def _threads() -> List[threading.Thread]:
    """The threads that the end of a worker waits for, without the main thread and the flushing one."""
    main = threading.main_thread()
    return [
        thread for thread in threading.enumerate() if not thread.daemon and thread is not main and thread.name != _NAME
    ]
