"""Raw bytes against json: whatever they are, both give the same value or both refuse.

Runs for KJSON_FUZZ_SECONDS (5 unless set), from a seed that a failure prints; KJSON_FUZZ_SEED repeats it.
"""

import json
import os
import random
import time

import kjson
from kjson.exceptions import DecodeError

from .test_json_suite import CASES

SECONDS = float(os.environ.get("KJSON_FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("KJSON_FUZZ_SEED", time.time_ns()))

PIECES = [
    *(bytes([byte]) for byte in b'{}[],:" \n\t\\/-+.0123456789eEaut\x00\x1f\x7f\x80\xc3\xa9\xed\xa0\xf0\xff'),
    *(b"null true false NaN Infinity -0 1e400 1E-400 0.1 18446744073709551616 9223372036854775808".split()),
    *(rb"\u0000 \ud800 \udc00 \ud83d\ude00 \n \" \\ \/".split()),
    *(
        piece.encode()
        for piece in ['"key":', "é", "€", "😀", "\u2028", '"aaaaaaaaaaaaaaaa', "0" * 20, "1234567890123456"]
    ),
]
SEEDS = [case for name, case in CASES.items() if len(case) < 500] + [
    b'{"id":1,"name":"Zo\xc3\xab","items":[{"sku":"A-1","price":19.99e-3,"tags":["a\\u00e9b","\\ud83d\\ude00"]}],'
    b'"x":[true,false,null]}'
]


def mutate(rng):
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(data))
        action = rng.random()
        if action < 0.5:
            data[at:at] = rng.choice(PIECES)
        elif action < 0.75:
            del data[at : at + rng.randint(1, 4)]
        elif action < 0.9:
            data[at : at + 1] = rng.choice(PIECES)
        else:
            other = rng.choice(SEEDS)
            cut = rng.randint(0, len(other))
            data[at:] = other[cut:]
    return bytes(data)


def no_constant(name):
    raise ValueError(name)


def expected(data):
    """json's answer under kjson's documented rules: UTF-8 only, no NaN or infinities."""
    try:
        data.decode("utf-8")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False, None
    try:
        return True, json.loads(text, parse_constant=no_constant)
    except ValueError:
        return False, None


def test_random_bytes_are_read_as_json_reads_them():
    rng = random.Random(SEED)
    end = time.monotonic() + SECONDS
    rounds = 0
    while time.monotonic() < end:
        for _ in range(500):
            data = mutate(rng)
            valid, value = expected(data)
            try:
                got = kjson.loads(data)
            except DecodeError as error:
                assert not valid, (SEED, data, error)
                assert error.byte_offset <= len(data)
            else:
                assert valid, (SEED, data, got)
                assert repr(got) == repr(value), (SEED, data)
            rounds += 1
