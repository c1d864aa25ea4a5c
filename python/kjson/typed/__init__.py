"""What `Consumer(value_type=...)` makes of messages. Dataclasses, attrs classes, TypedDicts and NamedTuples are read
here, without a library; pydantic models and msgspec Structs by their own libraries.

A type is read once, when the consumer is made, into a function from JSON to the object. A type that cannot be read is a
`ConfigError` then, and not an error at the first message.
"""

from typing import Any, Callable, NamedTuple, Optional

from . import libraries
from .builder import Builder
from .mismatch import Mismatch
from .scalars import Convert, number

__all__ = ["Converter", "Mismatch", "converter"]


class Converter(NamedTuple):
    function: Convert
    takes_bytes: bool
    """Whether the function takes the JSON's bytes instead of the decoded object."""
    parse_float: Optional[Callable[[str], Any]] = None
    """What the numbers of the decoded object must be made by, so that a Decimal gets all digits."""


def converter(value_type: Any, parses_floats: bool = False) -> Converter:
    """With `parse_float` of the user's, libraries get the decoded object, since their own parsers do not call it."""
    if not parses_floats and libraries.is_pydantic_2(value_type):
        return Converter(libraries.pydantic(value_type), takes_bytes=True)
    if not parses_floats and libraries.is_struct(value_type):
        return Converter(libraries.struct(value_type), takes_bytes=True)
    builder = Builder(exact=False)
    built = builder.build(value_type)
    if parses_floats or not builder.needs_exact:
        return Converter(built.function, takes_bytes=False)
    return Converter(Builder(exact=True).build(value_type).function, takes_bytes=False, parse_float=number)
