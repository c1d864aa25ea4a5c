"""Kafka for tests and notebooks without a broker: `MockCluster`, librdkafka's mock brokers in this process."""

from .._clients import MockCluster

__all__ = ["MockCluster"]
