"""kjson against the standard library's json, on values and on texts that Hypothesis makes up."""

import json
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kjson

TEXT = st.text(st.characters(blacklist_categories=("Cs",)))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**66), max_value=2**66)
    | st.integers(min_value=0, max_value=2**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
KEYS = TEXT | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)


def containers(keys):
    return lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.lists(inner).map(tuple)


VALUES = st.recursive(SCALARS, containers(TEXT), max_leaves=40)
VALUES_WITH_ANY_KEYS = st.recursive(SCALARS, containers(KEYS), max_leaves=20)


def as_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def same(left, right):
    """Equal in value, in exact type, in key order, and down to the sign of zero."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    return left == right


@settings(max_examples=600, deadline=None)
@given(VALUES)
def test_the_bytes_are_those_of_json(value):
    assert kjson.dumps(value) == as_json(value)


@settings(max_examples=300, deadline=None)
@given(VALUES_WITH_ANY_KEYS)
def test_keys_of_other_types_become_the_strings_that_json_makes(value):
    assert kjson.dumps(value) == as_json(value)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_texts_are_read_as_json_reads_them(value, ensure_ascii, indent):
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
    expected = json.loads(text)
    assert same(kjson.loads(text.encode()), expected)
    assert same(kjson.loads(text), expected)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert same(kjson.loads(kjson.dumps(value)), json.loads(as_json(value)))


@settings(max_examples=2000, deadline=None)
@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_every_float_survives_bit_for_bit(bits):
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    if not math.isfinite(number):
        return
    text = kjson.dumps(number)
    assert text == repr(number).encode()
    assert struct.pack("<d", kjson.loads(text)) == struct.pack("<d", number)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@settings(max_examples=2000, deadline=None)
@given(NUMBERS)
def test_every_number_text_is_read_exactly(text):
    assert same(kjson.loads(text), json.loads(text))


@settings(max_examples=300, deadline=None)
@given(NUMBERS, st.integers(min_value=0, max_value=4000), st.integers(min_value=0, max_value=6000))
def test_very_long_numbers_are_read_exactly(text, before, after):
    text = "1" * before + text.lstrip("-") + ("" if "e" in text.lower() or "." not in text else "7" * after)
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        return
    assert same(kjson.loads(text), expected)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_lone_surrogates_in_escapes_are_kept_as_json_keeps_them(text):
    document = json.dumps({text: [text]})
    assert same(kjson.loads(document), json.loads(document))


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_parse_float_gets_the_text_of_each_float(value):
    text = as_json(value)
    assert same(kjson.loads(text, parse_float=str), json.loads(text, parse_float=str))


def test_short_values_that_repeat_and_meet_in_the_cache_stay_themselves():
    # 20,000 values for 512 places: each is met before, between and after others of its place.
    texts = [f"{n:x}"[: n % 17] + "é" * (n % 101 == 0) for n in range(20_000)]
    for _ in range(3):
        for start in range(0, len(texts), 50):
            row = texts[start : start + 50]
            document = json.dumps([row, row, {"a": row}], ensure_ascii=False).encode()
            assert kjson.loads(document) == [row, row, {"a": row}]


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb", "\ude00\ud83d", 'é\ud83d\n"\\', "\ud800" * 40, "x" * 70 + "\udc80"]
)
def test_lone_surrogates_that_were_read_can_be_written_as_json_writes_them(text):
    value = {text: [text]}
    written = kjson.dumps(value)
    assert kjson.loads(written) == json.loads(written) == value
    assert kjson.loads(json.dumps(value)) == value
