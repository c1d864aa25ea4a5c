"""The handler of a signal may use the consumer that it interrupts, whatever lock that holds.

Each program runs in a child process: a thread that holds the GIL and waits for ever stops all of it.
"""

import pytest

from .children import finishes


@pytest.mark.parametrize("use", ["position()", "close()"])
def test_the_handler_of_a_signal_may_use_the_consumer_that_it_interrupts_in_seek(use: str) -> None:
    finishes(
        """
import os, signal
cluster = MockCluster(topics={"t": 1})
with kjson.Producer(cluster.bootstrap_servers) as producer:
    producer.send_many("t", range(10))
cluster.round_trip_time(500)
there = kjson.TopicPartition("t", 0)
consumer = kjson.Consumer(bootstrap_servers=cluster.bootstrap_servers, group_id="g")
signal.signal(signal.SIGTERM, lambda *_: consumer.USE)
consumer.assign(there)
# It cannot be sought before the group's offsets are there, which takes two answers.
timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
timer.start()
try:
    consumer.seek(there, 5)
    assert consumer.poll(20).value == 5
except kjson.ClosedError:
    assert "USE" == "close()"
timer.join()
consumer.close()
print("done")
""".replace("USE", use)
    )


@pytest.mark.parametrize("use", ["paused()", "close()"])
def test_the_handler_of_a_signal_may_use_the_consumer_that_it_interrupts_looking_for_topics(use: str) -> None:
    finishes(
        """
import signal
cluster = MockCluster(topics={"t": 1, "u": 1})
with kjson.Producer(cluster.bootstrap_servers) as producer:
    producer.send("u", 1)
consumer = kjson.Consumer(bootstrap_servers=cluster.bootstrap_servers)
cluster.round_trip_time(120)
signal.signal(signal.SIGALRM, lambda *_: consumer.USE)
try:
    for _ in range(2):
        signal.setitimer(signal.ITIMER_REAL, 0.03, 0.03)
        consumer.subscribe(["t", "u"])
        assert consumer.poll(20).value == 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        consumer.unsubscribe()
except kjson.ClosedError:
    assert "USE" == "close()"
signal.setitimer(signal.ITIMER_REAL, 0)
consumer.close()
print("done")
""".replace("USE", use)
    )
