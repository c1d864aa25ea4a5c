"""`on_decode_error`: the five policies mean the same in iteration, `poll` and `consume`; none stops the consumer."""

import logging
import os
import signal
import threading
import time
from typing import Any, List

import pytest

from kjson import ConfigError, Consumer, DeadLetter, DecodeError, Producer, TopicPartition

from .peers import committed_offset, write_with_confluent
from .reading import GOOD_BAD_GOOD, WAYS, read
from .sessions import LONG_SESSION
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("calling")


def consumer_of(servers: str, topic: str, policy: Any, **options: Any) -> "Consumer[Any]":
    return Consumer(topic, bootstrap_servers=servers, on_decode_error=policy, **options)


@pytest.mark.parametrize("way", WAYS)
def test_skip_goes_on_and_passes_the_bad_ones(servers: str, topic: str, group: str, way: str) -> None:
    write_with_confluent(servers, topic, [*GOOD_BAD_GOOD, b"last"])
    with consumer_of(servers, topic, "skip", group_id=group, **LONG_SESSION) as consumer:
        assert [message.value["n"] for message in read(consumer, way, 5)] == [0, 2, 5]
        # The one after the last good one is skipped, too.
        wait_until(
            lambda: consumer.poll(0.1) is None and consumer.position() == {TopicPartition(topic, 0): 7}, "the end"
        )
    assert committed_offset(servers, group, topic) == 7


@pytest.mark.parametrize("way", WAYS)
def test_yield_hands_out_the_message_with_its_error(servers: str, topic: str, way: str) -> None:
    write_with_confluent(servers, topic, GOOD_BAD_GOOD, key=b"k", headers=[("h", b"1")])
    with consumer_of(servers, topic, "yield") as consumer:
        messages = list(read(consumer, way, 5))
    assert [message.offset for message in messages] == [0, 1, 2, 3, 4, 5]
    assert [message.error is None for message in messages] == [True, False, True, False, False, True]
    bad = messages[1]
    assert (bad.value, bad.raw_value, bad.key, bad.raw_key, bad.headers) == (None, b"bad", "k", b"k", (("h", b"1"),))
    assert isinstance(bad.error, DecodeError)
    assert (bad.error.offset, bad.error.raw_value) == (1, b"bad")
    assert "moved past" not in str(bad.error)


@pytest.mark.parametrize("way", WAYS)
def test_a_callable_gives_the_value_or_skips(servers: str, topic: str, way: str) -> None:
    write_with_confluent(servers, topic, GOOD_BAD_GOOD)
    asked: List[DecodeError] = []

    def decide(error: DecodeError) -> Any:
        asked.append(error)
        return None if error.raw_value == b"[" else {"n": error.raw_value}

    with consumer_of(servers, topic, decide) as consumer:
        values = [message.value["n"] for message in read(consumer, way, 5)]
    assert values == [0, b"bad", 2, b"nonsense", 5]
    assert [error.offset for error in asked] == [1, 3, 4]


@pytest.mark.parametrize("way", WAYS)
def test_what_a_callable_raises_comes_out_once_and_the_next_read_goes_on(
    servers: str, topic: str, group: str, way: str
) -> None:
    write_with_confluent(servers, topic, GOOD_BAD_GOOD)
    asked: List[Any] = []

    def decide(error: DecodeError) -> Any:
        asked.append(error.offset)
        raise LookupError(error.offset)

    seen: List[Any] = []
    with consumer_of(servers, topic, decide, group_id=group, **LONG_SESSION) as consumer:
        while 5 not in seen:
            try:
                for message in read(consumer, way, 5):
                    seen.append(message.offset)
            except LookupError as error:
                seen.append(f"raised {error.args[0]}")
    assert seen == [0, "raised 1", 2, "raised 3", "raised 4", 5]
    assert asked == [1, 3, 4]
    assert committed_offset(servers, group, topic) == 6


def test_consume_raises_after_the_good_ones_and_asks_a_callable_once(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"0", b"1", b"bad", b"3"])
    asked = []

    def decide(error: DecodeError) -> Any:
        asked.append(error.offset)
        raise LookupError

    with consumer_of(servers, topic, decide) as consumer:
        seen: List[Any] = []
        while len(seen) < 4:
            try:
                seen += [message.offset for message in consumer.consume(500, timeout=5)]
            except LookupError:
                seen.append("raised")
    assert seen == [0, 1, "raised", 3]
    assert asked == [2]


@pytest.mark.parametrize("policy", ["raise", "skip", "yield", DeadLetter("{topic}.dlq"), lambda error: "mended"])
def test_a_key_that_is_not_json_is_treated_as_a_value_is(servers: str, topic: str, policy: Any) -> None:
    write_with_confluent(servers, topic, [b'"value"'], key=b"{bad")
    write_with_confluent(servers, topic, [b'"good"'], key=b"1")
    seen: List[Any] = []
    with consumer_of(servers, topic, policy, key_type="json") as consumer:
        while "good" not in seen:
            try:
                message = next(consumer)
                seen.append(message.value)
                if message.value == "mended" or message.error:
                    assert (message.key, message.raw_key) == (None, b"{bad")
            except DecodeError as error:
                assert error.raw_key == b"{bad"  # noqa: PT017
                assert "the key: " in str(error)  # noqa: PT017
                seen.append(error.raw_value)
    others = [one for one in seen if one != "good"]
    assert others == {"raise": [b'"value"'], "yield": [None]}.get(policy, ["mended"] if callable(policy) else [])


@pytest.mark.parametrize("policy", ["ignore", "", 7, DeadLetter, True], ids=str)
def test_anything_else_is_a_config_error_that_names_the_choices(policy: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Consumer("t", bootstrap_servers="127.0.0.1:1", connect_timeout=None, on_decode_error=policy)
    for choice in ("raise", "skip", "yield", "DeadLetter", "callable"):
        assert choice in str(caught.value)
    assert caught.value.option == "on_decode_error"


def test_skipping_is_logged_without_the_payload_and_not_a_thousand_times(
    servers: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_with_confluent(servers, topic, [b'{"password": "hunter2"'] * 1000 + [b"1"])

    def refuse(data: bytes) -> Any:
        raise ValueError(data)

    with caplog.at_level(logging.WARNING, logger="kjson"):
        with consumer_of(servers, topic, "skip") as consumer:
            assert next(consumer).value == 1
        with consumer_of(servers, topic, "skip", value_deserializer=refuse) as consumer:
            while consumer.metrics()["received"] < 1001:
                assert consumer.consume(2000, timeout=1) == []
            assert consumer.consume(2000, timeout=1) == []

        def logged_so_far() -> List[str]:
            return [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]

        logged = wait_until(lambda: logged_so_far() if len(logged_so_far()) >= 4 else None, "four warnings")
    assert logged is not None
    assert len(logged) == 4
    assert f"'{topic}' [0] @0" in logged[0]
    assert "line 1 column" in logged[0]
    assert "999 more" in logged[1]
    assert "ValueError was raised" in logged[2]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("way", ["poll", "consume"])
def test_a_good_message_behind_bad_ones_is_found_without_time_to_wait(servers: str, topic: str, way: str) -> None:
    with Producer(servers, value_serializer=bytes, linger_ms=60_000) as producer:  # all leave together, with close
        producer.send_many(topic, [b"0", *[b"bad"] * 20, b"21"])
    asked: List[int] = []
    with consumer_of(servers, topic, lambda error: asked.append(error.offset)) as consumer:
        assert next(consumer).offset == 0  # the others come with it: one batch of the producer, one of the broker
        wait_until(lambda: consumer.metrics()["received"] == 22, "all of the batch")
        begun = time.monotonic()
        found = consumer.consume(1, timeout=0) if way == "consume" else [one for one in [consumer.poll(0)] if one]
        if not found and time.monotonic() - begun > 0.05:
            # A call without time stops after a while; only on a machine that stood still it comes to that here.
            found = consumer.consume(1, timeout=0)
    assert [message.offset for message in found] == [21]
    assert asked == list(range(1, 21))


@pytest.mark.parametrize("way", ["poll", "consume", "iteration"])
def test_the_timeout_holds_in_an_endless_row_of_bad_ones(servers: str, topic: str, way: str) -> None:
    write_with_confluent(servers, topic, [b"bad"] * 2000)

    def slow(error: DecodeError) -> None:
        time.sleep(0.015)

    with consumer_of(servers, topic, slow, consumer_timeout_ms=500) as consumer:
        begun = time.monotonic()
        if way == "poll":
            assert consumer.poll(0.5) is None
        elif way == "consume":
            assert consumer.consume(10, timeout=0.5) == []
        else:
            assert list(consumer) == []
        assert time.monotonic() - begun < 15  # all of them take 30 s


@pytest.mark.sync_only
def test_ctrl_c_comes_through_while_a_row_of_bad_ones_is_skipped(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [b"bad"] * 50_000)
    with consumer_of(servers, topic, "skip") as consumer:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            timer.start()  # not before the block: a slow machine could come to it too late
            while True:
                consumer.poll(30)
        assert time.monotonic() - begun < 5
        timer.join()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.sync_only
def test_ctrl_c_in_a_callable_loses_no_message(servers: str, topic: str, way: str) -> None:
    write_with_confluent(servers, topic, [b"0", b"bad", b"2"])
    asked: List[int] = []

    def decide(error: DecodeError) -> Any:
        asked.append(error.offset)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return "mended"

    seen: List[Any] = []
    with consumer_of(servers, topic, decide) as consumer:
        with pytest.raises(KeyboardInterrupt):
            for message in read(consumer, way, 2):
                seen.append(message.value)
        seen += [message.value for message in read(consumer, way, 2)]
    assert seen == [0, "mended", 2]
    assert asked == [1, 1]


HOSTILE = {
    "too-deep": b"[" * 100_000,
    "not-utf-8": b'{"n": "\xff"}',
    "empty": b"",
    "binary": bytes(range(256)) * 100,
    "huge": b'"' + b"x" * 700_000,
    "nan": b"NaN",
}


@pytest.mark.parametrize("bad", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "policy",
    ["skip", "yield", DeadLetter("{topic}.dlq"), lambda error: error.raw_value],
    ids=["skip", "yield", "dead letter", "function"],
)
def test_hostile_payloads_go_through_every_policy(servers: str, topic: str, policy: Any, bad: bytes) -> None:
    write_with_confluent(servers, topic, [b"0", bad, b"2"])
    with consumer_of(servers, topic, policy) as consumer:
        found = [next(consumer)]
        while found[-1].offset < 2:
            found.append(next(consumer))
    assert [message.value for message in found if message.offset != 1] == [0, 2]
    if type(policy).__name__ == "DeadLetter":
        with Consumer(f"{topic}.dlq", bootstrap_servers=servers, on_decode_error="yield") as reader:
            assert next(reader).raw_value == bad
    elif policy != "skip":
        assert found[1].raw_value == bad
