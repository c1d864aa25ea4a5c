"""What ends reading is raised by every way to read."""

from typing import Any, Callable, List, Type

import pytest

from kjson import KafkaError


def ways_to_read(consumer: Any) -> List[Callable[[], Any]]:
    return [
        lambda: consumer.poll(20),
        lambda: consumer.poll(0),
        lambda: consumer.consume(10, 20),
        lambda: next(consumer),
        lambda: list(consumer.until_end()),
        lambda: consumer.poll(20),
    ]


def each_read_is_refused(consumer: Any, kind: Type[KafkaError], name: str, about: str) -> None:
    for read in ways_to_read(consumer):
        with pytest.raises(kind) as caught:
            read()
        assert caught.value.name == name, caught.value
        assert about in str(caught.value)
