"""Kafka in a test or a notebook without a broker: `MockCluster`, librdkafka's mock brokers in this process."""

from .._kjson import MockCluster

__all__ = ["MockCluster"]
