"""The TCP connections that this process has, read from Linux itself."""

import os
from pathlib import Path
from typing import Set

__all__ = ["established_to"]

ESTABLISHED = "01"


def established_to(port: int) -> Set[str]:
    """The inodes of this process's established connections to a port of any address."""
    ours = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # closed in the meantime
            continue
        if target.startswith("socket:["):
            ours.add(target[len("socket:[") : -1])
    found = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        lines = Path(table).read_text().splitlines()[1:] if os.path.exists(table) else []
        for fields in map(str.split, lines):
            remote_port = int(fields[2].rpartition(":")[2], 16)
            if remote_port == port and fields[3] == ESTABLISHED and fields[9] in ours:
                found.add(fields[9])
    return found
