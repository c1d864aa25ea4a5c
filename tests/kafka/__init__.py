"""A real Apache Kafka for the tests: its jars from Maven, single nodes or clusters in KRaft mode, on loopback only.

    with Broker() as broker:
        Producer(broker.bootstrap_servers)
        broker.kill()       # SIGKILL
        broker.start()      # the same ports and the same data

`python -m tests.kafka` starts one by hand. Nothing here outlives the process that started it, however that ends.
"""

from .broker import Broker, BrokerError
from .jars import missing_prerequisites
from .ports import port_is_free

__all__ = ["Broker", "BrokerError", "missing_prerequisites", "port_is_free"]
