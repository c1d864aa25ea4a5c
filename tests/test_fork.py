"""A forked child may not use its parent's clients: they raise ForkError there, and the parent does not notice."""

import pytest

from .children import run_program

PROGRAM = """
import os, sys, time, warnings
import kjson
warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork in a process with threads, which this is about

servers, topic = sys.argv[1:]
producer = kjson.Producer(servers)
delivery = producer.send(topic, 0)
delivery.result(20)
consumer = kjson.Consumer(topic, bootstrap_servers=servers)
assert next(consumer).value == 0

calls = {
    "send": lambda: producer.send(topic, "from the child"),
    "send_and_wait": lambda: producer.send_and_wait(topic, "from the child", timeout=5),
    "flush": lambda: producer.flush(5),
    "next": lambda: next(consumer),
    "poll": lambda: consumer.poll(1),
    "consume": lambda: consumer.consume(1, timeout=1),
    "consumer.close": lambda: consumer.close(),
    "producer.close": lambda: producer.close(),
}
child = os.fork()
if child == 0:
    for name, call in calls.items():
        try:
            call()
            print(name, "did not raise", flush=True)
        except kjson.ForkError:
            pass
        except BaseException as error:
            print(name, "raised", repr(error), flush=True)
    with kjson.Producer(servers) as own:  # a new one is what the error tells to make
        own.send_and_wait(topic, 1, timeout=20)
    del producer, consumer, delivery, calls, call
    sys.exit(0)  # through the interpreter's own end: nothing may hang or crash there
give_up = time.monotonic() + 30
while True:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        break
    if time.monotonic() > give_up:
        os.kill(child, 9)
        sys.exit("the child hangs")
    time.sleep(0.02)
assert status == 0, status
assert next(consumer).value == 1
assert producer.send_and_wait(topic, 2, timeout=20).offset == 2
assert next(consumer).value == 2
consumer.close()
producer.close()
print("done")
"""


def test_clients_raise_fork_error_in_a_forked_child_and_go_on_in_the_parent(servers: str, topic: str) -> None:
    done = run_program(PROGRAM, servers, topic)
    assert (done.stdout, done.status) == ("done\n", 0), done.stderr


@pytest.mark.mock_only
def test_a_mock_cluster_stays_up_when_a_forked_child_ends() -> None:
    done = run_program(
        """
        import os, sys, warnings
        import kjson
        from kjson.testing import MockCluster
        warnings.simplefilter("ignore", DeprecationWarning)

        cluster = MockCluster(topics={"t": 1})
        child = os.fork()
        if child == 0:
            try:
                cluster.create_topic("u")
            except kjson.ForkError:
                sys.exit(0)
            sys.exit("no ForkError")
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        with kjson.Producer(cluster.bootstrap_servers) as producer:
            assert producer.send_and_wait("t", 1, timeout=20).offset == 0
        cluster.close()
        """
    )
    assert done.status == 0, done.stderr


@pytest.mark.mock_only
@pytest.mark.parametrize(
    "options", ["debug='all'", "statistics_interval_ms=1, on_stats=len", "debug='all', on_error=len"]
)
def test_a_child_of_a_fork_in_the_middle_of_logs_and_statistics_works_and_ends(options: str) -> None:
    done = run_program(
        f"""
        import faulthandler, logging, os, sys, threading, time, warnings
        import kjson
        from kjson.testing import MockCluster
        warnings.simplefilter("ignore", DeprecationWarning)
        logging.getLogger("kjson").addHandler(logging.NullHandler())
        logging.getLogger("kjson").setLevel(logging.DEBUG)
        logging.getLogger("kjson").propagate = False

        cluster = MockCluster(topics={{"t": 1}})
        servers = cluster.bootstrap_servers
        producers = [kjson.Producer(servers, linger_ms=0, {options}) for _ in range(3)]
        # Connected: a fork in the middle of getaddrinfo leaves glibc's lock locked in the child.
        for producer in producers:
            producer.send_and_wait("t", 0, timeout=10)
        over = threading.Event()

        def busy(producer):
            while not over.is_set():
                producer.send("t", 1)
                time.sleep(0.0005)

        threads = [threading.Thread(target=busy, args=(producer,)) for producer in producers]
        for thread in threads:
            thread.start()
        for n in range(16):
            child = os.fork()
            if child == 0:
                faulthandler.dump_traceback_later(15, exit=True)
                if n % 2:
                    with kjson.Producer(servers, debug="all") as own:
                        own.send_and_wait("t", n, timeout=10)
                sys.exit(0)
            give_up = time.monotonic() + 20
            ended = 0
            while not ended and time.monotonic() < give_up:
                ended, status = os.waitpid(child, os.WNOHANG)
                time.sleep(0.01)
            if not ended:
                os.kill(child, 9)
            if not ended or status:
                print("the child", n, "hangs" if not ended else status, flush=True)
                os._exit(1)
        over.set()
        for thread in threads:
            thread.join()
        for producer in producers:
            producer.close(timeout=20)
        print("done")
        """,
        timeout=50,
    )
    assert (done.stdout, done.status) == ("done\n", 0), done.stderr
