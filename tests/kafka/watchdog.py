"""Ends the servers that a test run started when the run itself dies, even by SIGKILL.

A second process holds the reading end of a pipe. "+ID" and "-ID" lines tell it which process ids to look after; the
end of the pipe means that this process is gone, and every id still on the list gets a SIGKILL.
"""

import atexit
import os
import signal
import subprocess
import sys
from typing import Optional

__all__ = ["end", "unwatch", "watch"]

_PROGRAM = """
import os, signal, sys
watched = set()
for line in sys.stdin:
    (watched.add if line[0] == "+" else watched.discard)(int(line[1:]))
for pid in watched:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
"""

_process: Optional["subprocess.Popen[str]"] = None
_owner = 0


def watch(pid: int) -> None:
    """From now on this process id does not outlive us."""
    global _process, _owner
    if _process is None or _owner != os.getpid():
        _process = subprocess.Popen(
            [sys.executable, "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            universal_newlines=True,
            start_new_session=True,  # a Ctrl-C in the terminal must not reach it
        )
        _owner = os.getpid()
        atexit.register(_close, _process)
    _tell(f"+{pid}\n")


def unwatch(pid: int) -> None:
    """This process id has ended, and its number may go to another process."""
    if _process is not None and _owner == os.getpid():
        _tell(f"-{pid}\n")


def end(process: "subprocess.Popen[bytes]", number: int, timeout: float) -> bool:
    """Sends the signal, waits, and says whether the process is gone. Its id is no longer watched then."""
    if process.poll() is None:
        # A stopped process (SIGSTOP) takes no signal but SIGKILL.
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return False
    unwatch(process.pid)
    return True


def _close(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    if _owner == os.getpid():
        process.stdin.close()
        process.wait(10)


def _tell(line: str) -> None:
    assert _process is not None
    assert _process.stdin is not None
    _process.stdin.write(line)
    _process.stdin.flush()
