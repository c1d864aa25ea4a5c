"""Values of options: as written, in any case that librdkafka takes, or a ConfigError. Nothing is guessed."""

from typing import Any, Dict, Iterator

import pytest

from kjson import ConfigError, Consumer, Producer, _kjson
from kjson.testing import MockCluster

NOBODY: Dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": None}


def used(client: Any, name: str, **options: Any) -> Any:
    """What a client of these options uses for one of librdkafka's properties."""
    with client(**NOBODY, **options) as made:
        return _kjson._option_of(made, name)


def refused(client: Any, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        client(**{**NOBODY, **options})
    return str(caught.value)


@pytest.fixture
def mock() -> Iterator[MockCluster]:
    with MockCluster(topics={"t": 1}) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send("t", 1)
        yield cluster


NO = [False, "False", "FALSE", "false", "f", "0", 0]
YES = [True, "True", "TRUE", "true", "T", "1", 1]
NEITHER = ["no", "off", "", " ", "disabled", "yes", 2, 1.0, -1, "0.0", [True]]


@pytest.mark.parametrize("value", NO, ids=repr)
def test_every_word_for_false_turns_off(value: Any) -> None:
    assert used(Consumer, "enable.auto.commit", group_id="g", enable_auto_commit=value) == "false"
    assert used(Consumer, "enable.auto.commit", group_id="g", config={"enable.auto.commit": value}) == "false"
    assert used(Producer, "enable.idempotence", enable_idempotence=value) == "false"
    options = {"security_protocol": "SSL", "ssl_check_hostname": value}
    assert used(Producer, "ssl.endpoint.identification.algorithm", **options) == "none"


@pytest.mark.parametrize("value", YES, ids=repr)
def test_every_word_for_true_turns_on(value: Any) -> None:
    assert used(Consumer, "enable.auto.commit", group_id="g", enable_auto_commit=value) == "true"
    assert "acks" in refused(Producer, enable_idempotence=value, acks=1)
    options = {"security_protocol": "SSL", "ssl_check_hostname": value}
    assert used(Producer, "ssl.endpoint.identification.algorithm", **options) == "https"


@pytest.mark.parametrize("value", NEITHER, ids=repr)
@pytest.mark.parametrize("name", ["enable_auto_commit", "ssl_check_hostname", "socket_keepalive_enable"])
def test_no_other_word_is_a_boolean(name: str, value: Any) -> None:
    text = refused(Consumer, group_id="g", security_protocol="SSL", **{name: value})
    assert name in text
    assert "true, false" in text


@pytest.mark.parametrize("value", NO, ids=repr)
def test_auto_commit_that_is_off_commits_nothing(mock: Any, value: Any) -> None:
    options = {"bootstrap_servers": mock.bootstrap_servers, "group_id": "g", "enable_auto_commit": value}
    with Consumer(**options) as consumer:
        consumer.assign(_kjson.TopicPartition("t", 0, 0))
        assert consumer.poll(10).value == 1
    with Consumer(**options) as consumer:
        assert consumer.committed(_kjson.TopicPartition("t", 0)) is None


@pytest.mark.parametrize("word", ["latest", "LATEST", "Largest", "END", " latest "])
def test_a_consumer_without_a_group_begins_at_the_end_in_every_spelling(mock: Any, word: str) -> None:
    with Consumer("t", bootstrap_servers=mock.bootstrap_servers, auto_offset_reset=word) as consumer:
        assert consumer.poll(0.5) is None
        assert [consumer.position(partition) for partition in consumer.assignment()] == [1]


@pytest.mark.parametrize(
    ("client", "options", "name", "value"),
    [
        (Producer, {"acks": "ALL"}, "enable.idempotence", "true"),
        (Producer, {"acks": "ALL"}, "acks", "-1"),
        (Producer, {"acks": "1"}, "enable.idempotence", "false"),
        (Producer, {"retries": "00"}, "enable.idempotence", "false"),
        (Producer, {"compression_type": "ZSTD"}, "compression.type", "zstd"),
        (Producer, {"linger_ms": 5.0, "config": {"linger.ms": "5"}}, "linger.ms", "5"),
        (Consumer, {"isolation_level": "READ_UNCOMMITTED"}, "isolation.level", "read_uncommitted"),
        (Consumer, {"group_protocol": "CLASSIC", "group_id": "g"}, "group.protocol", "classic"),
        (Consumer, {"session_timeout_ms": 6000.0}, "session.timeout.ms", "6000"),
        (Consumer, {"session_timeout_ms": "6e3"}, "session.timeout.ms", "6000"),
    ],
    ids=str,
)
def test_a_word_or_a_number_counts_in_every_spelling(client: Any, options: Any, name: str, value: str) -> None:
    assert used(client, name, **options) == value


@pytest.mark.parametrize(
    ("client", "options"),
    [
        (Consumer, {"auto_offset_reset": ""}),
        (Consumer, {"isolation_level": " "}),
        (Consumer, {"security_protocol": ""}),
        (Consumer, {"session_timeout_ms": "30s"}),
        (Consumer, {"session_timeout_ms": 6000.5}),
        (Consumer, {"session_timeout_ms": 2**32 + 6000}),
        (Consumer, {"session_timeout_ms": ""}),
        (Producer, {"linger_ms": "5 seconds"}),
        (Producer, {"linger_ms": float("nan")}),
        (Producer, {"acks": "most"}),
        (Producer, {"acks": "1 of 3"}),
        (Producer, {"compression_type": ""}),
    ],
    ids=str,
)
def test_what_librdkafka_would_read_as_something_else_is_refused(client: Any, options: Dict[str, Any]) -> None:
    assert next(iter(options)) in refused(client, **options)
