"""`value_type`: fields of any name, numbers with all their digits, Unions, NamedTuples."""

import enum
from dataclasses import dataclass, make_dataclass
from decimal import Decimal
from typing import Any, Dict, List, NamedTuple, NewType, Optional, Tuple, Union

import pytest
from typing_extensions import Annotated, TypedDict

import kjson
from kjson import ConfigError, Consumer
from kjson.typed import Mismatch, converter

from .peers import write_with_confluent

# Names of our own parameters and variables, past and present, and of methods that the libraries look for.
NAMES = [
    *(
        "kind",
        "self",
        "value",
        "cls",
        "path",
        "name",
        "fields",
        "positional",
        "keywords",
        "arguments",
        "argument",
        "args",
    ),
    *(
        "kwargs",
        "made",
        "into",
        "items",
        "keys",
        "get",
        "function",
        "convert",
        "message",
        "step",
        "type",
        "plain",
        "exact",
    ),
    *("model_dump", "model_validate_json", "parse_obj", "to_builtins"),
]


def dataclass_of(*names: str) -> Any:
    return make_dataclass("Record", [(name, int) for name in names])


def attrs_class_of(*names: str) -> Any:
    if "self" in names:
        pytest.skip("attrs has no such fields")
    attrs = pytest.importorskip("attrs")
    return attrs.make_class("Line", {name: attrs.field(type=int) for name in names})


def typed_dict_of(*names: str) -> Any:
    return TypedDict("Keys", dict.fromkeys(names, int))  # type: ignore[misc]


def named_tuple_of(*names: str) -> Any:
    return NamedTuple("Pair", [(name, int) for name in names])  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", [dataclass_of, attrs_class_of, typed_dict_of, named_tuple_of])
def test_a_field_may_have_any_name(form: Any, name: str) -> None:
    kind = form("first", name)
    text = b"[1,2]" if issubclass(kind, tuple) else f'{{"first":1,"{name}":2}}'.encode()
    read = converter(kind)[0](kjson.loads(text))
    assert read[name] == 2 if isinstance(read, dict) else getattr(read, name) == 2
    assert isinstance(read, dict if issubclass(kind, dict) else kind)


def test_a_class_that_refuses_a_field_of_any_name_is_quoted() -> None:
    @dataclass
    class Even:
        kind: int

        def __post_init__(self) -> None:
            if self.kind % 2:
                raise ValueError(f"{self.kind} is odd")

    with pytest.raises(Mismatch, match=r"Even refused it: ValueError.'3 is odd'"):
        converter(Even)[0]({"kind": 3})


class Odd(enum.Enum):
    value = "v"
    name = 1
    kind = None


def test_members_of_an_enum_may_have_any_name() -> None:
    assert [converter(Odd)[0](one) for one in ("v", 1, None)] == [Odd["value"], Odd["name"], Odd["kind"]]


ANYTHING = {"a": [1, None, "x", 1.5]}
Id = NewType("Id", int)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Optional[Any], [None, 1, "a", ANYTHING]),
        (Optional[object], [None, 1.5, ANYTHING]),
        (Union[int, Any], [1, None, "a"]),
        (List[Optional[Any]], [[None, ANYTHING]]),
        (Dict[str, Union[Any, str, None]], [ANYTHING, {}]),
        (Optional[Annotated[Optional[int], "words"]], [None, 1]),
        (Union[None, Annotated[Any, "words"]], [None, ANYTHING]),
        pytest.param(Optional[Union[Id, int, str]], [None, 1, "a"], id="NewType"),
        pytest.param(Optional[NewType("Maybe", type(None))], [None], id="None twice"),
    ],
    ids=str,
)
def test_unions_with_any_and_with_none(kind: Any, values: List[Any]) -> None:
    for value in values:
        assert converter(kind)[0](value) == value


class Empty(enum.Enum):
    NOTHING = None


@pytest.mark.parametrize("kind", [Optional[Empty], Union[Empty, None, int]], ids=str)
def test_two_members_that_take_null_are_a_config_error(kind: Any) -> None:
    with pytest.raises(ConfigError, match="both of which take null"):
        converter(kind)


@pytest.mark.parametrize("kind", [[], {}, [int], {"a": int}, 5, "Order"], ids=str)
def test_what_is_no_type_is_a_config_error(kind: Any) -> None:
    with pytest.raises(ConfigError, match="value_type"):
        converter(kind)


class Pair(NamedTuple):
    left: int
    right: Optional["Pair"] = None


def test_named_tuples_are_read_from_the_arrays_that_they_are_written_as() -> None:
    pair = Pair(1, Pair(2))
    assert converter(Pair)[0](kjson.loads(kjson.dumps(pair))) == pair
    assert converter(Pair)[0]([1]) == Pair(1)
    for bad, words in (
        ([], "an array of 1 to 2, got one of 0"),
        ([1, [2, None], 3], "got one of 3"),
        ([1, ["x"]], r"at \$\[1\]\[0\]: expected an integer"),
        ({"left": 1}, "an array, got an object"),
    ):
        with pytest.raises(Mismatch, match=words):
            converter(Pair)[0](bad)


def test_an_empty_tuple_takes_an_empty_array_only() -> None:
    assert converter(Tuple[()])[0]([]) == ()
    assert converter(Tuple)[0]([1, "a"]) == (1, "a")
    with pytest.raises(Mismatch, match="an array of 0"):
        converter(Tuple[()])[0]([1])


LONG = "0.1234567890123456789012345678901234567890"


class Half(enum.Enum):
    HALF = 0.5


class Named(TypedDict):
    amount: Decimal


@dataclass
class Amounts:
    amount: Decimal
    either: Union[Decimal, bool, None]
    many: List[Decimal]
    by_name: Dict[str, Decimal]
    pair: Tuple[float, Decimal]
    named: Named
    rate: float
    maybe: Union[float, str, None]
    half: Half
    anything: Any
    untyped: list
    parent: Optional["Amounts"] = None


TEXT = (
    f'{{"amount":{LONG},"either":{LONG},"many":[{LONG},1E+400,1.10,2],"by_name":{{"a":-{LONG}}},"pair":[{LONG},{LONG}],'
    f'"named":{{"amount":{LONG},"more":[{LONG}],"huge":1e400}},"rate":{LONG},"maybe":1e99999999999999999999,'
    f'"half":0.50,"anything":{{"a":[{LONG},{{"b":-0.0}}]}},"untyped":[{LONG}],"unknown":1.5}}'
).encode()


def check(read: Amounts) -> None:
    exact, rounded = Decimal(LONG), float(LONG)
    assert (read.amount, read.either) == (exact, exact)
    assert list(map(str, read.many)) == [LONG, "1E+400", "1.10", "2"]
    assert read.by_name == {"a": exact.copy_negate()}
    assert read.pair == (rounded, exact)
    assert read.named == {"amount": exact, "more": [rounded], "huge": float("inf")}
    assert (read.rate, read.maybe, read.half) == (rounded, float("inf"), Half.HALF)
    assert repr(read.anything) == repr({"a": [rounded, {"b": -0.0}]})
    assert (type(read.rate), type(read.pair[0]), type(read.untyped[0])) == (float, float, float)


def test_a_decimal_field_gets_every_digit_and_all_others_get_floats(servers: str, topic: str) -> None:
    write_with_confluent(servers, topic, [TEXT, b'{"amount":"x"}', TEXT])
    with Consumer(topic, bootstrap_servers=servers, value_type=Amounts, on_decode_error="yield") as consumer:
        first, second, third = (next(consumer) for _ in range(3))
        assert not consumer.poll(timeout=0)
    check(first.value)
    check(third.value)
    assert "at $.amount: expected a decimal number, got a string" in str(second.error)


def test_keys_stay_floats_beside_decimal_values(servers: str, topic: str) -> None:
    with kjson.Producer(servers) as producer:
        producer.send(topic, {"amount": Decimal(LONG)}, key=b"[1.5]")
    with Consumer(topic, bootstrap_servers=servers, value_type=Named, key_type="json") as consumer:
        message = next(consumer)
    assert repr(message.key) == "[1.5]"
    assert message.value == {"amount": Decimal(LONG)}


def test_a_number_that_does_not_fit_is_called_a_number() -> None:
    @dataclass
    class Mixed:
        amount: Decimal
        count: int

    function, _, parse_float = converter(Mixed)
    with pytest.raises(Mismatch, match=r"at \$\.count: expected an integer, got a number"):
        function(kjson.loads('{"amount":1.5,"count":1.5}', parse_float=parse_float))


def test_floats_in_values_as_deep_as_json_may_be() -> None:
    @dataclass
    class Deep:
        amount: Decimal
        deep: Any

    function, _, parse_float = converter(Deep)
    text = '{"amount":1.5,"deep":' + "[" * 500 + "1.5" + "]" * 500 + "}"
    value = function(kjson.loads(text, parse_float=parse_float)).deep
    for _ in range(500):
        value = value[0]
    assert type(value) is float


def test_a_decimal_of_attrs_with_a_converter_gets_every_digit() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Line:
        amount: Decimal = attrs.field(converter=Decimal)
        note: str = attrs.field(converter=str)

    function, _, parse_float = converter(Line)
    line = function(kjson.loads(f'{{"amount":{LONG},"note":1.5}}', parse_float=parse_float))
    assert (str(line.amount), line.note) == (LONG, "1.5")
