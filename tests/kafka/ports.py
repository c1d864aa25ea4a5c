"""Free TCP ports on loopback for servers that go away and come back."""

import contextlib
import random
import socket
from typing import Set

__all__ = ["free_port", "port_is_free"]

# Below the range from which Linux takes the ports of outgoing connections (32768 and up). A client that keeps trying
# to reach a dead broker on a port of that range sooner or later takes the port itself, even connects to itself, and
# the broker cannot come back.
FIRST, LAST = 20_000, 32_000

_handed_out: Set[int] = set()


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do, so that connections of an earlier server in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that is free now and that no earlier call returned."""
    for _ in range(1000):
        port = random.randint(FIRST, LAST)
        if port not in _handed_out and port_is_free(port):
            _handed_out.add(port)
            return port
    raise OSError(f"no free port between {FIRST} and {LAST} on 127.0.0.1")
