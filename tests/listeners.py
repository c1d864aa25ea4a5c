"""Addresses on loopback where no Kafka is: one that refuses connections, and one that accepts and never answers."""

import contextlib
import socket
from typing import Iterator

__all__ = ["refusing_address", "silent_address"]


@contextlib.contextmanager
def refusing_address() -> Iterator[str]:
    """The address of a port that is taken but does not listen: connections are refused, and nobody else can get it."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


@contextlib.contextmanager
def silent_address() -> Iterator[str]:
    """The address of a listener whose connections the kernel completes and nobody serves."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
