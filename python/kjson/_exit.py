"""Where Python is told what to run when a process ends: `atexit`, and what worker processes run instead of it.

`settle` delivers what the producers have been given, which stay open, and closes the consumers. `close` closes everything.
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
    """Runs `settle` in its turn among the handlers of atexit, and `close` after the last of them.

    atexit runs the handlers that were registered earlier afterwards, and they may send, as those of `logging.shutdown` do.
    Then it drops all of its handlers, while the interpreter is still whole. Nothing else refers to this one. One that is
    registered while they run, because one of them imports kjson, is dropped without a call, and not from Python code as in a
    worker process of multiprocessing that begins.
    """

    def __init__(self, settle: Callable[[], object], close: Callable[[], object]) -> None:
        self._settle = settle
        self._close = close
        self._called = False

    def __call__(self) -> None:
        self._called = True
        self._settle()

    def __del__(self) -> None:
        if self._called or sys._getframe().f_back is None:
            self._close()


def install(settle: Callable[[], object], close: Callable[[], object]) -> None:
    """Settle and close when this process ends. Installing it again, as a forked child has to, is harmless."""
    atexit.register(_Handler(settle, close))


def install_for_workers(settle: Callable[[], object]) -> None:
    """Settle when a worker of multiprocessing or celery ends, which leave by `os._exit` without a look at atexit.

    Workers of multiprocessing run finalizers before that, and from Python 3.13 on atexit, too. Celery's send a signal.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(lambda **_: settle(), weak=False, dispatch_uid=__name__)
    for name in _MODULES:
        process, util = sys.modules.get(f"{name}.process"), sys.modules.get(f"{name}.util")
        if process is None or util is None:
            continue
        if util not in _watched:
            # A client made while the main module is imported comes before the process is known to be a worker, and before that
            # forgets all finalizers.
            _watched.append(util)
            util.register_after_fork(install_for_workers, lambda install: install(settle))
        if getattr(process.current_process(), "_parent_pid", None) is not None:  # the main process has atexit
            # The last finalizer: others may send.
            util.Finalize(None, _settle_worker, args=(settle,), exitpriority=-sys.maxsize)
            if util.is_exiting():  # too late for it: this is a thread that the worker waits for
                _settle_threads(settle)


def _settle_worker(settle: Callable[[], object]) -> None:
    """multiprocessing waits for threads after the finalizers, and what they send until then is settled by one more thread."""
    settle()
    _settle_threads(settle)


def _settle_threads(settle: Callable[[], object]) -> None:
    if _threads():
        threading.Thread(target=_settle_last, args=(settle,), name=_NAME).start()


def _settle_last(settle: Callable[[], object]) -> None:
    while True:
        threads = _threads()  # more of them, if they start any
        if not threads:
            break
        for thread in threads:
            thread.join()
    settle()


def _threads() -> List[threading.Thread]:
    """Those that the end of a worker waits for, but the main one and what settles."""
    main = threading.main_thread()
    return [
        thread for thread in threading.enumerate() if not thread.daemon and thread is not main and thread.name != _NAME
    ]
