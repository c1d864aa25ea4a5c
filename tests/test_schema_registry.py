"""Messages that Schema Registry's serializers wrote: five bytes before the JSON, which the DecodeError speaks of."""

import pytest

import kjson
from kjson import Consumer, DecodeError, Producer
from kjson.testing import MockCluster

FRAMED = b'\x00\x00\x00\x01\x02{"id": 1}'


def test_the_error_says_so_and_its_advice_works() -> None:
    with MockCluster(topics=["t"]) as cluster:
        servers = cluster.bootstrap_servers
        with Producer(servers, value_serializer=bytes) as producer:
            producer.send("t", FRAMED)
            producer.send("t", b"\x00bad")
            producer.send("t", b"1", key=FRAMED)
        with Consumer("t", bootstrap_servers=servers, key_type="json") as consumer:
            with pytest.raises(DecodeError, match=r"schema id 258.*value_deserializer=lambda"):
                next(consumer)
            with pytest.raises(DecodeError) as plain:
                next(consumer)
            assert "Schema" not in str(plain.value)
            with pytest.raises(DecodeError, match=r"the key: .*schema id 258.*key_type"):
                next(consumer)
        with Consumer(
            "t", bootstrap_servers=servers, value_deserializer=lambda value: kjson.loads(value[5:])
        ) as consumer:
            assert next(consumer).value == {"id": 1}
