"""One Kafka node in KRaft mode on loopback: started, stopped, killed and started again on the same ports and data."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from . import watchdog
from .jars import CACHE, jars, java
from .ports import free_port

__all__ = ["Broker", "BrokerError", "new_cluster_id"]

# Enough for tests and small benchmarks; the C1 compiler alone starts a second faster on two cores.
JAVA_OPTIONS = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
LOGGING = ["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]


class BrokerError(Exception):
    """A broker did not start or did not end; the message has the end of its log."""


def new_cluster_id() -> str:
    """A cluster id: 16 bytes in URL-safe base64. StorageTool takes a leading dash for an option."""
    return "k" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


class Broker:
    """A node that is broker and controller.

    Alone it is a cluster. For several nodes, give all of them the same `cluster_id` and the same
    `controllers` (node id to controller port), and start them with `wait=False` before waiting for each.
    """

    def __init__(
        self,
        port: Optional[int] = None,
        *,
        node_id: int = 1,
        cluster_id: Optional[str] = None,
        controllers: Optional[Mapping[int, int]] = None,
        properties: Optional[Mapping[str, str]] = None,
        java_options: Optional[List[str]] = None,
    ) -> None:
        self.node_id = node_id
        self.port = free_port() if port is None else port
        self.controllers = dict(controllers) if controllers else {node_id: free_port()}
        self.cluster_id = cluster_id or new_cluster_id()
        self._extra = dict(properties or {})
        self._java_options = JAVA_OPTIONS if java_options is None else java_options
        self._process: Optional[subprocess.Popen[bytes]] = None

        (CACHE / "nodes").mkdir(parents=True, exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.port}-", dir=str(CACHE / "nodes")))
        self.log_file = self.directory / "broker.log"
        self._properties_file = self.directory / "server.properties"
        self._write_properties()

    @property
    def bootstrap_servers(self) -> str:
        return f"localhost:{self.port}"

    @property
    def pid(self) -> Optional[int]:
        """The process id while the node runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, *, wait: bool = True, timeout: float = 60.0) -> "Broker":
        """Starts the node, formatting its data folder the first time, and returns when it answers."""
        if self.pid is not None:
            raise BrokerError(f"the broker on {self.bootstrap_servers} runs already")
        if not (self.directory / "data").exists():
            self._format()
        with open(str(self.log_file), "ab") as log:
            self._process = subprocess.Popen(
                [java(), *self._java_options, *LOGGING, "-cp", _classpath(), "kafka.Kafka", str(self._properties_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=str(self.directory),
                start_new_session=True,  # a Ctrl-C in the terminal is for the tests, which then end it in order
            )
        watchdog.watch(self._process.pid)
        atexit.register(self.close)
        if wait:
            self.wait_until_ready(timeout)
        return self

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Returns when the node answers a metadata request and counts itself among the live brokers."""
        deadline = time.monotonic() + timeout
        admin = AdminClient(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,  # refused connections are what we wait through
            }
        )
        while True:
            if self.pid is None:
                raise BrokerError(f"the broker on {self.bootstrap_servers} ended while starting:{self._log_end()}")
            try:
                if self.node_id in admin.list_topics(timeout=0.5).brokers:
                    return
            except KafkaException:
                pass
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.bootstrap_servers} did not answer within {timeout:g} s:{self._log_end()}")

    def stop(self, timeout: float = 30.0) -> None:
        """Ends the node in order (SIGTERM)."""
        self._end(signal.SIGTERM, timeout)

    def kill(self, timeout: float = 10.0) -> None:
        """Ends the node at once (SIGKILL), as a crash would."""
        self._end(signal.SIGKILL, timeout)

    def restart(self, timeout: float = 60.0) -> None:
        """Stops the node in order and starts it on the same ports and data."""
        self.stop()
        self.start(timeout=timeout)

    def pause(self) -> None:
        """Freezes the node (SIGSTOP): its port accepts connections, and nothing answers."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while not self._is_frozen():
            if time.monotonic() > deadline:
                raise BrokerError(f"process {self.pid} did not stop")
            time.sleep(0.001)

    def resume(self) -> None:
        """Lets a frozen node go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends the node at once and removes its data."""
        if self.pid is not None:
            self.kill()
        atexit.unregister(self.close)
        shutil.rmtree(str(self.directory), ignore_errors=True)

    def __enter__(self) -> "Broker":
        return self if self.pid is not None else self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _end(self, number: int, timeout: float) -> None:
        if self._process is not None and not watchdog.end(self._process, number, timeout):
            raise BrokerError(f"process {self._process.pid} did not end within {timeout:g} s:{self._log_end()}")

    def _signal(self, number: int) -> None:
        if self.pid is None:
            raise BrokerError(f"the broker on {self.bootstrap_servers} is not running")
        os.kill(self.pid, number)

    def _is_frozen(self) -> bool:
        """Whether every thread of the process has stopped: the signal reaches them one after the other."""
        states = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            states.append((task / "stat").read_text().rpartition(")")[2].split()[0])
        return set(states) == {"T"}

    def _format(self) -> None:
        command = [java(), *self._java_options, *LOGGING, "-cp", _classpath(), "kafka.tools.StorageTool", "format"]
        command += ["-t", self.cluster_id, "-c", str(self._properties_file)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
        )
        if done.returncode != 0:
            raise BrokerError(f"cannot format {self.directory}:\n{done.stdout.decode(errors='replace')}")

    def _write_properties(self) -> None:
        # KRaft replicates a few internal topics; on a cluster of one node each has one copy.
        copies = str(min(3, len(self.controllers)))
        properties: Dict[str, str] = {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{p}" for n, p in sorted(self.controllers.items())),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://localhost:{self.port},CONTROLLER://127.0.0.1:{self.controllers[self.node_id]}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "true",
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "4",  # 50 by default: the first group would wait for all of them
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": str((int(copies) + 1) // 2),
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": "1",
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000",  # 9,000 by default: a killed broker cannot come back earlier
            "group.initial.rebalance.delay.ms": "0",
            # KIP-848 members learn with their heartbeats what they have: every 5 s by default.
            "group.consumer.min.heartbeat.interval.ms": "500",
            "group.consumer.heartbeat.interval.ms": "500",
            "group.min.session.timeout.ms": "500",
            "log.retention.ms": "-1",  # records that a test dates back to last year are no less wanted
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # taken from the heap at the start
        }
        properties.update(self._extra)
        text = "".join(f"{name}={value}\n" for name, value in properties.items())
        self._properties_file.write_text(text, encoding="utf-8")

    def _log_end(self) -> str:
        try:
            return "\n" + self.log_file.read_text(encoding="utf-8", errors="replace")[-4000:]
        except OSError:
            return " (it has no log)"


def _classpath() -> str:
    return str(jars() / "*")
