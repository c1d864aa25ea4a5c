"""Forks and Ctrl-C under event loops."""

import textwrap

import pytest

from .children import run_program
from .loops import LOOPS
from .stalls import Stalls


def assert_interrupted_in_time(source: str) -> None:
    """The program prints "interrupted", and when it interrupted itself and when the wait was over."""
    with Stalls() as stalls:
        done = run_program(source)
        assert done.status == 0, done.stderr
        word, sent, ended = done.stdout.split()
        assert word == "interrupted"
        took, stalled = float(ended) - float(sent), stalls.within(float(sent), float(ended))
    assert took - stalled < 0.2, f"{took:.3f} s, of which the machine stood still for {stalled:.3f} s"


def test_a_forked_child_gets_fork_error(servers: str, topic: str, loops: str) -> None:
    done = run_program(
        LOOPS
        + textwrap.dedent("""
        import os, warnings, kjson
        warnings.simplefilter("ignore", DeprecationWarning)
        producer = kjson.AsyncProducer(sys.argv[2])
        topic = sys.argv[3]
        first = producer.send_and_wait(topic, 0)
        run(first if loops is asyncio else asyncio.wait_for(first, 20))

        async def child():
            for call in (
                lambda: producer.send(topic, 1), producer.start, producer.flush, producer.close, producer.ping,
                lambda: producer.send_many(topic, [1]), producer.begin_transaction, producer.__aenter__,
            ):
                try:
                    await call()
                    print("no ForkError", flush=True)
                except kjson.ForkError as error:
                    assert "AsyncProducer" in str(error)
            async with kjson.AsyncProducer(sys.argv[2]) as own:
                await own.send_and_wait(topic, 1)

        pid = os.fork()
        if pid == 0:
            run(child())
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        run(producer.close())
        print("done")
        """),
        loops,
        servers,
        topic,
    )
    assert (done.stdout, done.status) == ("done\n", 0), done.stderr


@pytest.mark.mock_only
@pytest.mark.parametrize("call", ["producer.flush()", "producer.send_and_wait('t', 2)", "delivery"])
def test_ctrl_c_ends_a_wait(call: str, cluster: object) -> None:
    assert_interrupted_in_time(
        f"""
        import asyncio, os, signal, sys, threading, time
        import kjson
        from kjson.testing import MockCluster
        cluster = MockCluster(topics={{"t": 1}})

        async def main():
            producer = kjson.AsyncProducer(cluster.bootstrap_servers)
            await producer.send_and_wait("t", 0)
            cluster.broker_down(1)
            delivery = await producer.send("t", 1)
            main.kept = producer
            def interrupt():
                main.at = time.monotonic()
                os.kill(os.getpid(), signal.SIGINT)
            threading.Timer(0.3, interrupt).start()
            await {call}

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted", main.at, time.monotonic(), flush=True)
        os._exit(0)
        """
    )


def test_a_forked_child_may_not_use_its_parents_consumer(servers: str, topic: str, loops: str) -> None:
    done = run_program(
        LOOPS
        + textwrap.dedent("""
        import os, warnings, kjson
        warnings.simplefilter("ignore", DeprecationWarning)
        topic = sys.argv[3]
        consumer = kjson.AsyncConsumer(topic, bootstrap_servers=sys.argv[2], group_id="g", session_timeout_ms=30_000)

        async def first():
            async with kjson.AsyncProducer(sys.argv[2]) as producer:
                await (await producer.send_many(topic, range(3)))
            return (await consumer.__anext__()).value

        async def child():
            for call in (
                consumer.__anext__, consumer.poll, consumer.consume, consumer.commit, consumer.close, consumer.start,
                consumer.seek_to_beginning, consumer.lag, consumer.__aenter__,
            ):
                try:
                    await call()
                    print("no ForkError", flush=True)
                except kjson.ForkError as error:
                    assert "AsyncConsumer" in str(error)
            async with kjson.AsyncConsumer(topic, bootstrap_servers=sys.argv[2]) as own:
                assert (await own.__anext__()).value == 0

        run(first())
        pid = os.fork()
        if pid == 0:
            run(child())
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0

        async def rest():
            assert (await consumer.__anext__()).value == 1
            await consumer.close()

        run(rest())
        print("done")
        """),
        loops,
        servers,
        topic,
    )
    assert (done.stdout, done.status) == ("done\n", 0), done.stderr


@pytest.mark.mock_only
@pytest.mark.parametrize("call", ["consumer.poll(None)", "consumer.__anext__()", "consumer.consume(10, None)"])
def test_ctrl_c_ends_a_read_that_waits(call: str, cluster: object) -> None:
    assert_interrupted_in_time(
        f"""
        import asyncio, os, signal, sys, threading, time
        import kjson
        from kjson.testing import MockCluster
        cluster = MockCluster(topics={{"t": 1}})

        async def main():
            async with kjson.AsyncConsumer("t", bootstrap_servers=cluster.bootstrap_servers, group_id="g") as consumer:
                def interrupt():
                    main.at = time.monotonic()
                    os.kill(os.getpid(), signal.SIGINT)
                threading.Timer(0.5, interrupt).start()
                try:
                    await {call}
                except asyncio.CancelledError:
                    main.ended = time.monotonic()
                    raise

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            # Before 3.11 nothing is cancelled, and there is nothing to time.
            print("interrupted", main.at, main.at if sys.version_info < (3, 11) else main.ended, flush=True)
        """
    )
