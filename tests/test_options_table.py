"""The table of options is true: a documented default is the one in use, and what is generated is up to date."""

import inspect
import sys
from typing import Any, Dict

import pytest

import kjson
from kjson import _kjson

from .generate import CLIENTS, PAGE, STUB, Option, options, page, stub

NOBODY: Dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": None}
TABLE = [(client, option) for client in CLIENTS for option in options(client)]
PASSED = [(client, option) for client, option in TABLE if option.librdkafka and option.name != "bootstrap_servers"]


def used(client: str, option: Option, **given: Any) -> Any:
    group = {"group_id": "g"} if "Consumer" in client and option.name != "group_id" else {}
    made = getattr(kjson, client)(**{**NOBODY, **group, **given})
    value = _kjson._option_of(made, option.librdkafka)
    if not client.startswith("Async"):
        made.close()
    return value or None


@pytest.mark.parametrize(("client", "option"), PASSED, ids=lambda value: getattr(value, "name", value))
def test_a_documented_default_is_what_the_client_uses(client: str, option: Option) -> None:
    # With this protocol the options of TLS and SASL may be given.
    given: Dict[str, Any] = {"security_protocol": "PLAINTEXT"}
    left_out = used(client, option, **({} if option.name == "security_protocol" else given))
    default = eval(option.default)
    if default is None:
        assert left_out is None or option.name == "group_id"
    else:
        assert left_out is not None
        assert left_out == used(client, option, **{**given, option.name: default})


def test_without_arguments_the_address_is_the_documented_one() -> None:
    producer = kjson.Producer(connect_timeout=None)
    documented = {option.name: option for option in options("Producer")}["bootstrap_servers"].default
    assert _kjson._option_of(producer, "bootstrap.servers") == eval(documented)
    producer.close()


@pytest.mark.skipif(sys.version_info < (3, 10), reason="inspect finds no signature of such classes before 3.10")
@pytest.mark.parametrize("client", CLIENTS)
def test_the_signature_has_the_options_of_kjson_with_their_defaults(client: str) -> None:
    table = {option.name: option for option in options(client)}
    signature = inspect.signature(getattr(_kjson, client)).parameters
    named = {name: one.default for name, one in signature.items() if name not in ("topics", "options")}
    assert {name: eval(table[name].default) for name in named} == named
    assert {option.name for option in table.values() if not option.librdkafka} <= set(named)


def test_the_stub_and_the_page_are_generated_from_the_table() -> None:
    text = STUB.read_text(encoding="utf-8")
    assert stub(text) == text, "run `make stub`"
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make stub`"


def test_secrets_are_said_to_be_such() -> None:
    secrets = {option.name for _, option in TABLE if option.secret}
    assert secrets == {"ssl_password", "sasl_plain_password"}


@pytest.mark.parametrize(("client", "option"), TABLE, ids=lambda value: getattr(value, "name", value))
def test_every_option_of_the_table_is_taken_and_suggested(client: str, option: Option) -> None:
    with pytest.raises(kjson.ConfigError) as caught:
        getattr(kjson, client)(**{option.name + "x": None})
    assert caught.value.suggestion == option.name
