"""The asyncio examples run as they stand."""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kjson import Producer

from .children import run_command
from .peers import committed_offset, read_records
from .waiting import wait_until

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # For the annotations of the app.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.mock_only
def test_the_web_service_stores_orders_and_says_where(
    cluster: Any, servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, about each other
        from fastapi.testclient import TestClient
    cluster.create_topic("orders")
    monkeypatch.setenv("KAFKA_SERVERS", servers)
    app = example("fastapi_app").app
    for start in (0, 3):  # the lifespan comes and goes
        with TestClient(app) as client:
            assert client.get("/health").json() == {"pending": 0}
            for n in range(start, start + 3):
                answer = client.post("/orders", json={"id": n, "total": 1.5})
                assert answer.status_code == 201, answer.text
            assert client.post("/orders", json={"id": "x"}).status_code == 422
    stored = [json.loads(record.value or b"") for record in read_records(servers, "orders", 6)]
    assert [order for order in stored if order in [{"id": n, "total": 1.5} for n in range(6)]] == stored


@pytest.mark.mock_only
@pytest.mark.parametrize("ended_by", ["idleness", "SIGTERM"])
def test_the_worker_copies_every_order_and_commits(cluster: Any, ended_by: str) -> None:
    servers = own_topics(cluster)
    command = [sys.executable, str(EXAMPLES / "async_worker.py"), servers]
    if ended_by == "idleness":
        done = run_command([*command, "--until-idle", "4"], 50)
        assert (done.status, done.stderr) == (0, "")
    else:
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            wait_until(lambda: committed_offset(servers, "totals", "orders") == 1001, "the commit")
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=30)
        finally:
            process.kill()
        assert (process.returncode, complaints) == (0, b"")
    totals = [json.loads(record.value or b"") for record in read_records(servers, "totals", 1000)]
    assert totals == [{"id": n, "total": 2 * n} for n in range(1000)]
    assert read_records(servers, "orders.dlq", 1)[0].value == b"no JSON"
    assert committed_offset(servers, "totals", "orders") == 1001


def own_topics(cluster: Any) -> str:
    servers: str = cluster.bootstrap_servers
    for topic in ("orders", "totals", "orders.dlq"):
        cluster.create_topic(topic)
    with Producer(servers) as producer:
        producer.send_many("orders", [{"id": n, "price": 2, "quantity": n} for n in range(500)])
        producer.flush()
    with Producer(servers, value_serializer=bytes) as raw:
        raw.send("orders", b"no JSON")
    with Producer(servers) as producer:
        producer.send_many("orders", [{"id": n, "price": 2, "quantity": n} for n in range(500, 1000)])
    return servers
