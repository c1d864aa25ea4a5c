"""Dead letters that cannot be delivered: the read raises the reason, and no bad message is lost."""

import uuid
from typing import Any, List

import pytest

import kjson
from kjson import Consumer, DeadLetter, DecodeError, Producer
from kjson.testing import MockCluster

from .dead_letters import drain
from .kafka import Broker
from .peers import committed_offset, create_topic, read_records, write_with_confluent
from .sessions import LONG_SESSION

pytestmark = pytest.mark.usefixtures("calling")


@pytest.mark.mock_only
class TestUndelivered:
    """The dead letters have another mock cluster, whose broker goes away."""

    @pytest.mark.parametrize("way", ["iteration", "poll", "consume"])
    def test_the_error_is_raised_the_message_comes_again_and_nothing_is_lost(
        self, servers: str, topic: str, group: str, way: str
    ) -> None:
        write_with_confluent(servers, topic, [b"0", b"bad", b"2"])
        with MockCluster(topics={"dead": 1}) as elsewhere, Producer(
            elsewhere.bootstrap_servers, delivery_timeout_ms=3000, reconnect_backoff_max_ms=100
        ) as producer:
            dead_letters = DeadLetter("dead", producer=producer, timeout=5)
            consumer: Any = Consumer(
                topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_decode_error=dead_letters
            )
            with consumer:
                seen = consumer.consume(1, timeout=20)[0:1]
                assert [message.value for message in seen] == [0]
                elsewhere.broker_down(1)
                for _ in range(2):
                    with pytest.raises(kjson.KafkaError) as caught:
                        drain(consumer, 2, way)
                    assert not isinstance(caught.value, DecodeError)
                    assert isinstance(caught.value.__cause__, DecodeError)
                    assert caught.value.__cause__.offset == 1
                consumer.commit()
                assert committed_offset(servers, group, topic) == 1
                elsewhere.broker_up(1)
                producer.ping(timeout=20)
                assert drain(consumer, 2, way) == [2]
            assert read_records(elsewhere.bootstrap_servers, "dead", 1)[0].value == b"bad"
        assert committed_offset(servers, group, topic) == 3

    def test_consume_hands_out_the_good_ones_before_it_first(self, servers: str, topic: str) -> None:
        write_with_confluent(servers, topic, [b"0", b"1", b"bad", b"3", b"bad", b"5"])
        with MockCluster(topics={"dead": 1}) as elsewhere, Producer(
            elsewhere.bootstrap_servers, delivery_timeout_ms=3000, reconnect_backoff_max_ms=100
        ) as producer:
            dead_letters = DeadLetter("dead", producer=producer, timeout=5)
            with Consumer(topic, bootstrap_servers=servers, on_decode_error=dead_letters) as consumer:
                elsewhere.broker_down(1)
                seen: List[Any] = []
                with pytest.raises(kjson.KafkaError):
                    while True:
                        seen += [message.offset for message in consumer.consume(500, timeout=5)]
                assert seen == [0, 1]
                elsewhere.broker_up(1)
                producer.ping(timeout=20)
                assert drain(consumer, 5, "consume") == [3, 5]

    def test_without_its_producer_the_error_names_what_is_missing(self, servers: str, topic: str) -> None:
        write_with_confluent(servers, topic, [b"bad"])
        with Producer(servers) as producer:
            pass
        with Consumer(topic, bootstrap_servers=servers, on_decode_error=DeadLetter("d", producer=producer)) as consumer:
            for _ in range(2):
                with pytest.raises(kjson.ClosedError) as caught:
                    next(consumer)
                assert isinstance(caught.value.__cause__, DecodeError)


@pytest.mark.timeout(180)
def test_a_killed_broker_loses_no_bad_message(own_broker: Broker) -> None:
    servers, topic, dead = own_broker.bootstrap_servers, "t-" + uuid.uuid4().hex, "d-" + uuid.uuid4().hex
    create_topic(servers, topic)
    create_topic(servers, dead)
    write_with_confluent(servers, topic, [b"0", b"bad", b"2"])
    with Consumer(
        topic,
        bootstrap_servers=servers,
        group_id="g",
        on_decode_error=DeadLetter(dead, timeout=2),
        unreachable_timeout=None,
    ) as consumer:
        assert next(consumer).value == 0
        own_broker.kill()
        with pytest.raises(kjson.KafkaError) as caught:
            next(consumer)
        assert isinstance(caught.value.__cause__, DecodeError)
        own_broker.start()
        found = None
        while found is None:
            try:
                found = next(consumer)
            except kjson.KafkaError as error:
                assert isinstance(error.__cause__, DecodeError)  # noqa: PT017
        assert found.value == 2
    assert read_records(servers, dead, 1)[0].value == b"bad"
    assert committed_offset(servers, "g", topic) == 3
