"""Options that only librdkafka refuses, when it creates the client: always a ConfigError, at every attempt."""

import json
import sys

import pytest

from .children import run_program

# librdkafka refuses some before it copies the configuration, some after it, and some while it sets up TLS or SASL.
EVERY_CLIENT = [
    {"security_protocol": "SASL_SSL"},
    {"security_protocol": "SASL_SSL", "sasl_plain_username": "u", "sasl_plain_password": "p"},
    {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"},
    {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "u"},
    {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "GSSAPI"},
    {"security_protocol": "SASL_SSL", "sasl_mechanism": "UNKNOWN"},
    {"security_protocol": "SSL", "ssl_cafile": "/not/there"},
    {"security_protocol": "SSL", "ssl_certfile": "/not/there"},
    {"security_protocol": "SSL", "ssl_keyfile": "/not/there"},
    {"security_protocol": "SSL", "ssl_crlfile": "/not/there"},
    {"security_protocol": "SSL", "ssl_cipher_suites": "unknown"},
    {"security_protocol": "SSL", "ssl_curves_list": "unknown"},
    {"security_protocol": "SSL", "ssl_sigalgs_list": "unknown"},
    {"security_protocol": "SSL", "ssl_ca_pem": "no certificate"},
    {"security_protocol": "SSL", "ssl_certificate_pem": "no certificate"},
    {"security_protocol": "SSL", "ssl_key_pem": "no key"},
    {"security_protocol": "SSL", "ssl_keystore_location": "/not/there"},
    {"security_protocol": "SSL", "ssl_keystore_location": "/not/there", "ssl_keystore_password": "p"},
    {"security_protocol": "SSL", "ssl_providers": "unknown"},
]
PRODUCERS = [
    {"acks": 1, "enable_idempotence": True},
    {"transactional_id": "t", "enable_idempotence": False},
    {"max_in_flight": 7, "enable_idempotence": True},
    {"linger_ms": 5000, "delivery_timeout_ms": 100},
]
CONSUMERS = [
    {"partition_assignment_strategy": "unknown"},
    {"partition_assignment_strategy": "range,cooperative-sticky"},
    {"group_protocol": "consumer", "session_timeout_ms": 6000},
    {"max_poll_interval_ms": 1000, "session_timeout_ms": 6000},
]

PROGRAM = """
import json, sys
import kjson

times, every_client, producers, consumers = json.loads(sys.argv[1])
for name, options in (
    ("Producer", producers), ("Consumer", consumers), ("AsyncProducer", producers), ("AsyncConsumer", consumers)
):
    topics = ("t",) if "Consumer" in name else ()
    group = {"group_id": "g"} if topics else {}
    for refused in every_client + options:
        texts = set()
        for _ in range(times):
            try:
                getattr(kjson, name)(
                    *topics, bootstrap_servers="127.0.0.1:1", connect_timeout=None, **group, **refused
                )
            except kjson.ConfigError as error:
                texts.add(str(error))
            else:
                sys.exit(f"{name} took {refused}")
        # Freed memory shows as words that change.
        if len(texts) != 1:
            sys.exit(f"{name} {refused}: {texts}")
        print(name, *texts)
"""


def test_no_option_that_librdkafka_refuses_ends_the_interpreter() -> None:
    arguments = json.dumps([50, EVERY_CLIENT, PRODUCERS, CONSUMERS])
    done = run_program(PROGRAM, arguments, timeout=55)
    assert done.status == 0, (done.status, done.stdout[-500:], done.stderr[-500:])
    refusals = done.stdout.splitlines()
    assert len(refusals) == 2 * (2 * len(EVERY_CLIENT) + len(PRODUCERS) + len(CONSUMERS))
    assert all("refused the options: " in line for line in refusals)
    # A password "p" and a group named "g" leave the words with these characters unchanged.
    assert sum("No provider for SASL mechanism GSSAPI: recompile librdkafka" in line for line in refusals) >= 8
    assert sum("partition.assignment.strategy" in line for line in refusals) == 4


RETRIED = """
import resource
import kjson

options = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "GSSAPI"}

def refused(times):
    for _ in range(times):
        try:
            kjson.Consumer("t", bootstrap_servers="127.0.0.1:1", connect_timeout=None, **options)
        except kjson.ConfigError:
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

first = refused(500)
print(refused(3000) - first)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a refused consumer's configuration is leaked")
def test_a_service_that_tries_again_and_again_does_not_grow() -> None:
    done = run_program(RETRIED)
    assert done.status == 0, done.stderr
    assert int(done.stdout) < 2_000  # KiB; 11,900 where each configuration is leaked
