"""The codec called from code that it calls: RecursionError where `json` raises it, and never the end of the process."""

import textwrap

import pytest

from .children import run_program

PROGRAM = """
import json, sys, threading
import kjson

class Other:
    pass

def nested(levels, innermost):
    for _ in range(levels):
        innermost = [innermost]
    return innermost

class Items(list):
    def __iter__(self):
        return iter([kjson.dumps(nested(500, Items()))])

class Pairs(dict):
    def items(self):
        return [("k", kjson.loads(b"[" * 500 + b"1.5" + b"]" * 500, parse_float=lambda text: kjson.dumps(Pairs(a=1))))]

def by_default():
    def default(value):
        return kjson.dumps(nested(500, Other()), default=default).decode()
    kjson.dumps(Other(), default=default)

def by_parse_float():
    text = b"[" * 511 + b"1.5" + b"]" * 511
    def parse_float(value):
        return kjson.loads(text, parse_float=parse_float)
    kjson.loads(text, parse_float=parse_float)

def by_both():
    def default(value):
        return kjson.loads(b"[" * 400 + b"1.5" + b"]" * 400, parse_float=parse_float)
    def parse_float(value):
        return kjson.dumps(nested(400, Other()), default=default).decode()
    kjson.dumps(Other(), default=default)

def by_items():
    kjson.dumps(Items())

def by_pairs():
    kjson.dumps(Pairs(a=1))

def shallow():
    default = lambda value: kjson.dumps(Other(), default=default).decode()
    kjson.dumps(Other(), default=default)

failed = []

def run():
    for way in (by_default, by_parse_float, by_both, by_items, by_pairs, shallow):
        try:
            way()
        except RecursionError:
            pass
        except BaseException as error:
            failed.append((way.__name__, repr(error)[:200]))
        else:
            failed.append((way.__name__, "nothing was raised"))
    # And all is as before.
    if kjson.loads(kjson.dumps(nested(500, 1.5))) != nested(500, 1.5):
        failed.append("the codec is out of order")

if len(sys.argv) > 1:
    threading.stack_size(int(sys.argv[1]))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
else:
    run()
sys.exit(str(failed) if failed else 0)
"""


@pytest.mark.parametrize("stack", [[], [str(2 << 20)], [str(16 << 20)]], ids=["main thread", "2 MiB", "16 MiB"])
def test_recursion_through_callbacks_raises_recursion_error(stack: "list[str]") -> None:
    done = run_program(PROGRAM, *stack)
    assert (done.status, done.stderr) == (0, "")


CALLS = {
    "default= that calls dumps": """
        def recurse():
            def default(o):
                return kjson.dumps(nested(LEVELS, object()), default=default).decode()
            kjson.dumps(object(), default=default)
    """,
    "default= that returns what it gets, nested, through dumps": """
        def recurse():
            def default(o):
                return json.loads(kjson.dumps([nested(LEVELS, {"a": (o,)})], default=default))
            kjson.dumps([object()], default=default)
    """,
    "items() of a mapping": """
        class Mapping(dict):
            def items(self):
                kjson.dumps(nested(LEVELS, Mapping(a=1)))
                return super().items()
        def recurse():
            kjson.dumps(Mapping(a=1))
    """,
    "iteration over a list's subclass": """
        class Items(list):
            def __iter__(self):
                kjson.dumps(nested(LEVELS, Items([1])))
                return super().__iter__()
        def recurse():
            kjson.dumps(Items([1]))
    """,
    "isoformat()": """
        class Day(datetime.date):
            def isoformat(self):
                return kjson.dumps(nested(LEVELS, self)).decode()
        def recurse():
            kjson.dumps(Day(2026, 1, 31))
    """,
    "parse_float= that calls loads": """
        def recurse():
            def parse_float(text):
                return kjson.loads("[" * LEVELS + "1.5" + "]" * LEVELS, parse_float=parse_float)
            kjson.loads("1.5", parse_float=parse_float)
    """,
    "parse_float= that calls loads of levels, and dumps": """
        def recurse():
            def default(o):
                return kjson.loads("[" * LEVELS + "1.5" + "]" * LEVELS, parse_float=parse_float)
            def parse_float(text):
                return kjson.dumps(nested(LEVELS, object()), default=default)
            kjson.loads("1.5", parse_float=parse_float)
    """,
}

LEVELS_PROGRAM = """
import datetime, json, sys, threading
import kjson

LEVELS = int(sys.argv[1])

def nested(levels, inner):
    for _ in range(levels):
        inner = [inner]
    return inner
"""

RUN = """
def run():
    for _ in range(3):
        try:
            recurse()
        except RecursionError:
            print("RecursionError")
    # A refusal leaves no state.
    deep = "[" * 500 + "]" * 500
    assert kjson.dumps(kjson.loads(deep)).decode() == deep
    assert kjson.dumps({1: [complex(1)]}, default=str) == b'{"1":["(1+0j)"]}'

if sys.argv[2] == "main":
    run()
else:
    threading.stack_size(int(sys.argv[2]))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("stack", ["main", str(1 << 20), str(256 << 10)])
@pytest.mark.parametrize("levels", ["450", "40"])
@pytest.mark.parametrize("how", CALLS)
def test_any_number_of_levels_on_any_stack(how: str, levels: str, stack: str) -> None:
    done = run_program(LEVELS_PROGRAM + textwrap.dedent(CALLS[how]) + RUN, levels, stack)
    assert (done.status, done.stdout.split()) == (0, ["RecursionError"] * 3), done.stderr[-600:]


def test_calls_inside_calls_have_room_for_what_programs_do() -> None:
    program = """
        class Tree:
            def __init__(self, depth):
                self.below = [Tree(depth - 1)] if depth else []

        def default(tree):
            return {"below": [kjson.dumps(one, default=default).decode() for one in tree.below]}

        kjson.dumps(Tree(10), default=default)
    """
    done = run_program(LEVELS_PROGRAM + textwrap.dedent(program), "0")
    assert done.status == 0, done.stderr[-600:]
