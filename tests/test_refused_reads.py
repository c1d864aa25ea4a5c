"""What the brokers refuse a consumer is raised at every read, until it is allowed or the group admits the member."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from kjson import AuthorizationError, Consumer, KafkaError, Producer, TopicPartition

from .conftest import unique_name
from .kafka import Broker
from .peers import create_topic
from .refused import each_read_is_refused
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")

PROTOCOLS: Dict[str, Dict[str, Any]] = {"classic": LONG_SESSION, "kip-848": {"group_protocol": "consumer"}}


@pytest.fixture(scope="module")
def strict(real_kafka_installed: None) -> Iterator[str]:
    """A Kafka with ACLs: everything is allowed that a test does not deny. Groups have one member at most."""
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
        "group.max.size": "1",
    }
    with Broker(properties=properties) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def orders(request: pytest.FixtureRequest, strict: str) -> str:
    """A topic with three messages."""
    topic = unique_name(request.node.name)
    create_topic(strict, topic)
    fill(strict, topic, 3)
    return topic


def fill(servers: str, topic: str, count: int) -> None:
    with Producer(servers) as producer:
        for n in range(count):
            producer.send(topic, n)


@contextmanager
def denied(servers: str, kind: ResourceType, name: str, *, seen: bool = False) -> Iterator[None]:
    """Nobody may read it meanwhile. That it is there is `seen`, or refused as well."""
    admin = AdminClient({"bootstrap.servers": servers})
    place = (kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
    rules = [AclBinding(*place, AclOperation.READ, AclPermissionType.DENY)]
    if seen:
        rules += [
            AclBinding(*place, operation, AclPermissionType.ALLOW)
            for operation in (AclOperation.DESCRIBE, AclOperation.WRITE)
        ]
    for created in admin.create_acls(rules).values():
        created.result(20)
    try:
        yield
    finally:
        [deleted] = admin.delete_acls([AclBindingFilter(*place, AclOperation.ANY, AclPermissionType.ANY)]).values()
        assert len(deleted.result(20)) == len(rules)


def values(consumer: Consumer[Any], count: int) -> List[Any]:
    return [consumer.poll(20).value for _ in range(count)]


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_topic_that_may_not_be_read(strict: str, orders: str, protocol: str, seen: bool) -> None:
    options = {"bootstrap_servers": strict, "group_id": orders, **PROTOCOLS[protocol]}
    with denied(strict, ResourceType.TOPIC, orders, seen=seen):
        consumer = Consumer(orders, **options)
        each_read_is_refused(consumer, AuthorizationError, "TOPIC_AUTHORIZATION_FAILED", orders)
        consumer.subscribe([orders])
        each_read_is_refused(consumer, AuthorizationError, "TOPIC_AUTHORIZATION_FAILED", orders)
    with consumer:
        consumer.subscribe([orders])
        assert values(consumer, 3) == [0, 1, 2]


@pytest.mark.parametrize("resolve", ["seek", "nothing"])
@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_topic_that_may_not_be_read_any_more(strict: str, orders: str, protocol: str, resolve: str) -> None:
    options = {"bootstrap_servers": strict, "group_id": orders, **PROTOCOLS[protocol]}
    with Consumer(orders, **options) as consumer:
        assert values(consumer, 3) == [0, 1, 2]
        with denied(strict, ResourceType.TOPIC, orders, seen=True):
            with pytest.raises(AuthorizationError):  # a fetch that was under way was still allowed
                consumer.poll(20)
            fill(strict, orders, 2)
            each_read_is_refused(consumer, AuthorizationError, "TOPIC_AUTHORIZATION_FAILED", orders)
            if resolve == "seek":
                consumer.seek(TopicPartition(orders, 0), 2)
                each_read_is_refused(consumer, AuthorizationError, "TOPIC_AUTHORIZATION_FAILED", orders)
        if resolve == "seek":
            consumer.seek(TopicPartition(orders, 0), 2)
            assert values(consumer, 3) == [2, 0, 1]
        else:
            assert wait_until(lambda: readable(consumer), "the right to read").value == 0
            assert values(consumer, 1) == [1]


def readable(consumer: Consumer[Any]) -> Any:
    try:
        return consumer.poll(0.5)
    except AuthorizationError:
        return None


@pytest.mark.parametrize("how", ["topics", "assign"])
@pytest.mark.parametrize("seen", [False, True])
def test_a_topic_without_a_group(strict: str, orders: str, seen: bool, how: str) -> None:
    with denied(strict, ResourceType.TOPIC, orders, seen=seen):
        consumer = Consumer(*([orders] if how == "topics" else []), bootstrap_servers=strict)
        if how == "assign":
            consumer.assign(TopicPartition(orders, 0, 0))
        each_read_is_refused(consumer, AuthorizationError, "TOPIC_AUTHORIZATION_FAILED", orders)
    with consumer:
        if how == "assign":
            consumer.assign(TopicPartition(orders, 0, 0))
        else:
            consumer.subscribe([orders])
        assert values(consumer, 3) == [0, 1, 2]


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_group_that_may_not_be_joined(strict: str, orders: str, protocol: str) -> None:
    options = {"bootstrap_servers": strict, "group_id": orders, **PROTOCOLS[protocol]}
    with denied(strict, ResourceType.GROUP, orders):
        consumer = Consumer(orders, **options)
        each_read_is_refused(consumer, AuthorizationError, "GROUP_AUTHORIZATION_FAILED", orders)
    with consumer:
        consumer.subscribe([orders])
        assert values(consumer, 3) == [0, 1, 2]


def test_a_group_that_is_full(strict: str, orders: str) -> None:
    options = {"bootstrap_servers": strict, "group_id": orders, **LONG_SESSION}
    with Consumer(orders, **options, enable_auto_commit=False) as first:
        assert values(first, 3) == [0, 1, 2]
        second = Consumer(orders, **options)
        each_read_is_refused(second, KafkaError, "GROUP_MAX_SIZE_REACHED", orders)
    with second:
        second.subscribe([orders])
        assert values(second, 3) == [0, 1, 2]


def test_a_session_that_the_group_does_not_allow(strict: str, orders: str) -> None:
    options = {"bootstrap_servers": strict, "group_id": orders, "session_timeout_ms": 100, "heartbeat_interval_ms": 30}
    with Consumer(orders, **options) as consumer:
        each_read_is_refused(consumer, KafkaError, "INVALID_SESSION_TIMEOUT", orders)
