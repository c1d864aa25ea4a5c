"""Everything at once for a while: threads that send, new and bad topics, closes, forks, cancelled waits. Nothing hangs.

`KJSON_TORTURE_SECONDS` makes it longer than the 8 seconds of the suite.
"""

import os

import pytest

from .children import run_program

SECONDS = float(os.environ.get("KJSON_TORTURE_SECONDS", "8"))

PROGRAM = """
import asyncio, faulthandler, logging, os, random, sys, threading, time, warnings
import kjson
from kjson.testing import MockCluster

warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork in a process with threads, which this is about
logger = logging.getLogger("kjson")
logger.addHandler(logging.NullHandler())
logger.setLevel(logging.DEBUG)
logger.propagate = False
sys.setswitchinterval(1e-4)

seconds = float(sys.argv[1])
until = time.monotonic() + seconds
cluster = MockCluster(topics={"t": 3, "u": 1})
servers = cluster.bootstrap_servers
current = [kjson.Producer(servers, linger_ms=1)]
turns, broken = {}, []


def loop(name):
    def decorate(turn):
        def run():
            while time.monotonic() < until and not broken:
                try:
                    turn()
                except kjson.KafkaError:
                    pass
                except BaseException as error:
                    broken.append((name, repr(error)))
                    raise
                turns[name] = turns.get(name, 0) + 1
        threads.append(threading.Thread(target=run, name=name))
    return decorate


threads = []


@loop("send")
def _():
    for n in range(50):
        current[0].send("t", n, on_delivery=lambda error, metadata: None)
    time.sleep(0.001)


@loop("send_many")
def _():
    batch = current[0].send_many("t", range(200))
    if random.random() < 0.3:
        batch.exception(5)
    time.sleep(0.001)


@loop("new topics")
def _():
    current[0].send(f"new-{random.randrange(10**9)}", 1)
    time.sleep(0.01)


@loop("bad topics")
def _():
    for name in ("nul\\0", "", "a" * 300):
        try:
            current[0].send(name, 1)
        except kjson.KafkaError:
            pass
    time.sleep(0.001)


@loop("close")
def _():
    options = random.choice([{}, {"debug": "all"}, {"statistics_interval_ms": 5, "on_stats": len}])
    before, current[0] = current[0], kjson.Producer(servers, linger_ms=1, **options)
    before.close(timeout=2)
    time.sleep(0.05)


@loop("asyncio")
def _():
    async def main():
        async def changed(consumer, partitions):
            await asyncio.sleep(0)

        group = f"g-{random.randrange(10**9)}"
        async with kjson.AsyncProducer(servers) as producer, kjson.AsyncConsumer(
            "u", bootstrap_servers=servers, group_id=group, on_assign=changed, on_revoke=changed
        ) as consumer:
            reads = consumer.until_end(timeout=5)
            for n in range(40):
                for wait in (producer.send_and_wait("u", n), reads.__anext__(), consumer.poll(1)):
                    try:
                        await asyncio.wait_for(wait, random.choice([0.0005, 0.002, 0.01]))
                    except (asyncio.TimeoutError, StopAsyncIteration):
                        pass

    asyncio.run(main())


for thread in threads:
    thread.start()

forks = 0
while time.monotonic() < until and not broken:
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(20, exit=True)
        # No new client: the fork may have come in the middle of another thread's getaddrinfo, and glibc's lock in
        # check_pf.c stays locked in the child for ever.
        kjson.dumps({"a": 1})
        try:
            current[0].send("t", 1)
        except kjson.ForkError:
            sys.exit(0)
        sys.exit("no ForkError")
    give_up = time.monotonic() + 30
    ended = 0
    while not ended and time.monotonic() < give_up:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.kill(child, 9)
    if not ended or status:
        broken.append(("fork", ended, status))
    forks += 1
    time.sleep(0.2)

faulthandler.dump_traceback_later(40, exit=True)  # shows where every thread stands if one does not end
for thread in threads:
    thread.join()
assert not broken, broken
try:
    current[0].close(timeout=10)
except kjson.KafkaError:
    pass
assert forks, turns
print("done")
"""


@pytest.mark.mock_only
@pytest.mark.timeout(SECONDS + 110)
def test_nothing_stands_still() -> None:
    done = run_program(PROGRAM, str(SECONDS), timeout=SECONDS + 100)
    assert (done.stdout, done.status) == ("done\n", 0), done.stderr
