"""The codec against pythonize and serde_json, on the values that those handle right."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

import kjson
from kjson._kjson import _reference_dumps, _reference_loads

TEXT = st.text(st.characters(blacklist_categories=("Cs",)))
# serde_json prints floats below 1e-4 in its own way, and keeps integers of 64 bits.
FLOATS = st.floats(min_value=1e-3, max_value=1e15) | st.floats(min_value=-1e15, max_value=-1e-3) | st.just(0.0)
SCALARS = st.none() | st.booleans() | st.integers(min_value=-(2**63), max_value=2**64 - 1) | FLOATS | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30)


@settings(max_examples=500, deadline=None)
@given(VALUES)
def test_both_write_the_same_bytes(value):
    assert kjson.dumps(value) == _reference_dumps(value)


@settings(max_examples=500, deadline=None)
@given(VALUES, st.sampled_from([None, 2]))
def test_both_read_the_same_value(value, indent):
    text = json.dumps(value, indent=indent).encode()
    assert repr(kjson.loads(text)) == repr(_reference_loads(text))
