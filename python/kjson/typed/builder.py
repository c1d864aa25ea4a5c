"""From a type to the function that makes its values. Built once, when the consumer is made."""

import collections.abc
import enum
import typing
from decimal import Decimal
from itertools import repeat
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Type

from . import libraries
from .classes import Field, fields_of, is_named_tuple, is_typed_dict, special_form, unsupported, unwrap
from .mismatch import Mismatch, json_name, refuse
from .scalars import INTEGER_KEY, JSON_TYPES, SCALARS, Conversion, Convert, enumeration, floats, literal

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


class Builder:
    def __init__(self, exact: bool) -> None:
        self.exact = exact
        """Whether numbers with a fraction come as Decimals, with all their digits."""
        self.needs_exact = False
        """Whether they must, because a type was found that keeps the digits."""
        self.plain: Convert = floats if exact else lambda value: value
        """Makes of decoded JSON what `loads` would have made."""
        self.classes: Dict[Any, Conversion] = {}
        """Each class once, so that one that refers to itself ends."""

    def build(self, kind: Any) -> Conversion:
        kind, _ = unwrap(kind)
        if kind is Any or kind is object:
            return Conversion(self.plain, JSON_TYPES)
        if kind is None:
            return SCALARS[type(None)]
        self.needs_exact |= kind is Decimal
        form = special_form(kind)
        if form == "Union":
            return self.union(kind)
        if form == "Literal":
            for value in kind.__args__:
                if type(value) not in (str, int, bool, type(None)):
                    raise unsupported(f"Literal[{value!r}]")
            return literal(kind.__args__)
        origin = getattr(kind, "__origin__", None)
        if origin is not None:
            return self.generic(kind, origin, getattr(kind, "__args__", None))
        if not isinstance(kind, type):
            raise unsupported(kind)
        return SCALARS.get(kind) or self.classes.get(kind) or self.class_(kind)

    def generic(self, kind: Any, origin: Any, arguments: Any) -> Conversion:
        # Before 3.9 a bare List has type variables, and a bare Tuple has ().
        bare = arguments is None or kind is typing.Tuple
        if bare or (arguments and all(isinstance(one, typing.TypeVar) for one in arguments)):
            arguments = (Any, Any) if origin in _OBJECTS else (Any, ...)
        if origin is tuple and arguments[-1:] != (...,):
            hints = () if arguments == ((),) else arguments
            return Conversion(self.positions(tuple, [Field("", hint, "", True) for hint in hints]), frozenset([list]))
        if origin is tuple or origin in _ARRAYS:
            return self.array(arguments[0], _ARRAYS.get(origin, tuple))
        if origin in _OBJECTS:
            return self.mapping(kind, *arguments)
        raise unsupported(kind)

    def union(self, kind: Any) -> Conversion:
        arguments = list(_members(kind))
        if Any in arguments or object in arguments:
            return self.build(Any)
        by_type: Dict[type, Convert] = {}
        for argument in arguments:
            member = self.build(argument)
            for accepted in member.accepts:
                # A float takes integers too, and leaves them to an int of the same Union.
                if accepted is int and argument is float and int in arguments:
                    continue
                if by_type.setdefault(accepted, member.function) is not member.function:
                    raise unsupported(
                        kind, f": JSON does not tell its members apart, both of which take {json_name(accepted)}"
                    )
        expected = " or ".join(sorted(map(json_name, by_type)))
        of_float = by_type.get(float)

        def convert(value: Any) -> Any:
            # What parse_float returned has none of JSON's own types.
            member = by_type.get(type(value)) or (None if type(value) in JSON_TYPES else of_float)
            if member is None:
                refuse(expected, value)
            return member(value)

        return Conversion(convert, frozenset(by_type))

    def array(self, item: Any, make: Optional[Type[Any]]) -> Conversion:
        function = self.build(item).function

        def convert(value: Any) -> Any:
            if type(value) is not list:
                refuse("an array", value)
            items = _items(value, repeat(function))
            return items if make is None else _call(make, (items,), {})

        return Conversion(convert, frozenset([list]))

    def positions(self, kind: Any, fields: Sequence[Field]) -> Convert:
        """An array with a type for each position: a tuple, or a NamedTuple, whose last ones may have defaults."""
        functions = [self.build(field.hint).function for field in fields]
        least, most = sum(field.required for field in fields), len(fields)
        size = str(most) if least == most else f"{least} to {most}"

        def convert(value: Any) -> Any:
            if type(value) is not list:
                refuse("an array", value)
            if not least <= len(value) <= most:
                raise Mismatch(f"expected an array of {size}, got one of {len(value)}")
            items = _items(value, functions)
            return tuple(items) if kind is tuple else _call(kind, items, {})

        return convert

    def mapping(self, kind: Any, key: Any, item: Any) -> Conversion:
        function = self.build(item).function
        plain = key is str or key is Any or key is object
        keys = INTEGER_KEY if key is int else self.build(key)
        if str not in keys.accepts:
            raise unsupported(kind, ": the keys of a JSON object are strings")
        of_key = None if plain else keys.function

        def convert(value: Any) -> Any:
            if type(value) is not dict:
                refuse("an object", value)
            name, made = "", {}
            try:
                for name, one in value.items():
                    made[name if of_key is None else of_key(name)] = function(one)
            except Mismatch as mismatch:
                raise mismatch.at(name) from mismatch.__cause__
            return made

        return Conversion(convert, frozenset([dict]))

    def class_(self, kind: Any) -> Conversion:
        if kind in _ARRAYS or kind in _OBJECTS or kind is tuple:
            return self.generic(kind, kind, None)
        if issubclass(kind, enum.Enum):
            return enumeration(kind, self.plain)
        if libraries.is_pydantic(kind):
            return libraries.nested_model(kind, self.plain)
        if libraries.is_struct(kind):
            self.needs_exact = True
            return libraries.nested_struct(kind, self.exact)
        accepts: FrozenSet[type] = frozenset([list if is_named_tuple(kind) else dict])
        # A class may refer to itself: until it is built, this stands for it.
        late: List[Convert] = []
        self.classes[kind] = Conversion(lambda value: late[0](value), accepts)
        fields = fields_of(kind)
        if fields is None:
            raise unsupported(kind)
        build = self.positions if is_named_tuple(kind) else self.typed_dict if is_typed_dict(kind) else self.record
        late.append(build(kind, fields))
        self.classes[kind] = Conversion(late[0], accepts)
        return self.classes[kind]

    def record(self, kind: Any, fields: Sequence[Field]) -> Convert:
        read = self.reader(kind, fields)
        return lambda value: _call(kind, (), read(value, {}))

    def typed_dict(self, kind: Any, fields: Sequence[Field]) -> Convert:
        read = self.reader(kind, fields)
        names = {field.name for field in fields}

        def convert(value: Any) -> Any:
            # Keys that the type does not name stay, each at its place.
            made = read(value, dict(value) if type(value) is dict else {})
            if self.exact:
                made.update((name, self.plain(value[name])) for name in value.keys() - names)
            return made

        return convert

    def reader(self, kind: Any, fields: Sequence[Field]) -> Callable[[Any, Dict[str, Any]], Dict[str, Any]]:
        """The function that reads the fields of an object into a dict of arguments."""
        steps = [(field.name, field.argument, self.build(field.hint).function, field.required) for field in fields]

        def read(value: Any, into: Dict[str, Any]) -> Dict[str, Any]:
            if type(value) is not dict:
                refuse(f"an object for {kind.__qualname__}", value)
            name = ""
            try:
                for name, argument, function, required in steps:
                    if name in value:
                        into[argument] = function(value[name])
                    elif required:
                        raise Mismatch("missing")
            except Mismatch as mismatch:
                raise mismatch.at(name) from mismatch.__cause__
            return into

        return read


def _members(union: Any) -> Iterator[Any]:
    for member in union.__args__:
        bare, _ = unwrap(member)
        if special_form(bare) == "Union":
            yield from _members(bare)
        else:
            yield bare


def _items(values: List[Any], functions: Iterable[Convert]) -> List[Any]:
    items: List[Any] = []
    try:
        for function, value in zip(functions, values):
            items.append(function(value))
    except Mismatch as mismatch:
        raise mismatch.at(len(items)) from mismatch.__cause__
    return items


def _call(kind: Any, positional: Sequence[Any], keywords: Dict[str, Any]) -> Any:
    """Calls a class, whose own checks may refuse what has the right types. Its keywords are fields: none of them is a
    parameter here."""
    try:
        return kind(*positional, **keywords)
    except Exception as error:
        raise Mismatch(f"{kind.__qualname__} refused it: {error!r}", quotes=True) from error
