"""`kjson demo`: it works with nothing but the package, on a real Kafka too, and fails when anything differs."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, List

import pytest

from kjson import Message
from kjson.cli import demo, main

from .children import run_command
from .kafka import Broker
from .listeners import refusing_address

COMMANDS = {
    "kjson": [str(Path(sys.executable).with_name("kjson")), "demo"],
    "python-m": [sys.executable, "-m", "kjson", "demo"],
}


def assert_reports_everything(output: str) -> None:
    assert re.search(r"sent +1,707 records, 1,707 acknowledged", output)
    assert re.search(r"received +1,707 records", output)
    assert re.search(r"\d a second", output)
    assert re.search(r"checked +1,707 records: each equals what was sent", output)
    assert "M 6.4  06 Feb 2018 15:50 UTC  22km NNE of Hualian, Taiwan" in output


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_it_sends_and_checks_every_record_in_an_empty_folder_without_a_broker(command: List[str]) -> None:
    with tempfile.TemporaryDirectory() as empty:
        done = run_command(command, 60, cwd=empty)
    assert (done.status, done.stderr) == (0, "")
    assert_reports_everything(done.stdout)


def test_it_works_on_a_real_kafka(shared_broker: Broker) -> None:
    done = run_command([*COMMANDS["python-m"], "--bootstrap-servers", shared_broker.bootstrap_servers], 60)
    assert (done.status, done.stderr) == (0, "")
    assert_reports_everything(done.stdout)


def test_it_does_not_look_at_the_environment_for_a_cluster() -> None:
    with refusing_address() as address:
        done = run_command(COMMANDS["python-m"], 60, dict(os.environ, KJSON_BOOTSTRAP_SERVERS=address))
    assert done.status == 0


def test_without_its_broker_it_says_so_in_one_line() -> None:
    with refusing_address() as address:
        done = run_command([*COMMANDS["python-m"], "--bootstrap-servers", address], 60)
    assert done.status == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("kjson demo: cannot reach any Kafka broker")
    assert address in line


@pytest.mark.skipif(shutil.which("script") is None, reason="no `script` program to make a terminal")
def test_it_shows_a_progress_bar_in_a_terminal() -> None:
    command = " ".join(COMMANDS["python-m"])
    done = run_command(["script", "-qec", command, "/dev/null"], 60)
    assert done.status == 0
    for label in ("sending", "receiving"):
        assert re.search(label + r" +\[#{40}\] 1,707 of 1,707", done.stdout)


def message(quake: Any, **changes: Any) -> Message:
    return Message("t", 0, 0, **{"key": quake["id"], "value": quake, **changes})


def test_every_difference_is_found() -> None:
    quakes = demo.read_quakes()
    first, second, third = quakes[:3]
    read = [message(quake) for quake in quakes]
    assert demo.differences(quakes, read) == []
    assert "did not arrive" in demo.differences(quakes, read[1:])[0]
    assert "read twice" in demo.differences(quakes, [*read, message(first)])[0]
    assert "changed" in demo.differences(quakes, [message(second, key=first["id"]), *read[1:]])[0]
    as_float = {**third, "properties": {**third["properties"], "tsunami": float(third["properties"]["tsunami"])}}
    assert "changed" in demo.differences(quakes, [*read[:2], message(as_float), *read[3:]])[0]
    reordered = dict(reversed(list(first.items())))
    assert "changed" in demo.differences(quakes, [message(reordered), *read[1:]])[0]


def test_a_difference_makes_it_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    read_all = demo.receive
    monkeypatch.setattr(demo, "receive", lambda *arguments: read_all(*arguments)[:-1])
    assert main(["demo"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kjson demo: what was read is not what was sent: the event ")
    assert error.count("\n") == 1
