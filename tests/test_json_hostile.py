"""Inputs that are out to crash the process. Each runs in a child process, also in a thread with a small stack."""

import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import collections, gc, json, sys, threading
import kjson
from kjson.exceptions import DecodeError, EncodeError

def refused(error, function, *arguments, **options):
    try:
        result = function(*arguments, **options)
    except error as caught:
        return str(caught)
    raise AssertionError("accepted: %r" % (result,))
"""

CASES = {
    "a list that holds itself": """
        value = []
        value.append({"x": [1, value]})
        assert "$[0].x[1] as JSON: the value refers to itself" in refused(EncodeError, kjson.dumps, value)
    """,
    "a dict that holds itself": """
        value = {}
        value["a"] = {"b": value}
        assert "$.a.b as JSON: the value refers to itself" in refused(EncodeError, kjson.dumps, value)
    """,
    "subclasses that hold themselves": """
        class List(list): pass
        class Dict(dict): pass
        for value in (List([0]), collections.deque([0])):
            value[0] = value
            assert "refers to itself" in refused(EncodeError, kjson.dumps, value)
        for value in (Dict(), collections.UserDict()):
            value["a"] = value
            assert "refers to itself" in refused(EncodeError, kjson.dumps, value)
    """,
    "512 levels, and one more": """
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            text = opening * 511 + "[]" + closing * 511
            assert kjson.dumps(kjson.loads(text)).decode() == text
            value = [kjson.loads(text)]
            assert "deeper than 512" in refused(EncodeError, kjson.dumps, value)
            assert "deeper than 512" in refused(DecodeError, kjson.loads, "[%s]" % text)
    """,
    "100,000 levels": """
        refused(DecodeError, kjson.loads, "[" * 100000)
        refused(DecodeError, kjson.loads, '{"a":' * 100000)
        refused(DecodeError, kjson.loads, "[" * 100000 + "]" * 100000)
        value = []
        for _ in range(100000):
            value = [value]
        refused(EncodeError, kjson.dumps, value)
    """,
    "a default that gives its argument back": """
        assert "default= was called 512 times" in refused(EncodeError, kjson.dumps, object(), default=lambda o: o)
        refused(EncodeError, kjson.dumps, object(), default=lambda o: [o])
        refused(EncodeError, kjson.dumps, object(), default=lambda o: {"a": object()})
    """,
    "a default that empties the containers being walked": """
        class Thing: pass
        def wipe(thing):
            items.clear()
            gc.collect()
            return "x" * 100
        for make in (lambda: [Thing(), [1], {"a": 2}], lambda: {"a": Thing(), "b": [1]},
                     lambda: {str(i): Thing() for i in range(100)}, lambda: [[Thing()], Thing()]):
            items = make()
            assert "changed its size" in refused(EncodeError, kjson.dumps, items, default=wipe)
        items = {"a": [1]}
        inner = [[Thing(), "y"], "z" * 50]
        outer = {"k": inner, "l": [1, 2, 3]}
        def drop(thing):
            del outer["k"]
            inner.clear()
            outer["new"] = 1
            gc.collect()
            return 1
        refused(EncodeError, kjson.dumps, outer, default=drop)
    """,
    "a default that replaces the value being walked": """
        class Thing: pass
        outer = {"k": [Thing(), 1, 2], "l": 1}
        def replace(thing):
            outer["k"] = None
            gc.collect()
            return "new"
        assert kjson.dumps(outer, default=replace) == b'{"k":["new",1,2],"l":1}'
    """,
    "a default that makes the containers grow for ever": """
        class Thing: pass
        items = [Thing()]
        def grow(thing):
            items.append(Thing())
            return 1
        refused(EncodeError, kjson.dumps, items, default=grow)
        table = {"a": Thing()}
        def widen(thing):
            for i in range(1000):
                table[i] = Thing()
            return 1
        refused(EncodeError, kjson.dumps, table, default=widen)
    """,
    "items() that lie": """
        class Dict(dict):
            def items(self): return self.lie
        for lie in ([1], [(1,)], [("a", 1, 2)], None, 5, [None]):
            value = Dict(a=1)
            value.lie = lie
            refused((TypeError, ValueError), kjson.dumps, value)
        value.lie = [("b", value)]
        refused(EncodeError, kjson.dumps, value)
    """,
    "properties that raise or lie": """
        import dataclasses, enum, uuid, datetime, decimal
        @dataclasses.dataclass
        class Broken:
            a: int
        broken = Broken(1)
        del broken.a
        refused(AttributeError, kjson.dumps, broken)
        class Day(datetime.date):
            def isoformat(self): return b"x"
        refused(TypeError, kjson.dumps, Day(2026, 1, 1))
        class NotATime(datetime.date):
            def isoformat(self): return "NaT"
        refused(EncodeError, kjson.dumps, NotATime(2026, 1, 1))
        class Raises:
            @property
            def __class__(self): raise RuntimeError("no class")
        refused((RuntimeError, EncodeError), kjson.dumps, Raises())
        class Fields:
            __dataclass_fields__ = 5
        refused(Exception, kjson.dumps, Fields())
    """,
    "integers beyond Python's digit limit": """
        text = "9" * 5000
        value = 10 ** 5000
        if hasattr(sys, "get_int_max_str_digits"):
            assert "too long" in refused(EncodeError, kjson.dumps, value)
            assert "too long" in refused(EncodeError, kjson.dumps, {value: 1})
            assert "too long" in refused(DecodeError, kjson.loads, text)
            sys.set_int_max_str_digits(0)
        assert kjson.loads(kjson.dumps(value)) == value
        assert kjson.loads(text) == int(text)
    """,
    "numbers of a million characters": """
        big = "1" * 1000000
        assert kjson.loads(big + ".0") == float("inf")
        assert kjson.loads("0." + "0" * 1000000 + "1") == 0.0
        assert kjson.loads("1e" + "9" * 100000) == float("inf")
        assert kjson.loads("1e-" + "9" * 100000) == 0.0
        assert kjson.loads("1e" + "0" * 100000 + "1") == 10.0
        assert kjson.loads("0e99999999999999999999") == 0.0
    """,
    "every prefix and every broken byte of a document": """
        text = '{"a":[1,-2.5e3,"x\\\\u00e9\\\\ud83d\\\\ude00",true,false,null,{"\u00e9\U0001f600":[]}]}'.encode()
        whole = kjson.loads(text)
        for end in range(len(text)):
            refused(DecodeError, kjson.loads, text[:end])
            for byte in (0, 31, 34, 92, 127, 128, 192, 237, 240, 255):
                try:
                    kjson.loads(text[:end] + bytes([byte]) + text[end + 1:])
                except DecodeError as error:
                    assert 0 <= error.byte_offset <= len(text)
    """,
    "many different keys": """
        for i in range(20000):
            text = '{"key%d":{"%s":1}}' % (i, "k" * (i % 70))
            assert kjson.loads(text) == json.loads(text)
        keys = ["", "a", "b", "ab", "aab", "abb", "\u00e9", "\u00e8", "a" * 48, "a" * 47 + "b", "a" * 49]
        for key in [*keys, "\\x00", "\\x00\\x00"]:
            for _ in range(3):
                assert kjson.loads(json.dumps({key: key})) == {key: key}
    """,
    "threads that use the codec at once": """
        class Thing: pass
        failures = []
        def work(number):
            try:
                for i in range(2000):
                    value = {"n": number, "i": [i, str(i) * 50], "t": Thing()}
                    text = kjson.dumps(value, default=lambda o: kjson.loads('{"deep":[%d.5]}' % i, parse_float=str))
                    assert kjson.loads(text)["t"] == {"deep": ["%d.5" % i]}
            except BaseException as error:
                failures.append(error)
        sys.setswitchinterval(1e-5)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert not failures, failures
    """,
    "no reference is lost or kept": """
        value = {"a": [1.5, "x" * 50, {"b": (2, 3)}], "c": None}
        text = kjson.dumps(value)
        class Thing: pass
        def round():
            kjson.dumps(value)
            kjson.loads(text)
            kjson.loads(text, parse_float=str)
            refused(DecodeError, kjson.loads, text[:-1])
            refused(DecodeError, kjson.loads, b'[{"a":[1,"' + b"x" * 40 + b'",\\xff')
            refused(EncodeError, kjson.dumps, [value, {1}])
            kjson.dumps([Thing()], default=lambda o: {"x": 1})
        for _ in range(50): round()  # the first ones import
        gc.collect()
        counted = [sys.getrefcount(o) for o in (None, True, value, value["a"], value["a"][1], text)]
        before = sum(1 for _ in gc.get_objects())
        for _ in range(10_000): round()
        gc.collect()
        assert abs(sum(1 for _ in gc.get_objects()) - before) < 50
        after = [sys.getrefcount(o) for o in (None, True, value, value["a"], value["a"][1], text)]
        # None comes and goes with what importing left: 100 to 230, however many rounds. One in ten rounds would show.
        assert all(abs(a - b) < 1000 for a, b in zip(counted, after)), (counted, after)
    """,
}


@pytest.mark.parametrize("small_stack", [False, True], ids=["", "in a thread"])
@pytest.mark.parametrize("name", CASES)
def test_the_process_survives(name, small_stack):
    code = textwrap.dedent(PRELUDE) + "def case():\n" + textwrap.indent(textwrap.dedent(CASES[name]), "    ")
    if small_stack:
        code += "\nthreading.stack_size(512 * 1024)\nerrors = []\n"
        code += "def guard():\n    try:\n        case()\n"
        code += "    except BaseException as error:\n        errors.append(repr(error))\n"
        code += "thread = threading.Thread(target=guard)\nthread.start()\nthread.join()\nassert not errors, errors\n"
    else:
        code += "\ncase()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
