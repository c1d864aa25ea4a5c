"""`value_type`: attrs classes, pydantic models and msgspec Structs, as their libraries create them."""

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Dict, List

import pytest

from kjson import Consumer
from kjson.typed import Mismatch, converter

from .peers import write_with_confluent


def test_attrs_classes() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Line:
        _sku: str
        when: datetime
        size: int = attrs.field(default=1, validator=attrs.validators.ge(1))
        note: str = attrs.field(default="", converter=str)

    convert = converter(Line)[0]
    line = convert({"_sku": "a", "when": "2026-01-02T03:04:05Z", "note": 5})
    assert line == Line(sku="a", when=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), note="5")
    for bad, words in (
        ({"_sku": "a"}, r"\$\.when: missing"),
        ({"_sku": "a", "when": "2026-01-02T03:04:05Z", "size": 0}, "refused it"),
    ):
        with pytest.raises(Mismatch, match=words):
            convert(bad)


def test_pydantic_models(servers: str, topic: str) -> None:
    pydantic = pytest.importorskip("pydantic")

    class Sub(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        price: float

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        id: int
        when: datetime
        items: List[Sub] = []  # noqa: RUF012

    good = b'{"id":123456789012345678901234567890,"when":"2026-01-02T03:04:05Z","items":[{"price":0.1}]}'
    bad = b'{"id":1,"when":"2026-01-02T03:04:05Z","items":[{"price":1},{"price":"hunter2"}]}'
    write_with_confluent(servers, topic, [good, bad, b'{"id":NaN}', b"null", None, good])
    seen: List[Any] = []
    with Consumer(topic, bootstrap_servers=servers, value_type=Model, on_decode_error="yield") as consumer:
        seen = [next(consumer) for _ in range(6)]
    first = seen[0].value
    assert (first.id, first.items[0].price, first.when) == (
        123456789012345678901234567890,
        0.1,
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    )
    assert "at $.items[1].price: " in str(seen[1].error)
    assert "hunter2" not in str(seen[1].error)
    assert seen[1].error.__cause__ is not None
    assert seen[2].error.line == 1  # kjson's own word on what is no JSON
    assert [message.error is None for message in seen] == [True, False, False, False, True, True]


def test_msgspec_structs() -> None:
    msgspec = pytest.importorskip("msgspec")

    class Struct(msgspec.Struct):  # type: ignore[misc, name-defined]
        id: int
        when: datetime
        amounts: Dict[int, Decimal] = {}  # noqa: RUF012

    @dataclass
    class Around:
        inner: List[Struct]

    convert = converter(Around)[0]
    made = convert({"inner": [{"id": 2**62, "when": "2026-01-02T03:04:05Z", "amounts": {"1": "1.10"}}]})
    assert made.inner[0].amounts == {1: Decimal("1.10")}
    assert made.inner[0].id == 2**62
    with pytest.raises(Mismatch, match=r"at \$\.inner\[0\]\.id: Expected `int`, got `str`"):
        convert({"inner": [{"id": "a", "when": "2026-01-02T03:04:05Z"}]})
