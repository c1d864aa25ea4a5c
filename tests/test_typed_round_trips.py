"""What `value_type` reads, `send` and `dumps` write: pydantic models, msgspec Structs, attrs objects, dataclasses."""

import enum
import sys
import warnings
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple
from uuid import UUID

import pytest

import kjson
from kjson import Consumer, EncodeError, Producer
from kjson.typed import converter

from .children import run_program

LONG = Decimal("1.1234567890123456789012345678901234567890")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, timezone(timedelta(hours=2)))


class Color(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: Decimal


def pydantic_model() -> Any:
    pydantic = pytest.importorskip("pydantic")

    class Line(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        sku: str = pydantic.Field(alias="lineSku")
        price: Decimal

    class Order(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        id: int
        when: datetime
        lines: List[Line] = []  # noqa: RUF012
        by_day: Dict[date, float] = {}  # noqa: RUF012
        tags: Set[str] = set()  # noqa: RUF012
        raw: bytes = b"raw"
        took: timedelta = timedelta(days=1, seconds=1.5)
        color: Color = Color.RED
        anything: Any = None
        parent: Optional["Order"] = None

    first = Order(id=2**70, when=MOMENT, lines=[Line(lineSku="a", price=LONG)], by_day={date(2026, 1, 2): 0.1})
    return Order(id=1, when=MOMENT, tags={"a", "b"}, anything={"a": [1, None, 0.1]}, parent=first)


def pydantic_root_model() -> Any:
    pydantic = pytest.importorskip("pydantic")
    return pydantic.RootModel[List[Decimal]]([LONG, Decimal(1)])


def pydantic_1_model() -> Any:
    if sys.version_info >= (3, 14):
        pytest.skip("pydantic 1 has no Python 3.14")
    v1 = pytest.importorskip("pydantic.v1")

    class Line(v1.BaseModel):  # type: ignore[misc, name-defined]
        sku: str = v1.Field(alias="lineSku")
        price: Decimal

    class Order(v1.BaseModel):  # type: ignore[misc, name-defined]
        id: int
        when: datetime
        lines: List[Line] = []  # noqa: RUF012
        tags: Set[str] = set()  # noqa: RUF012
        uid: UUID = UUID(int=1)
        took: timedelta = timedelta(days=1)

    return Order(id=2**70, when=MOMENT, lines=[Line(lineSku="a", price=LONG)], tags={"a"})


def struct() -> Any:
    msgspec = pytest.importorskip("msgspec")

    class Line(msgspec.Struct, array_like=True):  # type: ignore[misc, name-defined]
        sku: str
        price: Decimal

    class Order(msgspec.Struct, rename="camel", omit_defaults=True, tag="order"):  # type: ignore[misc, name-defined]
        order_id: int
        when: datetime
        lines: List[Line] = []  # noqa: RUF012
        by_id: Dict[UUID, float] = {}  # noqa: RUF012
        by_number: Dict[int, str] = {}  # noqa: RUF012
        tags: Set[str] = set()  # noqa: RUF012
        raw: bytes = b""
        took: timedelta = timedelta(0)
        color: Color = Color.RED
        anything: Any = None

    assert kjson.loads(kjson.dumps(Order(1, MOMENT))).keys() == {"type", "orderId", "when"}
    line, by_id = Line("a", LONG), {UUID(int=1): 0.1}
    return Order(2**62, MOMENT, [line], by_id, {-1: "x"}, {"a", "b"}, b"raw", timedelta(1.5), anything={"a": [0.1]})


def attrs_object() -> Any:
    attrs = pytest.importorskip("attrs")

    @attrs.frozen
    class Line:
        _sku: str
        price: Decimal

    @attrs.define
    class Order:
        id: int
        when: datetime
        lines: List[Line] = attrs.field(factory=list)
        at: time = time(1, 2, 3)
        color: Color = Color.RED
        note: str = attrs.field(default="", converter=str)
        double: int = attrs.field(init=False)
        pair: Tuple[float, Decimal] = (0.1, LONG)

        def __attrs_post_init__(self) -> None:
            self.double = 2 * self.id

    return Order(2**70, MOMENT, [Line("a", LONG)])


def dataclass_object() -> Any:
    @dataclass
    class Order:
        id: int
        price: Decimal
        pairs: List[Pair]
        by_name: Dict[str, Pair]

    return Order(1, LONG, [Pair(1, LONG)], {"a": Pair(2, Decimal("1.10"))})


MAKERS = [pydantic_model, pydantic_root_model, pydantic_1_model, struct, attrs_object, dataclass_object]


@pytest.fixture(params=MAKERS, ids=[make.__name__ for make in MAKERS])
def order(request: pytest.FixtureRequest) -> Any:
    return request.param()


def read_by(kind: Any, data: bytes) -> Any:
    function, takes_bytes, parse_float = converter(kind)
    return function(data if takes_bytes else kjson.loads(data, parse_float=parse_float))


def test_an_object_is_read_as_it_was_written(order: Any) -> None:
    data = kjson.dumps(order)
    assert read_by(type(order), data) == order
    assert kjson.dumps(read_by(type(order), data)) == data


def test_so_is_one_inside_of_other_objects(order: Any) -> None:
    kind = type(order)
    around = {"many": [order, (order,)], "by": {"name": {"one": order}}}
    one = kjson.loads(kjson.dumps(order), parse_float=Decimal)
    assert kjson.loads(kjson.dumps(around), parse_float=Decimal) == {"many": [one, [one]], "by": {"name": {"one": one}}}
    for type_, value in (
        (List[kind], [order, order]),
        (Dict[str, Tuple[kind, int]], {"a": (order, 1)}),
        (Optional[kind], order),
        (List[Optional[kind]], [None, order]),
    ):
        assert read_by(type_, kjson.dumps(value)) == value

    @dataclass
    class Around:
        price: Decimal
        order: kind
        maybe: Optional[kind] = None

    assert read_by(Around, kjson.dumps(Around(LONG, order, order))) == Around(LONG, order, order)


def test_it_is_sent_and_received(servers: str, topic: str, order: Any) -> None:
    with Producer(servers) as producer:
        producer.send(topic, order)
        producer.send_many(topic, [order] * 3)
    with Consumer(topic, bootstrap_servers=servers, value_type=type(order)) as consumer:
        assert [message.value for message in consumer.until_end()] == [order] * 4


@pytest.mark.parametrize(
    "name", ["kind", "value", "self", "model_dump", "model_dump_json", "json", "dict", "to_builtins"]
)
def test_a_field_may_have_the_name_of_a_method(name: str) -> None:
    pydantic = pytest.importorskip("pydantic")
    msgspec = pytest.importorskip("msgspec")
    attrs = pytest.importorskip("attrs")
    kinds = [msgspec.defstruct("Struct", [(name, int)])]
    if name != "self":
        kinds.append(attrs.make_class("Line", {name: attrs.field(type=int)}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not name.startswith("model_"):  # refused by some versions of pydantic
            kinds.append(pydantic.create_model("Model", **{name: (int, ...)}))
    for kind in kinds:
        data = f'{{"{name}":1}}'.encode()
        assert kjson.dumps(read_by(kind, data)) == data


def test_what_a_library_cannot_write_is_an_encode_error_that_says_where() -> None:
    pydantic = pytest.importorskip("pydantic")
    msgspec = pytest.importorskip("msgspec")
    attrs = pytest.importorskip("attrs")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        field: Any
        number: float = 0.0

    class Struct(msgspec.Struct):  # type: ignore[misc, name-defined]
        field: Any
        number: float = 0.0

    @attrs.define
    class Line:
        field: Any
        number: float = 0.0

    for value, path in ((Model(field=object()), "$[0]"), (Struct(1j), "$[0]"), (Line([1j]), "$[0].field[0]")):
        with pytest.raises(EncodeError) as caught:
            kjson.dumps([value])
        assert caught.value.path == path
        assert type(value).__name__ in str(caught.value) or path != "$[0]"
    for kind in (Model, Struct, Line):
        with pytest.raises(EncodeError):
            kjson.dumps(kind)
        with pytest.raises(EncodeError, match=r"\$\.number"):
            kjson.dumps(kind(field=1, number=float("nan")))
        assert kjson.dumps(kind(field=1, number=float("inf")), nan="null") == b'{"field":1,"number":null}'
    loop = Line(None)
    loop.field = [loop]
    with pytest.raises(EncodeError, match="refers to itself"):
        kjson.dumps(loop)


def test_an_exception_of_a_property_is_passed_on() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        @pydantic.computed_field  # type: ignore[misc]
        @property
        def broken(self) -> int:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        kjson.dumps(Model())


def test_no_library_is_imported_for_objects_of_others() -> None:
    program = """
import sys, kjson, kjson.typed
from dataclasses import dataclass
@dataclass
class Item:
    name: str
kjson.typed.converter(Item)
kjson.dumps([Item("a"), {1}], default=list)
print([name for name in ("attr", "attrs", "msgspec", "pydantic", "pydantic_core") if name in sys.modules])
"""
    done = run_program(program)
    assert (done.status, done.stdout, done.stderr) == (0, "[]\n", "")


def test_pydantic_gets_every_digit_through_parse_float() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Line(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        price: Decimal
        rate: float

    data = f'{{"price":{LONG},"rate":{LONG}}}'.encode()
    line = converter(Line, parses_floats=True).function(kjson.loads(data, parse_float=Decimal))
    assert (line.price, line.rate) == (LONG, float(LONG))
