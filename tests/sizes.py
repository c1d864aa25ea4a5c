"""Checks the length of lines and of files, prose and code: `python tests/sizes.py`, which `make lint` runs.

A line has at most 120 characters, apart from tables and links in Markdown. A source file has at most 300 lines, apart
from those named here.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator

ROOT = Path(__file__).resolve().parents[1]
LINE, FILE = 120, 300

LONG_FILES: Dict[str, str] = {
    "python/kjson/_kjson.pyi": "the compiled module has one stub, which is also its reference documentation",
}
NOT_OURS = ("tests/data/",)


def problems() -> Iterator[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix not in (".rs", ".py", ".pyi", ".md") or name.startswith(NOT_OURS) or not path.exists():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if len(line) > LINE and not (path.suffix == ".md" and unbreakable(line)):
                yield f"{name}:{number}: {len(line)} characters"
        if path.suffix != ".md" and len(lines) > FILE and name not in LONG_FILES:
            yield f"{name}: {len(lines)} lines"


def unbreakable(line: str) -> bool:
    """A line of a table, or one with a link that reaches beyond the limit."""
    return line.startswith("|") or any(link.end() > LINE for link in re.finditer(r"\]\(\S+\)|<?https?://\S+", line))


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found))
    if found:
        sys.exit(
            f"tests/sizes.py: {len(found)} lines or files are too long: at most {LINE} characters and {FILE} lines"
        )
