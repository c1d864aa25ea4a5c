"""The compiled half of kjson. This file is its documentation of record; stubtest holds it against the module."""

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
    """Encode an object as compact UTF-8 JSON.

    The same code that `Producer.send` uses.

    Args:
        obj: Anything that `json.dumps` takes, and dates, UUID, Decimal, Enum, dataclasses, mappings and sequences.
        default: Called with each object that has no JSON form; what it returns is encoded instead.
        nan: What NaN and the infinities become: "error" refuses them, "null" writes null, "allow" writes `NaN`, `Infinity`
            and `-Infinity` as `json.dumps` does, which is not JSON.

    Raises:
        EncodeError: A value has no JSON form, holds itself, or is nested deeper than 512 levels. `path` says where.
    """

def loads(data: Union[bytes, bytearray, memoryview, str], *, parse_float: Optional[Callable[[str], Any]] = None) -> Any:
    """Decode JSON into Python objects, as `json.loads` does.

    The same code that makes `Message.value`.

    Args:
        data: UTF-8 bytes, or a str.
        parse_float: Called with the text of each number that has a fraction or an exponent, such as `decimal.Decimal`.

    Raises:
        DecodeError: The data is not JSON, or nested deeper than 512 levels. `line`, `column`, `byte_offset` say where.
    """

# For the tests: the codec's reference implementation, on pythonize and serde_json.
def _reference_dumps(obj: object) -> bytes: ...
def _reference_loads(data: bytes) -> Any: ...

# For `kjson._clients`: calls run `native`, and what looks at the method sees `function`.
def _coroutine_method(native: Any, function: Callable[..., Any]) -> Any: ...

@disjoint_base
class Producer:
    """Sends Python objects as JSON to Kafka. Thread-safe: one producer serves a whole program.

    The constructor returns when a broker has answered. A thread of kjson takes the delivery reports; nobody has to poll.

    Args:
        bootstrap_servers: Addresses as "host:port", several in a list or separated by commas. librdkafka:
            `bootstrap.servers`.
        connect_timeout: Seconds to wait for a broker's answer; None or 0 does not check. Addresses that refuse, cannot be
            resolved, or reject TLS or the credentials fail earlier.
        client_id: The name that brokers log. `client.id`.
        acks: "all", 1 or 0: whose confirmation a message needs. `request.required.acks`. Anything but "all" turns
            idempotence off unless that was asked for.
        enable_idempotence: Retries neither duplicate nor reorder. `enable.idempotence`; librdkafka's default is off.
        transactional_id: `transactional.id`.
        compression_type: "gzip", "snappy", "lz4" or "zstd". `compression.type`.
        linger_ms: How long a batch waits for more messages; not waited out when somebody waits for a delivery.
            `linger.ms`.
        delivery_timeout_ms: How long a message may take from `send` to its confirmation, retries included.
            `message.timeout.ms`; librdkafka's default is 300000.
        max_block_ms: How long `send` waits when the queue is full (`queue.buffering.max.messages`, 100000 messages, and
            `queue.buffering.max.kbytes`, 1 GiB).
        partitioner: "murmur2_random" chooses the partition that the Java client chooses for the same key;
            librdkafka's default is CRC32.
        default: As in `dumps`.
        nan: As in `dumps`.
        value_serializer: Called with each value instead of encoding it as JSON; returns bytes, or None for a tombstone.
        key_serializer: Called with each key; returns bytes or None.
        security_protocol: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL". `security.protocol`.
        ssl_cafile: `ssl.ca.location`; without it the operating system's certificates are looked for.
        ssl_certfile: `ssl.certificate.location`.
        ssl_keyfile: `ssl.key.location`.
        ssl_password: `ssl.key.password`.
        ssl_check_hostname: `ssl.endpoint.identification.algorithm`, https or none.
        sasl_mechanism: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512". `sasl.mechanism`.
        sasl_plain_username: `sasl.username`.
        sasl_plain_password: `sasl.password`.
        on_delivery: Called as `on_delivery(error, metadata)` for every message that has none of its own, on a thread of
            kjson: exactly one of the two is None.
        on_error: Called with a `KafkaError` for each error that librdkafka reports and goes on from, on a thread of kjson.
        on_stats: Called with librdkafka's statistics as a dict, every `statistics_interval_ms`.
        statistics_interval_ms: `statistics.interval.ms`; 0 is never.
        config: Options under librdkafka's dotted names, such as {"socket.keepalive.enable": True}.
        options: Any other option of librdkafka, with underscores for its dots. All names are in librdkafka's
            CONFIGURATION.md.

    Raises:
        KafkaConnectionError: No broker could be reached (`TlsError`, `AuthenticationError` where that was the cause).
        ConfigError: An option is unknown, was given twice with different values, or has a value that it cannot have.
    """

    def __init__(
        self,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        *,
        connect_timeout: Optional[float] = 10.0,
        client_id: Optional[str] = ...,
        acks: Union[Literal["all"], int] = ...,
        enable_idempotence: bool = ...,
        transactional_id: Optional[str] = ...,
        compression_type: Optional[str] = ...,
        linger_ms: float = ...,
        delivery_timeout_ms: int = ...,
        max_block_ms: float = 60_000.0,
        partitioner: str = ...,
        default: Optional[Callable[[Any], Any]] = None,
        nan: _Nan = "error",
        value_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        key_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        security_protocol: str = ...,
        ssl_cafile: Optional[str] = ...,
        ssl_certfile: Optional[str] = ...,
        ssl_keyfile: Optional[str] = ...,
        ssl_password: Optional[str] = ...,
        ssl_check_hostname: bool = ...,
        sasl_mechanism: Optional[str] = ...,
        sasl_plain_username: Optional[str] = ...,
        sasl_plain_password: Optional[str] = ...,
        on_delivery: Optional[_OnDelivery] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = ...,
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
        """Hand one message over for sending, and return at once unless the queue is full.

        Args:
            value: Sent as JSON; None is a tombstone.
            key: str and bytes are sent as they are, anything else as JSON. Messages of one key keep their order.
            headers: A mapping, or pairs; values are str (sent as UTF-8), bytes or None.
            partition: Chosen by the partitioner if not given.
            timestamp: Milliseconds since 1970, or an aware datetime. Default: now.
            on_delivery: Called as `on_delivery(error, metadata)` on a thread of kjson when the outcome is known. What it
                raises goes to `sys.unraisablehook`.

        Raises:
            EncodeError: The value or the key has no JSON form; nothing was sent.
            QueueFullError: There was no room for `max_block_ms`.
            MessageTooLargeError: Larger than `message.max.bytes` (1,000,000).
            UnknownTopicError: The topic is known and has no such partition.
            ClosedError, ForkError: The producer is closed, or of another process.

        Blocks only while the queue is full, without the GIL; Ctrl-C breaks that off, and the message is not sent.
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
        """`send` and `Delivery.result(timeout)` in one: returns where the message lies. Does not sit out `linger_ms`."""

    def send_many(
        self,
        topic: str,
        values: Iterable[Any],
        *,
        key: Optional[Callable[[Any], object]] = None,
        headers: Optional[_Headers] = None,
        partition: Optional[int] = None,
    ) -> DeliveryBatch:
        """Hand many messages over in one call, with less work for each than `send`.

        Args:
            values: Each is sent as JSON; None is a tombstone. An iterable that takes its time keeps none back: what it has given
                is sent while it makes `send_many` wait, and `flush`, `close` and the end of a transaction include that.
            key: Called with each value for its key.
            headers: The same for all messages.
            partition: The same for all messages.

        Raises:
            EncodeError: A value or a key has no JSON form. As for whatever the iterable itself or `key` raises, the values
                before it are sent, and a note on the exception (`__notes__`, PEP 678) has the index that it came to.
            QueueFullError: There was no room for `max_block_ms`, counted from the last message that was taken.
            ClosedError, ForkError: The producer is closed, or of another process.

        A message that cannot be taken because of itself, one larger than `message.max.bytes` for instance, is a failure of
        the batch like one that the broker refused. Blocks while the queue is full; Ctrl-C breaks that off.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the producer was made, without asking a broker.

        "sent", "delivered", "failed", "pending" (messages), "delivered_bytes" (keys and values), and "last_error", the last
        broker error that no success has followed, or None.
        """

    def transaction(self) -> Transaction:
        """`with producer.transaction():` begins, and commits at the end, or aborts if an exception leaves the block.

        Needs a `transactional_id`, whose constructor fences any producer that had it before (KIP-98). A commit that fails
        in an abortable way is aborted, and the error raised. After `FencedError`, or an error whose `fatal` is true, only
        `close` is left to do.
        """

    def begin_transaction(self) -> None:
        """Begin a transaction. Raises `TransactionError` if one is open.

        `rd_kafka_begin_transaction`. Blocks only where the constructor did not connect (`connect_timeout=None`): then the
        `transactional_id` is taken over now, within `max_block_ms`.
        """

    def commit_transaction(self, timeout: Optional[float] = 60.0) -> None:
        """Flush and commit. Readers with `isolation_level="read_committed"` see all of it from now on.

        Raises:
            TransactionError: `abortable` says whether `abort_transaction` puts the producer in order again.
            FencedError: Another producer has the `transactional_id` now.

        Blocks for up to `timeout` seconds. After a timeout or Ctrl-C the outcome is open: call it again to go on.
        `rd_kafka_commit_transaction`.
        """

    def abort_transaction(self, timeout: Optional[float] = 60.0) -> None:
        """Give up the open transaction: none of its messages will be seen.

        Their failures are no longer raised by `flush` or `close`. Blocks for up to `timeout` seconds; after a timeout or
        Ctrl-C call it again to go on. `rd_kafka_abort_transaction`.
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
            offsets: Messages that were worked on, or partitions with the next offset to read.
            group_metadata: From `Consumer.group_metadata()`. That consumer has `enable_auto_commit=False`.

        Raises:
            TransactionError: No transaction is open, or the group refused the offsets because it has been shared out anew
                (`abortable`): abort, and read again.
            FencedError: Another producer has the `transactional_id` now.

        Blocks for up to `timeout` seconds. `rd_kafka_send_offsets_to_transaction`.
        """

    def flush(self, timeout: Optional[float] = None) -> None:
        """Wait until every message is confirmed or has failed, its callbacks included.

        Raises:
            DeliveryError: Messages failed and nobody looked at them: no callback, no `result()`. `failures` has each one,
                up to 10,000; each is raised once.
            FlushTimeoutError: `timeout` seconds were not enough. The messages stay on their way.

        Ctrl-C ends the wait; the messages stay on their way.
        """

    def close(self, timeout: Optional[float] = 30.0) -> None:
        """Flush, and end the client. Raises what `flush` raises. Closing again does nothing.

        Messages that `timeout` seconds, or Ctrl-C, leave unconfirmed are given up: each delivery fails, and their number is
        logged as an error.
        """

    def ping(self, timeout: float = 5.0) -> None:
        """Ask a broker for an answer, or raise `KafkaConnectionError`.

        Blocks for up to `timeout` seconds.
        """

    def partitions_for(self, topic: str, *, timeout: float = 5.0) -> List[int]:
        """The partition numbers of a topic. Raises `UnknownTopicError` if there is no such topic."""

    @property
    def pending(self) -> int:
        """How many messages are neither confirmed nor failed."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, _value: object, _traceback: object) -> None: ...

@final
class Operation(Coroutine[Any, Any, _T_co]):
    """What an asynchronous method returns: await it, or make a task of it. Once.

    A coroutine for asyncio and uvloop, though not one that Python code made. Apart from `AsyncProducer.send`, which has done
    its work when there is room, an operation begins when it is awaited. One that nobody awaits is a `RuntimeWarning`.

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
        """For event loops, as of any coroutine."""

    def throw(
        self,
        kind: Union[Type[BaseException], BaseException],
        value: object = None,
        _traceback: Optional[TracebackType] = None,
    ) -> Any:
        """For event loops, as of any coroutine: ends the wait."""

    def close(self) -> None:
        """For event loops, as of any coroutine: ends the wait."""

@disjoint_base
class AsyncProducer:
    """Sends Python objects as JSON to Kafka, on an event loop.

    The methods, options, guarantees and errors of `Producer`, whose documentation holds here: only the waits differ. It
    works on asyncio and uvloop, and may serve one loop after another.

        async with AsyncProducer("localhost:9092") as producer:
            delivery = await producer.send("orders", {"id": 1})
            metadata = await delivery

    The constructor takes what `Producer` takes, raises `ConfigError` for it, and waits for nothing: `async with`, `start`, or
    the first call that needs a broker connects. One that is open when the interpreter ends flushes, as a `Producer` does.

    A task that sends without a pause gives the loop a turn every millisecond.
    """

    def __init__(
        self,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        *,
        connect_timeout: Optional[float] = 10.0,
        client_id: Optional[str] = ...,
        acks: Union[Literal["all"], int] = ...,
        enable_idempotence: bool = ...,
        transactional_id: Optional[str] = ...,
        compression_type: Optional[str] = ...,
        linger_ms: float = ...,
        delivery_timeout_ms: int = ...,
        max_block_ms: float = 60_000.0,
        partitioner: str = ...,
        default: Optional[Callable[[Any], Any]] = None,
        nan: _Nan = "error",
        value_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        key_serializer: Optional[Callable[[Any], Optional[bytes]]] = None,
        security_protocol: str = ...,
        ssl_cafile: Optional[str] = ...,
        ssl_certfile: Optional[str] = ...,
        ssl_keyfile: Optional[str] = ...,
        ssl_password: Optional[str] = ...,
        ssl_check_hostname: bool = ...,
        sasl_mechanism: Optional[str] = ...,
        sasl_plain_username: Optional[str] = ...,
        sasl_plain_password: Optional[str] = ...,
        on_delivery: Optional[_OnDelivery] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = ...,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def start(self) -> Operation[None]:
        """Connect, or raise `KafkaConnectionError`. Sending does it by itself, and `async with` too.

        Once connected it returns at once. One that failed may be called again.

        Cancelling leaves the attempt under way, for the next call to wait for.
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
        """Hand one message over for sending; waits only while the queue is full. Returns a `Delivery`, to be awaited or not.

        As `Producer.send`. The message is encoded by the call, and handed over by it where there is room. The errors are
        raised when the result is awaited. `on_delivery` is called on a thread of kjson.

        Cancelling while it waits for room, up to `max_block_ms`, means that the message is not sent.
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
        """`send`, and wait for the confirmation: returns where the message lies. Does not sit out `linger_ms`.

        Cancelling does not unsend the message: it stays under way.
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
        """Hand many messages over in one call, with less work for each than `send`, letting the loop run in between.

        As `Producer.send_many`. `values` and `key` are called on the loop's thread, and may not block it.

        Cancelling leaves what was handed over under way; `flush` waits for it and raises its failures.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the producer was made, without asking a broker.

        The names of `Producer.metrics`.
        """

    def transaction(self) -> AsyncTransaction:
        """`async with producer.transaction():` begins, and commits at the end, or aborts if an exception leaves the block.

        A task that is cancelled inside the block aborts.
        """

    def begin_transaction(self) -> Operation[None]:
        """Begin a transaction. Raises `TransactionError` if one is open."""

    def commit_transaction(self, timeout: Optional[float] = 60.0) -> Operation[None]:
        """Flush and commit. Readers with `isolation_level="read_committed"` see all of it from now on.

        Raises what `Producer.commit_transaction` raises. Cancelling leaves the commit under way: the next step of the
        producer's transactions waits for it, and committing again tells its outcome.
        """

    def abort_transaction(self, timeout: Optional[float] = 60.0) -> Operation[None]:
        """Give up the open transaction: none of its messages will be seen.

        Cancelling leaves the abort under way.
        """

    def send_offsets_to_transaction(
        self,
        offsets: Union[Message[Any], TopicPartition, Iterable[Union[Message[Any], TopicPartition]]],
        group_metadata: GroupMetadata,
        *,
        timeout: Optional[float] = 60.0,
    ) -> Operation[None]:
        """Commit a consumer's offsets with the transaction: exactly once from topic to topic (KIP-98, KIP-447).

        As `Producer.send_offsets_to_transaction`.
        """

    def flush(self, timeout: Optional[float] = None) -> Operation[None]:
        """Wait until every message is confirmed or has failed, its callbacks included.

        Raises what `Producer.flush` raises. Cancelling leaves the messages on their way.
        """

    def close(self, timeout: Optional[float] = 30.0) -> Operation[None]:
        """Flush, and end the client. Raises what `flush` raises. Closing again does nothing.

        Cancelling ends the client all the same: messages that are not confirmed by then are given up, each delivery fails,
        and their number is logged as an error.
        """

    def ping(self, timeout: float = 5.0) -> Operation[None]:
        """Ask a broker for an answer, or raise `KafkaConnectionError`."""

    def partitions_for(self, topic: str, *, timeout: float = 5.0) -> Operation[List[int]]:
        """The partition numbers of a topic. Raises `UnknownTopicError` if there is no such topic."""

    @property
    def pending(self) -> int:
        """How many messages are neither confirmed nor failed."""

    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(self, kind: object, _value: object, _traceback: object) -> Operation[None]: ...

@final
class AsyncTransaction:
    """A transaction as an `async with` block: see `AsyncProducer.transaction`."""

    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(self, kind: object, _value: object, _traceback: object) -> Operation[None]: ...

@final
class Delivery:
    """What becomes of one message. Keep it, or let it go: a failure that nobody looks at is raised by `flush` or `close`.

    It can be awaited, by several tasks and as often as wanted: `metadata = await delivery`. Cancelling such a wait ends no
    other, and does not unsend the message. `linger_ms` is not sat out.

    That of an `AsyncProducer` is taken for a future by `asyncio.gather`, `wait`, `wait_for` and `shield`, which then need no
    task for it; where a loop runs, `result` and `exception` raise `asyncio.InvalidStateError` before the outcome is known.
    """

    def __await__(self) -> Generator[Any, None, RecordMetadata]: ...
    def result(self, timeout: Optional[float] = None) -> RecordMetadata:
        """Wait for the confirmation and return where the message lies.

        Raises:
            DeliveryError: It was not delivered.
            KafkaTimeoutError: `timeout` seconds have passed; the message is still under way.
        """

    def exception(self, timeout: Optional[float] = None) -> Optional[DeliveryError]:
        """As `result`, but returns the error, or None for a confirmed message."""

    def done(self) -> bool:
        """Whether the outcome is known."""

    def add_done_callback(self, callback: Callable[[Delivery], object], *, context: Optional[Context] = None) -> None:
        """Have `callback(delivery)` called on a thread of kjson when the outcome is known, or here if it is already.

        Of an `AsyncProducer`, where a loop runs: on that loop, in `context` or a copy of the current one, and never here.
        """

    def remove_done_callback(self, callback: Callable[[Delivery], object]) -> int:
        """For asyncio: forget a callback of `add_done_callback`."""

    def cancel(self, msg: Optional[str] = None) -> bool:
        """For asyncio: end the waits by callback, such as that of `asyncio.gather`. The message stays under way."""

    def cancelled(self) -> bool:
        """For asyncio: whether `cancel` ended a wait, and nobody waited since."""

    def get_loop(self) -> AbstractEventLoop:
        """For asyncio: the loop that runs."""

    @property
    def _asyncio_future_blocking(self) -> Optional[bool]: ...
    @property
    def _cancel_message(self) -> Optional[str]: ...
    def _make_cancelled_error(self) -> BaseException: ...

@final
class DeliveryBatch:
    """What becomes of the messages of one `send_many`.

    It can be awaited, as a `Delivery` can: `places = await batch`.
    """

    def __await__(self) -> Generator[Any, None, List[RecordMetadata]]: ...
    def result(self, timeout: Optional[float] = None) -> List[RecordMetadata]:
        """Wait for all confirmations and return where each message lies, in the order of `values`.

        Raises:
            DeliveryError: Messages were not delivered; `failures` has each one.
            KafkaTimeoutError: `timeout` seconds have passed; the messages are still under way.
        """

    def exception(self, timeout: Optional[float] = None) -> Optional[DeliveryError]:
        """As `result`, but returns the error, or None if all are confirmed."""

    def done(self) -> bool:
        """Whether the outcome of every message is known."""

    @property
    def failed(self) -> Tuple[FailedRecord, ...]:
        """The messages that have failed so far.

        As many as are kept: those that nobody looked at have 64 MiB, of all messages of a producer together. The others are
        counted, in the error and in the repr.

        `flush` and `close` do not raise for those that were seen here.
        """

    def __len__(self) -> int: ...

@final
class Transaction:
    """A transaction as a `with` block: see `Producer.transaction`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, _value: object, _traceback: object) -> None: ...

@final
class GroupMetadata:
    """Who consumes, as `Consumer.group_metadata()` tells `Producer.send_offsets_to_transaction()`."""

@final
class RecordMetadata:
    """Where a confirmed message lies."""

    def __new__(cls, topic: str, partition: int, offset: int, timestamp_ms: Optional[int] = None) -> Self: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> Optional[int]:
        """Milliseconds since 1970, as the broker stored it."""

    @property
    def timestamp(self) -> Optional[datetime]:
        """The same as an aware datetime in UTC."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@disjoint_base
class Consumer(Generic[_T]):
    """Reads JSON from Kafka as Python objects, at least once. For one thread at a time.

    The offset of a message is committed when the next one is asked for, or by `close`; a loop body that raises leaves its
    message uncommitted, and it comes again. A message that is not JSON raises `DecodeError`, and the next call goes on
    behind it.

    Close it, or use `with`. One that is dropped leaves its group, too, unless it is part of a reference cycle, such as by a
    callback that is a method of its owner: Python's collector does not find those.

    Args:
        topics: What to subscribe to; may come later, by `subscribe`.
        bootstrap_servers: As for `Producer`.
        group_id: Consumers of one group share the partitions, and the group keeps the offsets. `group.id`. Without a group
            every partition is read, and nothing is committed.
        group_instance_id: Static membership. `group.instance.id`.
        group_protocol: "classic", or "consumer" (KIP-848). `group.protocol`.
        auto_offset_reset: Where to begin without a committed offset: "earliest", "latest" or "error". With "error"
            each read raises until `seek`, or `assign` with an offset, says where to begin. `auto.offset.reset`; librdkafka's
            default is "latest". Without a group, topics and partitions that are created after the consumer began are read
            from their beginning. With a group and "latest", partitions without a committed offset start at their end when
            they are assigned; a group that must not miss their first messages uses "earliest", which only differs for
            partitions without a committed offset.
        enable_auto_commit: Commit what is done, every `auto_commit_interval_ms` and on `close`. `enable.auto.commit`.
        auto_commit_interval_ms: `auto.commit.interval.ms`.
        isolation_level: "read_committed" or "read_uncommitted". `isolation.level`.
        max_poll_interval_ms: How long may pass between two reads before the group gives the partitions away.
            `max.poll.interval.ms`.
        consumer_timeout_ms: Iteration ends after this time without a message. None: never.
        connect_timeout: As for `Producer`.
        unreachable_timeout: A read that has had no broker to talk to for this many seconds raises `KafkaConnectionError`;
            the next read goes on where the consumer was. None: never.
        on_decode_error: What becomes of a message that cannot be decoded, its key included. In every case the consumer goes on
            behind it. "raise": raise the `DecodeError`. "skip": count it, and log it, the payload never, as a warning at most
            every 10 s. "yield": hand it out with `error`, `raw_value` and no value. A `DeadLetter`: send it to another topic.
            A callable: what it returns for the `DecodeError` is the value, None skips, what it raises is raised.
        value_type: What values become: a dataclass, a TypedDict, an attrs class, a pydantic model or a msgspec Struct. What
            does not fit is a `DecodeError` that says where, such as "at $.items[1].price". A bool is no int, an int is a
            float; unknown keys are ignored, and stay in a TypedDict; a tombstone stays None. Fractions of a second beyond
            six digits are cut off. pydantic and msgspec go by their own rules.
        key_type: What keys become: "auto" (str where the bytes are UTF-8, else bytes), "str", "bytes" or "json".
        max_message_bytes: A larger value, decompressed, is a `DecodeError` instead of objects, which take up to 30 times as many
            bytes. None: no limit but librdkafka's `receive.message.max.bytes`.
        parse_float: As in `loads`.
        value_deserializer: Called with the bytes of each value instead of decoding JSON; what it raises becomes the cause
            of a `DecodeError`, but for `MemoryError`, which is raised as it is.
        on_assign: Called as `on_assign(consumer, partitions)` when partitions came, and may seek in them.
        on_revoke: Called as `on_revoke(consumer, partitions)` before partitions go to other members, and may commit. What
            was done is committed behind it all the same, unless `enable_auto_commit` is false.
        on_lost: Called like `on_revoke` for partitions that went already, because the group had lost touch with this
            member: their offsets cannot be committed any more. Without it `on_revoke` is called.
        on_commit: Called as `on_commit(error, offsets)` with the answer to each commit that nobody waited for, the automatic
            ones and those with `asynchronous=True`; `error` is None or a `CommitError`. Without it failures are logged.
        on_error, on_stats, config, options: As for `Producer`, and so are the ssl_ and sasl_ options.

    `on_assign`, `on_revoke`, `on_lost` and `on_commit` run on the thread that reads, inside the read or the `close`. There they
    may call everything but the reading methods and `close`. What one raises comes out of that read, and the change of the
    assignment stands.

    Raises:
        KafkaConnectionError: No broker could be reached.
        ConfigError: An option is unknown, was given twice with different values, or has a value that it cannot have.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        group_id: Optional[str] = None,
        group_instance_id: Optional[str] = ...,
        group_protocol: Literal["classic", "consumer"] = ...,
        auto_offset_reset: Literal["earliest", "latest", "error"] = ...,
        enable_auto_commit: bool = ...,
        auto_commit_interval_ms: int = ...,
        isolation_level: Literal["read_committed", "read_uncommitted"] = ...,
        max_poll_interval_ms: int = ...,
        consumer_timeout_ms: Optional[float] = None,
        connect_timeout: Optional[float] = 10.0,
        unreachable_timeout: Optional[float] = 60.0,
        on_decode_error: Union[Literal["raise", "skip", "yield"], DeadLetter, Callable[[DecodeError], Any]] = "raise",
        value_type: Optional[Type[_T]] = None,
        value_deserializer: Optional[Callable[[bytes], _T]] = None,
        key_type: Literal["auto", "str", "bytes", "json"] = "auto",
        max_message_bytes: Optional[int] = 16777216,
        parse_float: Optional[Callable[[str], Any]] = None,
        security_protocol: str = ...,
        ssl_cafile: Optional[str] = ...,
        ssl_certfile: Optional[str] = ...,
        ssl_keyfile: Optional[str] = ...,
        ssl_password: Optional[str] = ...,
        ssl_check_hostname: bool = ...,
        sasl_mechanism: Optional[str] = ...,
        sasl_plain_username: Optional[str] = ...,
        sasl_plain_password: Optional[str] = ...,
        on_assign: Optional[_OnPartitions] = None,
        on_revoke: Optional[_OnPartitions] = None,
        on_lost: Optional[_OnPartitions] = None,
        on_commit: Optional[_OnCommit] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = ...,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def __class_getitem__(cls, item: Any) -> Any: ...
    def subscribe(self, topics: Union[str, Iterable[str], None] = None, *, pattern: Optional[str] = None) -> None:
        """Read these topics from now on, or those whose names match a regular expression (with a group only).

        A pattern matches from the beginning of a name, as `re.match` does: `pattern="orders"` reads "orders-1" and not
        "old-orders", `r"orders-\\d+$"` nothing after the digits. It means the same under both group protocols, and is made of
        what their engines share: literals, `.`, `[a-z]`, `[^a-z]`, `(a|b)`, `*`, `+`, `?`, `{2,5}`, `^`, `$`, `\\d`, `\\w`,
        `\\.`. For anything else (lookaround, backreferences, flags, lazy repetitions, `\\b`), and for characters that no topic
        name contains, a `ConfigError` says what to write instead. New topics that match are found within
        `topic_metadata_refresh_interval_ms` (5 minutes).

        A topic that does not exist is warned of once, in the log, and waited for. A name that no topic can have raises
        `ConfigError`.
        """

    def unsubscribe(self) -> None:
        """Read nothing any more, until the next `subscribe`.

        Leaves the group as `assign` does, and ends an assignment, too.
        """

    def subscription(self) -> List[str]:
        """The topics that were asked for."""

    def assignment(self) -> List[TopicPartition]:
        """The partitions that are being read now."""

    def assign(self, partitions: _Partitions) -> None:
        """Read these partitions and no others, from their offsets if they have some, without sharing them with a group.

        Takes the place of a subscription, or of what was assigned before (the Java client raises IllegalStateException
        where this replaces a subscription): the consumer leaves its group, what was handed out is done and is committed, and
        what was fetched is dropped. `on_revoke` runs before this returns; if the group is rebalancing, in a later read. A
        `subscribe` or `unsubscribe` replaces it likewise, and all of them may be called in `on_assign` and `on_revoke`.

        Without an offset a partition begins where the group has committed, or without a group where `auto_offset_reset`
        says. Offsets are committed to the group as long as it has no members; otherwise commits raise `CommitError`
        (UNKNOWN_MEMBER_ID). An empty list reads nothing. `rd_kafka_assign`.
        """

    def poll(self, timeout: Optional[float] = 1.0) -> Optional[Message[_T]]:
        """The next message, or None when there was none for `timeout` seconds. None waits for ever.

        Raises:
            DecodeError: The message is not JSON. The next call goes on behind it.
            KafkaConnectionError: No broker for `unreachable_timeout`. The next call goes on waiting.
            AuthorizationError: The topic or the group is forbidden.
            ClosedError, ForkError: The consumer is closed, or of another process.
        """

    def consume(self, max_messages: int = 500, timeout: Optional[float] = 1.0) -> List[Message[_T]]:
        """Up to `max_messages`: waits for the first, and takes what is there. Asking again means that all are worked on.

        A call takes no more than 1 MiB of keys and values beyond the first message: as objects they are 5 to 10 times as large.
        Raises what `poll` raises. Good messages before one that is not JSON are returned first; the next call raises.
        """

    def __iter__(self) -> Iterator[Message[_T]]: ...
    def __next__(self) -> Message[_T]: ...
    def until_end(self, *, timeout: float = 30.0) -> Iterator[Message[_T]]:
        """Iterate over the messages up to the end that each partition has now.

        Waits up to `timeout` seconds for the partitions to be shared out. Of a partition that another member gets meanwhile
        the rest is left to that member. What arrives later is left for the next read. With
        `isolation_level="read_committed"` the end is the last stable offset.

        Ends too where nothing is left before the end, because it was aborted or deleted: about a second after the last
        message, since that takes a look by a client of its own. A paused partition is waited for.

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
        """The newest `n` messages of a topic, in the order of their timestamps. Joins no group, commits nothing, and ends.

        Looks at the end that each partition has now, and as far back as needed for `n` messages of it; so a call reads up to
        `n` messages of every partition, and more only where transactions or compaction left gaps.

        Args:
            timeout: Seconds for each step: connecting, asking for the offsets, and a read without a broker.
            options: Any of the constructor's, but no group. `on_decode_error` is "yield" unless given: a message that cannot be
                decoded is among the others, with its `error`.

        Raises:
            UnknownTopicError: There is no such topic.
            KafkaConnectionError: No broker could be reached.
        """

    def values(self) -> Iterator[_T]:
        """Iterate over the values alone."""

    def commit(
        self, what: Optional[_Partitions] = None, *, asynchronous: bool = False, timeout: Optional[float] = 10.0
    ) -> None:
        """Commit what was handed out so far, or the messages or offsets given, and wait for the broker's answer.

        Args:
            what: A message is committed with the offset behind it; a `TopicPartition` with its own, the next one to read.
                Without it, the markers of transactions that were read past are committed, too, so that no lag is left.
            asynchronous: Do not wait: the answer goes to `on_commit` in a later read. `rd_kafka_commit`.
            timeout: Seconds.

        Raises:
            CommitError: It was refused, or `timeout` seconds were not enough.

        While a cooperative group is shared out anew the answer waits for the other members, a heartbeat interval (3 s) or more.
        Ctrl-C ends the wait; whether the commit was made is open then.
        """

    @overload
    def committed(self, partitions: TopicPartition, *, timeout: float = 10.0) -> Optional[int]: ...
    @overload
    def committed(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, Optional[int]]:
        """What the group has committed: the next offset to read, or None. For one partition, or a dict for more.

        Args:
            partitions: Default: all that are assigned.
            timeout: Seconds; then `KafkaTimeoutError` or `KafkaConnectionError`.
        """

    @overload
    def position(self, partitions: TopicPartition, *, timeout: float = 10.0) -> int: ...
    @overload
    def position(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, int]:
        """The offset of the next message to be handed out. For one partition, or a dict for more.

        What is not known here, because nothing was read yet, is asked of the group and the brokers: that blocks for up to
        `timeout` seconds.
        """

    def seek(
        self, partition: Union[TopicPartition, Message[Any]], offset: Optional[int] = None, *, timeout: float = 10.0
    ) -> None:
        """Go on at an offset: the next message of that partition is the one there.

        Args:
            partition: Assigned to this consumer. A message stands for its own place: it comes again.
            offset: Default: that of the `TopicPartition`. One that does not exist any more, or not yet, leads where
                `auto_offset_reset` says.
            timeout: Seconds.

        Raises `KafkaError` for a partition that is not assigned. What is committed next is this offset, as in the Java
        client. `rd_kafka_seek_partitions`.
        """

    def seek_to_beginning(self, *partitions: TopicPartition, timeout: float = 10.0) -> None:
        """Go on at the first message there is, of the partitions given or of all that are assigned."""

    def seek_to_end(self, *partitions: TopicPartition, timeout: float = 10.0) -> None:
        """Go on behind the last message there is now, of the partitions given or of all that are assigned."""

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out nothing of these partitions, or of all that are assigned, until `resume`.

        Messages that were fetched already wait; none is lost. Does not block. A partition that goes and comes back in a
        rebalance is not paused any more. `rd_kafka_pause_partitions`.
        """

    def resume(self, *partitions: TopicPartition) -> None:
        """Go on with partitions that were paused.

        Without arguments: with all of them.
        """

    def paused(self) -> List[TopicPartition]:
        """The partitions that are paused."""

    def beginning_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, int]:
        """The offset of the first message that each partition has.

        One request to each broker, for the partitions given or all that are assigned, which blocks for up to `timeout`
        seconds. Raises `UnknownTopicError` if there is no such partition. `rd_kafka_ListOffsets`.
        """

    def end_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Dict[TopicPartition, int]:
        """The offset behind the last message that each partition has.

        With `isolation_level="read_committed"`, the default, that is the last stable offset. As `beginning_offsets`.
        """

    def offsets_for_times(
        self, times: Dict[TopicPartition, Union[int, datetime]], *, timeout: float = 10.0
    ) -> Dict[TopicPartition, Optional[int]]:
        """The offset of each partition's first message that is not older than the time given for it, or None.

        Args:
            times: Milliseconds since 1970, or aware datetimes.
            timeout: Seconds.
        """

    def lag(self, *, timeout: float = 10.0) -> Dict[TopicPartition, int]:
        """How many messages each assigned partition has between the next one to be handed out and its end.

        Offsets that compaction or markers of transactions left empty count too. Blocks for up to `timeout` seconds.
        """

    def metrics(self) -> Dict[str, Any]:
        """Counts since the consumer was made, without asking a broker.

        "received" and "received_bytes" (fetched, keys and values), "buffered" (fetched and not handed out), "rebalances", and
        "last_error", the last broker error that no success has followed, or None.
        """

    def group_metadata(self) -> GroupMetadata:
        """For `Producer.send_offsets_to_transaction`."""

    def ping(self, timeout: float = 5.0) -> None:
        """Ask a broker for an answer, or raise `KafkaConnectionError`."""

    def close(self, timeout: Optional[float] = 10.0) -> None:
        """Commit what is done, leave the group, and end the client. Closing again does nothing.

        Inside an `except` or `finally` that handles an exception, the message handed out last counts as not done, unless that
        exception was handled already when the message was asked for.

        Raises:
            CommitError: The last offsets could not be committed; their messages come again.
        """

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, _value: object, _traceback: object) -> None: ...

@disjoint_base
class AsyncConsumer(Generic[_T]):
    """Reads JSON from Kafka as Python objects, at least once, on an event loop. For one task at a time.

    The methods, options, guarantees and errors of `Consumer`, whose documentation holds here: only the waits differ. It works
    on asyncio and uvloop.

        async with AsyncConsumer("orders", group_id="billing") as consumer:
            async for message in consumer:
                print(message.value)

    The constructor takes what `Consumer` takes, raises `ConfigError` for it, and waits for nothing: `async with`, `start`, or
    the first call that needs a broker connects and subscribes. A thread of kjson fetches; a message that is there is handed
    out without a wait. A task that reads without a pause gives the loop a turn every millisecond.

    Cancelling a read loses no message: the next read gets it. A loop body that is cancelled, like one that raises, leaves
    its message uncommitted when the `async with` block is left.

    `on_assign`, `on_revoke`, `on_lost` and `on_commit` are called on the loop, by the read or the `close`, and may be `async
    def`: the rebalance waits for their end. There they may await everything but the reading methods and `close`. The
    callable of `on_decode_error` and the `handler` of a `DeadLetter` are called on the loop too; as nobody awaits them, an `async
    def` is refused.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap_servers: Union[str, Sequence[str]] = "localhost:9092",
        group_id: Optional[str] = None,
        group_instance_id: Optional[str] = ...,
        group_protocol: Literal["classic", "consumer"] = ...,
        auto_offset_reset: Literal["earliest", "latest", "error"] = ...,
        enable_auto_commit: bool = ...,
        auto_commit_interval_ms: int = ...,
        isolation_level: Literal["read_committed", "read_uncommitted"] = ...,
        max_poll_interval_ms: int = ...,
        consumer_timeout_ms: Optional[float] = None,
        connect_timeout: Optional[float] = 10.0,
        unreachable_timeout: Optional[float] = 60.0,
        on_decode_error: Union[Literal["raise", "skip", "yield"], DeadLetter, Callable[[DecodeError], Any]] = "raise",
        value_type: Optional[Type[_T]] = None,
        value_deserializer: Optional[Callable[[bytes], _T]] = None,
        key_type: Literal["auto", "str", "bytes", "json"] = "auto",
        max_message_bytes: Optional[int] = 16777216,
        parse_float: Optional[Callable[[str], Any]] = None,
        security_protocol: str = ...,
        ssl_cafile: Optional[str] = ...,
        ssl_certfile: Optional[str] = ...,
        ssl_keyfile: Optional[str] = ...,
        ssl_password: Optional[str] = ...,
        ssl_check_hostname: bool = ...,
        sasl_mechanism: Optional[str] = ...,
        sasl_plain_username: Optional[str] = ...,
        sasl_plain_password: Optional[str] = ...,
        on_assign: Optional[_OnPartitionsAsync] = None,
        on_revoke: Optional[_OnPartitionsAsync] = None,
        on_lost: Optional[_OnPartitionsAsync] = None,
        on_commit: Optional[_OnCommit] = None,
        on_error: Optional[Callable[[KafkaError], object]] = None,
        on_stats: Optional[Callable[[Dict[str, Any]], object]] = None,
        statistics_interval_ms: int = ...,
        config: Optional[Dict[str, Any]] = None,
        **options: _Option,
    ) -> None: ...
    def __class_getitem__(cls, item: Any) -> Any: ...
    def start(self) -> Operation[None]:
        """Connect and subscribe, or raise `KafkaConnectionError`. Reading does it by itself, and `async with` too.

        Once connected it returns at once. One that failed may be called again.

        Cancelling leaves the attempt under way, for the next call to wait for.
        """

    def subscribe(
        self, topics: Union[str, Iterable[str], None] = None, *, pattern: Optional[str] = None
    ) -> Operation[None]:
        """Read these topics from now on, or those whose names match a regular expression (with a group only).

        `Consumer.subscribe` says what a pattern is made of.
        """

    def unsubscribe(self) -> Operation[None]:
        """Read nothing any more, until the next `subscribe`."""

    def subscription(self) -> List[str]:
        """The topics that were asked for."""

    def assignment(self) -> List[TopicPartition]:
        """The partitions that are being read now."""

    def assign(self, partitions: _Partitions) -> Operation[None]:
        """Read these partitions and no others, from their offsets if they have some, without sharing them with a group.

        As `Consumer.assign`.
        """

    def poll(self, timeout: Optional[float] = 1.0) -> Operation[Optional[Message[_T]]]:
        """The next message, or None when there was none for `timeout` seconds. None waits for ever.

        Raises what `Consumer.poll` raises. Cancelling loses no message.
        """

    def consume(self, max_messages: int = 500, timeout: Optional[float] = 1.0) -> Operation[List[Message[_T]]]:
        """Up to `max_messages`: waits for the first, and takes what is there. Asking again means that all are worked on.

        As `Consumer.consume`. Cancelling loses no message; dead letters that were sent by then may come twice.
        """

    def __aiter__(self) -> AsyncIterator[Message[_T]]: ...
    def __anext__(self) -> Operation[Message[_T]]: ...
    def until_end(self, *, timeout: float = 30.0) -> AsyncIterator[Message[_T]]:
        """Iterate over the messages up to the end that each partition has when the first is asked for.

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
        """The newest `n` messages of a topic, in the order of their timestamps. Joins no group, commits nothing, and ends.

        As `Consumer.peek`. Cancelling leaves nothing behind.
        """

    def values(self) -> AsyncIterator[_T]:
        """Iterate over the values alone."""

    def commit(
        self, what: Optional[_Partitions] = None, *, asynchronous: bool = False, timeout: Optional[float] = 10.0
    ) -> Operation[None]:
        """Commit what was handed out so far, or the messages or offsets given, and wait for the broker's answer.

        As `Consumer.commit`. Cancelling leaves it open whether the commit is made.
        """

    @overload
    def committed(self, partitions: TopicPartition, *, timeout: float = 10.0) -> Operation[Optional[int]]: ...
    @overload
    def committed(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, Optional[int]]]:
        """What the group has committed: the next offset to read, or None. For one partition, or a dict for more."""

    @overload
    def position(self, partitions: TopicPartition, *, timeout: float = 10.0) -> Operation[int]: ...
    @overload
    def position(
        self, partitions: Optional[Iterable[TopicPartition]] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, int]]:
        """The offset of the next message to be handed out. For one partition, or a dict for more."""

    def seek(
        self, partition: Union[TopicPartition, Message[Any]], offset: Optional[int] = None, *, timeout: float = 10.0
    ) -> Operation[None]:
        """Go on at an offset: the next message of that partition is the one there.

        As `Consumer.seek`. Cancelling leaves it open whether the seek is made.
        """

    def seek_to_beginning(self, *partitions: TopicPartition, timeout: float = 10.0) -> Operation[None]:
        """Go on at the first message there is, of the partitions given or of all that are assigned."""

    def seek_to_end(self, *partitions: TopicPartition, timeout: float = 10.0) -> Operation[None]:
        """Go on behind the last message there is now, of the partitions given or of all that are assigned."""

    def pause(self, *partitions: TopicPartition) -> Operation[None]:
        """Hand out nothing of these partitions, or of all that are assigned, until `resume`."""

    def resume(self, *partitions: TopicPartition) -> Operation[None]:
        """Go on with partitions that were paused."""

    def paused(self) -> Operation[List[TopicPartition]]:
        """The partitions that are paused."""

    def beginning_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, int]]:
        """The offset of the first message that each partition has."""

    def end_offsets(
        self, partitions: Optional[_Partitions] = None, *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, int]]:
        """The offset behind the last message that each partition has."""

    def offsets_for_times(
        self, times: Dict[TopicPartition, Union[int, datetime]], *, timeout: float = 10.0
    ) -> Operation[Dict[TopicPartition, Optional[int]]]:
        """The offset of each partition's first message that is not older than the time given for it, or None."""

    def lag(self, *, timeout: float = 10.0) -> Operation[Dict[TopicPartition, int]]:
        """How many messages each assigned partition has between the next one to be handed out and its end."""

    def metrics(self) -> Dict[str, Any]:
        """Counts since the consumer was made, without asking a broker."""

    def group_metadata(self) -> GroupMetadata:
        """For `AsyncProducer.send_offsets_to_transaction`."""

    def ping(self, timeout: float = 5.0) -> Operation[None]:
        """Ask a broker for an answer, or raise `KafkaConnectionError`."""

    def close(self, timeout: Optional[float] = 10.0) -> Operation[None]:
        """Commit what is done, leave the group, and end the client. Closing again does nothing.

        Called inside an `except` or `finally` that handles an exception, the message handed out last counts as not done, unless
        that exception was handled already when the message was asked for.

        Raises what `Consumer.close` raises. Cancelling ends the client all the same: what was not committed comes again.
        """

    def __aenter__(self) -> Operation[Self]: ...
    def __aexit__(self, kind: object, _value: object, _traceback: object) -> Operation[None]: ...

@final
class DeadLetter:
    """`on_decode_error=DeadLetter("orders.dlq")`: send what cannot be decoded to another topic, and go on behind it.

    The dead letter has the original key and value, byte for byte, the original headers, and behind them
    `kjson-dlt-original-topic`, `-original-partition`, `-original-offset`, `-original-timestamp` (decimal milliseconds),
    `-consumer-group`, `-error-class` and `-error-message`; what does not apply is left out. Its partition follows from its key.
    A read waits until the dead letter is confirmed, even beyond its own timeout; `consume` sends all of a batch first. If
    it cannot be delivered, the read raises why, with the `DecodeError` as the cause, and the message comes again. So
    nothing is lost, and a dead letter may come twice.

    Args:
        topic: Where to. "{topic}" in it is replaced by the original topic's name. A bad message that is read from its own
            dead letter topic stays there: its `DecodeError` is raised.
        producer: Used and not closed. Without it the consumer makes one when it needs it, from its own connection
            options, with acks=all, and closes it.
        handler: Called with the `DecodeError` first. What it returns is the message's value, and None skips the message; if it
            raises, the message is a dead letter with that exception's class and text.
        retries: How many times a handler that raised is called again. The read waits meanwhile.
        retry_backoff_ms: The pause before each of them.
        timeout: Seconds that a broker has to confirm, and to answer at the first dead letter.

    Raises:
        ValueError, TypeError: An argument is not of these.
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
    """One message. Does not change, outlives its consumer, and pickles."""

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
        """For tests of code that takes messages. Raw bytes that are not given are made from key and value, as by `send`."""

    def __class_getitem__(cls, item: Any) -> Any: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> Optional[int]:
        """Milliseconds since 1970."""

    @property
    def timestamp(self) -> Optional[datetime]:
        """The same as an aware datetime in UTC."""

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
        """Whether the message has no value, which a compacted topic takes as "forget this key"."""

    @property
    def error(self) -> Optional[DecodeError]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class TopicPartition:
    """A partition of a topic, with an offset where one is meant."""

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
    """Kafka brokers in this process, on loopback ports of their own: librdkafka's mock cluster.

    For tests, demos and notebooks. Real sockets and real groups, with these limits (docs/testing.md says more):

    - A partition keeps at most 5 MiB and drops the oldest messages without a word; nothing else expires or is compacted.
    - Topics that are not made are made with 4 partitions when a producer writes to them or asks for their partitions. They have
      no options, and cannot grow or be deleted. Requests of admin clients go unanswered.
    - No TLS, no SASL, no ACLs. No replicas: `acks="all"` is confirmed by one broker.
    - Confirmations carry the timestamp 1234, and `offsets_for_times` finds nothing.
    - `read_committed` hides no messages of open or aborted transactions. Transactions neither fence nor time out, and the offsets
      sent with them are not stored. Static members do not fence each other either.
    - Where a member comes or goes, a group takes nobody in for the session timeout less one second, after a clean close, too:
      kjson's own consumers take 2 s for it on a cluster of their process. A former member's longer session timeout counts as
      well; a member whose own is shorter may then wait for a minute and more.
    - A consumer that calls `assign` after it was a member of its group commits nothing from then on.

    Args:
        brokers: How many, 1 to 100. Their ids count from 1.
        topics: Names with their partition counts, or names alone, for one partition each.
    """

    def __init__(self, brokers: int = 1, topics: Union[Mapping[str, int], Iterable[str], None] = None) -> None: ...
    @property
    def bootstrap_servers(self) -> str:
        """What `Producer` and `Consumer` take: "127.0.0.1:40001,127.0.0.1:40002"."""

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic."""

    def broker_down(self, broker: int) -> None:
        """Close a broker's connections and refuse new ones."""

    def broker_up(self, broker: int) -> None:
        """Take connections again."""

    def round_trip_time(self, ms: int, broker: Optional[int] = None) -> None:
        """Delay each answer by `ms`, of one broker or of all."""

    def move_coordinator(self, name: str, broker: int) -> None:
        """Have another broker coordinate a group, or a transactional id.

        Clients learn of it when the one that they ask says NOT_COORDINATOR. Before, the name decides which broker it is.

        Args:
            name: The group id or transactional id.
            broker: Its id.

        Raises:
            KafkaError: There is no such broker.
        """

    def fail_requests(self, api: str, error: Union[str, int], times: int = 1) -> None:
        """Answer the next requests of a kind with an error.

        Args:
            api: The protocol's name of the request: "Produce", "Fetch", "Metadata", "JoinGroup", "OffsetCommit"...
            error: The protocol's name of the error, such as "NOT_LEADER_FOR_PARTITION", or its number; "_TRANSPORT" closes
                the connection.
            times: For how many requests.
        """

    def clear_failures(self) -> None:
        """Take back what `fail_requests` has not used up."""

    def close(self) -> None:
        """End the brokers. Closing again does nothing."""

    def __enter__(self) -> Self: ...
    def __exit__(self, _kind: object, _value: object, _traceback: object) -> None: ...
