"""The clusters that the tests run on: librdkafka's mock cluster and a real Apache Kafka, and what to say without one.

A test that takes `cluster` runs once on each; `@pytest.mark.real_kafka` and `@pytest.mark.mock_only` narrow that.
One that takes a real Kafka by another fixture has the marker `real_kafka` by that.
"""

import fcntl
import os
import re
import tempfile
import uuid
from collections import Counter
from typing import Callable, Dict, Iterator, List, Optional

import pytest

from . import peers
from .drivers import DrivenConsumers, DrivenDeadLetter, Driver
from .exits import far  # noqa: F401
from .kafka import Broker, missing_prerequisites, port_is_free
from .loops import loops, run  # noqa: F401
from .sessions import LONG_SESSION, QUICK_SESSION

DEFAULT_PORT = 9092
NOT_RUN = "did not run: "
# It is never killed, so nobody waits for this. A node that stood still for longer is fenced, and no leader is left.
SHARED = {"broker.session.timeout.ms": "30000"}


class MockUnderTest:
    """kjson.testing.MockCluster, one for each test."""

    kind = "mock"

    def __init__(self, mock: "object") -> None:
        self.mock = mock
        self.bootstrap_servers: str = mock.bootstrap_servers  # type: ignore[attr-defined]

    def create_topic(self, name: str, partitions: int = 1) -> None:
        self.mock.create_topic(name, partitions)  # type: ignore[attr-defined]


class KafkaUnderTest:
    """A real Apache Kafka, one for the whole run."""

    kind = "kafka"

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.bootstrap_servers = broker.bootstrap_servers

    def create_topic(self, name: str, partitions: int = 1) -> None:
        peers.create_topic(self.bootstrap_servers, name, partitions)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-pairs",
        action="store_true",
        help="run the tests of the asynchronous classes on the real Kafka, too, that run on the mock",
    )
    parser.addoption(
        "--one-cluster",
        action="store_true",
        help="run each test on one cluster only: the mock where it can, else the real Kafka",
    )


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the markers
def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Where the mock can run a test, the asynchronous classes run on it alone: they do not differ by the cluster."""
    for item in items:
        if "real_kafka_installed" in getattr(item, "fixturenames", ()):
            item.add_marker("real_kafka")
    all_pairs = config.getoption("all_pairs")

    def left_out(item: pytest.Item) -> bool:
        return _is_kip_848_of_the_mock(item) or (_is_second_look(item) and not all_pairs)

    config.hook.pytest_deselected(items=[item for item in items if left_out(item)])
    items[:] = [item for item in items if not left_out(item)]


def _chosen(item: pytest.Item) -> Dict[str, object]:
    return getattr(getattr(item, "callspec", None), "params", {})


def _is_kip_848_of_the_mock(item: pytest.Item) -> bool:
    """In that protocol the brokers share the partitions out, so only real ones show what it does."""
    chosen = _chosen(item)
    return chosen.get("cluster") == "mock" and "kip-848" in (chosen.get("member"), chosen.get("protocol"))


def _is_second_look(item: pytest.Item) -> bool:
    chosen = _chosen(item)
    return (
        chosen.get("calling") == "async"
        and chosen.get("cluster") == "kafka"
        and item.get_closest_marker("real_kafka") is None
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cluster" in metafunc.fixturenames:
        kinds = ["mock"] if metafunc.config.getoption("one_cluster") else ["mock", "kafka"]
        if metafunc.definition.get_closest_marker("real_kafka"):
            kinds = ["kafka"]
        elif metafunc.definition.get_closest_marker("mock_only"):
            kinds = ["mock"]
        metafunc.parametrize("cluster", kinds, indirect=True)
    if "calling" in metafunc.fixturenames:
        only_sync = metafunc.definition.get_closest_marker("sync_only")
        metafunc.parametrize("calling", ["sync"] if only_sync else ["sync", "async"], indirect=True)


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[object]:
    """The cluster of this test, with `bootstrap_servers` and `create_topic(name, partitions)`."""
    if request.param == "kafka":
        yield KafkaUnderTest(request.getfixturevalue("shared_broker"))
    else:
        from kjson.testing import MockCluster

        with MockCluster() as mock:
            yield MockUnderTest(mock)


@pytest.fixture
def calling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Runs the test with the synchronous classes and again with the asynchronous ones, see `drivers`."""
    if request.param == "sync":
        yield request.param
        return
    driver = Driver()
    for name, driven in (
        ("Producer", driver.producer),
        ("Consumer", DrivenConsumers(driver)),
        ("DeadLetter", DrivenDeadLetter),
    ):
        monkeypatch.setattr(request.module, name, driven, raising=False)
    yield request.param
    driver.close()


@pytest.fixture
def servers(cluster: MockUnderTest) -> str:
    """The bootstrap servers of this test's cluster."""
    return cluster.bootstrap_servers


@pytest.fixture
def new_topic(request: pytest.FixtureRequest, cluster: MockUnderTest) -> Callable[..., str]:
    """Makes topics that no other test knows: `new_topic(partitions=1)` returns a name."""

    def make(partitions: int = 1) -> str:
        name = unique_name(request.node.name)
        cluster.create_topic(name, partitions)
        return name

    return make


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    """A new topic with one partition."""
    return new_topic()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """The name of a group that no other test knows."""
    return unique_name(request.node.name)


@pytest.fixture
def session(cluster: MockUnderTest) -> Dict[str, int]:
    """Options for the members of a group that another one left before, or joins later, in the same test."""
    return QUICK_SESSION if cluster.kind == "mock" else LONG_SESSION


@pytest.fixture(params=["eager", "cooperative", "kip-848"])
def member(
    request: pytest.FixtureRequest, servers: str, cluster: MockUnderTest, session: Dict[str, int], group: str
) -> Dict[str, object]:
    """Options of a member of a new group, for each of the protocols that groups rebalance by."""
    options: Dict[str, object] = {"bootstrap_servers": servers, "group_id": group}
    if request.param == "kip-848":
        return {**options, "group_protocol": "consumer"}
    if request.param == "cooperative":
        options["partition_assignment_strategy"] = "cooperative-sticky"
    return {**options, **session}


@pytest.fixture(scope="session")
def real_kafka_installed() -> None:
    """Skips the test where a real Kafka cannot run, and has the run say so at its end. In CI that is a failure."""
    missing = missing_prerequisites()
    if missing:
        _cannot_run("a real Apache Kafka needs " + " and ".join(missing))


@pytest.fixture(scope="session")
def shared_broker(real_kafka_installed: None) -> Iterator[Broker]:
    """The real Kafka of this run, or of this process where several share the tests out among them."""
    with Broker(properties=SHARED) as broker:
        yield broker


@pytest.fixture
def default_broker(real_kafka_installed: None) -> Iterator[Broker]:
    """A real Kafka at the default address of clients, for one test at a time of all test processes."""
    with open(os.path.join(tempfile.gettempdir(), "kjson-tests-default-port"), "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not port_is_free(DEFAULT_PORT):
            _cannot_run(f"another program has port {DEFAULT_PORT}, the default that these tests are about")
        with Broker(DEFAULT_PORT, properties=SHARED) as broker:
            yield broker


@pytest.fixture
def own_broker(real_kafka_installed: None) -> Iterator[Broker]:
    """A running real Kafka for one test, which may stop it, kill it and start it again."""
    with Broker() as broker:
        yield broker


def unique_name(test: str) -> str:
    """A name for a topic or a group, from the test's name and something random."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", test)[:80].strip("-") + "-" + uuid.uuid4().hex[:8]


def _cannot_run(reason: str) -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"CI runs every test: {reason}")
    pytest.skip(NOT_RUN + reason)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    # From the reports, since the skips may have happened in other processes than this one.
    skipped = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    reasons = Counter(text.split(NOT_RUN, 1)[1] for text in skipped if NOT_RUN in text)
    for reason, count in reasons.items():
        terminalreporter.section("NOT EVERYTHING WAS TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{count} tests did not run: {reason}.", red=True, bold=True)


@pytest.fixture
def dead(new_topic: Callable[..., str]) -> str:
    """A dead letter topic with one partition."""
    return new_topic()


@pytest.fixture(params=["group", "no group"])
def group_or_none(request: pytest.FixtureRequest, group: str) -> Optional[str]:
    return group if request.param == "group" else None
