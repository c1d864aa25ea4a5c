"""The compiled part of kjson. This file is its reference documentation; stubtest compares it with the module."""

from asyncio import AbstractEventLoop
from contextvars import Context
from datetime import datetime
from types import TracebackType
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Coroutine,
    Dict,
    Generator,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    SupportsIndex,
    Tuple,
    Type,
    Union,
    final,
    overload,
)

from typing_extensions import Literal, Self, TypeVar, disjoint_base

from .exceptions import CommitError, DecodeError, DeliveryError, FailedRecord, KafkaError

__all__ = [
    "AsyncConsumer",
    "AsyncProducer",
    "AsyncTransaction",
    "Consumer",
    "DeadLetter",
    "Delivery",
    "DeliveryBatch",
    "GroupMetadata",
    "Message",
    "MockCluster",
    "Operation",
    "Producer",
    "RecordMetadata",
    "TopicPartition",
    "Transaction",
    "__version__",
    "_coroutine_method",
    "_option_of",
    "_options_table",
    "_reference_dumps",
    "_reference_loads",
    "dumps",
    "librdkafka_version",
    "loads",
]
__version__: str
librdkafka_version: str

_T = TypeVar("_T", default=Any)
_T_co = TypeVar("_T_co", covariant=True)
_HeaderValue = Union[str, bytes, None]
# A pair may be a list of two, as JSON has it.
_Headers = Union[Mapping[str, _HeaderValue], Iterable[Union[Tuple[str, _HeaderValue], List[Any]]]]
_Option = Union[str, int, float, bool, Sequence[str], None]
_OnDelivery = Callable[[Optional[DeliveryError], Optional["RecordMetadata"]], object]
_Partitions = Union["TopicPartition", "Message[Any]", Iterable[Union["TopicPartition", "Message[Any]"]]]
_OnPartitions = Callable[["Consumer[Any]", List["TopicPartition"]], object]
_OnPartitionsAsync = Callable[["AsyncConsumer[Any]", List["TopicPartition"]], object]
_OnCommit = Callable[[Optional[CommitError], List["TopicPartition"]], object]
_Nan = Literal["error", "null", "allow"]

def dumps(obj: object, *, default: Optional[Callable[[Any], Any]] = None, nan: _Nan = "error") -> bytes:
    """Encode an object as compact UTF-8 JSON, with the encoder of `Producer.send`.

    Args:
        obj: What `json.dumps` takes, dates, UUID, Decimal, Enum, mappings, sequences, dataclasses, objects of attrs,
            pydantic and msgspec.
        default: Called with each object that has no JSON form; its result is encoded instead.
        nan: How NaN and the infinities are encoded: "error" refuses them, "null" writes null, "allow" writes `NaN`,
            `Infinity` and `-Infinity` as `json.dumps` does, which is not JSON.

    Raises:
        EncodeError: A value has no JSON form, contains itself, or is nested deeper than 512 levels. `path` says where.
        ConfigError: `nan` is none of the three.
    """

def loads(data: Union[bytes, bytearray, memoryview, str], *, parse_float: Optional[Callable[[str], Any]] = None) -> Any:
    """Decode JSON into Python objects, as `json.loads` does, with the decoder of `Message.value`.

    Args:
        data: UTF-8 bytes, or a str.
        parse_float: Called with the text of each number that has a fraction or an exponent, such as `decimal.Decimal`.

    Raises:
        DecodeError: The data is not JSON, or nested deeper than 512 levels. `line`, `column`, `byte_offset` say where.
    """

# For the tests: the codec's reference implementation, with pythonize and serde_json.
def _reference_dumps(obj: object) -> bytes: ...
def _reference_loads(data: bytes) -> Any: ...

# For the tests: what a client uses for one of librdkafka's properties, except for secrets.
def _option_of(client: object, name: str) -> Optional[str]: ...

# For `make stub`: name, type, default, unit, librdkafka's name, secret, text.
def _options_table(client: str) -> List[Tuple[str, str, str, str, str, bool, str]]: ...

# For `kjson._clients`: a call runs `native`, introspection sees `function`.
def _coroutine_method(native: Any, function: Callable[..., Any]) -> Any: ...

@disjoint_base
class Producer:
    """Sends Python objects as JSON to Kafka. Thread-safe: one producer serves a whole program.

    The constructor returns when a broker has answered. A thread of kjson takes the delivery reports; the program need
    not poll.

    Args:
        bootstrap_servers: Addresses as "host:port", several in a list or separated by commas. `bootstrap.servers`.
        connect_timeout: How long the constructor waits for a broker's answer; None or 0 does not check. Addresses that
            refuse, cannot be resolved, or reject TLS or the credentials fail earlier. In seconds.
        client_id: The name that brokers log. `client.id`.
        acks: "all", 1 or 0: whose acknowledgement a message needs. Anything but "all" turns idempotence off unless that
            is asked for. `request.required.acks`.
        enable_idempotence: Retries neither duplicate nor reorder messages. Gives way to `acks`, `retries=0` or more
            than 5 requests in flight (KIP-679). `enable.idempotence`.
        transactional_id: Makes a transactional producer, and fences the one that had the id before (KIP-98).
            `transactional.id`.
        compression_type: "none", "gzip", "snappy", "lz4" or "zstd". `compression.type`.
        linger_ms: How long a batch waits for more messages. A call that waits for a delivery does not wait for this. In
            milliseconds. `linger.ms`.
        delivery_timeout_ms: How long a message may take from `send` to its acknowledgement, retries included; 0 is
            forever. With a `transactional_id` it is at most `transaction_timeout_ms`. In milliseconds.
            `message.timeout.ms`.
        max_block_ms: How long `send` waits when the queue is full (`queue.buffering.max.messages`, 100000 messages, and
            `queue.buffering.max.kbytes`, 1 GiB). In milliseconds.
        partitioner: "murmur2_random" chooses the partition that the Java client chooses for the same key.
            `partitioner`.
        default: As in `dumps`.
        nan: As in `dumps`.
        value_serializer: Called with each value instead of encoding it as JSON; returns bytes, or None for a tombstone.
        key_serializer: Called with each key; returns bytes or None.
        on_delivery: Called as `on_delivery(error, metadata)` for every message without a callback of its own, on a
            thread of kjson: exactly one of the two is None.
        security_protocol: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL". Required with every ssl_ and sasl_
            option. `security.protocol`.
        ssl_cafile: The certificates of authorities to trust. Without it those of the operating system are looked for.
            `ssl.ca.location`.
        ssl_certfile: The client's certificate. `ssl.certificate.location`.
        ssl_keyfile: The client's private key. `ssl.key.location`.
        ssl_password: The password of the private key. `ssl.key.password`.
        ssl_check_hostname: Whether the broker's certificate must be for its host name.
            `ssl.endpoint.identification.algorithm`.
        sasl_mechanism: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512" or "OAUTHBEARER". kjson is built without librdkafka's
            default, GSSAPI. `sasl.mechanism`.
        sasl_plain_username: The user. `sasl.username`.
        sasl_plain_password: The user's password. `sasl.password`.
        on_error: Called with a `KafkaError` for each error that librdkafka reports and recovers from, on a thread of
            kjson.
        on_stats: Called with librdkafka's statistics as a dict, every `statistics_interval_ms`.
        statistics_interval_ms: How often `on_stats` is called; 0 is never. In milliseconds. `statistics.interval.ms`.
        config: Options under librdkafka's dotted names, such as {"socket.keepalive.enable": True}.
        options: Any other option of librdkafka, with underscores for its dots. All names are in librdkafka's
            CONFIGURATION.md.

    Raises:
        KafkaConnectionError: No broker could be reached; `TlsError` or `AuthenticationError` if that was the cause.
        ConfigError: An option is unknown, was given twice with different values, or has an invalid value.
        FencedError, TransactionError: The `transactional_id` could not be initialized.

    Blocks for up to `connect_timeout`; Ctrl-C ends the wait.
    """

    def __init__(
        self,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        *,
        connect_timeout: Optional[float] = 10.0,
        client_id: Optional[str] = "rdkafka",
        acks: Union[Literal["all"], int] = "all",
        enable_idempotence: bool = True,
        transactional_id: Optional[str] = None,
        compression_type: Optional[str] = "none",
        linger_ms: float = 5,
        delivery_timeout_ms: int = 120000,
        max_block_ms: float = 60000.0,
        partitioner: str = "murmur2_random",
        default: Optional[Callable[[Any], Any]] = None,
        nan: _Nan = "error",
        value_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        key_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        on_delivery: Optional[_OnDelivery] = None,
        security_protocol: str = "PLAINTEXT",
        ssl_cafile: Optional[str] = None,
        ssl_certfile: Optional[str] = None,
        ssl_keyfile: Optional[str] = None,
        ssl_password: Optional[str] = None,
        ssl_check_hostname: bool = True,
        sasl_mechanism: Optional[str] = "GSSAPI",
        sasl_plain_username: Optional[str] = None,
        sasl_plain_password: Optional[str] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = 0,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def send(
        self,
        topic: str,
        value: object,
        *,
        key: object = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
        timestamp: Union[SupportsIndex, datetime, None] = None,
        on_delivery: Optional[_OnDelivery] = None,
    ) -> Delivery:
        """Enqueue one message and return its `Delivery`. Blocks only while the queue is full.

        Args:
            topic: The topic's name.
            value: Sent as JSON; None is a tombstone.
            key: str and bytes are sent as they are, anything else as JSON. Messages with the same key keep their order.
            headers: A mapping, or pairs; values are str (sent as UTF-8), bytes or None.
            partition: The partition's number. Default: the partitioner chooses.
            timestamp: Milliseconds since 1970, or an aware datetime. Default: now.
            on_delivery: Called as `on_delivery(error, metadata)` on a thread of kjson when the message is acknowledged
                or has failed; one of the two is None. An exception that it raises goes to `sys.unraisablehook`.

        Raises:
            EncodeError: The value or the key has no JSON form; nothing was sent.
            QueueFullError: The queue stayed full for `max_block_ms`; nothing was sent.
            MessageTooLargeError: The message is larger than `message.max.bytes` (1,000,000 bytes).
            UnknownTopicError: The topic has no such partition.
            ClosedError, ForkError: The producer is closed, or belongs to another process.

        A full queue blocks without the GIL. Ctrl-C ends that wait, and the message is not sent. `rd_kafka_producev`.
        """

    def send_and_wait(
        self,
        topic: str,
        value: object,
        *,
        timeout: Optional[float] = None,
        key: object = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
        timestamp: Union[SupportsIndex, datetime, None] = None,
        on_delivery: Optional[_OnDelivery] = None,
    ) -> RecordMetadata:
        """Send a message and wait until it is acknowledged. Not delayed by `linger_ms`.

        Takes what `send` takes.

        Args:
            timeout: Seconds to wait for the acknowledgement. None: no limit but `delivery_timeout_ms`.

        Returns:
            The partition, offset and timestamp of the message.

        Raises:
            DeliveryError: The message was not delivered.
            KafkaTimeoutError: `timeout` has passed; the message is still in flight.

        Raises what `send` raises, too. Ctrl-C ends the wait; the message stays in flight.
        """

    def send_many(
        self,
        topic: str,
        values: Iterable[Any],
        *,
        key: Optional[Callable[[Any], object]] = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
    ) -> DeliveryBatch:
        """Enqueue many messages in one call, at less cost for each than `send`.

        Args:
            topic: The topic's name.
            values: Each is sent as JSON; None is a tombstone. A slow iterable delays nothing: the values that it has
                returned are sent while `send_many` waits for the next one, and `flush`, `close` and the end of a
                transaction include them.
            key: Called with each value for its key.
            headers: The same for all messages.
            partition: The same for all messages. Default: the partitioner chooses for each.

        Raises:
            EncodeError: A value or a key has no JSON form. As with any exception of the iterable or of `key`, the
                values before it are sent, and a note on the exception (`__notes__`, PEP 678) has the index of the
                value.
            QueueFullError: The queue stayed full for `max_block_ms` since the last message that was enqueued.
            ClosedError, ForkError: The producer is closed, or belongs to another process.

        A message that cannot be enqueued for a reason of its own, such as one larger than `message.max.bytes`, is a
        failure of the batch like one that the broker refused. Blocks while the queue is full; Ctrl-C ends that wait.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the producer was created, without asking a broker.

        "sent", "delivered", "failed" and "pending" count messages, "delivered_bytes" keys and values. "last_error" is
        the last error of a broker since a request succeeded, or None.
        """

    def transaction(self) -> Transaction:
        """A transaction as a `with` block: commits at its end, or aborts if an exception leaves it.

        Needs a `transactional_id`; the constructor fences any other producer that uses it (KIP-98). A commit that fails
        with an abortable error is aborted, and the error raised. After `FencedError`, or an error whose `fatal` is
        true, close the producer and create another.
        """

    def begin_transaction(self) -> None:
        """Begin a transaction.

        Blocks only if the constructor did not connect (`connect_timeout=None`): then the `transactional_id` is
        initialized now, within `max_block_ms`. `rd_kafka_begin_transaction`.

        Raises:
            TransactionError: A transaction is open already.
            KafkaError: The producer has no `transactional_id`.
        """

    def commit_transaction(self, timeout: Optional[float] = 60.0) -> None:
        """Flush and commit: consumers with `isolation_level="read_committed"` see all of it from now on.

        Args:
            timeout: Seconds. None: no limit.

        Raises:
            TransactionError: No transaction is open, or the commit failed. If `abortable` is true, call
                `abort_transaction`; if `retriable` is true, as after `timeout`, call this again.
            FencedError: Another producer uses the `transactional_id` now.

        Blocks. After a timeout or Ctrl-C the commit may or may not have been made: call it again to find out.
        `rd_kafka_commit_transaction`.
        """

    def abort_transaction(self, timeout: Optional[float] = 60.0) -> None:
        """Abort the open transaction: `read_committed` consumers see none of its messages.

        `flush` and `close` no longer raise its failures. Takes `timeout` in seconds and blocks like
        `commit_transaction`; after a timeout or Ctrl-C call it again. `rd_kafka_abort_transaction`.

        Raises:
            TransactionError: No transaction is open, or the abort failed.
            FencedError: Another producer uses the `transactional_id` now.
        """

    def send_offsets_to_transaction(
        self,
        offsets: Union[Message[Any], TopicPartition, Iterable[Union[Message[Any], TopicPartition]]],
        group_metadata: GroupMetadata,
        *,
        timeout: Optional[float] = 60.0,
    ) -> None:
        """Commit a consumer's offsets with the transaction: exactly once from topic to topic (KIP-98, KIP-447).

        Args:
            offsets: Messages that were processed, or partitions with the next offset to read.
            group_metadata: From `Consumer.group_metadata()`. That consumer has `enable_auto_commit=False`.
            timeout: Seconds to wait for the brokers. None: no limit.

        Raises:
            TransactionError: No transaction is open, or the group refused the offsets because of a rebalance
                (`abortable`): abort, and read again.
            FencedError: Another producer uses the `transactional_id` now.

        Blocks. `rd_kafka_send_offsets_to_transaction`.
        """

    def flush(self, timeout: Optional[float] = None) -> None:
        """Wait until every message is acknowledged or has failed, and its callbacks have returned.

        Args:
            timeout: Seconds. None: no limit.

        Raises:
            DeliveryError: Messages failed and the program has not seen it: they have no callback, and nobody called
                `result()`. `failures` has each one, up to 10,000; each is raised once.
            FlushTimeoutError: `timeout` has passed. The messages stay in flight.

        Blocks; Ctrl-C ends the wait, and the messages stay in flight. `rd_kafka_flush`.
        """

    def close(self, timeout: Optional[float] = 30.0) -> None:
        """Flush, and close the client. Closing again does nothing.

        Args:
            timeout: Seconds. None: no limit but `delivery_timeout_ms`.

        Messages that are not acknowledged within `timeout`, or before Ctrl-C, are abandoned: each delivery fails, and
        their number is logged as an error. Raises what `flush` raises.
        """

    def ping(self, timeout: float = 5.0) -> None:
        """Ask a broker for an answer, for up to `timeout` seconds.

        Raises:
            KafkaConnectionError: No broker answered; `AuthenticationError` or `TlsError` if that was the cause.

        Blocks; Ctrl-C ends the wait.
        """

    def partitions_for(self, topic: str, *, timeout: float = 5.0) -> List[int]:
        """The partition numbers of a topic, asked of a broker for up to `timeout` seconds.

        Raises:
            UnknownTopicError: There is no such topic. A broker may create it for this request
                (`auto.create.topics.enable`).
            KafkaConnectionError: No broker answered.

        Blocks; Ctrl-C ends the wait. `rd_kafka_metadata`.
        """

    @property
    def pending(self) -> int:
        """The number of messages that are neither acknowledged nor failed yet."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, _value: object, _traceback: object) -> None: ...

@final
class Operation(Coroutine[Any, Any, _T_co]):
    """The awaitable that an asynchronous method returns. Await it, or make it a task; once.

    A coroutine to asyncio and uvloop. An operation starts when it is awaited, except `AsyncProducer.send`, which
    enqueues the message in the call if the queue has space. One that is never awaited is a `RuntimeWarning`.

    Cancelling ends the wait at once and nothing else, unless the method says more.
    """

    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def __class_getitem__(cls, item: Any) -> Any: ...
    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    def send(self, _value: Any, /) -> Any:
        """Part of the coroutine protocol, for event loops."""

    def throw(
        self,
        kind: Union[Type[BaseException], BaseException],
        value: object = None,
        _traceback: Optional[TracebackType] = None,
    ) -> Any:
        """Part of the coroutine protocol: cancels the wait."""

    def close(self) -> None:
        """Part of the coroutine protocol: cancels the wait."""

@disjoint_base
class AsyncProducer:
    """Sends Python objects as JSON to Kafka, on an event loop.

    The methods, options, guarantees and errors of `Producer`, whose documentation applies here: only the waits differ.
    It works on asyncio and uvloop, and may serve one loop after another.

        async with AsyncProducer("localhost:9092") as producer:
            delivery = await producer.send("orders", {"id": 1})
            metadata = await delivery

    The constructor takes the options of `Producer`, raises `ConfigError` for them, and does not block. `async with`,
    `start`, or the first call that needs a broker connects. At interpreter exit an open one flushes, as a `Producer`
    does.

    A task that sends without a pause yields to the loop every millisecond.
    """

    def __init__(
        self,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        *,
        connect_timeout: Optional[float] = 10.0,
        client_id: Optional[str] = "rdkafka",
        acks: Union[Literal["all"], int] = "all",
        enable_idempotence: bool = True,
        transactional_id: Optional[str] = None,
        compression_type: Optional[str] = "none",
        linger_ms: float = 5,
        delivery_timeout_ms: int = 120000,
        max_block_ms: float = 60000.0,
        partitioner: str = "murmur2_random",
        default: Optional[Callable[[Any], Any]] = None,
        nan: _Nan = "error",
        value_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        key_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        on_delivery: Optional[_OnDelivery] = None,
        security_protocol: str = "PLAINTEXT",
        ssl_cafile: Optional[str] = None,
        ssl_certfile: Optional[str] = None,
        ssl_keyfile: Optional[str] = None,
        ssl_password: Optional[str] = None,
        ssl_check_hostname: bool = True,
        sasl_mechanism: Optional[str] = "GSSAPI",
        sasl_plain_username: Optional[str] = None,
        sasl_plain_password: Optional[str] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = 0,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def start(self) -> Operation[None]:
        """Connect. `async with` and the first send do it, too.

        Returns at once if it is connected; may be called again after a failure. Cancelling does not stop the attempt:
        the next call waits for it.

        Raises:
            KafkaConnectionError: No broker could be reached within `connect_timeout`.
        """

    def send(
        self,
        topic: str,
        value: object,
        *,
        key: object = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
        timestamp: Union[SupportsIndex, datetime, None] = None,
        on_delivery: Optional[_OnDelivery] = None,
    ) -> Operation[Delivery]:
        """Enqueue one message and return its `Delivery`, which may be awaited. Waits only while the queue is full.

        Takes what `Producer.send` takes. The call itself encodes the message, and enqueues it if the queue has space;
        the errors are raised when the result is awaited. `on_delivery` is called on a thread of kjson.

        Cancelling while the queue is full, for up to `max_block_ms`, means that the message is not sent.
        """

    def send_and_wait(
        self,
        topic: str,
        value: object,
        *,
        timeout: Optional[float] = None,
        key: object = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
        timestamp: Union[SupportsIndex, datetime, None] = None,
        on_delivery: Optional[_OnDelivery] = None,
    ) -> Operation[RecordMetadata]:
        """Send a message and wait until it is acknowledged. Not delayed by `linger_ms`.

        Takes, returns and raises what `Producer.send_and_wait` does. Cancelling ends the wait; the message stays in
        flight.
        """

    def send_many(
        self,
        topic: str,
        values: Iterable[Any],
        *,
        key: Optional[Callable[[Any], object]] = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
    ) -> Operation[DeliveryBatch]:
        """Enqueue many messages in one call, at less cost for each than `send`.

        As `Producer.send_many`, yielding to the loop in between. `values` and `key` are called on the loop's thread and
        must not block it.

        Cancelling stops it; the messages that were enqueued stay in flight, and `flush` waits for them and raises their
        failures.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the producer was created, without asking a broker.

        The keys of `Producer.metrics`. Not awaited.
        """

    def transaction(self) -> AsyncTransaction:
        """A transaction as an `async with` block: commits at its end, or aborts if an exception leaves it.

        As `Producer.transaction`. A task that is cancelled inside the block aborts.
        """

    def begin_transaction(self) -> Operation[None]:
        """Begin a transaction.

        As `Producer.begin_transaction`.
        """

    def commit_transaction(self, timeout: Optional[float] = 60.0) -> Operation[None]:
        """Flush and commit: consumers with `isolation_level="read_committed"` see all of it from now on.

        As `Producer.commit_transaction`. Cancelling leaves the commit in progress: the next transactional call waits
        for it, and committing again returns its outcome.
        """

    def abort_transaction(self, timeout: Optional[float] = 60.0) -> Operation[None]:
        """Abort the open transaction: `read_committed` consumers see none of its messages.

        As `Producer.abort_transaction`. Cancelling leaves the abort in progress.
        """

    def send_offsets_to_transaction(
        self,
        offsets: Union[Message[Any], TopicPartition, Iterable[Union[Message[Any], TopicPartition]]],
        group_metadata: GroupMetadata,
        *,
        timeout: Optional[float] = 60.0,
    ) -> Operation[None]:
        """Commit a consumer's offsets with the transaction: exactly once from topic to topic (KIP-98, KIP-447).

        As `Producer.send_offsets_to_transaction`. Cancelling leaves the request in progress.
        """

    def flush(self, timeout: Optional[float] = None) -> Operation[None]:
        """Wait until every message is acknowledged or has failed, and its callbacks have returned.

        As `Producer.flush`. Cancelling ends the wait; the messages stay in flight.
        """

    def close(self, timeout: Optional[float] = 30.0) -> Operation[None]:
        """Flush, and close the client. Closing again does nothing.

        As `Producer.close`. Cancelling closes the client all the same: messages that are not acknowledged by then are
        abandoned, each delivery fails, and their number is logged as an error.
        """

    def ping(self, timeout: float = 5.0) -> Operation[None]:
        """Ask a broker for an answer, for up to `timeout` seconds.

        As `Producer.ping`.
        """

    def partitions_for(self, topic: str, *, timeout: float = 5.0) -> Operation[List[int]]:
        """The partition numbers of a topic, asked of a broker for up to `timeout` seconds.

        As `Producer.partitions_for`.
        """

    @property
    def pending(self) -> int:
        """The number of messages that are neither acknowledged nor failed yet."""

    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(self, kind: object, _value: object, _traceback: object) -> Operation[None]: ...

@final
class AsyncTransaction:
    """A transaction as an `async with` block: see `AsyncProducer.transaction`."""

    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(self, kind: object, _value: object, _traceback: object) -> Operation[None]: ...

@final
class Delivery:
    """The future result of one message. It need not be kept: `flush` and `close` raise failures that were not seen.

    It can be awaited, by several tasks and any number of times: `metadata = await delivery`. Cancelling one wait ends
    no other and does not stop the message. Not delayed by `linger_ms`.

    One of an `AsyncProducer` is a future to `asyncio.gather`, `wait`, `wait_for` and `shield`, which need no task for
    it. On a running loop `result` and `exception` do not block: before the outcome is known they raise
    `asyncio.InvalidStateError`.
    """

    def __await__(self) -> Generator[Any, None, RecordMetadata]: ...
    def result(self, timeout: Optional[float] = None) -> RecordMetadata:
        """Wait for the acknowledgement and return the message's partition, offset and timestamp.

        Args:
            timeout: Seconds. None: no limit but `delivery_timeout_ms`.

        Raises:
            DeliveryError: The message was not delivered.
            KafkaTimeoutError: `timeout` has passed; the message is still in flight.

        Blocks; Ctrl-C ends the wait.
        """

    def exception(self, timeout: Optional[float] = None) -> Optional[DeliveryError]:
        """As `result`, but return the `DeliveryError`, or None for an acknowledged message."""

    def done(self) -> bool:
        """Whether the message is acknowledged or has failed. Does not block."""

    def add_done_callback(self, callback: Callable[[Delivery], object], *, context: Optional[Context] = None) -> None:
        """Call `callback(delivery)` when the outcome is known, on a thread of kjson, or now if it is known already.

        For a delivery of an `AsyncProducer` on a running loop: on that loop, in `context` or a copy of the current one,
        and always later.
        """

    def remove_done_callback(self, callback: Callable[[Delivery], object]) -> int:
        """For asyncio: remove a callback of `add_done_callback`, and return how often it was there."""

    def cancel(self, msg: Optional[str] = None) -> bool:
        """For asyncio: end the waits by callback, such as that of `asyncio.gather`. The message stays in flight."""

    def cancelled(self) -> bool:
        """For asyncio: whether `cancel` ended a wait, with no wait since."""

    def get_loop(self) -> AbstractEventLoop:
        """For asyncio: the running loop."""

    @property
    def _asyncio_future_blocking(self) -> Optional[bool]: ...
    @property
    def _cancel_message(self) -> Optional[str]: ...
    def _make_cancelled_error(self) -> BaseException: ...

@final
class DeliveryBatch:
    """The future results of the messages of one `send_many`.

    It can be awaited, as a `Delivery` can: `metadata = await batch`.
    """

    def __await__(self) -> Generator[Any, None, List[RecordMetadata]]: ...
    def result(self, timeout: Optional[float] = None) -> List[RecordMetadata]:
        """Wait for all acknowledgements and return each message's metadata, in the order of `values`.

        Args:
            timeout: Seconds. None: no limit but `delivery_timeout_ms`.

        Raises:
            DeliveryError: Messages were not delivered; `failures` has each one.
            KafkaTimeoutError: `timeout` has passed; the messages are still in flight.
        """

    def exception(self, timeout: Optional[float] = None) -> Optional[DeliveryError]:
        """As `result`, but return the `DeliveryError`, or None if all messages are acknowledged."""

    def done(self) -> bool:
        """Whether every message is acknowledged or has failed. Does not block."""

    @property
    def failed(self) -> Tuple[FailedRecord, ...]:
        """The messages that have failed so far.

        Failures that the program has not seen are kept up to 64 MiB for each producer; beyond that they are counted, in
        the error and in the repr. `flush` and `close` do not raise for those that were read here.
        """

    def __len__(self) -> int: ...

@final
class Transaction:
    """A transaction as a `with` block: see `Producer.transaction`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, _value: object, _traceback: object) -> None: ...

@final
class GroupMetadata:
    """A consumer's group membership, for `send_offsets_to_transaction`."""

@final
class RecordMetadata:
    """The topic, partition, offset and timestamp of an acknowledged message."""

    def __new__(cls, topic: str, partition: int, offset: int, timestamp_ms: Optional[int] = None) -> Self: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> Optional[int]:
        """Milliseconds since 1970, as the broker stored it, or None."""

    @property
    def timestamp(self) -> Optional[datetime]:
        """`timestamp_ms` as an aware datetime in UTC."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@disjoint_base
class Consumer(Generic[_T]):
    """Reads JSON from Kafka as Python objects, at least once. For one thread at a time.

    A message counts as processed when the next one is asked for, or by `close`, and its offset is committed then; a
    loop body that raises leaves its message uncommitted, and it is read again. A message that cannot be decoded raises
    `DecodeError`, and the next call returns the message after it.

    Close it, or use `with`. A consumer that is dropped leaves its group, too, unless it is part of a reference cycle,
    such as through a callback that is a method of its owner: Python's collector does not find those.

    Args:
        topics: What to subscribe to; may come later, by `subscribe`.
        bootstrap_servers: Addresses as "host:port", several in a list or separated by commas. `bootstrap.servers`.
        connect_timeout: How long the constructor waits for a broker's answer; None or 0 does not check. Addresses that
            refuse, cannot be resolved, or reject TLS or the credentials fail earlier. In seconds.
        client_id: The name that brokers log. `client.id`.
        group_id: Consumers of one group share the partitions, and the group keeps the offsets. Without a group every
            partition is read, and nothing is committed. `group.id`.
        group_instance_id: Static membership (KIP-345). `group.instance.id`.
        group_protocol: "classic", or "consumer" (KIP-848). `group.protocol`.
        auto_offset_reset: Where to begin without a committed offset: "earliest", "latest" or "error". With "error" each
            read raises until `seek`, or `assign` with an offset, says where to begin. Without a group, topics and
            partitions that are created after the consumer began are read from their beginning. With a group and
            "latest", partitions without a committed offset start at their end when they are assigned; a group that must
            not miss their first messages uses "earliest", which only differs for partitions without a committed offset.
            `auto.offset.reset`.
        enable_auto_commit: Commit processed messages every `auto_commit_interval_ms` and on `close`. Without a group
            nothing is committed. `enable.auto.commit`.
        auto_commit_interval_ms: How often processed messages are committed. In milliseconds. `auto.commit.interval.ms`.
        isolation_level: "read_committed" skips the messages of open and aborted transactions. `isolation.level`.
        max_poll_interval_ms: How long may pass between two reads before the group gives the partitions away. In
            milliseconds. `max.poll.interval.ms`.
        consumer_timeout_ms: Iteration ends after this time without a message. None: never. In milliseconds.
        unreachable_timeout: A read that has had no broker to talk to for this long raises `KafkaConnectionError`; the
            next read continues where the consumer was. None: never. In seconds.
        on_decode_error: What becomes of a message that cannot be decoded, its key included. In every case the consumer
            continues after it. "raise": raise the `DecodeError`. "skip": count it, and log it, the payload never, as a
            warning at most every 10 s. "yield": return it with `error`, `raw_value` and no value. A `DeadLetter`: send
            it to another topic. A callable: what it returns for the `DecodeError` is the value, None skips, what it
            raises is raised.
        value_type: What values become: a dataclass, a TypedDict, an attrs class, a pydantic model or a msgspec Struct.
            What does not fit is a `DecodeError` that says where, such as "at $.items[1].price". A bool is no int, an
            int is a float; unknown keys are ignored, and stay in a TypedDict; a tombstone stays None. Fractions of a
            second beyond six digits are cut off. pydantic and msgspec go by their own rules.
        value_deserializer: Called with the bytes of each value instead of decoding JSON; what it raises becomes the
            cause of a `DecodeError`, but for `MemoryError`, which is raised as it is.
        key_type: What keys become: "auto" (str where the bytes are UTF-8, else bytes), "str", "bytes" or "json".
        max_message_bytes: A larger value, decompressed, is a `DecodeError` instead of objects, which take up to 30
            times as many bytes. None: no limit but librdkafka's `receive.message.max.bytes`. In bytes.
        parse_float: As in `loads`.
        on_assign: Called as `on_assign(consumer, partitions)` when partitions are assigned, and may seek in them.
        on_revoke: Called as `on_revoke(consumer, partitions)` before partitions go to other members, and may commit.
            Processed messages are committed after it all the same, unless `enable_auto_commit` is false.
        on_lost: Called like `on_revoke` for partitions that other members have already, because the group had lost
            touch with this one: their offsets can no longer be committed. Without it `on_revoke` is called.
        on_commit: Called as `on_commit(error, offsets)` with the answer to each commit that no call waits for, the
            automatic ones and those with `asynchronous=True`; `error` is None or a `CommitError`. Without it failures
            are logged.
        security_protocol: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL". Required with every ssl_ and sasl_
            option. `security.protocol`.
        ssl_cafile: The certificates of authorities to trust. Without it those of the operating system are looked for.
            `ssl.ca.location`.
        ssl_certfile: The client's certificate. `ssl.certificate.location`.
        ssl_keyfile: The client's private key. `ssl.key.location`.
        ssl_password: The password of the private key. `ssl.key.password`.
        ssl_check_hostname: Whether the broker's certificate must be for its host name.
            `ssl.endpoint.identification.algorithm`.
        sasl_mechanism: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512" or "OAUTHBEARER". kjson is built without librdkafka's
            default, GSSAPI. `sasl.mechanism`.
        sasl_plain_username: The user. `sasl.username`.
        sasl_plain_password: The user's password. `sasl.password`.
        on_error: Called with a `KafkaError` for each error that librdkafka reports and recovers from, on a thread of
            kjson.
        on_stats: Called with librdkafka's statistics as a dict, every `statistics_interval_ms`.
        statistics_interval_ms: How often `on_stats` is called; 0 is never. In milliseconds. `statistics.interval.ms`.
        config: Options under librdkafka's dotted names, such as {"socket.keepalive.enable": True}.
        options: Any other option of librdkafka, with underscores for its dots. All names are in librdkafka's
            CONFIGURATION.md.

    `on_assign`, `on_revoke`, `on_lost` and `on_commit` run on the thread that reads, inside the read or the `close`,
    and may call everything but the reading methods and `close`. An exception that one raises is raised by that read;
    the new assignment stands.

    Raises:
        KafkaConnectionError: No broker could be reached; `TlsError` or `AuthenticationError` if that was the cause.
        ConfigError: An option is unknown, was given twice with different values, or has an invalid value.

    Blocks for up to `connect_timeout`; Ctrl-C ends the wait.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        connect_timeout: Optional[float] = 10.0,
        client_id: Optional[str] = "rdkafka",
        group_id: Optional[str] = None,
        group_instance_id: Optional[str] = None,
        group_protocol: Literal["classic", "consumer"] = "classic",
        auto_offset_reset: Literal["earliest", "latest", "error"] = "earliest",
        enable_auto_commit: bool = True,
        auto_commit_interval_ms: int = 5000,
        isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed",
        max_poll_interval_ms: int = 300000,
        consumer_timeout_ms: Optional[float] = None,
        unreachable_timeout: Optional[float] = 60.0,
        on_decode_error: Union[Literal["raise", "skip", "yield"], DeadLetter, Callable[[DecodeError], Any]] = "raise",
        value_type: Optional[Type[_T]] = None,
        value_deserializer: Optional[Callable[[bytes], _T]] = None,
        key_type: Literal["auto", "str", "bytes", "json"] = "auto",
        max_message_bytes: Optional[int] = 16777216,
        parse_float: Optional[Callable[[str], Any]] = None,
        on_assign: Optional[_OnPartitions] = None,
        on_revoke: Optional[_OnPartitions] = None,
        on_lost: Optional[_OnPartitions] = None,
        on_commit: Optional[_OnCommit] = None,
        security_protocol: str = "PLAINTEXT",
        ssl_cafile: Optional[str] = None,
        ssl_certfile: Optional[str] = None,
        ssl_keyfile: Optional[str] = None,
        ssl_password: Optional[str] = None,
        ssl_check_hostname: bool = True,
        sasl_mechanism: Optional[str] = "GSSAPI",
        sasl_plain_username: Optional[str] = None,
        sasl_plain_password: Optional[str] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = 0,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def __class_getitem__(cls, item: Any) -> Any: ...
    def subscribe(self, topics: Union[str, Iterable[str], None] = None, *, pattern: Optional[str] = None) -> None:
        """Subscribe to topics, or, with a group, to all topics whose names match a regular expression.

        A pattern matches from the beginning of a name, as `re.match` does: `pattern="orders"` reads "orders-1" and not
        "old-orders", `r"orders-\\d+$"` nothing after the digits. It means the same under both group protocols, and may
        contain what both engines support: literals, `.`, `[a-z]`, `[^a-z]`, `(a|b)`, `*`, `+`, `?`, `{2,5}`, `^`, `$`,
        `\\d`, `\\w`, `\\.`. New topics that match are found within `topic_metadata_refresh_interval_ms` (5 minutes).

        Replaces the subscription or the assignment, as `assign` does. A topic that does not exist is logged once, as a
        warning, and read when it is created. Does not wait for the group. `rd_kafka_subscribe`.

        Raises:
            ConfigError: No topic can have such a name, or the pattern contains anything else (lookaround,
                backreferences, flags, lazy repetitions, `\\b`); the error says what to write instead.
        """

    def unsubscribe(self) -> None:
        """Unsubscribe from all topics, and end an assignment. Reads nothing until the next `subscribe` or `assign`.

        Leaves the group as `assign` does. `rd_kafka_unsubscribe`.
        """

    def subscription(self) -> List[str]:
        """The topics, or the pattern, that were subscribed to. Does not block."""

    def assignment(self) -> List[TopicPartition]:
        """The partitions that are assigned to this consumer now. Does not block. `rd_kafka_assignment`."""

    def assign(self, partitions: _Partitions) -> None:
        """Read these partitions and no others, from their offsets if given, without sharing them with a group.

        Replaces a subscription or an earlier assignment (the Java client raises IllegalStateException instead of
        replacing a subscription): the consumer leaves its group, the messages returned so far count as processed and
        are committed, and prefetched ones are dropped. `on_revoke` runs before this returns, or in a later read if the
        group is rebalancing. A `subscribe` or `unsubscribe` replaces an assignment likewise, and all of them may be
        called in `on_assign` and `on_revoke`.

        Without an offset a partition starts at the group's committed offset, or without a group as `auto_offset_reset`
        says. Offsets are committed to the group while it has no members; otherwise commits raise `CommitError`
        (UNKNOWN_MEMBER_ID). An empty list reads nothing. `rd_kafka_assign`.
        """

    def poll(self, timeout: Optional[float] = 1.0) -> Optional[Message[_T]]:
        """Return the next message, or None if there is none within `timeout` seconds.

        Args:
            timeout: Seconds. None: no limit.

        Raises:
            DecodeError: The message cannot be decoded. The next call returns the message after it.
            KafkaConnectionError: No broker for `unreachable_timeout`. The next call waits again.
            AuthorizationError: The client may not read the topic or use the group.
            KafkaError: Another error ended reading, such as no committed offset with `auto_offset_reset="error"`. Every
                read raises it until `seek`, `assign` or `subscribe` resolves it.
            ClosedError, ForkError: The consumer is closed, or belongs to another process.

        The messages returned before count as processed. Blocks without the GIL; Ctrl-C ends the wait and loses no
        message.
        """

    def consume(self, max_messages: int = 500, timeout: Optional[float] = 1.0) -> List[Message[_T]]:
        """Return up to `max_messages`: wait for the first, and take those that are fetched already.

        Args:
            max_messages: At least 1.
            timeout: Seconds to wait for the first message; then the list is empty. None: no limit.

        A call takes no more than 1 MiB of keys and values after the first message; as objects they are 5 to 10 times as
        large. Raises what `poll` raises. Messages before one that cannot be decoded are returned first; the next call
        raises. Asking again means that all messages returned before are processed.
        """

    def __iter__(self) -> Iterator[Message[_T]]: ...
    def __next__(self) -> Message[_T]: ...
    def until_end(self, *, timeout: float = 30.0) -> Iterator[Message[_T]]:
        """Iterate over the messages up to the current end of each partition, and stop.

        Waits up to `timeout` seconds for an assignment. If a partition goes to another member meanwhile, that member
        reads the rest. Later messages are left for the next read. With `isolation_level="read_committed"` the end is
        the last stable offset.

        It stops, too, if aborted transactions or deletions left no message before the end: about a second after the
        last message, since that takes a second, short-lived client. A paused partition is waited for.

        Raises what `poll` raises, and `KafkaTimeoutError` if no partitions were assigned in time.
        """

    @classmethod
    def peek(
        cls,
        topic: str,
        n: int = 5,
        *,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        timeout: float = 10.0,
        **options: Any,
    ) -> List[Message[Any]]:
        """Return the newest `n` messages of a topic, ordered by timestamp. Joins no group and commits nothing.

        Reads up to `n` messages back from the current end of every partition, and more only where transactions or
        compaction left gaps.

        Args:
            topic: The topic's name.
            n: How many messages.
            bootstrap_servers: As for `Consumer`.
            timeout: Seconds for each step: connecting, asking for the offsets, and a read without a broker.
            options: Any of the constructor's, but no group. `on_decode_error` is "yield" unless given: a message that
                cannot be decoded is among the others, with its `error`.

        Raises:
            UnknownTopicError: There is no such topic.
            KafkaConnectionError: No broker could be reached.
        """

    def values(self) -> Iterator[_T]:
        """Iterate over the values alone. Raises what `poll` raises."""

    def commit(
        self, what: Optional[_Partitions] = None, *, asynchronous: bool = False, timeout: Optional[float] = 10.0
    ) -> None:
        """Commit the messages returned so far, or the given messages or offsets, and wait for the answer.

        Args:
            what: A message commits the offset after it; a `TopicPartition` its own offset, the next one to read.
                Without it, transaction markers after the last message are committed, too, so that no lag is left.
            asynchronous: Do not wait: the answer goes to `on_commit` in a later read.
            timeout: Seconds. None: no limit.

        Raises:
            CommitError: The commit was refused, or not answered within `timeout`.
            KafkaError: The consumer has no group.

        Blocks. While a cooperative group rebalances, the answer waits for the other members, a heartbeat interval (3 s)
        or more. Ctrl-C ends the wait; the commit may or may not have been made. `rd_kafka_commit_queue`.
        """

    @overload
    def committed(self, partitions: TopicPartition, *, timeout: float = 10.0) -> Optional[int]: ...
    @overload
    def committed(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, Optional[int]]:
        """The group's committed offset, which is the next to read, or None: of one partition, or a dict of several.

        Args:
            partitions: Default: all that are assigned.
            timeout: Seconds.

        Raises:
            KafkaConnectionError, KafkaTimeoutError: Not answered within `timeout`.
            KafkaError: The consumer has no group.

        Asks the group's coordinator, and blocks. `rd_kafka_committed`.
        """

    @overload
    def position(self, partitions: TopicPartition, *, timeout: float = 10.0) -> int: ...
    @overload
    def position(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, int]:
        """The offset of the next message to be returned: of one partition, or a dict of several.

        Args:
            partitions: Default: all that are assigned.
            timeout: Seconds.

        Raises:
            KafkaConnectionError, KafkaTimeoutError: Not answered within `timeout`.

        Blocks only for partitions that were not read yet: their position is asked of the group and the brokers.
        `rd_kafka_position`.
        """

    def seek(
        self, partition: Union[TopicPartition, Message[Any]], offset: Optional[int] = None, *, timeout: float = 10.0
    ) -> None:
        """Seek a partition to an offset: the next message returned from it is the one at that offset.

        Args:
            partition: Assigned to this consumer. A `Message` stands for its own offset: it is returned again.
            offset: Default: that of the `TopicPartition`. One that does not exist, or not yet, leads to where
                `auto_offset_reset` says.
            timeout: Seconds.

        Raises:
            KafkaError: The partition is not assigned, or the seek was not made within `timeout`.

        Blocks. The offset is the next to be committed, as in the Java client. `rd_kafka_seek_partitions`.
        """

    def seek_to_beginning(self, *partitions: TopicPartition, timeout: float = 10.0) -> None:
        """Seek to the first message of the given partitions, or of all assigned ones.

        Asks the brokers for the offsets, and blocks for up to `timeout` seconds for that and for the seek. Raises what
        `beginning_offsets` and `seek` raise.
        """

    def seek_to_end(self, *partitions: TopicPartition, timeout: float = 10.0) -> None:
        """Seek to the current end of the given partitions, or of all assigned ones.

        Asks the brokers for the offsets, and blocks for up to `timeout` seconds for that and for the seek. Raises what
        `end_offsets` and `seek` raise.
        """

    def pause(self, *partitions: TopicPartition) -> None:
        """Return no messages of the given partitions, or of all assigned ones, until `resume`.

        Prefetched messages are kept. Does not block. A partition that is revoked and assigned again is no longer
        paused. `rd_kafka_pause_partitions`.

        Raises:
            KafkaError: A partition is not assigned.
        """

    def resume(self, *partitions: TopicPartition) -> None:
        """Resume the given partitions, or all paused ones. Does not block.

        `rd_kafka_resume_partitions`.

        Raises:
            KafkaError: A partition is not assigned.
        """

    def paused(self) -> List[TopicPartition]:
        """The paused partitions. Does not block."""

    def beginning_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, int]:
        """The offset of the first message of each partition.

        Args:
            partitions: Default: all that are assigned.
            timeout: Seconds.

        Raises:
            UnknownTopicError: There is no such partition.
            KafkaConnectionError: Not answered within `timeout`.

        One request to each broker. Blocks. `rd_kafka_ListOffsets`.
        """

    def end_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, int]:
        """The offset after the last message of each partition.

        With `isolation_level="read_committed"`, the default, that is the last stable offset. Arguments, errors and
        blocking as for `beginning_offsets`.
        """

    def offsets_for_times(
        self, times: Dict[TopicPartition, Union[int, datetime]], *, timeout: float = 10.0
    ) -> Dict[TopicPartition, Optional[int]]:
        """The offset of the first message at or after a time, for each partition, or None if there is none.

        Args:
            times: For each partition milliseconds since 1970, or an aware datetime.
            timeout: Seconds.

        Errors and blocking as for `beginning_offsets`.
        """

    def lag(self, *, timeout: float = 10.0) -> Dict[TopicPartition, int]:
        """The number of offsets between each assigned partition's position and its end.

        Offsets without a message, of transaction markers or after compaction, count too. Asks the brokers, and blocks
        for up to `timeout` seconds. Raises what `position` and `end_offsets` raise.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the consumer was created, without asking a broker.

        "received" and "received_bytes" (fetched messages, keys and values), "buffered" (fetched and not returned yet),
        "rebalances", "decode_errors" (messages that could not be decoded), "skipped" and "dead_lettered" (what
        `on_decode_error` made of them). "last_error" is the last error of a broker since a request succeeded, or None.
        """

    def group_metadata(self) -> GroupMetadata:
        """The group membership, for `Producer.send_offsets_to_transaction`. Does not block.

        Raises `KafkaError` if the consumer has no group. `rd_kafka_consumer_group_metadata`.
        """

    def ping(self, timeout: float = 5.0) -> None:
        """Ask a broker for an answer, for up to `timeout` seconds.

        Raises:
            KafkaConnectionError: No broker answered; `AuthenticationError` or `TlsError` if that was the cause.

        Blocks; Ctrl-C ends the wait.
        """

    def close(self, timeout: Optional[float] = 10.0) -> None:
        """Commit processed messages, leave the group, and close the client. Closing again does nothing.

        Inside an `except` or `finally` that handles an exception, the last message counts as not processed, unless that
        exception was being handled already when the message was read.

        Args:
            timeout: Seconds. None: no limit.

        Raises:
            CommitError: The last offsets could not be committed; their messages are read again.

        Blocks, and runs `on_revoke`. Ctrl-C ends the wait and closes the client. `rd_kafka_consumer_close`.
        """

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, _value: object, _traceback: object) -> None: ...

@disjoint_base
class AsyncConsumer(Generic[_T]):
    """Reads JSON from Kafka as Python objects, at least once, on an event loop. For one task at a time.

    The methods, options, guarantees and errors of `Consumer`, whose documentation applies here: only the waits differ.
    It works on asyncio and uvloop.

        async with AsyncConsumer("orders", group_id="billing") as consumer:
            async for message in consumer:
                print(message.value)

    The constructor takes the options of `Consumer`, raises `ConfigError` for them, and does not block. `async with`,
    `start`, or the first call that needs a broker connects and subscribes. A thread of kjson fetches; a message that is
    fetched is returned without a wait. A task that reads without a pause yields to the loop every millisecond.

    Cancelling a read loses no message: the next read returns it. A loop body that is cancelled, like one that raises,
    leaves its message uncommitted when the `async with` block is left.

    `on_assign`, `on_revoke`, `on_lost` and `on_commit` are called on the loop, by the read or the `close`, and may be
    `async def`: the rebalance waits for them. They may await everything but the reading methods and `close`. The
    callable of `on_decode_error` and the `handler` of a `DeadLetter` are called on the loop, too; nothing awaits them,
    so an `async def` is refused.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        connect_timeout: Optional[float] = 10.0,
        client_id: Optional[str] = "rdkafka",
        group_id: Optional[str] = None,
        group_instance_id: Optional[str] = None,
        group_protocol: Literal["classic", "consumer"] = "classic",
        auto_offset_reset: Literal["earliest", "latest", "error"] = "earliest",
        enable_auto_commit: bool = True,
        auto_commit_interval_ms: int = 5000,
        isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed",
        max_poll_interval_ms: int = 300000,
        consumer_timeout_ms: Optional[float] = None,
        unreachable_timeout: Optional[float] = 60.0,
        on_decode_error: Union[Literal["raise", "skip", "yield"], DeadLetter, Callable[[DecodeError], Any]] = "raise",
        value_type: Optional[Type[_T]] = None,
        value_deserializer: Optional[Callable[[bytes], _T]] = None,
        key_type: Literal["auto", "str", "bytes", "json"] = "auto",
        max_message_bytes: Optional[int] = 16777216,
        parse_float: Optional[Callable[[str], Any]] = None,
        on_assign: Optional[_OnPartitionsAsync] = None,
        on_revoke: Optional[_OnPartitionsAsync] = None,
        on_lost: Optional[_OnPartitionsAsync] = None,
        on_commit: Optional[_OnCommit] = None,
        security_protocol: str = "PLAINTEXT",
        ssl_cafile: Optional[str] = None,
        ssl_certfile: Optional[str] = None,
        ssl_keyfile: Optional[str] = None,
        ssl_password: Optional[str] = None,
        ssl_check_hostname: bool = True,
        sasl_mechanism: Optional[str] = "GSSAPI",
        sasl_plain_username: Optional[str] = None,
        sasl_plain_password: Optional[str] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = 0,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def __class_getitem__(cls, item: Any) -> Any: ...
    def start(self) -> Operation[None]:
        """Connect and subscribe. `async with` and the first read do it, too.

        Returns at once if it is connected; may be called again after a failure. Cancelling does not stop the attempt:
        the next call waits for it.

        Raises:
            KafkaConnectionError: No broker could be reached within `connect_timeout`.
        """

    def subscribe(
        self, topics: Union[str, Iterable[str], None] = None, *, pattern: Optional[str] = None
    ) -> Operation[None]:
        """Subscribe to topics, or, with a group, to all topics whose names match a regular expression.

        As `Consumer.subscribe`, which says what a pattern may contain.
        """

    def unsubscribe(self) -> Operation[None]:
        """Unsubscribe from all topics, and end an assignment. Reads nothing until the next `subscribe` or `assign`.

        As `Consumer.unsubscribe`.
        """

    def subscription(self) -> List[str]:
        """The topics, or the pattern, that were subscribed to. Does not block.

        Not awaited.
        """

    def assignment(self) -> List[TopicPartition]:
        """The partitions that are assigned to this consumer now. Does not block. `rd_kafka_assignment`.

        Not awaited.
        """

    def assign(self, partitions: _Partitions) -> Operation[None]:
        """Read these partitions and no others, from their offsets if given, without sharing them with a group.

        As `Consumer.assign`.
        """

    def poll(self, timeout: Optional[float] = 1.0) -> Operation[Optional[Message[_T]]]:
        """Return the next message, or None if there is none within `timeout` seconds.

        As `Consumer.poll`. Cancelling loses no message.
        """

    def consume(self, max_messages: int = 500, timeout: Optional[float] = 1.0) -> Operation[List[Message[_T]]]:
        """Return up to `max_messages`: wait for the first, and take those that are fetched already.

        As `Consumer.consume`. Cancelling loses no message; dead letters that were sent by then may be sent twice.
        """

    def __aiter__(self) -> AsyncIterator[Message[_T]]: ...
    def __anext__(self) -> Operation[Message[_T]]: ...
    def until_end(self, *, timeout: float = 30.0) -> AsyncIterator[Message[_T]]:
        """Iterate over the messages up to the end that each partition has at the first read, and stop.

        As `Consumer.until_end`.
        """

    @classmethod
    def peek(
        cls,
        topic: str,
        n: int = 5,
        *,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        timeout: float = 10.0,
        **options: Any,
    ) -> Operation[List[Message[Any]]]:
        """Return the newest `n` messages of a topic, ordered by timestamp. Joins no group and commits nothing.

        As `Consumer.peek`. Cancelling closes the client that reads.
        """

    def values(self) -> AsyncIterator[_T]:
        """Iterate over the values alone. Raises what `poll` raises."""

    def commit(
        self, what: Optional[_Partitions] = None, *, asynchronous: bool = False, timeout: Optional[float] = 10.0
    ) -> Operation[None]:
        """Commit the messages returned so far, or the given messages or offsets, and wait for the answer.

        As `Consumer.commit`. After cancelling, the commit may or may not be made.
        """

    @overload
    def committed(self, partitions: TopicPartition, *, timeout: float = 10.0) -> Operation[Optional[int]]: ...
    @overload
    def committed(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, Optional[int]]]:
        """The group's committed offset, which is the next to read, or None: of one partition, or a dict of several.

        As `Consumer.committed`.
        """

    @overload
    def position(self, partitions: TopicPartition, *, timeout: float = 10.0) -> Operation[int]: ...
    @overload
    def position(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, int]]:
        """The offset of the next message to be returned: of one partition, or a dict of several.

        As `Consumer.position`.
        """

    def seek(
        self, partition: Union[TopicPartition, Message[Any]], offset: Optional[int] = None, *, timeout: float = 10.0
    ) -> Operation[None]:
        """Seek a partition to an offset: the next message returned from it is the one at that offset.

        As `Consumer.seek`. After cancelling, the seek may or may not be made.
        """

    def seek_to_beginning(self, *partitions: TopicPartition, timeout: float = 10.0) -> Operation[None]:
        """Seek to the first message of the given partitions, or of all assigned ones.

        As `Consumer.seek_to_beginning`. After cancelling, the seek may or may not be made.
        """

    def seek_to_end(self, *partitions: TopicPartition, timeout: float = 10.0) -> Operation[None]:
        """Seek to the current end of the given partitions, or of all assigned ones.

        As `Consumer.seek_to_end`. After cancelling, the seek may or may not be made.
        """

    def pause(self, *partitions: TopicPartition) -> Operation[None]:
        """Return no messages of the given partitions, or of all assigned ones, until `resume`.

        As `Consumer.pause`.
        """

    def resume(self, *partitions: TopicPartition) -> Operation[None]:
        """Resume the given partitions, or all paused ones. Does not block.

        As `Consumer.resume`.
        """

    def paused(self) -> Operation[List[TopicPartition]]:
        """The paused partitions. Does not block."""

    def beginning_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, int]]:
        """The offset of the first message of each partition.

        As `Consumer.beginning_offsets`.
        """

    def end_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, int]]:
        """The offset after the last message of each partition.

        As `Consumer.end_offsets`.
        """

    def offsets_for_times(
        self, times: Dict[TopicPartition, Union[int, datetime]], *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, Optional[int]]]:
        """The offset of the first message at or after a time, for each partition, or None if there is none.

        As `Consumer.offsets_for_times`.
        """

    def lag(self, *, timeout: float = 10.0) -> Operation[Dict[TopicPartition, int]]:
        """The number of offsets between each assigned partition's position and its end.

        As `Consumer.lag`.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the consumer was created, without asking a broker.

        The keys of `Consumer.metrics`. Not awaited.
        """

    def group_metadata(self) -> GroupMetadata:
        """The group membership, for `AsyncProducer.send_offsets_to_transaction`. Does not block.

        As `Consumer.group_metadata`. Not awaited.
        """

    def ping(self, timeout: float = 5.0) -> Operation[None]:
        """Ask a broker for an answer, for up to `timeout` seconds.

        As `Consumer.ping`.
        """

    def close(self, timeout: Optional[float] = 10.0) -> Operation[None]:
        """Commit processed messages, leave the group, and close the client. Closing again does nothing.

        As `Consumer.close`. Cancelling closes the client all the same: what was not committed is read again.
        """

    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(self, kind: object, _value: object, _traceback: object) -> Operation[None]: ...

@final
class DeadLetter:
    """`on_decode_error=DeadLetter("orders.dlq")`: send what cannot be decoded to a dead letter topic, and read on.

    The dead letter has the original key and value, byte for byte, the original headers, and after them
    `kjson-dlt-original-topic`, `-original-partition`, `-original-offset`, `-original-timestamp` (decimal milliseconds),
    `-consumer-group`, `-error-class` and `-error-message`; those that do not apply are left out. Its partition follows
    from its key. A read waits until the dead letter is acknowledged, even beyond its own timeout; `consume` sends all
    of a batch first. If it cannot be delivered, the read raises the reason, with the `DecodeError` as its cause, and
    the message is read again. So nothing is lost, and a dead letter may be sent twice.

    Args:
        topic: The dead letter topic. "{topic}" in it stands for the original topic's name. A bad message that is read
            from its own dead letter topic stays there: its `DecodeError` is raised.
        producer: The producer to use, which is not closed. Without it the consumer creates one when it needs it, from
            its own connection options, with acks=all, and closes it.
        handler: Called with the `DecodeError` first. Its result is the message's value, and None skips the message; if
            it raises, the message is a dead letter with that exception's class and text.
        retries: How many times a handler that raised is called again. The read waits meanwhile.
        retry_backoff_ms: Milliseconds before each retry.
        timeout: Seconds to wait for the acknowledgement, and for a connection at the first dead letter.

    Raises:
        ValueError, TypeError: An argument has a wrong value or type.
    """

    def __new__(
        cls,
        topic: str,
        *,
        producer: Union[Producer, AsyncProducer, None] = None,
        handler: Optional[Callable[[DecodeError], Any]] = None,
        retries: int = 0,
        retry_backoff_ms: float = 100.0,
        timeout: float = 30.0,
    ) -> Self: ...
    @property
    def topic(self) -> str: ...
    @property
    def producer(self) -> Union[Producer, AsyncProducer, None]: ...
    @property
    def handler(self) -> Optional[Callable[[DecodeError], Any]]: ...
    @property
    def retries(self) -> int: ...
    @property
    def retry_backoff_ms(self) -> float: ...
    @property
    def timeout(self) -> float: ...

@final
class Message(Generic[_T]):
    """One message. Immutable, outlives its consumer, and pickles."""

    def __new__(
        cls,
        topic: str,
        partition: int = 0,
        offset: int = 0,
        *,
        key: object = None,
        value: Optional[_T] = None,
        headers: Optional[_Headers] = None,
        timestamp_ms: Optional[int] = None,
        raw_key: Optional[bytes] = None,
        raw_value: Optional[bytes] = None,
        error: Optional[DecodeError] = None,
    ) -> Self:
        """For tests of code that takes messages. The raw bytes default to what `send` makes of key and value."""

    def __class_getitem__(cls, item: Any) -> Any: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> Optional[int]:
        """Milliseconds since 1970, or None."""

    @property
    def timestamp(self) -> Optional[datetime]:
        """`timestamp_ms` as an aware datetime in UTC."""

    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> _T:
        """The decoded JSON; None for a tombstone."""

    @property
    def headers(self) -> Tuple[Tuple[str, Optional[bytes]], ...]: ...
    @property
    def raw_key(self) -> Optional[bytes]: ...
    @property
    def raw_value(self) -> Optional[bytes]: ...
    @property
    def is_tombstone(self) -> bool:
        """Whether the message has no value, which deletes its key in a compacted topic."""

    @property
    def error(self) -> Optional[DecodeError]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class TopicPartition:
    """A partition of a topic, with an offset where one applies. Immutable and ordered."""

    def __new__(cls, topic: str, partition: int, offset: Optional[int] = None) -> Self: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> Optional[int]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __lt__(self, other: object, /) -> bool: ...
    def __le__(self, other: object, /) -> bool: ...
    def __gt__(self, other: object, /) -> bool: ...
    def __ge__(self, other: object, /) -> bool: ...

@disjoint_base
class MockCluster:
    """Kafka brokers in this process, each on a loopback port: librdkafka's mock cluster.

    For tests, demos and notebooks. Real sockets and real groups, with these limits (docs/testing.md says more):

    - A partition keeps at most 5 MiB and silently drops the oldest messages; nothing else expires or is compacted.
    - A topic is created with 4 partitions when a producer writes to it or asks for its partitions. Topics have no
      options, and cannot grow or be deleted. Requests of admin clients go unanswered.
    - No TLS, no SASL, no ACLs. No replicas: `acks="all"` waits for one broker.
    - Acknowledgements have the timestamp 1234, and `offsets_for_times` finds nothing.
    - `read_committed` hides no messages of open or aborted transactions. Transactions neither fence nor time out, and
      the offsets sent with them are not stored. Static members do not fence each other either.
    - When a member joins or leaves, a group admits nobody for the session timeout less one second, after a clean close,
      too: kjson's own consumers use 2 s for it on a cluster of their process. A former member's longer session timeout
      counts as well; a member whose own is shorter may then wait for more than a minute.
    - A consumer that calls `assign` after it was a member of its group commits nothing from then on.

    Args:
        brokers: How many, 1 to 100. Their ids count from 1.
        topics: Names with their partition counts, or names alone, for one partition each.
    """

    def __init__(self, brokers: int = 1, topics: Union[Mapping[str, int], Iterable[str], None] = None) -> None: ...
    @property
    def bootstrap_servers(self) -> str:
        """The brokers' addresses, for `Producer` and `Consumer`: "127.0.0.1:40001,127.0.0.1:40002"."""

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic."""

    def broker_down(self, broker: int) -> None:
        """Close a broker's connections and refuse new ones."""

    def broker_up(self, broker: int) -> None:
        """Accept connections again."""

    def round_trip_time(self, ms: int, broker: Optional[int] = None) -> None:
        """Delay every answer of a broker, or of all brokers, by `ms` milliseconds."""

    def move_coordinator(self, name: str, broker: int) -> None:
        """Make a broker the coordinator of a group or a transactional id.

        Clients learn of it when the one that they ask answers NOT_COORDINATOR. Until then the name decides which broker
        it is.

        Args:
            name: The group id or transactional id.
            broker: The broker's id.

        Raises:
            KafkaError: There is no such broker.
        """

    def fail_requests(self, api: str, error: Union[str, int], times: int = 1) -> None:
        """Answer the next requests of one kind with an error.

        Args:
            api: The protocol's name of the request: "Produce", "Fetch", "Metadata", "JoinGroup", "OffsetCommit"...
            error: The protocol's name of the error, such as "NOT_LEADER_FOR_PARTITION", or its number; "_TRANSPORT"
                closes the connection.
            times: For how many requests.
        """

    def clear_failures(self) -> None:
        """Remove the errors of `fail_requests` that are still to come."""

    def close(self) -> None:
        """Shut the brokers down. Closing again does nothing."""

    def __enter__(self) -> Self: ...
    def __exit__(self, _kind: object, _value: object, _traceback: object) -> None: ...
