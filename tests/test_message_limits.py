"""Messages that are larger than what a program is ready for: each is a bad message, and the consumer reads on."""

import pytest

from kjson import ConfigError, Consumer, DecodeError, Producer

pytestmark = pytest.mark.usefixtures("calling")


def test_a_value_above_max_message_bytes_is_a_bad_message_for_every_policy(servers: str, topic: str) -> None:
    with Producer(servers, compression_type="gzip", max_request_size=20_000_000) as producer:
        for value in ("first", "x" * 3_000_000, "last"):
            producer.send(topic, value)
    with Consumer(topic, bootstrap_servers=servers, max_message_bytes=1_000_000) as consumer:
        assert consumer.poll(20).value == "first"
        with pytest.raises(
            DecodeError, match=r"3000002 bytes, more than max_message_bytes=1000000.*offset 1"
        ) as caught:
            consumer.poll(20)
        assert (caught.value.offset, len(caught.value.raw_value)) == (1, 3_000_002)
        assert consumer.poll(20).value == "last"
    with Consumer(topic, bootstrap_servers=servers, max_message_bytes=1000, on_decode_error="skip") as consumer:
        assert [message.value for message in consumer.until_end()] == ["first", "last"]
    with Consumer(topic, bootstrap_servers=servers, max_message_bytes=None) as consumer:
        assert [len(message.value) for message in consumer.until_end()] == [5, 3_000_000, 4]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_is_none_is_refused(servers: str, limit: int) -> None:
    with pytest.raises(ConfigError, match="max_message_bytes") as caught:
        Consumer("t", bootstrap_servers=servers, max_message_bytes=limit)
    assert caught.value.option == "max_message_bytes"


def test_headers_that_librdkafka_cannot_read_are_not_none_in_silence(servers: str, topic: str) -> None:
    with Producer(servers, max_request_size=20_000_000) as producer:
        producer.send(topic, 1, headers=[("a", b"")] * 100_000)
        producer.send(topic, 2, headers=[("a", b"")] * 100_001)
        producer.send(topic, 3)
    with Consumer(topic, bootstrap_servers=servers) as consumer:
        assert len(consumer.poll(20).headers) == 100_000
        with pytest.raises(DecodeError, match="headers cannot be read"):
            consumer.poll(20)
        assert consumer.poll(20).value == 3
