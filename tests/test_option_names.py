"""Names of options come before their values: a mistyped name is named, with the nearest one, whatever its value."""

from enum import Enum, IntEnum
from typing import Any, Dict

import pytest

from kjson import AsyncConsumer, AsyncProducer, ConfigError, Consumer, Producer, _kjson, dumps

NOBODY: Dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": None}
PRODUCERS = [Producer, AsyncProducer]
CONSUMERS = [Consumer, AsyncConsumer]
CLIENTS = PRODUCERS + CONSUMERS


def refused(client: Any, *arguments: Any, **options: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        client(*arguments, **{**NOBODY, **options})
    return caught.value


def called(*arguments: object) -> None:
    raise AssertionError(arguments)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("name", "value", "suggestion"),
    [
        ("conect_timeout", None, "connect_timeout"),
        ("linger_mss", None, "linger_ms"),
        ("on_eror", called, "on_error"),
        ("on_stat", called, "on_stats"),
        ("confg", {}, "config"),
        ("bootstrap_server", object(), "bootstrap_servers"),
        ("ssl_check_hostnam", object(), "ssl_check_hostname"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_mistyped_name_is_named_whatever_its_value(client: Any, name: str, value: Any, suggestion: str) -> None:
    error = refused(client, **{name: value})
    assert (error.option, error.suggestion) == (name, suggestion)
    assert f"unknown option '{name}'. Did you mean '{suggestion}'?" in str(error)


@pytest.mark.parametrize(
    "name", ["on_assign", "on_revoke", "on_lost", "on_commit", "value_type", "unreachable_timeout"]
)
@pytest.mark.parametrize("client", CONSUMERS)
def test_the_options_of_a_consumer_are_suggested(client: Any, name: str) -> None:
    assert refused(client, "t", **{name[:-3] + name[-2:]: called}).suggestion == name


@pytest.mark.parametrize("name", ["on_delivery", "max_block_ms", "default", "value_serializer", "key_serializer"])
@pytest.mark.parametrize("client", PRODUCERS)
def test_the_options_of_a_producer_are_suggested(client: Any, name: str) -> None:
    assert refused(client, **{name[:-3] + name[-2:]: called}).suggestion == name


@pytest.mark.parametrize("client", CLIENTS)
def test_a_mistyped_name_in_config_is_named_whatever_its_value(client: Any) -> None:
    assert refused(client, config={"linger.mss": None}).suggestion == "linger.ms"


class Codec(str, Enum):
    ZSTD = "zstd"


class Acks(IntEnum):
    LEADER = 1


class Servers(str, Enum):
    LOCAL = "127.0.0.1:1"


def test_a_member_of_an_enum_counts_by_its_value() -> None:
    with Producer(Servers.LOCAL, connect_timeout=None, compression_type=Codec.ZSTD, acks=Acks.LEADER) as producer:
        assert _kjson._option_of(producer, "compression.type") == "zstd"
        assert _kjson._option_of(producer, "acks") == "1"
        assert _kjson._option_of(producer, "bootstrap.servers") == "127.0.0.1:1"
        assert "127.0.0.1:1" in repr(producer)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_dict_as_the_first_argument_is_led_to_config(client: Any) -> None:
    with pytest.raises(ConfigError, match=r"pass config=\{\.\.\.\}"):
        client({"bootstrap.servers": "127.0.0.1:1"})


WRONG = [
    (PRODUCERS, "max_block_ms", [-1, float("nan"), "5", b"5", True, [1]], "milliseconds"),
    (PRODUCERS, "nan", ["ignore", "", 5, b"null", True], '"error", "null" or "allow"'),
    (CONSUMERS, "consumer_timeout_ms", [-1, -0.5, float("nan"), "5", True], "milliseconds"),
    (CONSUMERS, "unreachable_timeout", [-1, float("nan"), "5", False], "seconds"),
    (CONSUMERS, "key_type", ["text", "", 5, None.__class__], '"auto", "str", "bytes" or "json"'),
    (CONSUMERS, "max_message_bytes", [0, -1, 1.5, "5", True], "bytes"),
    (CLIENTS, "connect_timeout", [-1, float("nan"), "5", True, {}], "seconds"),
    (CLIENTS, "on_error", [5, "print"], "callable"),
    (CONSUMERS, "on_assign", [5, [called]], "callable"),
    (PRODUCERS, "value_serializer", ["str"], "callable"),
    (CLIENTS, "config", [[("linger.ms", 5)], "linger.ms=5", 5], "dict"),
]


@pytest.mark.parametrize(
    ("client", "name", "value", "says"),
    [(client, name, value, says) for clients, name, values, says in WRONG for client in clients for value in values],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:20],
)
def test_a_value_that_cannot_be_is_a_config_error_that_names_the_option(
    client: Any, name: str, value: Any, says: str
) -> None:
    error = refused(client, **{name: value})
    assert error.option == name
    assert name in str(error)
    assert says in str(error)
    assert "/ 1000" not in str(error)


def test_nan_of_dumps_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match='"error", "null" or "allow"'):
        dumps(1, nan="ignore")  # type: ignore[arg-type]
