"""The fields of a class: what a dataclass, an attrs class, a TypedDict or a NamedTuple says of itself."""

import dataclasses
import sys
import typing
from decimal import Decimal
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..exceptions import ConfigError


class Field(NamedTuple):
    name: str
    hint: Any
    argument: str
    """What the constructor calls it."""
    required: bool


def unsupported(kind: Any, why: str = "") -> ConfigError:
    name = kind.__qualname__ if isinstance(kind, type) else repr(kind)
    return ConfigError(
        f"Consumer: value_type: {name} is not supported{why}. It takes a dataclass, a TypedDict, a NamedTuple, an "
        "attrs class, a pydantic model, a msgspec Struct, and what JSON has; value_deserializer takes anything else",
        option="value_type",
    )


def special_form(kind: Any) -> str:
    """The name of a special form of `typing` or `typing_extensions`, such as "Union", or ""."""
    if type(kind).__name__ == "UnionType":  # int | None, since 3.10
        return "Union"
    module, _, name = str(getattr(kind, "__origin__", None)).rpartition(".")
    return name if module in ("typing", "typing_extensions") else ""


def unwrap(kind: Any) -> Tuple[Any, List[str]]:
    """A type without NewType, Annotated and the qualifiers around it, and the names of those qualifiers."""
    qualifiers = []
    while not isinstance(kind, type):
        name = special_form(kind)
        if hasattr(kind, "__supertype__"):  # NewType
            kind = kind.__supertype__
        elif hasattr(kind, "__metadata__"):  # Annotated
            kind = kind.__origin__
        elif name in ("Required", "NotRequired", "ReadOnly", "Final"):
            qualifiers.append(name)
            kind = kind.__args__[0]
        else:
            break
    return kind, qualifiers


def is_typed_dict(kind: Any) -> bool:
    return issubclass(kind, dict) and hasattr(kind, "__total__")


def is_named_tuple(kind: Any) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def fields_of(kind: Any) -> Optional[List[Field]]:
    """None for a class that is none of these."""
    if is_typed_dict(kind):
        return _of_typed_dict(kind)
    if is_named_tuple(kind):
        hints = _hints(kind)
        return [Field(name, hints.get(name, Any), name, name not in kind._field_defaults) for name in kind._fields]
    if dataclasses.is_dataclass(kind):
        return _of_dataclass(kind)
    if hasattr(kind, "__attrs_attrs__"):
        return _of_attrs(kind)
    return None


def _of_typed_dict(kind: Any) -> List[Field]:
    # typing's own on 3.8 does not know its required keys.
    required = getattr(kind, "__required_keys__", None)
    fields = []
    for name, hint in _hints(kind).items():
        # Under `from __future__ import annotations` Python resolves these too late for __required_keys__.
        _, qualifiers = unwrap(hint)
        needed = kind.__total__ if required is None else name in required
        fields.append(Field(name, hint, name, "NotRequired" not in qualifiers and ("Required" in qualifiers or needed)))
    return fields


def _of_dataclass(kind: Any) -> List[Field]:
    hints = _hints(kind)
    if any(isinstance(hint, dataclasses.InitVar) for hint in hints.values()):
        raise unsupported(kind, ": it has an InitVar")
    missing = dataclasses.MISSING
    return [
        Field(field.name, hints[field.name], field.name, field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(kind)
        if field.init
    ]


def _of_attrs(kind: Any) -> List[Field]:
    import attr

    hints = _hints(kind)
    fields = []
    for field in kind.__attrs_attrs__:
        if field.init:
            argument = getattr(field, "alias", None) or field.name.lstrip("_")
            hint = hints.get(field.name, field.type or Any)
            # A converter takes what there is, and makes the annotated type of it; a Decimal needs the number's digits.
            if field.converter is not None and unwrap(hint)[0] is not Decimal:
                hint = Any
            fields.append(Field(field.name, hint, argument, field.default is attr.NOTHING))
    return fields


def _hints(kind: Any) -> Dict[str, Any]:
    try:
        if sys.version_info >= (3, 9):
            return typing.get_type_hints(kind, include_extras=True)
        # The module of a class that `exec` made may not be in sys.modules: from 3.9 on its globals are empty.
        known: Optional[Dict[str, Any]] = None if all(base.__module__ in sys.modules for base in kind.__mro__) else {}
        try:
            from typing_extensions import get_type_hints
        except ImportError:
            return typing.get_type_hints(kind, known)
        return dict(get_type_hints(kind, known, include_extras=True))
    except Exception as error:
        raise unsupported(kind, f": its annotations cannot be read: {error}") from error
