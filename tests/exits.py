"""Programs that end while their brokers answer late."""

from typing import Iterator

import pytest

from kjson.testing import MockCluster

from .peers import read_records


@pytest.fixture
def far() -> Iterator[MockCluster]:
    """A mock cluster whose brokers answer after 50 ms: nothing arrives while a program happens to go on."""
    with MockCluster(topics={"t": 1}) as cluster:
        cluster.round_trip_time(50)
        yield cluster


def arrived(cluster: MockCluster, count: int) -> None:
    cluster.round_trip_time(0)
    values = sorted(int(record.value) for record in read_records(cluster.bootstrap_servers, "t", count))
    assert values == list(range(count))
