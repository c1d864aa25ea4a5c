"""The layers of `src/`: what each may import, and where `unsafe` may stand."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Set

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


def test_what_is_pinned_to_a_version_of_librdkafka_is_listed_alike() -> None:
    pinned = SOURCE / "librdkafka" / "pinned"
    listed: Dict[str, Set[str]] = {}
    kind = ""
    for row in re.findall(r"//! \|(.*`.*)", (pinned / "mod.rs").read_text(encoding="utf-8")):
        # An empty first column continues the row above it.
        first, names, _ = row.split("|", 2)
        kind = first.split(":")[0].strip() or kind
        listed.setdefault(kind, set()).update(re.findall(r"`(\w+)`", names))
    files = "".join(path.read_text(encoding="utf-8") for path in pinned.glob("*.rs") if path.name != "mod.rs")
    wrapped = set(re.findall(r"fn __wrap_(\w+)", files))
    linked = set(re.findall(r'"(rd_kafka_\w+)"', (ROOT / "build.rs").read_text(encoding="utf-8")))
    called = set(re.findall(r"fn (rd_kafka_\w+)", files))
    read = set(re.findall(r"^ */// `(\w+_t)`", files, re.MULTILINE))
    assert wrapped == linked
    assert listed == {"wrapped": wrapped, "called": called, "read": read}


def test_names_of_threads_are_not_cut() -> None:
    sources = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.rs")]
    names = {name for text in sources for name in re.findall(r'\b(?:spawn|run|start)\(.*"([\w-]+)",', text)}
    assert "kjson-report" in names
    # Linux keeps 15 bytes.
    assert [name for name in names if len(name) > 15] == []
