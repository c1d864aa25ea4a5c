"""How asyncio programs end: loops that are closed with work in flight, and interpreters that exit."""

import textwrap

import pytest

from .loops import LOOPS, ended_well, run_loud
from .peers import committed_offset, read_records


def test_a_loop_closed_with_work_in_flight_ends_cleanly_and_the_exit_flushes(
    servers: str, topic: str, loops: str
) -> None:
    ended_well(
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


def test_asyncio_run_twice_with_the_same_producer(servers: str, topic: str) -> None:
    ended_well(
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


def test_consumers_that_are_not_closed_end_with_their_loop_and_the_interpreter(
    servers: str, topic: str, group: str, loops: str
) -> None:
    """One in the middle of a read, one let go of, one that a task still reads from when the loop is closed."""
    ended_well(
        run_loud(
            LOOPS
            + textwrap.dedent("""
            import contextlib, kjson
            servers, topic, group = sys.argv[2:]

            async def main():
                async with kjson.AsyncProducer(servers) as producer:
                    await (await producer.send_many(topic, range(100)))
                options = dict(bootstrap_servers=servers, group_id=group, session_timeout_ms=30_000)
                consumer = kjson.AsyncConsumer(topic, **options)
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
