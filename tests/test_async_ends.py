"""How programs end: loops that are closed with work in flight, interpreters that exit, forks, and Ctrl-C."""

import os
import sys
import textwrap
from pathlib import Path

import pytest

from .children import Finished, run_command, run_program
from .peers import committed_offset, read_records
from .stalls import Stalls

LOUD = {"PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "error", "PYTHONFAULTHANDLER": "1"}

LOOPS = """
import asyncio, sys
if sys.argv[1] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio

def run(main):
    loop = loops.new_event_loop()
    loop.slow_callback_duration = 60  # in debug mode asyncio complains of a slow machine, to stderr
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()
"""


@pytest.fixture(params=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> str:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return str(request.param)


def quiet(done: Finished) -> None:
    assert (done.status, done.stderr) == (0, "")


def run_loud(source: str, *arguments: str) -> Finished:
    return run_program(source, *arguments, environment={**os.environ, **LOUD})


def test_a_loop_closed_with_work_in_flight_ends_cleanly_and_the_exit_flushes(
    servers: str, topic: str, loops: str
) -> None:
    quiet(
        run_loud(
            LOOPS
            + textwrap.dedent("""
            import contextlib, gc, kjson
            producer = kjson.AsyncProducer(sys.argv[2], linger_ms=300)

            async def main():
                await producer.send_and_wait(sys.argv[3], 0)
                deliveries = [await producer.send(sys.argv[3], n) for n in range(1, 100)]
                for delivery in deliveries:
                    delivery.add_done_callback(print)
                    asyncio.gather(delivery, return_exceptions=True)
                waiting = producer.flush()
                main.kept = waiting, deliveries, deliveries[0].__await__()
                with contextlib.suppress(StopIteration):  # it is all over already
                    waiting.send(None)  # under way, and never driven on
                    main.kept[-1].send(None)

            run(main())
            gc.collect()
            """),
            loops,
            servers,
            topic,
        )
    )
    assert [record.value for record in read_records(servers, topic, 100)] == [b"%d" % n for n in range(100)]


@pytest.mark.mock_only
def test_an_unclosed_producer_whose_messages_fail_exits_without_a_crash(servers: str, topic: str, loops: str) -> None:
    done = run_loud(
        LOOPS
        + textwrap.dedent("""
        import kjson
        from kjson.testing import MockCluster
        cluster = MockCluster(topics={"t": 1})

        async def main():
            producer = kjson.AsyncProducer(cluster.bootstrap_servers, delivery_timeout_ms=4000)
            await producer.send_and_wait("t", 0)
            cluster.broker_down(1)
            main.kept = producer, await producer.send("t", 1)

        run(main())
        """),
        loops,
    )
    assert done.status == 0
    assert "cannot deliver to 't'" in done.stderr
    assert "Traceback" not in done.stderr


def assert_interrupted_in_time(source: str) -> None:
    """The program prints "interrupted", and when it interrupted itself and when the wait was over."""
    with Stalls() as stalls:
        done = run_program(source)
        assert done.status == 0, done.stderr
        word, sent, ended = done.stdout.split()
        assert word == "interrupted"
        took, stalled = float(ended) - float(sent), stalls.within(float(sent), float(ended))
    assert took - stalled < 0.2, f"{took:.3f} s, of which the machine stood still for {stalled:.3f} s"


def test_asyncio_run_twice_with_the_same_producer(servers: str, topic: str) -> None:
    quiet(
        run_loud(
            """
            import asyncio, sys, kjson
            producer = kjson.AsyncProducer(sys.argv[1])

            async def send(n):
                asyncio.get_running_loop().slow_callback_duration = 60
                place = await producer.send_and_wait(sys.argv[2], n)
                assert place.offset == n
                waits = asyncio.gather(*[await producer.send("other", m) for m in range(10)])
                asyncio.get_running_loop().call_soon(waits.cancel)
                try:
                    await waits
                except asyncio.CancelledError:
                    pass

            for n in range(5):
                asyncio.run(send(n))
            """,
            servers,
            topic,
        )
    )


def test_a_forked_child_gets_fork_error(servers: str, topic: str, loops: str) -> None:
    done = run_program(
        LOOPS
        + textwrap.dedent("""
        import os, warnings, kjson
        warnings.simplefilter("ignore", DeprecationWarning)
        producer = kjson.AsyncProducer(sys.argv[2])
        topic = sys.argv[3]
        run(producer.send_and_wait(topic, 0)) if loops is asyncio else run(asyncio.wait_for(producer.send_and_wait(topic, 0), 20))

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


CELLS = [
    "producer = kjson.AsyncProducer(servers)",
    "await producer.start()",
    "first = await producer.send(topic, 1)",
    "place = await first",
    "places = await asyncio.gather(*[await producer.send(topic, n) for n in range(10)])",
    "await producer.close()",
]


def test_top_level_await_in_the_running_loop_of_a_notebook(servers: str, topic: str) -> None:
    """As IPython's kernel does: each cell is compiled with top-level await and run in the loop that runs already."""
    import ast
    import asyncio
    import inspect

    import kjson

    names = {"kjson": kjson, "asyncio": asyncio, "servers": servers, "topic": topic}

    async def kernel() -> None:
        for cell in CELLS:
            code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result
            await asyncio.sleep(0.01)

    asyncio.run(kernel())
    assert [place.offset for place in names["places"]] == list(range(1, 11))  # type: ignore[union-attr]


PLUGGED = """
import pytest, kjson

{mark}
async def test_sends(producer):
    assert (await producer.send_and_wait("{topic}", 1)).topic == "{topic}"
    await (await producer.send_many("{topic}", range(10)))

{fixture}
async def producer():
    async with kjson.AsyncProducer("{servers}") as made:
        yield made
"""
PLUGINS = {
    "anyio": (
        "anyio",
        "@pytest.mark.anyio",
        "@pytest.fixture",
        "@pytest.fixture\ndef anyio_backend(): return 'asyncio'",
    ),
    "pytest-asyncio": ("pytest_asyncio", "@pytest.mark.asyncio", "import pytest_asyncio\n@pytest_asyncio.fixture", ""),
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_it_works_under_the_plugins_for_pytest(plugin: str, servers: str, topic: str, tmp_path: Path) -> None:
    module, mark, fixture, more = PLUGINS[plugin]
    pytest.importorskip(module)
    source = PLUGGED.format(mark=mark, fixture=fixture, servers=servers, topic=topic) + "\n" + more
    (tmp_path / "test_it.py").write_text(source, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n    ignore:The configuration option\n")
    command = [sys.executable, "-m", "pytest", "-q", str(tmp_path), "-c", str(tmp_path / "pytest.ini")]
    done = run_command(command, 60, cwd=str(tmp_path))
    assert done.status == 0, done.stdout
    assert "1 passed" in done.stdout


def test_consumers_that_are_not_closed_end_with_their_loop_and_the_interpreter(
    servers: str, topic: str, group: str, loops: str
) -> None:
    """One in the middle of a read, one let go of, one that a task still reads from when the loop is closed."""
    quiet(
        run_loud(
            LOOPS
            + textwrap.dedent("""
            import contextlib, kjson
            servers, topic, group = sys.argv[2:]

            async def main():
                async with kjson.AsyncProducer(servers) as producer:
                    await (await producer.send_many(topic, range(100)))
                consumer = kjson.AsyncConsumer(topic, bootstrap_servers=servers, group_id=group, session_timeout_ms=30_000)
                assert (await consumer.__anext__()).value == 0
                assert (await consumer.__anext__()).value == 1
                reading = consumer.poll(None)
                idle = kjson.AsyncConsumer(topic, bootstrap_servers=servers, auto_offset_reset="latest")
                waiting = idle.poll(None)
                with contextlib.suppress(StopIteration):
                    waiting.send(None)
                gone = kjson.AsyncConsumer(topic, bootstrap_servers=servers)
                assert (await gone.__anext__()).value == 0
                del gone
                main.kept = consumer, reading.close(), idle, waiting

            run(main())
            """),
            loops,
            servers,
            topic,
            group,
        )
    )
    # The second message was not worked on to its end, as far as anybody knows.
    assert committed_offset(servers, group, topic) == 1


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
