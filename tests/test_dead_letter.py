"""`DeadLetter`: bad messages go to another topic byte for byte, and none is passed before it arrived there."""

from typing import Any, Callable, List, Optional

import kafka
import pytest

from kjson import Consumer, DeadLetter, DecodeError, Producer
from kjson.testing import MockCluster

from .dead_letters import drain, kjson_headers
from .peers import committed_offset, read_records, write_with_confluent
from .sessions import LONG_SESSION

pytestmark = pytest.mark.usefixtures("calling")


@pytest.mark.parametrize("way", ["iteration", "poll", "consume"])
def test_a_dead_letter_is_the_original_with_where_it_came_from(
    servers: str, topic: str, dead: str, group: str, way: str
) -> None:
    headers = [("trace", b"\x00\xff"), ("none", None), ("trace", b"again")]
    write_with_confluent(servers, topic, [b"0", b"\x80 bad", b"2"], key=b"\xfe key", headers=headers)
    with Consumer(
        topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_decode_error=DeadLetter(dead)
    ) as consumer:
        assert drain(consumer, 2, way) == [0, 2]
    (letter,) = read_records(servers, dead, 1)
    original = read_records(servers, topic, 3)[1]
    assert (letter.key, letter.value) == (b"\xfe key", b"\x80 bad")
    assert letter.headers[:3] == headers
    found = kjson_headers(letter.headers)
    message = found.pop("error-message")
    assert f"'{topic}' [0] @1" in message.decode()
    assert found == {
        "original-topic": topic.encode(),
        "original-partition": b"0",
        "original-offset": b"1",
        "original-timestamp": str(original.timestamp_ms).encode(),
        "consumer-group": group.encode(),
        "error-class": b"DecodeError",
    }
    assert committed_offset(servers, group, topic) == 3


@pytest.mark.parametrize(("key", "value"), [(None, b""), (b"", b"{")])
def test_nothing_and_empty_stay_what_they_are(
    servers: str, topic: str, dead: str, key: Optional[bytes], value: bytes
) -> None:
    write_with_confluent(servers, topic, [value, b"1"], key=key)
    with Consumer(topic, bootstrap_servers=servers, on_decode_error=DeadLetter(dead)) as consumer:
        assert next(consumer).value == 1
    (letter,) = read_records(servers, dead, 1)
    assert (letter.key, letter.value) == (key, value)
    assert "consumer-group" not in kjson_headers(letter.headers)


def test_a_tombstone_with_a_bad_key_stays_a_tombstone(servers: str, topic: str, dead: str) -> None:
    write_with_confluent(servers, topic, [None], key=b"{bad")
    write_with_confluent(servers, topic, [b"1"], key=b"1")
    with Consumer(topic, bootstrap_servers=servers, key_type="json", on_decode_error=DeadLetter(dead)) as consumer:
        assert next(consumer).value == 1
    (letter,) = read_records(servers, dead, 1)
    assert (letter.key, letter.value) == (b"{bad", None)


class RawName(str):
    """A header name that kafka-python writes as these bytes."""

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        return b"\xff name"


@pytest.mark.real_kafka
def test_header_names_that_are_not_utf_8_arrive_byte_for_byte(servers: str, topic: str, dead: str) -> None:
    writer = kafka.KafkaProducer(bootstrap_servers=servers)
    writer.send(topic, value=b"bad", headers=[(RawName("x"), b"v")]).get(timeout=20)
    writer.send(topic, value=b"1").get(timeout=20)
    writer.close(timeout=10)
    with Consumer(topic, bootstrap_servers=servers, on_decode_error=DeadLetter(dead)) as consumer:
        assert next(consumer).value == 1
    # kafka-python reads no such name, and says what it found. (confluent-kafka makes a broken tuple of it.)
    reader = kafka.KafkaConsumer(
        dead, bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    try:
        with pytest.raises(kafka.errors.CorruptRecordError, match=r"\\xff name"):
            next(reader)
    finally:
        reader.close()


def test_the_placeholder_is_the_original_topic(servers: str, new_topic: Callable[..., str]) -> None:
    one, two = new_topic(), new_topic()
    dead_letters = DeadLetter("{topic}.dlq")
    for topic in (one, two):
        write_with_confluent(servers, topic, [b"bad " + topic.encode(), b"1"])
    with Consumer(one, two, bootstrap_servers=servers, on_decode_error=dead_letters) as consumer:
        assert {next(consumer).topic for _ in range(2)} == {one, two}
        assert consumer.poll(0.3) is None
    for topic in (one, two):
        with Consumer(f"{topic}.dlq", bootstrap_servers=servers, on_decode_error="yield") as reader:
            assert next(reader).raw_value == b"bad " + topic.encode()


def test_a_message_in_its_own_dead_letter_topic_stays_there(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"bad", b"1"])
    with Consumer(topic, bootstrap_servers=servers, on_decode_error=DeadLetter(topic)) as consumer:
        with pytest.raises(DecodeError, match="its own dead letter topic"):
            next(consumer)
        assert drain(consumer, 1) == [1]


def test_a_producer_that_is_given_is_used_and_left_open(servers: str, topic: str, dead: str) -> None:
    write_with_confluent(servers, topic, [b"bad", b"1"])
    with Producer(servers) as producer:
        dead_letters = DeadLetter(dead, producer=producer)
        with Consumer(topic, bootstrap_servers=servers, on_decode_error=dead_letters) as consumer:
            assert next(consumer).value == 1
        assert producer.metrics()["delivered"] == 1
        producer.send_and_wait(dead, "still open")
    assert read_records(servers, dead, 2)[0].value == b"bad"


def test_a_message_above_the_limit_for_new_ones_is_dead_lettered(servers: str, topic: str, dead: str) -> None:
    """max_request_size bounds what programs send, not what was read. The broker's own limit is 1,048,588."""
    with Producer(servers, value_serializer=bytes, max_request_size=2_000_000) as producer:
        producer.send(topic, b"x" * 1_040_000)
        producer.send(topic, b"1")
    with Consumer(topic, bootstrap_servers=servers, on_decode_error=DeadLetter(dead)) as consumer:
        assert next(consumer).value == 1
    assert len(read_records(servers, dead, 1)[0].value or b"") == 1_040_000


class TestHandler:
    def test_what_it_returns_is_the_value(self, servers: str, topic: str, dead: str) -> None:
        write_with_confluent(servers, topic, [b"bad", b"skip", b"2"])
        dead_letters = DeadLetter(dead, handler=lambda error: None if error.raw_value == b"skip" else "repaired")
        with Consumer(topic, bootstrap_servers=servers, on_decode_error=dead_letters) as consumer:
            assert drain(consumer, 2) == ["repaired", 2]

    @pytest.mark.parametrize("way", ["iteration", "poll", "consume"])
    def test_one_that_raises_is_tried_again_and_then_the_message_is_dead(
        self, servers: str, topic: str, dead: str, way: str
    ) -> None:
        write_with_confluent(servers, topic, [b"0", b"flaky", b"hopeless", b"3"])
        tries: List[bytes] = []

        def handler(error: DecodeError) -> Any:
            tries.append(error.raw_value or b"")
            if error.raw_value == b"flaky" and len(tries) == 3:
                return "repaired"
            raise LookupError(f"try {len(tries)}")

        dead_letters = DeadLetter(dead, handler=handler, retries=2, retry_backoff_ms=10)
        with Consumer(topic, bootstrap_servers=servers, on_decode_error=dead_letters) as consumer:
            assert drain(consumer, 3, way) == [0, "repaired", 3]
        assert tries == [b"flaky"] * 3 + [b"hopeless"] * 3
        (letter,) = read_records(servers, dead, 1)
        found = kjson_headers(letter.headers)
        assert letter.value == b"hopeless"
        assert (found["error-class"], found["error-message"]) == (b"LookupError", b"try 6")


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("",), {}, "no topic name"),
        (("{topics}.dlq",), {}, "no topic name"),
        (("{topic}",), {}, "come from"),
        (("d",), {"retries": 2}, "handler"),
        (("d",), {"handler": 3}, "handler"),
        (("d",), {"producer": object()}, "kjson.Producer"),
        (("d",), {"timeout": 0}, "timeout"),
        (("d",), {"retry_backoff_ms": -1}, "retry_backoff_ms"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: Any, options: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        DeadLetter(*arguments, **options)


def test_the_consumers_own_producer_takes_its_connection_options() -> None:
    """Options of the consumer alone must not reach it: librdkafka would refuse them."""
    with MockCluster(topics={"t": 1, "d": 1}) as cluster:
        write_with_confluent(cluster.bootstrap_servers, "t", [b"bad", b"1"])
        with Consumer(
            "t",
            bootstrap_servers=cluster.bootstrap_servers,
            group_id="g",
            fetch_min_bytes=1,
            client_id="worker",
            on_decode_error=DeadLetter("d"),
        ) as consumer:
            assert next(consumer).value == 1
        assert read_records(cluster.bootstrap_servers, "d", 1)[0].value == b"bad"
