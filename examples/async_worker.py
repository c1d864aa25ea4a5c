"""Read orders and write their totals, on an event loop: at least once, many at a time.

    python examples/async_worker.py [localhost:9092]

Offsets are committed only after the broker has acknowledged the totals. If the program is killed, at any moment, the
next run reads what was not committed. Ctrl-C or SIGTERM ends it after the current batch.
"""

import argparse
import asyncio
import contextlib
import signal
from typing import Any, Dict, Optional

from kjson import AsyncConsumer, AsyncProducer, DeadLetter


def total_of(order: Dict[str, Any]) -> Dict[str, Any]:
    return {"id": order["id"], "total": order["price"] * order["quantity"]}


async def work(servers: str, until_idle: Optional[float], stop: asyncio.Event) -> None:
    producer = AsyncProducer(servers)
    consumer: AsyncConsumer[Dict[str, Any]] = AsyncConsumer(
        "orders",
        bootstrap_servers=servers,
        group_id="totals",
        enable_auto_commit=False,
        on_decode_error=DeadLetter("{topic}.dlq", producer=producer),
    )
    async with producer, consumer:
        while not stop.is_set():
            reading = asyncio.ensure_future(consumer.consume(500, timeout=until_idle))
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not reading.done():
                reading.cancel()  # loses nothing: the next run reads these messages
                break
            orders = reading.result()
            if not orders:
                break
            sent = [await producer.send("totals", total_of(order.value), key=order.key) for order in orders]
            await asyncio.gather(*sent)
            await consumer.commit(orders)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Copy orders to totals, at least once.")
    parser.add_argument("servers", nargs="?", default="localhost:9092")
    parser.add_argument("--until-idle", type=float, help="end after this many seconds without an order")
    arguments = parser.parse_args()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(arguments.servers, arguments.until_idle, stop)


if __name__ == "__main__":
    asyncio.run(main())
