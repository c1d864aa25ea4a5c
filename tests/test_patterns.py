"""Subscriptions by pattern: one dialect, matched from the beginning of a name, under both group protocols."""

import re
from contextlib import ExitStack
from functools import partial
from typing import Dict, List, Set

import pytest

from kjson import ConfigError, Consumer
from kjson.testing import MockCluster

from .peers import create_topic
from .waiting import wait_until

NAMES = ["orders", "orders-1", "orders-22", "orders-x", "old-orders", "payments", "old-payments", "Orders.eu", "a_b"]
PATTERNS = [
    "orders",
    "^orders$",
    "orders|payments",
    "^orders|^payments$",
    "(?:orders|old)-.*",
    r"orders-\d+$",
    r"orders-\d{2}",
    r"[oO]rders(\.|-)\w+",
    "[^o].*",
    r"\w+$",
    r"a\_b|old\-p",
    ".*-[a-z]",
    "o.d?",
]


def topics_assigned(consumer: Consumer) -> Set[str]:
    consumer.poll(0.05)
    return {partition.topic for partition in consumer.assignment()}


def check(servers: str, groups: Dict[str, str], names: List[str], **options: str) -> None:
    """Each group has another pattern, all at once."""
    with ExitStack() as stack:
        for group, pattern in groups.items():
            consumer = stack.enter_context(Consumer(bootstrap_servers=servers, group_id=group, **options))
            consumer.subscribe(pattern=pattern)
            wanted = {name for name in names if re.match(pattern, name)}
            assert wanted
            wait_until(partial(_is_assigned, consumer, wanted), f"{wanted} for {pattern}")


def _is_assigned(consumer: Consumer, wanted: Set[str]) -> bool:
    return topics_assigned(consumer) == wanted


def test_a_pattern_reads_what_re_match_matches() -> None:
    with MockCluster(topics=NAMES) as cluster:
        check(cluster.bootstrap_servers, {str(n): pattern for n, pattern in enumerate(PATTERNS)}, NAMES)


@pytest.mark.real_kafka
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_same_under_both_protocols(servers: str, group: str, protocol: str) -> None:
    names = [f"{group}.{name}" for name in NAMES]
    for name in names:
        create_topic(servers, name)
    of_this_test = group.replace(".", "[.]") + "[.]"
    patterns = ["orders", "orders|payments", r"orders-\d+$", r"[^o]\w*(-payments)?$"]
    groups = {f"{group}-{n}": f"{of_this_test}({pattern})" for n, pattern in enumerate(patterns)}
    check(servers, groups, names, group_protocol=protocol)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        ("", ".*"),
        ("(?!old-).*", "message.topic"),
        ("(?i)orders", "[oO]rders"),
        (r"(a)\1", "Write what is to be repeated"),
        (r"\borders", "[._-]"),
        ("orders.*?x", "Leave out the '?'"),
        ("orders(x", "has no ')'"),
        ("[[:alpha:]]", "[a-zA-Z]"),
        ("orders, payments", "','"),
        ("(" * 1000, "deep"),
    ],
)
def test_what_a_pattern_cannot_be_is_refused_with_what_to_write(protocol: str, pattern: str, instead: str) -> None:
    with Consumer(
        bootstrap_servers="127.0.0.1:1", connect_timeout=None, group_id="g", group_protocol=protocol
    ) as consumer:
        with pytest.raises(ConfigError) as refused:
            consumer.subscribe(pattern=pattern)
        assert refused.value.option == "pattern"
        assert instead in str(refused.value)
        assert consumer.subscription() == []
