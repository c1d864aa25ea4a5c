"""librdkafka's log lines go to `logging.getLogger("kjson")` without a poll, and repeated failures are collapsed."""

import logging
import re
from typing import Any, List

import pytest

from kjson import KafkaConnectionError, Producer
from kjson.testing import MockCluster

from .children import run_program
from .waiting import wait_until


@pytest.fixture
def records() -> Any:
    seen: List[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]
    logger = logging.getLogger("kjson")
    logger.addHandler(handler)
    yield seen
    logger.removeHandler(handler)


def test_a_lost_broker_is_logged_once_not_twenty_times_a_second(records: List[logging.LogRecord]) -> None:
    with MockCluster() as cluster, Producer(cluster.bootstrap_servers, delivery_timeout_ms=3000) as producer:
        producer.send_and_wait("t", 1, timeout=10)
        cluster.broker_down(1)
        assert producer.send("t", 2).exception(20) is not None
        wait_until(lambda: records, "a log record")
        failures = [record for record in records if record.levelno >= logging.WARNING]
        assert 1 <= len(failures) <= 8, [record.getMessage() for record in failures]


def test_a_constructor_that_fails_says_it_in_its_exception_alone(records: List[logging.LogRecord]) -> None:
    with pytest.raises(KafkaConnectionError):
        Producer("127.0.0.1:1")
    # Of this one's broker: a client that another test has let go may have something to say meanwhile.
    said = [record.getMessage() for record in records if record.levelno >= logging.WARNING]
    assert [text for text in said if re.search(r"\b127\.0\.0\.1:1\b", text)] == []


def test_nothing_is_written_to_stderr_behind_the_logger() -> None:
    done = run_program(
        """
        import logging
        logging.getLogger("kjson").addHandler(logging.NullHandler())
        from kjson import KafkaConnectionError, Producer
        try:
            Producer("127.0.0.1:1")
        except KafkaConnectionError:
            print("raised")
        """
    )
    assert (done.status, done.stdout, done.stderr) == (0, "raised\n", "")


@pytest.mark.mock_only
def test_debug_records_that_no_handler_keeps_up_with_are_dropped_and_counted() -> None:
    done = run_program(
        """
        import logging, re, time
        import kjson
        from kjson.testing import MockCluster

        levels, texts = [], []

        class Slow(logging.Handler):
            def emit(self, record):
                levels.append(record.levelno)
                if record.levelno >= logging.WARNING:
                    texts.append(record.getMessage())
                time.sleep(0.005 if len(levels) < 1200 else 0)

        logger = logging.getLogger("kjson")
        logger.addHandler(Slow())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        with MockCluster(topics={"t": 1}) as cluster:
            with kjson.Producer(cluster.bootstrap_servers, debug="all", linger_ms=0) as producer:
                until = time.monotonic() + 5
                while time.monotonic() < until:
                    producer.send_and_wait("t", 1)
            until = time.monotonic() + 20
            while not any("were dropped" in text for text in texts) and time.monotonic() < until:
                time.sleep(0.05)
        counts = [int(re.match(r"(\\d+) DEBUG records or statistics were dropped", text)[1])
                  for text in texts if "were dropped" in text]
        assert counts and sum(counts) > 0, texts
        print("done")
        """
    )
    assert (done.stdout, done.status) == ("done\n", 0), done.stderr
