"""Read orders and write their totals: each exactly once, however often this program is killed and restarted.

    python examples/consume_transform_produce.py [localhost:9092]

The totals and the offsets of their orders are committed together, in one transaction. A consumer of `totals` with
isolation_level="read_committed", the default, sees no total twice and misses none.
"""

import argparse
import time
from typing import Any, Dict

from kjson import Consumer, Producer


def total_of(order: Dict[str, Any]) -> Dict[str, Any]:
    return {"id": order["id"], "total": order["price"] * order["quantity"]}


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy orders to totals, exactly once.")
    parser.add_argument("servers", nargs="?", default="localhost:9092")
    parser.add_argument("--batch", type=int, default=500, help="messages in one transaction")
    parser.add_argument("--until-idle", type=float, help="end after this many seconds without an order")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two transactions")
    arguments = parser.parse_args()

    # The ids are the same at every start: the broker then aborts the transaction that a killed process left open, and
    # assigns its partitions to the new process at once (KIP-345), not after the session timeout.
    producer = Producer(arguments.servers, transactional_id="totals-1", transaction_timeout_ms=10_000)
    consumer = Consumer(
        "orders",
        bootstrap_servers=arguments.servers,
        group_id="totals",
        enable_auto_commit=False,  # the transactions commit
        group_instance_id="totals-1",
    )
    with producer, consumer:
        last = time.monotonic()
        while arguments.until_idle is None or time.monotonic() - last < arguments.until_idle:
            orders = consumer.consume(arguments.batch, timeout=0.5)
            if not orders:
                continue
            with producer.transaction():
                producer.send_many("totals", [total_of(order.value) for order in orders])
                producer.send_offsets_to_transaction(orders, consumer.group_metadata())
            last = time.monotonic()
            time.sleep(arguments.pause)


if __name__ == "__main__":
    main()
