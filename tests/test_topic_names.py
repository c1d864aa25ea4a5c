"""Names that no topic can have: refused where they are given, since a consumer would wait for such a topic for ever."""

from typing import Iterator

import pytest

from kjson import AsyncConsumer, ConfigError, Consumer, DeadLetter, KafkaError, Producer, TopicPartition
from kjson.testing import MockCluster

IMPOSSIBLE = ["", ".", "..", "a/b", "a b", "a\0b", "größe", "\ud800", "x" * 250, "^.*", "^orders", "a:b", "a,b"]


@pytest.fixture
def mock() -> Iterator[str]:
    with MockCluster(topics=["orders"]) as cluster:
        yield cluster.bootstrap_servers


@pytest.mark.parametrize("name", IMPOSSIBLE)
@pytest.mark.parametrize("options", [{}, {"group_id": "g"}, {"group_id": "g", "group_protocol": "consumer"}])
@pytest.mark.parametrize("client", [Consumer, AsyncConsumer])
def test_constructors_refuse_them_before_they_connect(client: type, options: dict, name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        client("orders", name, bootstrap_servers="127.0.0.1:1", **options)
    assert refused.value.option == "topics"
    assert ("subscribe(pattern=" if name.startswith("^") else "topic name has 1 to 249") in str(refused.value)


@pytest.mark.parametrize("name", IMPOSSIBLE)
@pytest.mark.parametrize("options", [{}, {"group_id": "g"}])
def test_subscribe_assign_and_peek_refuse_them_and_change_nothing(mock: str, options: dict, name: str) -> None:
    with Producer(mock) as producer:
        producer.send_and_wait("orders", 1)
    with Consumer("orders", bootstrap_servers=mock, **options) as consumer:
        for topics in (name, [name], ["orders", name]):
            with pytest.raises(ConfigError, match="subscribe: "):
                consumer.subscribe(topics)
        if name != "\ud800":  # not even a TopicPartition takes it
            with pytest.raises(ConfigError, match="assign: "):
                consumer.assign([TopicPartition("orders", 0), TopicPartition(name, 0)])
            with pytest.raises(ConfigError, match="peek: "):
                Consumer.peek(name, bootstrap_servers=mock)
        assert consumer.subscription() == ["orders"]
        assert next(consumer).value == 1


@pytest.mark.parametrize("name", ["", "a/b", "a b", "größe", "{topic}/dead", "x{", "x" * 250])
def test_dead_letter_topics_need_possible_names(name: str) -> None:
    with pytest.raises(ValueError, match="no topic name"):
        DeadLetter(name)


REFUSALS = [
    ("JoinGroup", "GROUP_AUTHORIZATION_FAILED"),
    ("JoinGroup", "INVALID_GROUP_ID"),
    ("JoinGroup", "INCONSISTENT_GROUP_PROTOCOL"),
    ("OffsetFetch", "GROUP_AUTHORIZATION_FAILED"),
    ("Fetch", "TOPIC_EXCEPTION"),
    ("Fetch", "TOPIC_AUTHORIZATION_FAILED"),
]


@pytest.mark.parametrize(("request_name", "error"), REFUSALS)
def test_members_raise_what_only_the_broker_can_refuse(request_name: str, error: str) -> None:
    with MockCluster(topics=["orders"]) as cluster, Consumer(
        bootstrap_servers=cluster.bootstrap_servers, group_id="g"
    ) as consumer:
        cluster.fail_requests(request_name, error, 1000)
        consumer.subscribe("orders")
        with pytest.raises(KafkaError, match=error):
            consumer.poll(10)
        cluster.clear_failures()
