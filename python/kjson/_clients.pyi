from ._kjson import AsyncConsumer as AsyncConsumer
from ._kjson import AsyncProducer as AsyncProducer
from ._kjson import Consumer as Consumer
from ._kjson import MockCluster as MockCluster
from ._kjson import Producer as Producer

__all__ = ["AsyncConsumer", "AsyncProducer", "Consumer", "MockCluster", "Producer"]
