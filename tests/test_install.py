"""What an installed kjson consists of: its names, its version, its data, its types, and no other package."""

import ast
import re
from importlib import metadata, util
from pathlib import Path

import kjson

from .children import run_program

ROOT = Path(__file__).parents[1]


def test_producer_and_consumer_and_confluent_kafka_import_side_by_side() -> None:
    done = run_program("from kjson import Producer, Consumer\nimport confluent_kafka")
    assert (done.status, done.stderr) == (0, "")


def test_the_version_is_that_of_the_distribution() -> None:
    assert kjson.__version__ == metadata.version("kjson")
    assert re.match(r"\d+\.\d+\.\d+", kjson.librdkafka_version)


def test_it_needs_no_other_package() -> None:
    assert not [line for line in metadata.requires("kjson") or [] if "extra ==" not in line]


def test_the_users_requirements_are_kjson_and_confluent_kafka() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [re.split("[<>=]", line)[0] for line in lines if not line.startswith("#")] == [".", "confluent-kafka"]


def test_every_exported_name_exists_and_has_a_docstring() -> None:
    assert len(set(kjson.__all__)) == len(kjson.__all__)
    for name in kjson.__all__:
        value = getattr(kjson, name)
        if callable(value):
            assert value.__doc__, name


def test_types_data_and_the_stub_are_installed() -> None:
    spec = util.find_spec("kjson")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for name in ("py.typed", "_kjson.pyi", "data/earthquakes.jsonl", "data/README.md"):
        assert (package / name).is_file(), name


def test_the_stub_is_valid_on_this_python() -> None:
    ast.parse(Path(kjson.__file__).with_name("_kjson.pyi").read_text(encoding="utf-8"))


def test_importing_kjson_starts_no_thread_and_prints_nothing() -> None:
    done = run_program("import kjson, os; print(len(os.listdir('/proc/self/task')))")
    assert (done.status, done.stdout, done.stderr) == (0, "1\n", "")
