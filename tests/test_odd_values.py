"""Values that mean something else to librdkafka, or cannot be written: each is exact, or an error that names it."""

from typing import Any, Callable, Dict, List

import pytest

from kjson import ConfigError, Consumer, DeadLetter, Message, Producer, TopicPartition
from kjson.testing import MockCluster

from .peers import read_records

HALF = "a\ud800"


class Index:
    """As numpy.int64: an integer that is no int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.fixture(scope="module")
def mock() -> Any:
    with MockCluster() as mock:
        yield mock


@pytest.fixture
def producer(mock: MockCluster) -> Any:
    with Producer(mock.bootstrap_servers) as producer:
        yield producer


SURROGATES: Dict[str, Callable[[Producer], Any]] = {
    "the key": lambda producer: producer.send("t", 1, key=HALF),
    "the name of a header": lambda producer: producer.send("t", 1, headers=[(HALF, b"")]),
    'value of header "name"': lambda producer: producer.send("t", 1, headers={"name": HALF}),
    "this topic": lambda producer: producer.send(HALF, 1),
    "TopicPartition: the topic": lambda _: TopicPartition(HALF, 0),
    "cannot send the key": lambda producer: producer.send_many("t", [1], key=lambda _: HALF),
}


@pytest.mark.parametrize("named", list(SURROGATES))
def test_a_lone_surrogate_is_named(producer: Producer, named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        SURROGATES[named](producer)
    assert r"'a\ud800' holds a lone surrogate" in str(caught.value)
    assert isinstance(caught.value.__cause__, UnicodeEncodeError)


def test_bytes_pass_a_lone_surrogate_on(producer: Producer) -> None:
    raw = HALF.encode("utf-8", "surrogatepass")
    assert producer.send_and_wait("t", 1, key=raw, headers=[["name", raw]]).offset >= 0


def test_integers_by_index(mock: MockCluster, producer: Producer) -> None:
    sent = producer.send_and_wait("t", 1, partition=Index(0), timestamp=Index(5))  # type: ignore[arg-type]
    [record] = read_records(mock.bootstrap_servers, "t", sent.offset + 1)[sent.offset :]
    assert record.timestamp_ms == 5
    for wrong in (True, 1.5, "5"):
        with pytest.raises(TypeError, match="timestamp must be an int"):
            producer.send("t", 1, timestamp=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_too_long_to_be_shown(producer: Producer, sign: int, capsys: Any) -> None:
    with pytest.raises(ValueError, match="timestamp must be below"):
        producer.send("t", 1, timestamp=sign * 10**5000)
    with pytest.raises(ConfigError, match="queue_buffering_max_messages"):
        Producer("localhost", queue_buffering_max_messages=sign * 10**5000)
    assert capsys.readouterr().err == ""


def test_a_timestamp_after_the_year_9999() -> None:
    message: Message[Any] = Message("t", 0, 0, timestamp_ms=2**62)
    with pytest.raises(OverflowError, match="read timestamp_ms instead"):
        message.timestamp  # noqa: B018
    assert message.timestamp_ms == 2**62


EMPTY: List[Any] = [(Consumer, "group_id"), (Consumer, "group_instance_id"), (Producer, "transactional_id")]


@pytest.mark.parametrize(("client", "option"), EMPTY)
def test_an_empty_name_is_none(client: Any, option: str) -> None:
    for options in ({option: ""}, {"config": {option.replace("_", "."): ""}}):
        with pytest.raises(ConfigError, match="is empty, which is no name"):
            client(bootstrap_servers="localhost", **options)


def test_empty_and_none_are_two(mock: MockCluster, producer: Producer) -> None:
    mock.create_topic("two")
    headers = [("a", b""), ("b", None), ("c", "")]
    for key in (b"", "", None):
        producer.send_and_wait("two", None, key=key, headers=headers)
    records = read_records(mock.bootstrap_servers, "two", 3, partitions=1)
    assert [record.key for record in records] == [b"", b"", None]
    assert [record.value for record in records] == [None] * 3
    assert records[0].headers == [("a", b""), ("b", None), ("c", b"")]
    with Consumer("two", bootstrap_servers=mock.bootstrap_servers, key_type="bytes") as consumer:
        assert [message.key for message in consumer.until_end()] == [b"", b"", None]


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf")])
def test_a_timeout_that_is_none(mock: MockCluster, producer: Producer, timeout: float) -> None:
    with Consumer(bootstrap_servers=mock.bootstrap_servers) as consumer:
        for call in (producer.flush, producer.close, consumer.poll, lambda t: consumer.consume(5, t), consumer.close):
            with pytest.raises(ValueError, match="timeout must be a number of seconds from 0 up"):
                call(timeout)


@pytest.mark.parametrize(
    ("client", "option", "unit", "value"),
    [
        (Consumer, "consumer_timeout_ms", "milliseconds", -1),
        (Consumer, "unreachable_timeout", "seconds", float("nan")),
        (Consumer, "connect_timeout", "seconds", -1),
        (Producer, "max_block_ms", "milliseconds", -1),
    ],
)
def test_a_timeout_option_is_refused_by_its_own_name(client: Any, option: str, unit: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"'{option}' must be a number of {unit} from 0 up") as caught:
        client(bootstrap_servers="127.0.0.1:1", **{option: value})
    assert caught.value.option == option


def test_a_retry_backoff_is_refused_by_its_own_name() -> None:
    with pytest.raises(ValueError, match=r"^retry_backoff_ms must be a number of milliseconds from 0 up"):
        DeadLetter("t.dlq", handler=print, retries=1, retry_backoff_ms=-1)


def test_a_key_type_that_is_none_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'key_type' must be") as caught:
        Consumer("t", bootstrap_servers="127.0.0.1:1", key_type="text")
    assert caught.value.option == "key_type"


def test_a_bool_is_no_timestamp(mock: MockCluster, producer: Producer) -> None:
    with pytest.raises(TypeError, match="timestamp must be an int of milliseconds"):
        producer.send("t", 1, timestamp=True)
