"""Where Python is told what to run when a process ends: `atexit`, and what worker processes run instead of it."""

import atexit
import sys
from typing import Any, Callable, List

__all__ = ["install", "install_for_workers"]

_MODULES = ("multiprocessing", "billiard")  # billiard is celery's fork of multiprocessing
_watched: List[Any] = []


def install(handler: Callable[[], object]) -> None:
    """Run `handler` when this process ends. Installing it again, as a forked child has to, is harmless."""
    atexit.unregister(handler)
    atexit.register(handler)
    install_for_workers(handler)


def install_for_workers(handler: Callable[[], object]) -> None:
    """Run `handler` when a worker of multiprocessing ends, which leaves by `os._exit` without a look at atexit (before 3.13)."""
    for name in _MODULES:
        process, util = sys.modules.get(f"{name}.process"), sys.modules.get(f"{name}.util")
        if process is None or util is None:
            continue
        if util not in _watched:
            # A client made while the main module is imported comes before the process is known to be a worker, and before that
            # forgets all finalizers.
            _watched.append(util)
            util.register_after_fork(install_for_workers, lambda install: install(handler))
        if getattr(process.current_process(), "_parent_pid", None) is not None:  # the main process has atexit
            # After the queues have been flushed and the children joined: those have priorities from -5 up.
            util.Finalize(None, handler, exitpriority=-100)
