"""The stub is the reference documentation: `help()` says the same, in one line or in full. stubtest has signatures."""

import ast
import inspect
import re
from pathlib import Path
from typing import Dict, Iterator, Tuple

import pytest

import kjson
from kjson import _kjson
from kjson.testing import MockCluster

STUB = Path(kjson.__file__).with_name("_kjson.pyi")


def documented() -> Iterator[Tuple[str, str]]:
    """Every name of the stub that has a docstring, with that."""

    def walk(body: "list[ast.stmt]", prefix: str) -> Iterator[Tuple[str, str]]:
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and node.name != "__new__":
                    yield prefix + node.name, text
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(ast.parse(STUB.read_text(encoding="utf-8")).body, "")


DOCUMENTED: Dict[str, str] = dict(documented())


@pytest.mark.parametrize("name", list(DOCUMENTED))
def test_help_says_what_the_stub_says(name: str) -> None:
    found = _kjson
    for part in name.split("."):
        found = getattr(found, part)
    said = inspect.cleandoc(found.__doc__ or "")
    summary = DOCUMENTED[name].splitlines()[0]
    assert said.splitlines()[:1] == [summary]
    assert said == summary or said.split() == DOCUMENTED[name].split()


def test_every_public_method_of_the_stub_is_documented() -> None:
    missing = [
        f"{cls.name}.{method.name}"
        for cls in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
        if not any(isinstance(one, ast.Name) and one.id == "property" for one in method.decorator_list)
        if f"{cls.name}.{method.name}" not in DOCUMENTED
    ]
    assert missing == []


def test_the_metrics_are_documented() -> None:
    with MockCluster(topics=["numbers"]) as cluster:
        with kjson.Producer(cluster.bootstrap_servers) as producer:
            given = {"Producer.metrics": set(producer.metrics())}
        with kjson.Consumer("numbers", bootstrap_servers=cluster.bootstrap_servers) as consumer:
            given["Consumer.metrics"] = set(consumer.metrics())
    for name, keys in given.items():
        assert set(re.findall(r'"(\w+)"', DOCUMENTED[name])) - {"on_decode_error"} == keys


@pytest.mark.parametrize("name", _kjson.__all__)
def test_a_class_is_found_where_it_says_that_it_is(name: str) -> None:
    """Users import it from there, for their annotations."""
    found = getattr(_kjson, name)
    if isinstance(found, type):
        assert found.__module__ in ("kjson", "kjson.testing")
        public = kjson if found.__module__ == "kjson" else kjson.testing
        assert issubclass(getattr(public, found.__name__), found)
        assert found.__name__ in public.__all__


def test_every_exception_can_be_imported_from_kjson() -> None:
    assert set(kjson.exceptions.__all__) <= set(kjson.__all__)
