"""pydantic models and msgspec Structs, read and written by their libraries, and attrs objects, written field by field.
None of the libraries is imported before one of its classes is used."""

import json
import sys
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Optional

from .._kjson import dumps
from .mismatch import Mismatch, path_step
from .scalars import JSON_TYPES, Conversion, Convert


def is_pydantic(kind: Any) -> bool:
    return isinstance(kind, type) and (is_pydantic_2(kind) or hasattr(kind, "__json_encoder__"))


def is_pydantic_2(kind: Any) -> bool:
    # A pydantic dataclass has a validator, too, but not the method: it is read and written as a dataclass.
    return isinstance(kind, type) and hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate_json")


def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "__struct_fields__")


def pydantic(kind: Any, validate: Optional[Convert] = None) -> Convert:
    """Takes bytes, unless `validate` says otherwise."""
    validate = validate or kind.model_validate_json
    # Version 1 and the `pydantic.v1` of version 2 have exceptions of their own.
    module = "pydantic" if is_pydantic_2(kind) else _base_model(kind).__module__
    mismatch = sys.modules[module].ValidationError

    def convert(value: Any) -> Any:
        try:
            return validate(value)
        except mismatch as error:
            # The exception's own text quotes the value.
            first = error.errors()[0]
            path = "".join(map(path_step, first["loc"]))
            quotes = first["type"] in ("value_error", "assertion_error") or first.get("ctx") is not None
            raise Mismatch(first["msg"], path, quotes) from error

    return convert


def nested_model(kind: Any, plain: Convert) -> Conversion:
    """A model that is part of another type, or of a value that the user's `parse_float` has a part in."""
    if is_pydantic_2(kind):
        validate, takes_all = kind.model_validate, getattr(kind, "__pydantic_root_model__", False)
    else:
        validate, takes_all = kind.parse_obj, "__root__" in kind.__fields__
    accepts = JSON_TYPES - {type(None)} if takes_all else frozenset([dict])
    return Conversion(pydantic(kind, lambda value: validate(plain(value))), accepts)


def struct(kind: Any, decode: Optional[Convert] = None) -> Convert:
    """Takes bytes, unless `decode` says otherwise."""
    import msgspec

    decode = decode or msgspec.json.Decoder(kind).decode

    def convert(value: Any) -> Any:
        try:
            return decode(value)
        except msgspec.DecodeError as error:
            text, _, path = str(error).partition(" - at `$")
            raise Mismatch(text, path.rstrip("`"), "Expected" not in text) from error

    return convert


def nested_struct(kind: Any, exact: bool) -> Conversion:
    import msgspec

    decode = msgspec.json.Decoder(kind).decode
    # Only msgspec's own parser gives a Decimal its digits and a float its float.
    decode_again, convert = (
        lambda value: decode(dumps(value)),
        lambda value: msgspec.convert(value, kind, str_keys=True),
    )
    accepts = list if kind.__struct_config__.array_like else dict
    return Conversion(struct(kind, decode_again if exact else convert), frozenset([accepts]))


def _base_model(kind: Any) -> Any:
    return next(base for base in kind.__mro__ if "parse_obj" in vars(base))


def _writer_of(kind: Any) -> Optional[Convert]:
    if hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
        return lambda value: {name: getattr(value, name) for name in names}
    if is_struct(kind):
        import msgspec

        return partial(msgspec.to_builtins, str_keys=True)
    if is_pydantic_2(kind):
        return partial(_dump_model, kind)
    return partial(_dump_model_1, kind) if is_pydantic(kind) else None


# From an object of the class to builtin objects, for `dumps`; None if no library made the class.
writer_of = lru_cache(maxsize=256)(_writer_of)


# Methods of the class: an object's field may have the name of one.
def _dump_model(kind: Any, value: Any) -> Any:
    from pydantic_core import PydanticSerializationError

    try:
        return kind.model_dump(value, mode="json", by_alias=True)
    except PydanticSerializationError as error:
        raise TypeError(str(error)) from error


def _dump_model_1(kind: Any, value: Any) -> Any:
    encode, keeps_digits = kind.__json_encoder__, Decimal not in kind.__config__.json_encoders

    def encoder(inner: Any) -> Any:
        # pydantic 1 would write a float, and reads a string.
        return str(inner) if isinstance(inner, Decimal) and keeps_digits else encode(inner)

    return json.loads(kind.json(value, by_alias=True, encoder=encoder))
