"""The documentation is true: every Python block of the README runs, and every command that it names exists."""

import re
from pathlib import Path
from typing import List

import pytest

from .kafka import Broker

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")


def blocks(document: str, language: str) -> List[str]:
    """The fenced blocks of that language, in their order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found: List[str] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return found


README = blocks("README.md", "python")
ON_A_BROKER = [n for n, block in enumerate(README) if "localhost:9092" in block]


def run_block(number: int) -> None:
    exec(compile(README[number], "README.md", "exec"), {})


@pytest.mark.parametrize("number", ON_A_BROKER)
def test_the_readme_runs_as_it_stands(number: int, default_broker: Broker) -> None:
    """Unchanged, with localhost:9092, because that is what people paste."""
    run_block(number)


@pytest.mark.parametrize("number", sorted(set(range(len(README))) - set(ON_A_BROKER)))
def test_what_needs_no_broker_in_the_readme_runs_as_it_stands(number: int) -> None:
    run_block(number)


PAGES = [
    (page, n)
    for page in ("bad-messages.md", "asyncio.md", "patterns.md", "processes.md", "testing.md")
    for n in range(len(blocks(f"docs/{page}", "python")))
]


@pytest.mark.parametrize(("page", "number"), PAGES)
def test_a_page_runs_as_it_stands(page: str, number: int) -> None:
    exec(compile(blocks(f"docs/{page}", "python")[number], page, "exec"), {"__name__": "page"})


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^\.PHONY: (\S+) ##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_and_file_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^):#]+)\)", text)
    named += [name for name in re.findall(r"`((?:tests|python|src)/[\w./-]+)`", text) if "NAME" not in name]
    assert named or document == "CONTRIBUTING.md"
    assert [name for name in named if not (ROOT / name).exists()] == []
