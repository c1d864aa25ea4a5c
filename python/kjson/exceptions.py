"""The exceptions that kjson raises: one tree under `KafkaError`.

Each class also derives from the built-in exception that Python programmers already catch (`ConnectionError`,
`TimeoutError`, `ValueError`, ...). All of them pickle with their attributes, and none carries a secret.
"""

from types import MappingProxyType
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

__all__ = [
    "AuthenticationError",
    "AuthorizationError",
    "ClosedError",
    "CommitError",
    "ConfigError",
    "DecodeError",
    "DeliveryError",
    "EncodeError",
    "FailedRecord",
    "FencedError",
    "FlushTimeoutError",
    "ForkError",
    "KafkaConnectionError",
    "KafkaError",
    "KafkaTimeoutError",
    "MessageTooLargeError",
    "QueueFullError",
    "SerializationError",
    "TlsError",
    "TransactionError",
    "UnknownTopicError",
]


class KafkaError(Exception):
    """Base class of all errors that kjson raises."""

    code: Optional[int] = None
    """The error code of librdkafka or the broker (`rd_kafka_resp_err_t`), or None if there is none."""
    name: Optional[str] = None
    """The code's name, such as "MSG_SIZE_TOO_LARGE"; names of client-side errors start with "_"."""
    retriable: bool = False
    """Whether the same call may succeed if it is repeated."""
    fatal: bool = False
    """Whether the client cannot be used any more: close it and create another."""

    def __init__(self, message: str = "", **attributes: Any) -> None:
        super().__init__(message)
        for attribute, value in attributes.items():
            if not hasattr(type(self), attribute):
                raise TypeError(f"{type(self).__name__} has no attribute {attribute!r}")
            setattr(self, attribute, value)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type, args: Tuple[Any, ...], attributes: Dict[str, Any]) -> KafkaError:
    error: KafkaError = cls(*args)
    error.__dict__.update(attributes)
    return error


class KafkaConnectionError(KafkaError, ConnectionError):
    """No broker can be reached."""

    servers: Tuple[str, ...] = ()
    """The addresses that were tried, as "host:port"."""
    causes: Mapping[str, str] = MappingProxyType({})
    """The last reason for each address, such as {"localhost:9092": "connection refused"}."""


class AuthenticationError(KafkaConnectionError):
    """A broker answered and rejected the credentials."""


class TlsError(KafkaConnectionError):
    """The TLS handshake failed: an unknown certificate authority, a wrong host name, no common protocol."""


class KafkaTimeoutError(KafkaError, TimeoutError):
    """An operation did not finish within its timeout."""


class FlushTimeoutError(KafkaTimeoutError):
    """`flush` or `close` timed out before all messages were delivered."""

    remaining: int = 0
    """The number of messages that were neither acknowledged nor failed."""


class QueueFullError(KafkaError, BufferError):
    """The producer's queue stayed full for `max_block_ms`."""


class FailedRecord(NamedTuple):
    """One message that was not delivered, as it was passed to librdkafka."""

    topic: str
    partition: Optional[int]
    key: Optional[bytes]
    value: Optional[bytes]
    error: KafkaError


class DeliveryError(KafkaError):
    """One or more messages could not be delivered."""

    failures: Tuple[FailedRecord, ...] = ()
    """The messages that failed, each with its own error."""


class SerializationError(KafkaError, ValueError):
    """A message could not be encoded or decoded."""


class EncodeError(SerializationError, TypeError):
    """A Python object has no JSON form."""

    path: str = "$"
    """The path of the value in the object, such as `$.orders[3].ts`."""


class DecodeError(SerializationError):
    """Bytes are not JSON, or do not fit `value_type`. The consumer's next read returns the message after it."""

    line: Optional[int] = None
    """The line of the error in the text, counted from 1."""
    column: Optional[int] = None
    """The column of the error in its line, in bytes, counted from 1."""
    byte_offset: Optional[int] = None
    """The position of the error in the bytes, counted from 0."""
    topic: Optional[str] = None
    partition: Optional[int] = None
    offset: Optional[int] = None
    """The message's offset in its partition. The position in the text is `byte_offset`."""
    timestamp_ms: Optional[int] = None
    headers: Tuple[Tuple[str, Optional[bytes]], ...] = ()
    raw_key: Optional[bytes] = None
    raw_value: Optional[bytes] = None


class ConfigError(KafkaError, ValueError):
    """An option is unknown, was given twice, or has an invalid value."""

    option: Optional[str] = None
    suggestion: Optional[str] = None
    """The existing option with the most similar name, if one is similar."""


class UnknownTopicError(KafkaError):
    """The topic, or the partition, does not exist on the cluster."""


class AuthorizationError(KafkaError):
    """The broker authenticated the client and denies it access."""


class MessageTooLargeError(KafkaError):
    """The message is larger than `message.max.bytes`, or than the broker accepts."""


class CommitError(KafkaError):
    """Offsets could not be committed."""


class TransactionError(KafkaError):
    """A transactional operation failed."""

    abortable: bool = False
    """Whether the producer can be used again after `abort_transaction`."""


class FencedError(TransactionError):
    """A newer producer with this `transactional_id`, or consumer with this `group_instance_id`, has taken over."""


class ClosedError(KafkaError, RuntimeError):
    """The object was used after `close`."""


class ForkError(KafkaError, RuntimeError):
    """The object was created in another process, before a fork. Create a new one in the child."""
