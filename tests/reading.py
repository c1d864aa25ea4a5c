"""Ways to read a topic with bad messages."""

from typing import Any, Iterator

from kjson import Message

GOOD_BAD_GOOD = [b'{"n":0}', b"bad", b'{"n":2}', b"[", b"nonsense", b'{"n":5}']
WAYS = ["iteration", "poll", "consume", "consume one"]


def read(consumer: Any, way: str, last: int) -> Iterator[Message[Any]]:
    """Reads that way to the good message at offset `last`, which is the end of the topic."""
    offset = -1
    while offset < last:
        if way == "iteration":
            messages = [next(consumer)]
        elif way == "poll":
            messages = [consumer.poll(30)]
        else:
            messages = consumer.consume(1 if way == "consume one" else 500, timeout=30)
        assert messages not in ([], [None]), "nothing came within 30 s"
        yield from messages
        offset = messages[-1].offset
    assert consumer.poll(0.3) is None
