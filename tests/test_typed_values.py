"""`value_type`: values as dataclasses and TypedDicts, or a DecodeError."""

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, NewType, Optional, Sequence, Set, Tuple, Union
from uuid import UUID

import pytest
from typing_extensions import Annotated, Literal, NotRequired, TypedDict

import kjson
from kjson import ConfigError, Consumer, DeadLetter, DecodeError
from kjson.typed import Mismatch, converter

from .peers import committed_offset, read_records, write_with_confluent
from .sessions import LONG_SESSION


class Color(enum.Enum):
    RED = "red"
    ONE = 1


@dataclass
class Item:
    name: str
    price: float
    count: int = 1


@dataclass
class Order:
    id: int
    items: List[Item]
    note: Optional[str] = None
    tags: Dict[str, int] = field(default_factory=dict)
    parent: Optional["Order"] = None


class Point(TypedDict):
    x: int
    y: int
    label: NotRequired[str]


def test_a_dataclass_is_what_comes_out(servers: str, topic: str) -> None:
    write_with_confluent(
        servers, topic, [b'{"id":1,"items":[{"name":"a","price":2}],"tags":{"t":1},"unknown":true}', None]
    )
    with Consumer(topic, bootstrap_servers=servers, value_type=Order) as consumer:
        first, second = next(consumer), next(consumer)
    assert first.value == Order(1, [Item("a", 2.0)], tags={"t": 1})
    assert type(first.value.items[0].price) is float
    assert second.value is None
    assert second.is_tombstone


def test_what_does_not_fit_is_a_decode_error_that_says_where(servers: str, topic: str, group: str) -> None:
    bad = b'{"id":1,"items":[{"name":"a","price":1},{"name":"b","price":"hunter2"}]}'
    write_with_confluent(servers, topic, [bad, b"null", b'{"id":2,"items":[]}'])
    with Consumer(topic, bootstrap_servers=servers, value_type=Order, group_id=group, **LONG_SESSION) as consumer:
        with pytest.raises(DecodeError) as caught:
            next(consumer)
        with pytest.raises(DecodeError, match="expected an object for Order, got null"):
            next(consumer)
        assert next(consumer).value.id == 2
    assert "at $.items[1].price: expected a number, got a string" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    error = caught.value
    assert (error.topic, error.partition, error.offset, error.raw_value) == (topic, 0, 0, bad)
    assert committed_offset(servers, group, topic) == 3


def test_policies_apply_to_what_does_not_fit(servers: str, topic: str, new_topic: Any) -> None:
    dead = new_topic()
    write_with_confluent(servers, topic, [b'{"x":1}', b'{"x":1,"y":2,"more":[1]}'])
    with Consumer(topic, bootstrap_servers=servers, value_type=Point, on_decode_error=DeadLetter(dead)) as consumer:
        assert next(consumer).value == {"x": 1, "y": 2, "more": [1]}
    assert read_records(servers, dead, 1)[0].value == b'{"x":1}'


def test_parse_float_reaches_the_fields(servers: str, topic: str) -> None:
    @dataclass
    class Money:
        amount: Decimal
        rate: float
        either: Union[float, str]

    write_with_confluent(servers, topic, [b'{"amount":0.1000000000000000000001,"rate":0.5,"either":1.5}'])
    with Consumer(topic, bootstrap_servers=servers, value_type=Money, parse_float=Decimal) as consumer:
        assert next(consumer).value == Money(Decimal("0.1000000000000000000001"), 0.5, 1.5)


UTC = timezone.utc
FITS: List[Any] = [
    (int, 2**70, 2**70),
    (float, 3, 3.0),
    (bool, True, True),
    (str, "", ""),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (dict, {"a": 1}, {"a": 1}),
    (list, [1, "a"], [1, "a"]),
    (Dict[str, List[int]], {"a": [1]}, {"a": [1]}),
    (Dict[int, str], {"-12": "a"}, {-12: "a"}),
    (Dict[UUID, int], {"12345678-1234-5678-1234-567812345678": 1}, {UUID("12345678123456781234567812345678"): 1}),
    (Mapping[str, Any], {"a": None}, {"a": None}),
    (Sequence[float], [1], [1.0]),
    (Tuple[int, str], [1, "a"], (1, "a")),
    (Tuple[int, ...], [1, 2], (1, 2)),
    (Set[int], [1, 1], {1}),
    (FrozenSet[str], ["a"], frozenset("a")),
    (Optional[int], None, None),
    (Union[int, str, None], "a", "a"),
    (Union[int, float], 1, 1),
    (Union[int, float], 1.5, 1.5),
    (Union[List[int], Dict[str, int], bool], [1], [1]),
    (Literal["a", 1, None], 1, 1),
    (Annotated[int, "words"], 1, 1),
    pytest.param(NewType("Id", int), 7, 7, id="NewType"),  # before Python 3.10 its name has an address in it
    (Color, "red", Color.RED),
    (Color, 1, Color.ONE),
    (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (
        datetime,
        "2026-01-02t03:04:05.1234567-01:30",
        datetime(2026, 1, 2, 3, 4, 5, 123456, timezone(-timedelta(minutes=90))),
    ),
    (datetime, "2026-01-02 03:04:05.5", datetime(2026, 1, 2, 3, 4, 5, 500000)),
    (date, "2026-02-28", date(2026, 2, 28)),
    (time, "23:59:59.25Z", time(23, 59, 59, 250000, UTC)),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678123456781234567812345678")),
    (Decimal, "1.50", Decimal("1.50")),
    (Decimal, 0.1, Decimal("0.1")),
    (Decimal, 10**30, Decimal(10**30)),
]


@pytest.mark.parametrize(("kind", "value", "expected"), FITS, ids=str)
def test_what_fits(kind: Any, value: Any, expected: Any) -> None:
    made = converter(kind)[0](value)
    assert made == expected
    assert type(made) is type(expected)


MISFITS: List[Tuple[Any, Any, str]] = [
    (int, True, "expected an integer, got a boolean"),
    (int, 1.0, "expected an integer, got a number"),
    (int, "1", "expected an integer, got a string"),
    (float, True, "expected a number, got a boolean"),
    (float, 10**400, "a float can hold"),
    (bool, 1, "expected a boolean"),
    (str, None, "expected a string, got null"),
    (Optional[int], "a", "expected an integer or null, got a string"),
    (Union[float, str], None, "got null"),
    (List[int], {"a": 1}, "expected an array, got an object"),
    (List[List[int]], [[1], [2, "x"]], r"at \$\[1\]\[1\]: expected an integer"),
    (Dict[str, int], {"a": 1, "b c": "x"}, r"at \$\['b c'\]: expected an integer"),
    (Dict[int, int], {"x": 1}, "an integer as the key"),
    (Dict[int, int], {"9" * 5000: 1}, "an integer as the key"),
    (Tuple[int, str], [1], "an array of 2, got one of 1"),
    (Set[List[int]], [[1]], "refused it"),
    (Literal["a", 1], "b", "expected 'a' or 1"),
    (Literal[1], True, "expected 1"),
    (Color, "blue", "a value of Color"),
    (Color, True, "a value of Color"),
    (Color, [1], "a value of Color"),
    (datetime, "2026-13-02T03:04:05Z", "month must be in 1..12"),
    (datetime, "2026-01-02", "RFC 3339"),
    (datetime, "\uff12026-01-02T03:04:05Z", "RFC 3339"),
    (datetime, "2026-01-02T03:04:05+99:00", "RFC 3339"),
    (datetime, 5, "RFC 3339"),
    (date, "2026-02-30", "RFC 3339"),
    (UUID, "{12345678-1234-5678-1234-567812345678}", "a UUID"),
    (Decimal, "NaN", "decimal"),
    (Decimal, True, "decimal"),
    (Item, {"name": "a"}, r"at \$\.price: missing"),
    (Item, [], "an object for Item"),
    (Point, {"x": 1}, r"at \$\.y: missing"),
    (Point, {"x": 1, "y": 2, "label": 3}, r"at \$\.label: expected a string"),
    (Order, {"id": 1, "items": [], "parent": {"id": 2, "items": 5}}, r"at \$\.parent\.items: expected an array"),
]


@pytest.mark.parametrize(("kind", "value", "words"), MISFITS, ids=lambda value: str(value)[:40])
def test_what_does_not_fit(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(Mismatch, match=words):
        converter(kind)[0](value)


@pytest.mark.parametrize(
    "kind",
    [
        bytes,
        pytest.param(object(), id="no type"),
        type("Plain", (), {}),
        complex,
        Union[str, datetime],
        Union[Item, Order],
        Dict[bool, int],
        "Order",
        5,
    ],
    ids=str,
)
def test_an_unsupported_type_is_a_config_error_that_names_it(kind: Any) -> None:
    with pytest.raises(ConfigError, match="value_type") as caught:
        Consumer("t", bootstrap_servers="127.0.0.1:1", connect_timeout=None, value_type=kind)
    assert (kind.__name__ if isinstance(kind, type) else repr(kind)) in str(caught.value)
    assert caught.value.option == "value_type"


def test_value_type_and_value_deserializer_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="Give one of them"):
        Consumer(
            "t",
            bootstrap_servers="127.0.0.1:1",
            connect_timeout=None,
            value_type=Item,
            value_deserializer=lambda data: data,
        )


def test_a_class_that_refuses_its_values_is_quoted_but_not_logged() -> None:
    @dataclass
    class Even:
        n: int

        def __post_init__(self) -> None:
            if self.n % 2:
                raise ValueError(f"{self.n} is odd")

    assert converter(Even)[0]({"n": 2}) == Even(2)
    with pytest.raises(Mismatch, match=r"Even refused it: ValueError.'3 is odd'") as caught:
        converter(List[Even])[0]([{"n": 3}])
    assert caught.value.quotes
    assert str(caught.value).startswith("at $[0]: ")


def test_a_value_nested_as_deep_as_json_may_be_ends_in_an_error_or_a_value(servers: str, topic: str) -> None:
    deep = b'{"id":1,"items":[],"parent":' * 500 + b"null" + b"}" * 500
    write_with_confluent(servers, topic, [deep, b'{"id":2,"items":[]}'])
    with Consumer(topic, bootstrap_servers=servers, value_type=Order, on_decode_error="yield") as consumer:
        first, second = next(consumer), next(consumer)
    assert first.error is not None or first.value.id == 1
    assert second.value.id == 2


def test_mypy_infers_the_type_of_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api")
    root = Path(__file__).parents[1]
    package = Path(kjson.__file__).parents[1]
    if package.name != "site-packages":  # which mypy finds
        monkeypatch.setenv("MYPYPATH", str(package))
    out, err, status = api.run(
        ["--strict", "--no-incremental", "--cache-dir", "/dev/null", str(root / "tests/typing/consumer_of_a_type.py")]
    )
    assert (status, err) == (0, ""), out
