"""The layers of `src/`: what each may import, and where `unsafe` may stand."""

import re
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"

# What a folder may not name, and why: each of them is to be read without the others.
FORBIDDEN: Dict[str, List[str]] = {
    "json": ["rdkafka", "crate::kafka", "crate::librdkafka", "crate::os", "crate::python"],
    "librdkafka": ["pyo3", "crate::json", "crate::kafka", "crate::python"],
    "os": ["pyo3", "rdkafka", "crate::json", "crate::kafka", "crate::librdkafka", "crate::python"],
    "kafka": ["pyo3", "rdkafka::", "crate::json", "crate::python"],
    "kafka/client": [
        "crate::kafka::consumer",
        "crate::kafka::producer",
        "super::super::consumer",
        "super::super::producer",
    ],
    "kafka/consumer": ["crate::kafka::producer", "super::super::producer"],
    "kafka/producer": ["crate::kafka::consumer", "super::super::consumer"],
    "python": ["rdkafka::", "crate::librdkafka"],
}
# Where `unsafe` may stand. Such a file, or its folder's `mod.rs`, opens with what it is for.
UNSAFE = ("json/", "librdkafka/", "os/", "allocator.rs", "python/aio/method.rs")


def code(path: Path) -> Iterator[str]:
    """The lines without comments."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.lstrip().startswith("//"):
            yield line


@pytest.mark.parametrize("folder", list(FORBIDDEN))
def test_a_layer_names_none_above_it(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((SOURCE / folder).rglob("*.rs"))
        for line in code(path)
        for name in FORBIDDEN[folder]
        if re.search(rf"(?<![\w:]){re.escape(name)}", line)
    ]
    assert found == []


def test_unsafe_code_is_where_it_may_be() -> None:
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.rs")
        if any(re.search(r"\bunsafe\b(?!_)", line) for line in code(path))
    }
    assert sorted(name for name in found if not name.startswith(UNSAFE)) == []
