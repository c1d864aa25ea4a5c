"""What protects a connection: never left out without a word, and a secret is a str and shown nowhere."""

from typing import Any, Dict

import pytest

from kjson import ConfigError, Consumer, Producer

from .children import run_program

CANARY = "canary-51c07e"
NOBODY: Dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": None}


def refused(client: Any = Producer, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        client(**NOBODY, **options)
    assert CANARY not in str(caught.value) + repr(caught.value.__dict__)
    return str(caught.value)


@pytest.mark.parametrize("client", [Producer, Consumer])
@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ({"ssl_cafile": __file__}, "SSL"),
        ({"ssl_certfile": __file__, "ssl_keyfile": __file__}, "SSL"),
        ({"ssl_check_hostname": True}, "SSL"),
        ({"config": {"ssl.ca.pem": CANARY}}, "SSL"),
        ({"config": {"enable.ssl.certificate.verification": True}}, "SSL"),
        ({"sasl_mechanism": "PLAIN"}, "SASL_SSL"),
        ({"sasl_plain_username": "u", "sasl_plain_password": CANARY}, "SASL_SSL"),
        ({"ssl_cafile": __file__, "sasl_plain_password": CANARY}, "SASL_SSL"),
        ({"security_protocol": None, "config": {"sasl.password": CANARY}}, "SASL_SSL"),
    ],
    ids=str,
)
def test_options_of_tls_or_sasl_need_a_security_protocol(client: Any, options: Dict[str, Any], protocol: str) -> None:
    text = refused(client, **options)
    assert f'security_protocol="{protocol}"' in text
    assert "without" in text


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "plaintext", "SASL_PLAINTEXT"])
def test_a_plaintext_connection_that_is_asked_for_is_made(protocol: str) -> None:
    options = {"sasl_mechanism": "PLAIN", "sasl_plain_username": "u", "sasl_plain_password": "p"}
    Producer(**NOBODY, security_protocol=protocol, **options).close()


def test_tls_options_that_are_none_need_nothing() -> None:
    Producer(**NOBODY, ssl_cafile=None, sasl_plain_password=None).close()


SECRETS = [CANARY.encode(), bytearray(CANARY.encode()), [CANARY], (CANARY, CANARY), 7001234, 0.5, True, {"a": CANARY}]


@pytest.mark.parametrize("value", SECRETS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["sasl_plain_password", "ssl_password", "sasl_oauthbearer_client_secret"])
def test_a_secret_is_a_str(name: str, value: Any) -> None:
    text = refused(security_protocol="SASL_SSL", **{name: value})
    assert f"'{name}' must be a str, not {type(value).__name__}" in text
    assert "700" not in text
    assert ("value.decode()" in text) == isinstance(value, (bytes, bytearray))


def test_a_lone_surrogate_in_a_secret_is_refused_and_not_shown() -> None:
    text = refused(security_protocol="SASL_SSL", sasl_plain_password=CANARY + "\udc80")
    assert "lone surrogate" in text
    assert "udc80" not in text


@pytest.mark.parametrize(
    "value", [b"host:9092", [b"host:9092"], bytearray(b"h:1"), [9092], 9092, {"host:9092"}], ids=str
)
def test_addresses_that_are_no_str_are_refused_with_the_right_form(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Producer(value, connect_timeout=None)
    assert "'bootstrap_servers' must be a str such as \"localhost:9092\", or a list of them, not " in str(caught.value)


READ_ONLY = """
import sys
import kjson

options = {"bootstrap_servers": "127.0.0.1:1", "connect_timeout": None}
kjson.Producer(**options, linger_ms=5).close()
try:
    kjson.Producer(**options, liger_ms=5)
except kjson.ConfigError as error:
    sys.exit(error.suggestion != "linger_ms")
"""


def test_options_are_known_where_no_file_can_be_written() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    done = run_program(ignore + limit + READ_ONLY)
    assert done.status == 0, done.stderr
