"""A key goes to the partition that Kafka's own Java producer picks for it."""

import random
import subprocess
from pathlib import Path
from typing import List

import pytest

from kjson import Producer

from .kafka.jars import jars, java
from .peers import read_records

pytestmark = [pytest.mark.real_kafka, pytest.mark.usefixtures("calling")]

# The class that KafkaProducer asks, from the jars of the broker. Reads keys in hex, one a line.
JAVA = """
import java.util.HexFormat;
import java.util.Scanner;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

public class Partitions {
    public static void main(String[] arguments) {
        int count = Integer.parseInt(arguments[0]);
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            byte[] key = HexFormat.of().parseHex(lines.nextLine());
            System.out.println(BuiltInPartitioner.partitionForKey(key, count));
        }
    }
}
"""


def sample_keys() -> List[bytes]:
    chance = random.Random(5)
    keys = [b"", b"a", b"order-1", "ключ".encode(), "\U0001f600".encode(), b"\x00", b"\xff" * 9, b"\x80abc"]
    keys += [chance.randbytes(length) if hasattr(chance, "randbytes") else bytes(length) for length in range(1, 200)]
    keys += [f"customer-{n}".encode() for n in range(500)]
    return keys


def partitions_in_java(keys: List[bytes], count: int, folder: Path) -> List[int]:
    source = folder / "Partitions.java"
    source.write_text(JAVA, encoding="utf-8")
    done = subprocess.run(
        [java(), "-cp", str(jars() / "*"), str(source), str(count)],
        input="".join(key.hex() + "\n" for key in keys),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_every_key_goes_where_the_java_producer_sends_it(
    servers: str, new_topic: object, tmp_path: Path, count: int
) -> None:
    keys = sample_keys()
    expected = partitions_in_java(keys, count, tmp_path)
    assert len(expected) == len(keys)
    topic = new_topic(count)  # type: ignore[operator]
    with Producer(servers) as producer:
        single = [producer.send(topic, None, key=key) for key in keys]
        batch = producer.send_many(topic, range(len(keys)), key=lambda n: keys[n])
        assert [delivery.result(20).partition for delivery in single] == expected
        assert [place.partition for place in batch.result(20)] == expected
    assert len(read_records(servers, topic, 2 * len(keys), partitions=count)) == 2 * len(keys)
