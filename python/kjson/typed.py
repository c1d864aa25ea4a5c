"""What `Consumer(value_type=...)` makes of decoded JSON: dataclasses, TypedDicts and attrs classes by code of this file, which
needs no library; pydantic models and msgspec Structs by their own libraries.

A type is read once, when the consumer is made, into a function from JSON to the object. What it cannot be read into is a
`ConfigError` then, not a surprise at the first message.
"""

import collections.abc
import dataclasses
import enum
import re
import sys
import typing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Callable, Dict, FrozenSet, List, NoReturn, Optional, Tuple, Type, Union
from uuid import UUID

from .exceptions import ConfigError

__all__ = ["Mismatch", "converter"]

_T = typing.TypeVar("_T")

Convert = Callable[[Any], Any]


class Mismatch(Exception):
    """A value that does not fit: where it is, and what was expected. Becomes a `DecodeError`."""

    quotes = False
    """Whether the text may quote the value, which may be personal data: then it is not logged."""

    def __init__(self, message: str, path: str = "", quotes: bool = False) -> None:
        super().__init__(message, path)
        self.message, self.path, self.quotes = message, path, quotes

    def at(self, step: Union[str, int]) -> "Mismatch":
        """The same, seen from the object around it."""
        self.path = _step(step) + self.path
        return self

    def __str__(self) -> str:
        return f"at ${self.path}: {self.message}"


def _step(step: Union[str, int]) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{step[:80]!r}]"


def converter(kind: Any, parses_floats: bool = False) -> Tuple[Convert, bool]:
    """The function for a `value_type`, and whether it takes the JSON's bytes instead of the decoded object.

    With `parse_float` pydantic gets the decoded object, since its own parser would not know of it.
    """
    if _is_pydantic(kind) and not parses_floats and hasattr(kind, "model_validate_json"):
        return _pydantic(kind.model_validate_json), True
    made = _Types().convert(kind)
    return made.function, False


_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "an integer", float: "a number"}


def _named(value: Any) -> str:
    return "null" if value is None else _NAMES.get(type(value), f"a {type(value).__name__}")


def _refuse(expected: str, value: Any) -> NoReturn:
    raise Mismatch(f"expected {expected}, got {_named(value)}")


class _Made(typing.NamedTuple):
    function: Convert
    accepts: FrozenSet[type]
    """The types of decoded JSON that the function may take: what tells the members of a Union apart."""


_NULL: FrozenSet[type] = frozenset([type(None)])
_ANY: FrozenSet[type] = frozenset([dict, list, str, bool, int, float, type(None)])


def _unsupported(kind: Any, why: str = "") -> ConfigError:
    name = kind.__qualname__ if isinstance(kind, type) else repr(kind)
    return ConfigError(
        f"Consumer: value_type: {name} is not supported{why}. It takes a dataclass, a TypedDict, an attrs class, a pydantic "
        "model, a msgspec Struct, and what JSON has; value_deserializer takes anything else",
        option="value_type",
    )


class _Types:
    """Reads types. Each class once, so that one that holds itself ends."""

    def __init__(self) -> None:
        self.classes: Dict[Any, _Made] = {}

    def convert(self, kind: Any) -> _Made:
        if kind in (Any, object):
            return _Made(lambda value: value, _ANY)
        if kind in (None, type(None)):
            return _Made(_exactly(type(None), "null"), _NULL)
        if isinstance(kind, type) and getattr(kind, "__origin__", None) is None and kind in _SCALARS:
            return _SCALARS[kind]
        origin, arguments = _origin(kind)
        if origin is not None:
            return self.generic(kind, origin, arguments)
        if hasattr(kind, "__supertype__"):  # NewType
            return self.convert(kind.__supertype__)
        if kind in _BARE:
            return self.generic(kind, _BARE[kind], ())
        if isinstance(kind, type):
            return self.of_class(kind)
        raise _unsupported(kind)

    def generic(self, kind: Any, origin: Any, arguments: Tuple[Any, ...]) -> _Made:
        if origin is Union or origin is getattr(sys.modules.get("types"), "UnionType", Union):
            return self.union(kind, arguments)
        if str(origin) in ("typing.Literal", "typing_extensions.Literal"):
            return _literal(arguments)
        if origin in _QUALIFIERS or hasattr(kind, "__metadata__"):  # Annotated[X, ...]
            return self.convert(arguments[0] if origin in _QUALIFIERS else kind.__origin__)
        arguments = () if all(isinstance(one, typing.TypeVar) for one in arguments) else arguments
        if origin is tuple:
            return self.tuple(arguments)
        if origin in _ARRAYS:
            return self.array(arguments[0] if arguments else Any, _ARRAYS[origin])
        if origin in _OBJECTS:
            return self.mapping(kind, *(arguments or (Any, Any)))
        raise _unsupported(kind)

    def union(self, kind: Any, arguments: Tuple[Any, ...]) -> _Made:
        members = [self.convert(argument) for argument in arguments]
        by_type: Dict[type, Convert] = {}
        for argument, member in zip(arguments, members):
            for accepted in member.accepts:
                # A float takes integers too, and leaves them to an int beside it.
                if accepted is int and argument is float and int in arguments:
                    continue
                if accepted in by_type:
                    raise _unsupported(
                        kind, f": JSON does not tell its members apart, both of which take {_NAMES[accepted]}"
                    )
                by_type[accepted] = member.function
        expected = " or ".join(sorted(_NAMES.get(accepted, "null") for accepted in by_type))

        def convert(value: Any) -> Any:
            member = by_type.get(type(value))
            if member is None:
                return others(value)
            return member(value)

        floats = by_type.get(float)

        def others(value: Any) -> Any:
            # What parse_float made is none of JSON's own types.
            if floats is None or type(value) in _ANY:
                _refuse(expected, value)
            return floats(value)

        return _Made(convert, frozenset(by_type))

    def array(self, item: Any, make: Optional[Type[Any]]) -> _Made:
        function = self.convert(item).function
        plain = item in (Any, object)

        def convert(value: Any) -> Any:
            if type(value) is not list:
                _refuse("an array", value)
            if plain:
                return value if make is None else _build(make, value)
            index, items = 0, []
            try:
                for one in value:
                    items.append(function(one))
                    index += 1
            except Mismatch as mismatch:
                raise mismatch.at(index) from mismatch.__cause__
            return items if make is None else _build(make, items)

        return _Made(convert, frozenset([list]))

    def tuple(self, arguments: Tuple[Any, ...]) -> _Made:
        if not arguments or arguments[-1] is Ellipsis:
            return self.array(arguments[0] if arguments else Any, tuple)
        functions = [] if arguments == ((),) else [self.convert(argument).function for argument in arguments]

        def convert(value: Any) -> Any:
            if type(value) is not list:
                _refuse("an array", value)
            if len(value) != len(functions):
                raise Mismatch(f"expected an array of {len(functions)}, got one of {len(value)}")
            index, items = 0, []
            try:
                for function, one in zip(functions, value):
                    items.append(function(one))
                    index += 1
            except Mismatch as mismatch:
                raise mismatch.at(index) from mismatch.__cause__
            return tuple(items)

        return _Made(convert, frozenset([list]))

    def mapping(self, kind: Any, key: Any, item: Any) -> _Made:
        function = self.convert(item).function
        keys = None if key in (str, Any, object) else _INTEGER_KEYS if key is int else self.convert(key)
        if keys is not None and str not in keys.accepts:
            raise _unsupported(kind, ": the keys of a JSON object are strings")
        of_key = None if keys is None else keys.function

        def convert(value: Any) -> Any:
            if type(value) is not dict:
                _refuse("an object", value)
            name = ""
            made = {}
            try:
                for name, one in value.items():
                    made[name if of_key is None else of_key(name)] = function(one)
            except Mismatch as mismatch:
                raise mismatch.at(name) from mismatch.__cause__
            return made

        return _Made(convert, frozenset([dict]))

    def of_class(self, kind: Any) -> _Made:
        known = self.classes.get(kind)
        if known is not None:
            return known
        if issubclass(kind, enum.Enum):
            return _enum(kind)
        if _is_pydantic(kind):
            validate = getattr(kind, "model_validate", None) or kind.parse_obj
            return _Made(_pydantic(validate), _ANY)
        if hasattr(kind, "__struct_fields__"):
            return _Made(_msgspec(kind), frozenset([list if kind.__struct_config__.array_like else dict]))
        is_typed_dict = issubclass(kind, dict) and hasattr(kind, "__total__")
        if not (is_typed_dict or dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")):
            raise _unsupported(kind)
        # A class may hold itself: what refers to it meanwhile finds its function here, once that is made.
        late: List[Convert] = []
        self.classes[kind] = _Made(lambda value: late[0](value), frozenset([dict]))
        if is_typed_dict:
            late.append(self.typed_dict(kind))
        else:
            late.append(
                self.record(kind, _dataclass_fields(kind) if dataclasses.is_dataclass(kind) else _attrs_fields(kind))
            )
        self.classes[kind] = made = _Made(late[0], frozenset([dict]))
        return made

    def record(self, kind: Any, fields: List[Tuple[str, str, Any, bool]]) -> Convert:
        read = [(name, argument, self.convert(type_).function, required) for name, argument, type_, required in fields]

        def convert(value: Any) -> Any:
            if type(value) is not dict:
                _refuse(f"an object for {kind.__qualname__}", value)
            name = ""
            arguments = {}
            try:
                for name, argument, function, required in read:
                    if name in value:
                        arguments[argument] = function(value[name])
                    elif required:
                        raise Mismatch("missing")
            except Mismatch as mismatch:
                raise mismatch.at(name) from mismatch.__cause__
            return _build(kind, **arguments)

        return convert

    def typed_dict(self, kind: Any) -> Convert:
        required = set(kind.__required_keys__ if hasattr(kind, "__required_keys__") else ())
        read = {}
        for name, hint in _hints(kind).items():
            if not hasattr(kind, "__required_keys__") and kind.__total__:  # typing's own on 3.8
                required.add(name)
            # Python resolves Required and NotRequired too late for __required_keys__ under `from __future__ import annotations`.
            origin, arguments = _origin(hint)
            if origin in _QUALIFIERS:
                (required.add if "NotRequired" not in str(origin) else required.discard)(name)
                hint = arguments[0]
            read[name] = self.convert(hint).function

        def convert(value: Any) -> Any:
            if type(value) is not dict:
                _refuse(f"an object for {kind.__qualname__}", value)
            name = ""
            made = dict(value)
            try:
                for name, function in read.items():
                    if name in value:
                        made[name] = function(value[name])
                    elif name in required:
                        raise Mismatch("missing")
            except Mismatch as mismatch:
                raise mismatch.at(name) from mismatch.__cause__
            return made

        return convert


def _build(kind: Any, *positional: Any, **arguments: Any) -> Any:
    """Calls a class, whose own checks may refuse what has the right types."""
    try:
        return kind(*positional, **arguments)
    except Exception as error:
        raise Mismatch(f"{kind.__qualname__} refused it: {error!r}", quotes=True) from error


def _hints(kind: Any) -> Dict[str, Any]:
    try:
        if sys.version_info >= (3, 9):
            return typing.get_type_hints(kind, include_extras=True)
        # A class of a module that is nowhere, as code has that was run by exec: 3.9 takes its globals for empty.
        known: Optional[Dict[str, Any]] = None if all(base.__module__ in sys.modules for base in kind.__mro__) else {}
        try:
            from typing_extensions import get_type_hints
        except ImportError:
            return typing.get_type_hints(kind, known)
        return dict(get_type_hints(kind, known, include_extras=True))
    except Exception as error:
        raise _unsupported(kind, f": its annotations cannot be read: {error}") from error


def _dataclass_fields(kind: Any) -> List[Tuple[str, str, Any, bool]]:
    hints = _hints(kind)
    if any(isinstance(hint, dataclasses.InitVar) for hint in hints.values()):
        raise _unsupported(kind, ": it has an InitVar")
    missing = dataclasses.MISSING
    return [
        (field.name, field.name, hints[field.name], field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(kind)
        if field.init
    ]


def _attrs_fields(kind: Any) -> List[Tuple[str, str, Any, bool]]:
    import attr

    hints = _hints(kind)
    fields = []
    for field in kind.__attrs_attrs__:
        if field.init:
            argument = getattr(field, "alias", None) or field.name.lstrip("_")
            # A converter takes what there is, and makes the annotated type of it.
            hint = Any if field.converter is not None else hints.get(field.name, field.type or Any)
            fields.append((field.name, argument, hint, field.default is attr.NOTHING))
    return fields


def _origin(kind: Any) -> Tuple[Any, Tuple[Any, ...]]:
    return getattr(kind, "__origin__", None) or _new_union(kind), getattr(kind, "__args__", ()) or ()


def _new_union(kind: Any) -> Any:
    return Union if type(kind).__name__ == "UnionType" else None  # int | None, since 3.10


def _exactly(kind: type, expected: str) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not kind:
            _refuse(expected, value)
        return value

    return convert


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int or isinstance(value, Decimal):
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("expected a number that a float can hold") from None
    _refuse("a number", value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if type(value) is int:
        return Decimal(value)
    if type(value) is float:
        return Decimal(repr(value))
    if type(value) is str and _DECIMAL.fullmatch(value):
        return Decimal(value)
    _refuse("a decimal number", value)


def _datetime(value: Any) -> datetime:
    found = _DATETIME.fullmatch(value) if type(value) is str else None
    if found is None:
        _refuse("a date and time (RFC 3339)", value)
    return _calendar(
        lambda: datetime.combine(_date_of(found.group(1)), _time_of(found.group(2)), _zone_of(found.group(3))),
        "a date and time (RFC 3339)",
    )


def _date(value: Any) -> date:
    if type(value) is not str or not _DATE.fullmatch(value):
        _refuse("a date (RFC 3339)", value)
    return _calendar(lambda: _date_of(value), "a date (RFC 3339)")


def _time(value: Any) -> time:
    found = _TIME.fullmatch(value) if type(value) is str else None
    if found is None:
        _refuse("a time (RFC 3339)", value)
    return _calendar(lambda: _time_of(found.group(1)).replace(tzinfo=_zone_of(found.group(2))), "a time (RFC 3339)")


def _calendar(make: Callable[[], _T], expected: str) -> _T:
    try:
        return make()
    except (ValueError, OverflowError) as error:
        raise Mismatch(f"expected {expected}: {error}") from None


# By hand: fromisoformat takes neither "Z" nor any number of digits before 3.11.
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


def _uuid(value: Any) -> UUID:
    if type(value) is not str or not _UUID.fullmatch(value):
        _refuse("a UUID", value)
    return UUID(value)


def _integer_key(value: Any) -> int:
    if not _INTEGER.fullmatch(value):
        _refuse("an integer as the key", value)
    return int(value)


_CLOCK = r"\d\d:\d\d:\d\d(?:\.\d+)?"
_ZONE = r"(?:[Zz]|[+-]\d\d:\d\d)"
_DATETIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)[Tt ]({_CLOCK})({_ZONE})?", re.ASCII)
_TIME = re.compile(rf"({_CLOCK})({_ZONE})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")
_DECIMAL = re.compile(r"-?\d{1,1000}(?:\.\d{1,1000})?(?:[eE][+-]?\d{1,4})?", re.ASCII)
# Python refuses to read longer ones since CVE-2020-10735, and before takes time in the square of the length.
_INTEGER = re.compile(r"-?\d{1,1000}", re.ASCII)

_INTEGER_KEYS = _Made(_integer_key, frozenset([str]))
_SCALARS: Dict[Any, _Made] = {
    str: _Made(_exactly(str, "a string"), frozenset([str])),
    bool: _Made(_exactly(bool, "a boolean"), frozenset([bool])),
    int: _Made(_exactly(int, "an integer"), frozenset([int])),
    float: _Made(_float, frozenset([int, float])),
    Decimal: _Made(_decimal, frozenset([str, int, float])),
    datetime: _Made(_datetime, frozenset([str])),
    date: _Made(_date, frozenset([str])),
    time: _Made(_time, frozenset([str])),
    UUID: _Made(_uuid, frozenset([str])),
}
_BARE = {one: one for one in (dict, list, tuple, set, frozenset)}
_ARRAYS: Dict[Any, Optional[Type[Any]]] = {
    list: None,
    collections.abc.Sequence: None,
    collections.abc.Iterable: None,
    collections.abc.Collection: None,
    set: set,
    frozenset: frozenset,
    collections.abc.Set: frozenset,
}
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_QUALIFIERS = [
    getattr(module, name)
    for module in (typing, sys.modules.get("typing_extensions"))
    for name in ("Required", "NotRequired", "ReadOnly", "Final")
    if hasattr(module, name)
]


def _literal(values: Tuple[Any, ...]) -> _Made:
    known = {(type(value), value): value for value in values}
    for value in values:
        if type(value) not in (str, int, bool, type(None)):
            raise _unsupported(f"Literal[{value!r}]")
    expected = " or ".join(map(repr, values))

    def convert(value: Any) -> Any:
        if type(value) not in (str, int, bool, type(None)) or (type(value), value) not in known:
            raise Mismatch(
                f"expected {expected}, got {'another ' if type(value) is type(values[0]) else ''}{_kind(value)}"
            )
        return value

    return _Made(convert, frozenset(type(value) for value in values))


def _kind(value: Any) -> str:
    return _named(value).split(" ", 1)[-1]


def _enum(kind: Any) -> _Made:
    # By type as well: True is no member of an enum of integers, though Python says that it equals 1.
    members = {
        (type(member.value), member.value): member for member in kind if type(member.value) in _ANY - {dict, list}
    }

    def convert(value: Any) -> Any:
        if type(value) in (str, int, float, bool, type(None)):
            member = members.get((type(value), value))
            if member is not None:
                return member
        raise Mismatch(f"expected a value of {kind.__qualname__}, got {_named(value)} that is none")

    return _Made(convert, frozenset(type_ for type_, _ in members))


def _is_pydantic(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and (hasattr(kind, "__pydantic_validator__") or hasattr(kind, "__get_validators__"))
        and (hasattr(kind, "model_validate") or hasattr(kind, "parse_obj"))
    )


def _pydantic(validate: Convert) -> Convert:
    from pydantic import ValidationError

    def convert(value: Any) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            # Its own text quotes the value.
            first = error.errors()[0]
            path = "".join(map(_step, first["loc"]))
            quotes = first["type"] in ("value_error", "assertion_error") or first.get("ctx") is not None
            raise Mismatch(first["msg"], path, quotes) from error

    return convert


def _msgspec(kind: Any) -> Convert:
    import msgspec

    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(value, kind, str_keys=True)
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `$")
            raise Mismatch(text, path.rstrip("`"), "Expected" not in text) from error

    return convert
