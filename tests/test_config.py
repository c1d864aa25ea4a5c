"""Options: every name leads to one property of librdkafka, mistakes are named at once, and no secret is ever shown."""

import pickle
import traceback
from typing import Any, Dict

import pytest

from kjson import ConfigError, Consumer, Producer

CANARY = "canary-9d2f1c"
NOBODY = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": None}


def refused(cls: Any = Producer, **options: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        cls(**NOBODY, **options)
    assert isinstance(caught.value, ValueError)
    return caught.value


@pytest.mark.parametrize(
    ("options", "option", "suggestion"),
    [
        ({"linger": 5}, "linger", "linger_ms"),
        ({"compresion_type": "lz4"}, "compresion_type", "compression_type"),
        ({"config": {"linger.mss": 5}}, "linger.mss", "linger.ms"),
        ({"conect_timeout": 5}, "conect_timeout", "connect_timeout"),
        ({"no_such_thing_at_all": 5}, "no_such_thing_at_all", None),
    ],
    ids=str,
)
def test_an_unknown_option_is_named_with_the_nearest_real_name(
    options: Dict[str, Any], option: str, suggestion: Any
) -> None:
    error = refused(**options)
    assert (error.option, error.suggestion) == (option, suggestion)
    assert option in str(error)
    assert suggestion is None or suggestion in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"linger_ms": 5, "config": {"linger.ms": 6}},
        {"linger_ms": 5, "queue_buffering_max_ms": 6},
        {"delivery_timeout_ms": 1000, "message_timeout_ms": 2000},
        {"config": {"bootstrap.servers": "127.0.0.1:2"}},
    ],
    ids=str,
)
def test_the_same_option_twice_with_different_values_is_an_error(options: Dict[str, Any]) -> None:
    assert "different values" in str(refused(**options))


def test_the_same_option_twice_with_one_value_is_none() -> None:
    with Producer(**NOBODY, linger_ms=5, config={"queue.buffering.max.ms": 5}):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"linger_ms": 5.5},
        {"compression_type": ["lz4"]},
        {"retries": 3},
        {"max_request_size": 2_000_000},
        {"config": {"socket.keepalive.enable": True}},
        {"client_id": None, "acks": "all"},
        {"acks": 1},
        {"acks": 0},
    ],
    ids=str,
)
def test_values_are_taken_as_python_has_them(options: Dict[str, Any]) -> None:
    Producer(**NOBODY, **options).close()


def test_a_value_that_cannot_be_is_named_with_what_can() -> None:
    error = refused(linger_ms=-1)
    assert error.option == "linger_ms"
    assert "-1" in str(error)
    assert "0 .. 900000" in str(error)
    assert "earliest" in str(refused(Consumer, auto_offset_reset="first"))
    assert refused(linger_ms=object()).option == "linger_ms"
    assert refused(linger_ms=True).option == "linger_ms"


def test_idempotence_that_was_asked_for_does_not_give_way() -> None:
    assert "acks" in str(refused(enable_idempotence=True, acks=1))


@pytest.mark.parametrize("servers", ["", " ", [], ","], ids=repr)
def test_no_address_at_all_is_an_error(servers: Any) -> None:
    with pytest.raises(ConfigError, match="bootstrap_servers is empty"):
        Producer(servers, connect_timeout=None)


def test_what_kjson_sets_itself_cannot_be_set() -> None:
    assert "lost" in str(refused(Consumer, enable_auto_offset_store=True))


@pytest.mark.parametrize(
    "options",
    [
        {"sasl_plain_password": CANARY, "config": {"sasl.password": "other"}},
        {"sasl_plain_password": CANARY, "sasl_mechanism": "NONE-SUCH", "security_protocol": "SASL_PLAINTEXT"},
        {"ssl_keyfile": CANARY, "security_protocol": "SSL"},
        {"ssl_password": CANARY, "ssl_keyfile": __file__, "security_protocol": "SSL"},
        {"config": {"ssl.key.pem": CANARY}, "security_protocol": "SSL"},
        {"config": {"sasl.jaas.config": CANARY}},
        {"config": {"sasl.oauthbearer.config": CANARY, "sasl.mechanism": "OAUTHBEARER", "linger.ms": -1}},
        {"sasl_plain_password": CANARY + "\0"},
    ],
    ids=lambda options: "+".join(options),
)
def test_no_secret_is_in_an_error(options: Dict[str, Any]) -> None:
    error = refused(**options)
    shown = "".join(traceback.format_exception(type(error), error, None)) + repr(error) + repr(error.__dict__)
    assert CANARY not in shown
    assert CANARY.encode() not in pickle.dumps(error)


def test_no_secret_is_in_a_repr() -> None:
    options = {"sasl_plain_username": "me", "sasl_plain_password": CANARY, "sasl_mechanism": "PLAIN"}
    with Producer(**NOBODY, security_protocol="SASL_PLAINTEXT", **options) as producer:
        assert CANARY not in repr(producer)
