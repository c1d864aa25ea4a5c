"""The table of docs/json.md: each row is evaluated and compared with what it promises."""

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import re
import uuid
from pathlib import Path

import pytest

import kjson
from kjson.exceptions import DecodeError, EncodeError, KafkaError

ROWS = re.findall(
    r"^\| `(.+?)` \| (?:`(.+?)`|(refused)) \|",
    (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Size(str, enum.Enum):
    SMALL = "s"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    kind: dataclasses.InitVar[int] = 0


Pair = collections.namedtuple("Pair", "left right")

NAMES = {
    **{module.__name__: module for module in (collections, datetime, decimal, math, uuid)},
    **{kind.__name__: kind for kind in (Color, Level, Size, Point, Pair)},
    "utc": datetime.timezone.utc,
    "east": datetime.timezone(datetime.timedelta(hours=5, minutes=30)),
    "odd": datetime.timezone(datetime.timedelta(seconds=3601)),
    "dumps": kjson.dumps,
    "loads": kjson.loads,
}


def test_the_table_is_read():
    assert len(ROWS) > 60


@pytest.mark.parametrize(("expression", "expected", "refused"), ROWS, ids=[row[0] for row in ROWS])
def test_each_row_holds(expression, expected, refused):
    decodes = expression.startswith("loads(")
    code = expression if expression.startswith(("loads(", "dumps(")) else f"dumps({expression})"
    if refused:
        with pytest.raises(DecodeError if decodes else EncodeError):
            eval(code, NAMES)
    elif decodes:
        assert repr(eval(code, NAMES)) == expected
    else:
        assert eval(code, NAMES).decode() == expected


class Overridden:
    """Subclasses with misleading methods: the value counts for scalars, the iteration for lists, as in json."""

    class Str(str):
        def __str__(self):
            return "lie"

        def encode(self, *args):
            return b"lie"

    class Int(int):
        def __repr__(self):
            return "lie"

        __str__ = __index__ = __int__ = __repr__

    class Float(float):
        def __repr__(self):
            return "lie"

        __float__ = __str__ = __repr__

    class List(list):
        def __iter__(self):
            return iter(["lie"])

        def __len__(self):
            return 99

        def __getitem__(self, index):
            return "lie"

    class Tuple(tuple):
        def __len__(self):
            return 99


@pytest.mark.parametrize(
    "value",
    [
        Overridden.Str("true"),
        {Overridden.Str("key"): Overridden.Int(7), Overridden.Int(8): Overridden.Float(1.5), Overridden.Float(2.5): 1},
        Overridden.Int(2**100),
        Overridden.List([1, 2]),
        Overridden.Tuple((1, 2)),
        collections.OrderedDict([("b", 1), ("a", 2)]),
        collections.defaultdict(int, a=1),
        collections.Counter("aab"),
        Pair(1, 2),
        {Level.HIGH: Level.HIGH, Size.SMALL: Size.SMALL},
        {1: "a", "1": "b", True: "c", None: "d", 1e22: "e", 2**70: "f"},
    ],
    ids=repr,
)
def test_subclasses_are_written_as_json_writes_them(value):
    assert kjson.dumps(value) == json.dumps(value, separators=(",", ":")).encode()


def test_an_ordered_dict_keeps_its_own_order():
    value = collections.OrderedDict(a=1, b=2)
    value.move_to_end("a")
    assert kjson.dumps(value) == b'{"b":2,"a":1}'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"orders": [1, 2, 3, {"ts": object()}]}, "$.orders[3].ts"),
        ([{"a b": {1}}], '$[0]["a b"]'),
        ({1: {"x": math.nan}}, '$["1"].x'),
        ({"a": [(b"",)]}, "$.a[0][0]"),
        ({"a": {(1, 2): 3}}, "$.a"),
        (Point({"x": b""}), "$.x.x"),
        (collections.UserDict(a=collections.deque([0, set()])), "$.a[1]"),
        (2.5 + 1j, "$"),
    ],
)
def test_an_error_says_where_the_value_is(value, path):
    with pytest.raises(EncodeError) as caught:
        kjson.dumps(value)
    assert caught.value.path == path
    assert f"cannot encode {path} as JSON: " in str(caught.value)
    assert isinstance(caught.value, (TypeError, ValueError))
    assert isinstance(caught.value, KafkaError)


def test_a_decode_error_says_where_the_text_is_wrong():
    with pytest.raises(DecodeError) as caught:
        kjson.loads(b'{"a": 1,\n "b": [1, x]}')
    error = caught.value
    assert (error.line, error.column, error.byte_offset) == (2, 11, 19)
    assert isinstance(error, ValueError)
    assert str(error) == "cannot decode JSON: expected a value at line 2 column 11 (byte 19)"


def test_default_stands_in_for_what_has_no_json_form():
    assert kjson.dumps([{1}, b"x"], default=lambda o: sorted(o) if isinstance(o, set) else o.decode()) == b'[[1],"x"]'


def test_an_exception_of_default_is_passed_on():
    def default(value):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        kjson.dumps([object()], default=default)


def test_an_exception_of_parse_float_is_passed_on():
    with pytest.raises(decimal.InvalidOperation):
        kjson.loads(b"[1.5]", parse_float=lambda text: decimal.Decimal("x"))


def test_codec_calls_may_nest():
    assert kjson.dumps([{1}], default=lambda o: kjson.dumps(list(o)).decode()) == b'["[1]"]'
    nested = kjson.loads(b'[{"a":1.5}]', parse_float=lambda text: kjson.loads(f'{{"b":[{text}]}}'))
    assert nested == [{"a": {"b": [1.5]}}]


def test_unknown_arguments_are_refused():
    with pytest.raises(ValueError, match='nan must be .*, not "maybe"'):
        kjson.dumps(1, nan="maybe")
    with pytest.raises(TypeError):
        kjson.loads(1)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_like_objects_are_read(kind):
    assert kjson.loads(kind(b'{"a":[1,2.5,"\xc3\xa9"]}')) == {"a": [1, 2.5, "é"]}
