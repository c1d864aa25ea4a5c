"""The tests' own Kafka: it answers, keeps its data and its address across a crash, and never outlives its run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .kafka import Broker
from .peers import read_records, write_with_confluent, write_with_kafka_python
from .waiting import wait_until

ROOT = Path(__file__).parents[1]


@pytest.mark.real_kafka
def test_confluent_kafka_and_kafka_python_write_what_is_read_as_bytes(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"one", None], key=b"k", headers=[("a", b"1"), ("b", None)])
    write_with_kafka_python(servers, topic, [b"three"])
    one, two, three = read_records(servers, topic, 3)
    assert (one.key, one.value, one.headers) == (b"k", b"one", [("a", b"1"), ("b", None)])
    assert (two.value, two.offset) == (None, 1)
    assert (three.key, three.value, three.headers) == (None, b"three", [])


def test_a_killed_broker_comes_back_at_its_address_with_its_data(own_broker: Broker) -> None:
    address = own_broker.bootstrap_servers
    write_with_confluent(address, "kept", [b"before"])
    own_broker.kill()
    assert own_broker.pid is None
    own_broker.start()
    assert own_broker.bootstrap_servers == address
    write_with_confluent(address, "kept", [b"after"])
    assert [record.value for record in read_records(address, "kept", 2)] == [b"before", b"after"]


@pytest.mark.usefixtures("real_kafka_installed")
def test_a_broker_ends_with_the_process_that_started_it_even_by_sigkill() -> None:
    program = "from tests.kafka import Broker; print(Broker().start().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=str(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        broker = int(run.stdout.readline())
        os.kill(broker, 0)
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: _is_gone(broker), f"the end of process {broker}", timeout=10)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # An orphan that nobody has waited for yet has ended all the same.
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"
