"""librdkafka's log lines go to `logging.getLogger("kjson")`, without anybody polling, and repeated failures are held back."""

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
