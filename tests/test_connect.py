"""Connected at init: when a constructor returns a broker has answered, and when none can it says why and where."""

import os
import time
from contextlib import closing
from typing import Any, Callable

import pytest

from kjson import Consumer, KafkaConnectionError, Producer

from .children import run_program
from .connections import established_to
from .kafka import Broker
from .listeners import refusing_address, silent_address
from .peers import write_with_confluent
from .waiting import wait_until

Connect = Callable[..., Any]


def connect_consumer(*servers: Any, **options: Any) -> Consumer:
    if servers:
        options["bootstrap_servers"] = servers[0]
    return Consumer("any-topic", **options)


both = pytest.mark.parametrize("connect", [Producer, connect_consumer], ids=["Producer", "Consumer"])


@both
def test_with_no_arguments_it_connects_to_localhost_9092_and_the_connection_is_established_when_it_returns(
    connect: Connect, default_broker: Broker
) -> None:
    before = established_to(9092)
    with closing(connect()):
        assert established_to(9092) - before


def test_consumer_with_no_arguments_but_topics_connects_to_localhost_9092_at_init(default_broker: Broker) -> None:
    write_with_confluent("localhost:9092", "defaults", [b'{"n":1}'])
    with Consumer("defaults") as consumer:
        assert next(consumer).value == {"n": 1}


@both
def test_with_no_broker_running_it_raises_saying_that_the_connection_failed_to_which_address_and_why(
    connect: Connect,
) -> None:
    with refusing_address() as address:
        started = time.monotonic()
        with pytest.raises(KafkaConnectionError) as caught:
            connect(address, connect_timeout=30)
        assert time.monotonic() - started < 15  # nobody waits the time out where every address has refused
    message = str(caught.value)
    assert message.startswith("cannot reach any Kafka broker")
    assert f"{address} (connection refused)" in message.replace("Connection", "connection")
    assert "Is the broker running" in message
    assert "bootstrap_servers right" in message
    assert "connect_timeout=None" in message
    assert caught.value.servers == (address,)
    assert "refused" in caught.value.causes[address]


@both
def test_with_an_unreachable_broker_it_raises_within_connect_timeout_saying_to_which_address_and_why(
    connect: Connect,
) -> None:
    with silent_address() as address:
        started = time.monotonic()
        with pytest.raises(KafkaConnectionError) as caught:
            connect(address, connect_timeout=1.5)
        assert 1.4 < time.monotonic() - started < 8  # 10 s by default
    message = str(caught.value)
    assert "cannot reach any Kafka broker" in message
    assert address in message
    assert "connect_timeout" in message
    assert caught.value.servers == (address,)
    assert caught.value.causes[address]


@both
def test_a_frozen_broker_is_unreachable_too(connect: Connect, own_broker: Broker) -> None:
    own_broker.pause()
    with pytest.raises(KafkaConnectionError, match=own_broker.bootstrap_servers):
        connect(own_broker.bootstrap_servers, connect_timeout=1.5)
    own_broker.resume()
    connect(own_broker.bootstrap_servers).close()


@both
def test_a_name_that_does_not_resolve_fails_early_and_is_named(connect: Connect) -> None:
    address = "x" * 64 + ".invalid:9092"  # too long a label: the resolver refuses it without asking anybody
    started = time.monotonic()
    with pytest.raises(KafkaConnectionError) as caught:
        connect(address, connect_timeout=30.0)
    assert time.monotonic() - started < 15
    assert address in str(caught.value)
    assert "resolve" in str(caught.value).lower()


@both
def test_every_address_is_named_with_its_own_cause(connect: Connect) -> None:
    with refusing_address() as first, refusing_address() as second:
        with pytest.raises(KafkaConnectionError) as caught:
            connect([first, second])
        assert set(caught.value.servers) == {first, second}
        assert set(caught.value.causes) == {first, second}
        assert first in str(caught.value)
        assert second in str(caught.value)


@both
@pytest.mark.parametrize("joined", [True, False], ids=["text", "list"])
def test_one_reachable_address_is_enough(connect: Connect, joined: bool, servers: str) -> None:
    with refusing_address() as refusing:
        addresses = [refusing, servers]
        connect(",".join(addresses) if joined else addresses).close()


@both
@pytest.mark.parametrize("unchecked", [None, 0])
def test_without_a_connect_timeout_nothing_is_checked(connect: Connect, unchecked: Any) -> None:
    with refusing_address() as address:
        started = time.monotonic()
        connect(address, connect_timeout=unchecked).close()
        assert time.monotonic() - started < 8  # 10 s by default


@both
def test_an_ordinary_connection_error_handler_catches_it(connect: Connect) -> None:
    with refusing_address() as address, pytest.raises(ConnectionError):
        connect(address)


@both
def test_a_failed_constructor_leaves_no_connection_or_thread_behind(connect: Connect) -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    with silent_address() as address:
        port = int(address.rpartition(":")[2])
        before = threads()
        with pytest.raises(KafkaConnectionError):
            connect(address, connect_timeout=0.5)
        wait_until(lambda: not established_to(port), "the connection to be closed")
        wait_until(lambda: threads() <= before, "the client's threads to end")


def test_a_producer_for_which_no_thread_can_be_started_is_not_made() -> None:
    program = """
        import kjson
        from kjson.testing import MockCluster
        with MockCluster() as cluster:
            try:
                kjson.Producer(cluster.bootstrap_servers)
            except kjson.KafkaError as error:
                print(error)
    """
    # Stacks larger than the address space, for the threads that Rust starts.
    done = run_program(program, environment={**os.environ, "RUST_MIN_STACK": str(1 << 60)})
    assert done.status == 0, done.stderr
    assert done.stdout.startswith("cannot make a producer: no thread can be started")
