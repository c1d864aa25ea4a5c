"""The codec called from code that it calls: RecursionError where `json` raises it, and never the end of the process."""

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
