"""The stub is the documentation of record: `help()` says the same in one line. (Signatures are stubtest's business.)"""

import ast
from pathlib import Path
from typing import Iterator, Tuple

import pytest

import kjson
from kjson import _kjson

STUB = Path(kjson.__file__).with_name("_kjson.pyi")


def documented() -> Iterator[Tuple[str, str]]:
    """Every name of the stub that has a docstring, with its first line."""

    def walk(body: "list[ast.stmt]", prefix: str) -> Iterator[Tuple[str, str]]:
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and node.name != "__new__":
                    yield prefix + node.name, text.splitlines()[0]
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(ast.parse(STUB.read_text(encoding="utf-8")).body, "")


@pytest.mark.parametrize(("name", "summary"), list(documented()), ids=[name for name, _ in documented()])
def test_help_says_what_the_stub_says(name: str, summary: str) -> None:
    found = _kjson
    for part in name.split("."):
        found = getattr(found, part)
    assert (found.__doc__ or "").splitlines()[:1] == [summary]
