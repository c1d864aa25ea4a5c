"""A long run on an event loop: memory does not grow, with cancelled waits and deliveries that are not awaited.

`make soak` runs it with a million messages: KJSON_SOAK=1000000.
"""

import asyncio
import contextlib
import os
import uuid

import pytest

from kjson import AsyncConsumer, AsyncProducer

from .test_producer_endurance import GROWTH_MIB, MESSAGES, resident_mib

pytestmark = pytest.mark.slow

LOT = 1000


@pytest.mark.real_kafka
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc/self/statm")
@pytest.mark.timeout(60 + MESSAGES // 1000)
def test_sending_and_reading_on_a_loop_leaves_memory_where_it_was(servers: str, topic: str) -> None:
    async def main() -> None:
        done, base = 0, 0.0
        async with AsyncProducer(servers) as producer, AsyncConsumer(
            topic, bootstrap_servers=servers, group_id=uuid.uuid4().hex
        ) as consumer:
            while done < MESSAGES:
                value = {"n": done, "text": "x" * 200}
                lot = [await producer.send(topic, value, headers={"h": "v"}) for _ in range(LOT // 2)]
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(lot[0], 0.0001)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(producer.send_and_wait(topic, value), 0.0001)
                cancelled = asyncio.gather(*lot)
                await asyncio.sleep(0)
                cancelled.cancel()
                await asyncio.gather(cancelled, return_exceptions=True)
                await asyncio.gather(*lot[::2])
                batch = await producer.send_many(topic, [value] * (LOT - len(lot) - 1))
                if done % 3 == 0:
                    await batch
                read = 0
                while read < LOT:
                    with contextlib.suppress(asyncio.TimeoutError):
                        if read % 2:
                            read += len(await asyncio.wait_for(consumer.consume(100, None), 0.01))
                        else:
                            await asyncio.wait_for(consumer.poll(None), 0.01)
                            read += 1
                done += read
                if base == 0.0 and done >= MESSAGES * 3 // 10:
                    base = resident_mib()
            growth = resident_mib() - base
        assert growth < GROWTH_MIB, f"{growth:.1f} MiB more after the last 70 % of {MESSAGES} messages"

    asyncio.run(main())
