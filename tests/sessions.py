"""Session timeouts for members of groups: long where nobody has to wait for them, or a stall puts a member out."""

__all__ = ["LONG_SESSION", "QUICK_SESSION"]

# A member whose program, or whose broker, stood still for longer than this is out of its group, and what it had read
# and not committed comes again. Members that are closed leave at once, however long it is.
LONG_SESSION = {"session_timeout_ms": 30_000, "heartbeat_interval_ms": 300}

# For members of a group on the mock that another one left before, or joins later, in the same test, see the fixture
# `session`: there a group that a member has left takes nobody in for the session timeout less one second
# (rdkafka_mock_cgrp.c, rd_kafka_mock_cgrp_classic_rebalance). Which is why kjson takes 2 s by default on a cluster of
# its own process.
QUICK_SESSION = {"session_timeout_ms": 2000, "heartbeat_interval_ms": 300}
