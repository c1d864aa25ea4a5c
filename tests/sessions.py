"""Options for members of a group that another one left before, or joins later, in the same test."""

__all__ = ["QUICK_SESSION"]

# In librdkafka's mock, a group that a member has left takes nobody in for the session timeout less one second, 44 s by
# default (rdkafka_mock_cgrp.c, rd_kafka_mock_cgrp_classic_rebalance).
QUICK_SESSION = {"session_timeout_ms": 2000, "heartbeat_interval_ms": 300}
