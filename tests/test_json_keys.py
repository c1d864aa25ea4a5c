"""Keys that repeat from message to message are predicted by the key before: whatever the order, they are right."""

import json
import random

import pytest

from kjson import DecodeError, loads

# Around 14, 16 and 48 bytes the reader changes its way; some begin alike, some are no ASCII.
POOL = [
    "",
    "a",
    "ab",
    "abc",
    "id",
    "i",
    "é",
    "ключ",
    "日本",
    "x" * 13,
    "x" * 14,
    "x" * 15,
    "x" * 16,
    "x" * 17,
    "x" * 48,
    "x" * 49,
]
POOL += ['q"', "back\\", "a:", "tab\t"]


def text_of(keys, colon=":"):
    return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}{colon}{n}" for n, key in enumerate(keys)) + "}"


@pytest.mark.parametrize("colon", [":", ": ", " :", "\n:\t"])
def test_keys_in_any_order_after_any_other(colon):
    chance = random.Random(6)
    for _ in range(3000):
        text = text_of(chance.sample(POOL, chance.randrange(len(POOL))), colon)
        for again in (text, text.encode(), f"[{text}, {text}]", f'{{"id":{text},"i":{text}}}'):
            # The repr has the order, too.
            assert repr(loads(again)) == repr(json.loads(again))


def test_a_key_that_goes_on_otherwise_than_the_last_time():
    whole = '{"name":1,"price":2,"quantity":3}'
    for known, other in [("name", "nam"), ("name", "name2"), ("price", "pric\\u0065"), ("quantity", "quantitY")]:
        assert loads(whole) == json.loads(whole)
        changed = whole.replace(f'"{known}"', f'"{other}"')
        assert list(loads(changed).items()) == list(json.loads(changed).items())


def test_a_text_that_ends_or_breaks_off_in_a_known_key():
    whole = b'{"name":1,"price":2,"customer_number":3}'
    for end in range(len(whole)):
        assert loads(whole) == json.loads(whole)
        with pytest.raises(DecodeError) as caught:
            loads(whole[:end])
        assert caught.value.byte_offset == end
    for at in (6, 7, 15, 16, 17):
        assert loads(whole) == json.loads(whole)
        with pytest.raises(DecodeError):
            loads(whole[:at] + b"\x01" + whole[at + 1 :])


def test_the_last_of_two_equal_keys_wins():
    for _ in range(3):
        assert loads('{"a":1,"a":2,"b":3,"a":4}') == {"a": 4, "b": 3}
