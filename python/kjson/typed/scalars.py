"""From one decoded value to a number, a date, a UUID, a Literal or a member of an Enum."""

import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Dict, FrozenSet, NamedTuple, Optional, Tuple, TypeVar, Union
from uuid import UUID

from .mismatch import Mismatch, json_name, refuse

_T = TypeVar("_T")

Convert = Callable[[Any], Any]


class Conversion(NamedTuple):
    function: Convert
    accepts: FrozenSet[type]
    """The types of decoded JSON that the function may take: how a Union chooses between its members."""


JSON_TYPES: FrozenSet[type] = frozenset([dict, list, str, bool, int, float, type(None)])


def number(text: str) -> Union[Decimal, float]:
    """A `parse_float` that keeps every digit. A float made of the Decimal is the float made of the text."""
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits or more: infinity or zero
        return float(text)


def floats(value: Any) -> Any:
    """Turns what `number` made into floats, in place. No recursion: JSON nests deeper than Python's stack allows."""
    root = [value]
    containers: Any = [root]
    while containers:
        container = containers.pop()
        for key, item in container.items() if type(container) is dict else enumerate(container):
            if type(item) is Decimal:
                container[key] = float(item)
            elif type(item) in (dict, list):
                containers.append(item)
    return root[0]


def _exactly(kind: type) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not kind:
            refuse(json_name(kind), value)
        return value

    return convert


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int and not isinstance(value, Decimal):
        refuse("a number", value)
    try:
        return float(value)
    except OverflowError:
        raise Mismatch("expected a number that a float can hold") from None


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if type(value) is float:
        return Decimal(repr(value))
    if type(value) is not int and not (type(value) is str and _DECIMAL.fullmatch(value)):
        refuse("a decimal number", value)
    return Decimal(value)


def _datetime(value: Any) -> datetime:
    found = _match(_DATETIME, value, "a date and time (RFC 3339)")
    return _calendar(
        lambda: datetime.combine(_date_of(found[1]), _time_of(found[2]), _zone_of(found[3])),
        "a date and time (RFC 3339)",
    )


def _date(value: Any) -> date:
    found = _match(_DATE, value, "a date (RFC 3339)")
    return _calendar(lambda: _date_of(found[0]), "a date (RFC 3339)")


def _time(value: Any) -> time:
    found = _match(_TIME, value, "a time (RFC 3339)")
    return _calendar(lambda: _time_of(found[1]).replace(tzinfo=_zone_of(found[2])), "a time (RFC 3339)")


def _uuid(value: Any) -> UUID:
    return UUID(_match(_UUID, value, "a UUID")[0])


def _integer_key(value: Any) -> int:
    return int(_match(_INTEGER, value, "an integer as the key")[0])


def _match(pattern: "re.Pattern[str]", value: Any, expected: str) -> "re.Match[str]":
    found = pattern.fullmatch(value) if type(value) is str else None
    if found is None:
        refuse(expected, value)
    return found


def _calendar(make: Callable[[], _T], expected: str) -> _T:
    try:
        return make()
    except (ValueError, OverflowError) as error:
        raise Mismatch(f"expected {expected}: {error}") from None


# Before 3.11 `fromisoformat` takes neither "Z" nor any number of digits.
def _date_of(text: str) -> date:
    return date(int(text[:4]), int(text[5:7]), int(text[8:10]))


def _time_of(text: str) -> time:
    micros = int(text[9:15].ljust(6, "0")) if len(text) > 8 else 0
    return time(int(text[:2]), int(text[3:5]), int(text[6:8]), micros)


def _zone_of(text: Optional[str]) -> Optional[timezone]:
    if text is None:
        return None
    if text in ("Z", "z"):
        return timezone.utc
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


_CLOCK = r"\d\d:\d\d:\d\d(?:\.\d+)?"
_ZONE = r"(?:[Zz]|[+-]\d\d:\d\d)"
_DATETIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)[Tt ]({_CLOCK})({_ZONE})?", re.ASCII)
_TIME = re.compile(rf"({_CLOCK})({_ZONE})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")
_DECIMAL = re.compile(r"-?\d{1,1000}(?:\.\d{1,1000})?(?:[eE][+-]?\d{1,4})?", re.ASCII)
# Python refuses to read longer ones since CVE-2020-10735; older versions take time in the square of the length.
_INTEGER = re.compile(r"-?\d{1,1000}", re.ASCII)


def _from(function: Convert, *accepts: type) -> Conversion:
    return Conversion(function, frozenset(accepts))


INTEGER_KEY = _from(_integer_key, str)
SCALARS: Dict[Any, Conversion] = {
    **{kind: _from(_exactly(kind), kind) for kind in (str, bool, int, type(None))},
    float: _from(_float, int, float),
    Decimal: _from(_decimal, str, int, float),
    datetime: _from(_datetime, str),
    date: _from(_date, str),
    time: _from(_time, str),
    UUID: _from(_uuid, str),
}


def literal(values: Tuple[Any, ...]) -> Conversion:
    # By type as well as by value: True equals 1.
    members = {(type(value), value) for value in values}
    accepts = frozenset(type(value) for value in values)
    expected = " or ".join(map(repr, values))

    def convert(value: Any) -> Any:
        if type(value) in accepts and (type(value), value) in members:
            return value
        name = json_name(type(value))
        raise Mismatch(
            f"expected {expected}, got {'another ' + name.split(' ')[-1] if type(value) in accepts else name}"
        )

    return Conversion(convert, accepts)


def enumeration(kind: Any, plain: Convert) -> Conversion:
    values = {(type(member.value), member.value): member for member in kind if type(member.value) in _HASHABLE}

    def convert(value: Any) -> Any:
        value = plain(value)
        member = values.get((type(value), value)) if type(value) in _HASHABLE else None
        if member is None:
            raise Mismatch(f"expected a value of {kind.__qualname__}, got {json_name(type(value))} that is none")
        return member

    return Conversion(convert, frozenset(type_ for type_, _ in values))


_HASHABLE = JSON_TYPES - {dict, list}
