"""What a value that does not fit its type is reported as."""

from decimal import Decimal
from typing import Any, NoReturn, Union

_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    Decimal: "a number",
    type(None): "null",
}


class Mismatch(Exception):
    """A value that does not fit: where it is, and what was expected. Becomes a `DecodeError`."""

    quotes = False
    """Whether the text may quote the value. Such a text is not logged, since the value may be personal data."""

    def __init__(self, message: str, path: str = "", quotes: bool = False) -> None:
        super().__init__(message, path)
        self.message, self.path, self.quotes = message, path, quotes

    def at(self, step: Union[str, int]) -> "Mismatch":
        """The same, as seen from the object or array that holds the value."""
        self.path = path_step(step) + self.path
        return self

    def __str__(self) -> str:
        return f"at ${self.path}: {self.message}"


def path_step(step: Union[str, int]) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{step[:80]!r}]"


def json_name(kind: type) -> str:
    """JSON's name for a type of decoded values."""
    return _NAMES.get(kind, f"a {kind.__name__}")


def refuse(expected: str, value: Any) -> NoReturn:
    raise Mismatch(f"expected {expected}, got {json_name(type(value))}")
