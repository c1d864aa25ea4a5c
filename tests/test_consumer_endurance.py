"""What a long read shows: memory stays where it was, with bad messages, headers and seeks among it.

`make soak` runs it with a million messages: KJSON_SOAK=1000000.
"""

import os

import pytest

from kjson import Consumer, Producer

from .peers import write_with_confluent
from .sessions import LONG_SESSION
from .test_producer_endurance import GROWTH_MIB, MESSAGES, resident_mib

pytestmark = pytest.mark.slow

ROUND = 20_000


@pytest.mark.real_kafka
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc/self/statm")
@pytest.mark.timeout(60 + MESSAGES // 2000)
@pytest.mark.parametrize("way", ["iteration", "consume"])
def test_reading_leaves_memory_where_it_was(servers: str, topic: str, group: str, way: str) -> None:
    with Producer(servers) as producer:
        producer.send_many(topic, ({"n": n, "text": "x" * 200} for n in range(ROUND - 100)), headers={"h": b"1"})
    write_with_confluent(servers, topic, [b"not JSON"] * 100)
    read, base = 0, 0.0
    with Consumer(
        topic, bootstrap_servers=servers, group_id=group, **LONG_SESSION, on_decode_error="yield"
    ) as consumer:
        while read < MESSAGES:
            bad = count = 0
            while count < ROUND:
                for message in consumer.consume(1000) if way == "consume" else [next(consumer)]:
                    assert message.headers == (() if message.error else (("h", b"1"),))
                    bad += message.error is not None
                    count += 1
            assert (count, bad) == (ROUND, 100)
            consumer.seek_to_beginning()
            read += count
            if base == 0.0 and read >= MESSAGES * 3 // 10:
                base = resident_mib()
        growth = resident_mib() - base
    assert growth < GROWTH_MIB, f"{growth:.1f} MiB more after the last 70 % of {MESSAGES} messages"
