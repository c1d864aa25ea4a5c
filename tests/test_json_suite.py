"""The 318 cases of JSONTestSuite, each implementation-defined one pinned."""

import json
import math
import zipfile
from pathlib import Path

import pytest

import kjson
from kjson.exceptions import DecodeError

with zipfile.ZipFile(Path(__file__).parent / "data" / "json-test-suite" / "cases.zip") as archive:
    CASES = {name[: -len(".json")]: archive.read(name) for name in sorted(archive.namelist())}

AS_JSON = "as json.loads"
REFUSED = "refused"

# "as json.loads": the same value. Refused: bytes that are no UTF-8, in which json also reads UTF-16 and raw surrogates.
IMPLEMENTATION_DEFINED = {
    "i_number_double_huge_neg_exp": AS_JSON,
    "i_number_huge_exp": AS_JSON,
    "i_number_neg_int_huge_exp": AS_JSON,
    "i_number_pos_double_huge_exp": AS_JSON,
    "i_number_real_neg_overflow": AS_JSON,
    "i_number_real_pos_overflow": AS_JSON,
    "i_number_real_underflow": AS_JSON,
    "i_number_too_big_neg_int": AS_JSON,
    "i_number_too_big_pos_int": AS_JSON,
    "i_number_very_big_negative_int": AS_JSON,
    "i_object_key_lone_2nd_surrogate": AS_JSON,
    "i_string_1st_surrogate_but_2nd_missing": AS_JSON,
    "i_string_1st_valid_surrogate_2nd_invalid": AS_JSON,
    "i_string_UTF-16LE_with_BOM": REFUSED,
    "i_string_UTF-8_invalid_sequence": REFUSED,
    "i_string_UTF8_surrogate_U+D800": REFUSED,
    "i_string_incomplete_surrogate_and_escape_valid": AS_JSON,
    "i_string_incomplete_surrogate_pair": AS_JSON,
    "i_string_incomplete_surrogates_escape_valid": AS_JSON,
    "i_string_invalid_lonely_surrogate": AS_JSON,
    "i_string_invalid_surrogate": AS_JSON,
    "i_string_invalid_utf-8": REFUSED,
    "i_string_inverted_surrogates_U+1D11E": AS_JSON,
    "i_string_iso_latin_1": REFUSED,
    "i_string_lone_second_surrogate": AS_JSON,
    "i_string_lone_utf8_continuation_byte": REFUSED,
    "i_string_not_in_unicode_range": REFUSED,
    "i_string_overlong_sequence_2_bytes": REFUSED,
    "i_string_overlong_sequence_6_bytes": REFUSED,
    "i_string_overlong_sequence_6_bytes_null": REFUSED,
    "i_string_truncated-utf-8": REFUSED,
    "i_string_utf16BE_no_BOM": REFUSED,
    "i_string_utf16LE_no_BOM": REFUSED,
    "i_structure_500_nested_arrays": AS_JSON,
    "i_structure_UTF-8_BOM_empty_object": AS_JSON,
}


def named(letter):
    return [name for name in CASES if name.startswith(letter)]


def test_the_suite_is_complete():
    assert (len(named("y_")), len(named("n_")), len(named("i_"))) == (95, 188, 35)
    assert set(named("i_")) == set(IMPLEMENTATION_DEFINED)


@pytest.mark.parametrize("name", named("y_"))
def test_valid_json_is_read_as_json_reads_it(name):
    assert repr(kjson.loads(CASES[name])) == repr(json.loads(CASES[name]))


@pytest.mark.parametrize("name", named("n_"))
def test_what_is_no_json_is_refused(name):
    with pytest.raises(DecodeError) as caught:
        kjson.loads(CASES[name])
    assert 0 <= caught.value.byte_offset <= len(CASES[name])


@pytest.mark.parametrize("name", named("i_"))
def test_what_is_left_open_is_pinned(name):
    if IMPLEMENTATION_DEFINED[name] == AS_JSON:
        assert repr(kjson.loads(CASES[name])) == repr(json.loads(CASES[name]))
    else:
        with pytest.raises(DecodeError):
            kjson.loads(CASES[name])


def test_an_overflowing_float_is_infinite():
    assert kjson.loads(b"[1e400]") == [math.inf]
