"""Shared by the tests of dead letters: their headers, and the values around them."""

from typing import Any, Dict, List

from .reading import read

PREFIX = "kjson-dlt-"


def kjson_headers(headers: Any) -> Dict[str, Any]:
    return {name[len(PREFIX) :]: value for name, value in headers if name.startswith(PREFIX)}


def drain(consumer: Any, last: int, way: str = "iteration") -> List[Any]:
    """The values to the good message at offset `last`, with which the topic ends."""
    return [message.value for message in read(consumer, way, last)]
