"""Send a week of real earthquakes through Kafka, read them back through a consumer group, and check every record.

Without --bootstrap-servers it starts a cluster in this process (kjson.testing.MockCluster): no broker is needed.
"""

import argparse
import json
import pkgutil
import time
import uuid
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any, Dict, List

from kjson import Consumer, Message, Producer
from kjson.cli.failure import CommandError
from kjson.cli.progress import ProgressBar
from kjson.testing import MockCluster

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "demo"
HELP = "send real JSON through Kafka, read it back and check every record"

Quake = Dict[str, Any]

BROKERS = 3
PARTITIONS = 6
ACKNOWLEDGE_WITHIN_S = 30.0
IDLE_LIMIT_S = 15.0
"""How long the demo waits for the next record; the first join of a real group can take seconds."""
STRONGEST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bootstrap-servers",
        metavar="HOST:PORT",
        help="a real Kafka cluster to use; the demo creates a topic and leaves it there (default: one in this process)",
    )


def run(arguments: argparse.Namespace) -> int:
    quakes = read_quakes()
    topic = f"kjson-demo-{uuid.uuid4().hex[:8]}"
    with ExitStack() as cleanup:
        if arguments.bootstrap_servers is None:
            cluster = cleanup.enter_context(MockCluster(brokers=BROKERS, topics={topic: PARTITIONS}))
            servers = cluster.bootstrap_servers
            print(f"started a Kafka cluster of {BROKERS} brokers in this process: {servers}")
        else:
            servers = arguments.bootstrap_servers
            print(f"using {servers}, topic {topic}")
        send(servers, topic, quakes)
        messages = receive(servers, topic, len(quakes))

    found = differences(quakes, messages)
    if found:
        more = f" (and {len(found) - 1:,} more differences)" if len(found) > 1 else ""
        raise CommandError(f"what was read is not what was sent: {found[0]}{more}")
    print(f"checked  {len(messages):,} records: each equals what was sent\n")
    print_strongest(messages)
    return 0


def read_quakes() -> List[Quake]:
    """The seismic events that come with kjson (see kjson/data/README.md)."""
    lines = pkgutil.get_data("kjson", "data/earthquakes.jsonl")
    if lines is None:
        raise CommandError("kjson was installed without its data file data/earthquakes.jsonl")
    return [json.loads(line) for line in lines.splitlines()]


def send(servers: str, topic: str, quakes: List[Quake]) -> None:
    """Sends every event and waits until each is acknowledged."""
    with ProgressBar("sending", len(quakes)) as bar, Producer(servers) as producer:
        started = time.monotonic()
        deliveries = [producer.send(topic, quake, key=quake["id"]) for quake in quakes]
        for delivery in deliveries:
            delivery.result(ACKNOWLEDGE_WITHIN_S)
            bar.advance()
        seconds = time.monotonic() - started
    print(f"sent     {len(quakes):,} records, {len(deliveries):,} acknowledged{_rate(len(deliveries), seconds)}")


def receive(servers: str, topic: str, expected: int) -> List[Message]:
    """Reads every record through a consumer group, and once more, for records that should not be there."""
    messages: List[Message] = []
    consumer = Consumer(topic, bootstrap_servers=servers, group_id=topic)
    with consumer, ProgressBar("receiving", expected) as bar:
        started = last = time.monotonic()
        while len(messages) < expected:
            batch = consumer.consume(500, timeout=0.5)
            if batch:
                last = time.monotonic()
            elif time.monotonic() - last > IDLE_LIMIT_S:
                break  # the comparison reports what is missing
            messages += batch
            bar.advance(len(batch))
        seconds = last - started
        messages += consumer.consume(500, timeout=0.1)
    print(f"received {len(messages):,} records through group {topic}{_rate(len(messages), seconds)}")
    return messages


def differences(sent: List[Quake], received: List[Message]) -> List[str]:
    """One line for each record that is missing, duplicated, unknown or changed."""
    lines = []
    missing = {quake["id"]: quake for quake in sent}
    for message in received:
        where = f"{message.topic} [{message.partition}] at offset {message.offset}"
        quake = missing.pop(message.key, None)
        if quake is None:
            lines.append(f"{where}: key {message.key!r} was read twice or never sent")
        # `==` ignores the order of keys and the difference of 2 and 2.0; the text has both.
        elif message.value != quake or json.dumps(message.value) != json.dumps(quake):
            lines.append(f"{where}: the event {message.key!r} arrived changed")
    lines += [f"the event {key!r} did not arrive" for key in missing]
    return lines


def print_strongest(messages: List[Message]) -> None:
    """Shows the values as a program gets them: dicts."""
    print("the strongest earthquakes in the topic:")
    earthquakes = [message.value for message in messages if message.value["properties"]["mag"] is not None]
    earthquakes.sort(key=lambda quake: -quake["properties"]["mag"])
    for quake in earthquakes[:STRONGEST]:
        properties = quake["properties"]
        at = datetime.fromtimestamp(properties["time"] / 1000, tz=timezone.utc)
        depth = quake["geometry"]["coordinates"][2]
        print(f"  M {properties['mag']:.1f}  {at:%d %b %Y %H:%M} UTC  {properties['place']}, {depth:.0f} km deep")


def _rate(count: int, seconds: float) -> str:
    return f" in {seconds:.2f} s ({count / seconds:,.0f} a second)" if seconds > 0 else ""
