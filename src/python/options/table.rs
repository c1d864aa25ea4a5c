//! Every option that the constructors document, once: parsing, suggestions, the stub and docs/options.md come from
//! here. CONTRIBUTING.md has an example of a new one.

use crate::kafka::Role;

pub struct ClientOption {
    pub name: &'static str,
    /// Its type, as the stub has it.
    pub annotation: &'static str,
    /// What a client uses where it is left out, as Python writes it.
    pub default: &'static str,
    pub unit: &'static str,
    /// librdkafka's name; empty for kjson's own.
    pub property: &'static str,
    pub text: &'static str,
}

impl ClientOption {
    pub fn optional(&self) -> bool {
        self.annotation.starts_with("Optional")
    }
}

/// The options of a client, in the order in which they are documented.
pub fn options(role: Role) -> impl Iterator<Item = &'static ClientOption> {
    let own = match role {
        Role::Producer => PRODUCER,
        Role::Consumer => CONSUMER,
    };
    [CONNECTION, own, SECURITY, CALLBACKS].into_iter().flatten()
}

type Text = &'static str;

const fn own(name: Text, annotation: Text, default: Text, unit: Text, text: Text) -> ClientOption {
    ClientOption { name, annotation, default, unit, property: "", text }
}

/// An option that librdkafka reads.
const fn passed(name: Text, annotation: Text, default: Text, unit: Text, property: Text, text: Text) -> ClientOption {
    ClientOption { name, annotation, default, unit, property, text }
}

#[rustfmt::skip]
const CONNECTION: &[ClientOption] = &[
    passed("bootstrap_servers", "Union[str, Sequence[str]]", "\"localhost:9092\"", "", "bootstrap.servers",
        "Addresses as \"host:port\", several in a list or separated by commas."),
    own("connect_timeout", "Optional[float]", "10.0", "s",
        "How long the constructor waits for a broker's answer; None or 0 does not check. Addresses that refuse, cannot \
         be resolved, or reject TLS or the credentials fail earlier."),
    passed("client_id", "Optional[str]", "\"rdkafka\"", "", "client.id", "The name that brokers log."),
];

#[rustfmt::skip]
const PRODUCER: &[ClientOption] = &[
    passed("acks", "Union[Literal[\"all\"], int]", "\"all\"", "", "request.required.acks",
        "\"all\", 1 or 0: whose acknowledgement a message needs. Anything but \"all\" turns idempotence off unless \
         that is asked for."),
    passed("enable_idempotence", "bool", "True", "", "enable.idempotence",
        "Retries neither duplicate nor reorder messages. Gives way to `acks`, `retries=0` or more than 5 requests in \
         flight (KIP-679)."),
    passed("transactional_id", "Optional[str]", "None", "", "transactional.id",
        "Makes a transactional producer, and fences the one that had the id before (KIP-98)."),
    passed("compression_type", "Optional[str]", "\"none\"", "", "compression.type",
        "\"none\", \"gzip\", \"snappy\", \"lz4\" or \"zstd\"."),
    passed("linger_ms", "float", "5", "ms", "linger.ms",
        "How long a batch waits for more messages. A call that waits for a delivery does not wait for this."),
    passed("delivery_timeout_ms", "int", "120000", "ms", "message.timeout.ms",
        "How long a message may take from `send` to its acknowledgement, retries included; 0 is forever. With a \
         `transactional_id` it is at most `transaction_timeout_ms`."),
    own("max_block_ms", "float", "60000.0", "ms",
        "How long `send` waits when the queue is full (`queue.buffering.max.messages`, 100000 messages, and \
         `queue.buffering.max.kbytes`, 1 GiB)."),
    passed("partitioner", "str", "\"murmur2_random\"", "", "partitioner",
        "\"murmur2_random\" chooses the partition that the Java client chooses for the same key."),
    own("default", "Optional[Callable[[Any], Any]]", "None", "", "As in `dumps`."),
    own("nan", "_Nan", "\"error\"", "", "As in `dumps`."),
    own("value_serializer", "Optional[Callable[[Any], Optional[bytes]]]", "None", "",
        "Called with each value instead of encoding it as JSON; returns bytes, or None for a tombstone."),
    own("key_serializer", "Optional[Callable[[Any], Optional[bytes]]]", "None", "",
        "Called with each key; returns bytes or None."),
    own("on_delivery", "Optional[_OnDelivery]", "None", "",
        "Called as `on_delivery(error, metadata)` for every message without a callback of its own, on a thread of \
         kjson: exactly one of the two is None."),
];

#[rustfmt::skip]
const CONSUMER: &[ClientOption] = &[
    passed("group_id", "Optional[str]", "None", "", "group.id",
        "Consumers of one group share the partitions, and the group keeps the offsets. Without a group every partition \
         is read, and nothing is committed."),
    passed("group_instance_id", "Optional[str]", "None", "", "group.instance.id", "Static membership (KIP-345)."),
    passed("group_protocol", "Literal[\"classic\", \"consumer\"]", "\"classic\"", "", "group.protocol",
        "\"classic\", or \"consumer\" (KIP-848)."),
    passed("auto_offset_reset", "Literal[\"earliest\", \"latest\", \"error\"]", "\"earliest\"", "", "auto.offset.reset",
        "Where to begin without a committed offset: \"earliest\", \"latest\" or \"error\". With \"error\" each read \
         raises until `seek`, or `assign` with an offset, says where to begin. Without a group, topics and partitions \
         that are created after the consumer began are read from their beginning. With a group and \"latest\", \
         partitions without a committed offset start at their end when they are assigned; a group that must not miss \
         their first messages uses \"earliest\", which only differs for partitions without a committed offset."),
    passed("enable_auto_commit", "bool", "True", "", "enable.auto.commit",
        "Commit processed messages every `auto_commit_interval_ms` and on `close`. Without a group nothing is \
         committed."),
    passed("auto_commit_interval_ms", "int", "5000", "ms", "auto.commit.interval.ms",
        "How often processed messages are committed."),
    passed("isolation_level", "Literal[\"read_committed\", \"read_uncommitted\"]", "\"read_committed\"", "",
        "isolation.level", "\"read_committed\" skips the messages of open and aborted transactions."),
    passed("max_poll_interval_ms", "int", "300000", "ms", "max.poll.interval.ms",
        "How long may pass between two reads before the group gives the partitions away."),
    own("consumer_timeout_ms", "Optional[float]", "None", "ms",
        "Iteration ends after this time without a message. None: never."),
    own("unreachable_timeout", "Optional[float]", "60.0", "s",
        "A read that has had no broker to talk to for this long raises `KafkaConnectionError`; the next read continues \
         where the consumer was. None: never."),
    own("on_decode_error", "Union[Literal[\"raise\", \"skip\", \"yield\"], DeadLetter, Callable[[DecodeError], Any]]",
        "\"raise\"", "",
        "What becomes of a message that cannot be decoded, its key included. In every case the consumer continues \
         after it. \"raise\": raise the `DecodeError`. \"skip\": count it, and log it, the payload never, as a warning \
         at most every 10 s. \"yield\": return it with `error`, `raw_value` and no value. A `DeadLetter`: send it to \
         another topic. A callable: what it returns for the `DecodeError` is the value, None skips, what it raises is \
         raised."),
    own("value_type", "Optional[Type[_T]]", "None", "",
        "What values become: a dataclass, a TypedDict, an attrs class, a pydantic model or a msgspec Struct. What does \
         not fit is a `DecodeError` that says where, such as \"at $.items[1].price\". A bool is no int, an int is a \
         float; unknown keys are ignored, and stay in a TypedDict; a tombstone stays None. Fractions of a second \
         beyond six digits are cut off. pydantic and msgspec go by their own rules."),
    own("value_deserializer", "Optional[Callable[[bytes], _T]]", "None", "",
        "Called with the bytes of each value instead of decoding JSON; what it raises becomes the cause of a \
         `DecodeError`, but for `MemoryError`, which is raised as it is."),
    own("key_type", "Literal[\"auto\", \"str\", \"bytes\", \"json\"]", "\"auto\"", "",
        "What keys become: \"auto\" (str where the bytes are UTF-8, else bytes), \"str\", \"bytes\" or \"json\"."),
    own("max_message_bytes", "Optional[int]", "16777216", "bytes",
        "A larger value, decompressed, is a `DecodeError` instead of objects, which take up to 30 times as many bytes. \
         None: no limit but librdkafka's `receive.message.max.bytes`."),
    own("parse_float", "Optional[Callable[[str], Any]]", "None", "", "As in `loads`."),
    own("on_assign", "Optional[_OnPartitions]", "None", "",
        "Called as `on_assign(consumer, partitions)` when partitions are assigned, and may seek in them."),
    own("on_revoke", "Optional[_OnPartitions]", "None", "",
        "Called as `on_revoke(consumer, partitions)` before partitions go to other members, and may commit. Processed \
         messages are committed after it all the same, unless `enable_auto_commit` is false."),
    own("on_lost", "Optional[_OnPartitions]", "None", "",
        "Called like `on_revoke` for partitions that other members have already, because the group had lost touch with \
         this one: their offsets can no longer be committed. Without it `on_revoke` is called."),
    own("on_commit", "Optional[_OnCommit]", "None", "",
        "Called as `on_commit(error, offsets)` with the answer to each commit that no call waits for, the automatic \
         ones and those with `asynchronous=True`; `error` is None or a `CommitError`. Without it failures are logged."),
];

#[rustfmt::skip]
const SECURITY: &[ClientOption] = &[
    passed("security_protocol", "str", "\"PLAINTEXT\"", "", "security.protocol",
        "\"PLAINTEXT\", \"SSL\", \"SASL_PLAINTEXT\" or \"SASL_SSL\". Required with every ssl_ and sasl_ option."),
    passed("ssl_cafile", "Optional[str]", "None", "", "ssl.ca.location",
        "The certificates of authorities to trust. Without it those of the operating system are looked for."),
    passed("ssl_certfile", "Optional[str]", "None", "", "ssl.certificate.location", "The client's certificate."),
    passed("ssl_keyfile", "Optional[str]", "None", "", "ssl.key.location", "The client's private key."),
    passed("ssl_password", "Optional[str]", "None", "", "ssl.key.password", "The password of the private key."),
    passed("ssl_check_hostname", "bool", "True", "", "ssl.endpoint.identification.algorithm",
        "Whether the broker's certificate must be for its host name."),
    passed("sasl_mechanism", "Optional[str]", "\"GSSAPI\"", "", "sasl.mechanism",
        "\"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" or \"OAUTHBEARER\". kjson is built without librdkafka's \
         default, GSSAPI."),
    passed("sasl_plain_username", "Optional[str]", "None", "", "sasl.username", "The user."),
    passed("sasl_plain_password", "Optional[str]", "None", "", "sasl.password", "The user's password."),
];

#[rustfmt::skip]
const CALLBACKS: &[ClientOption] = &[
    own("on_error", "Optional[Callable[[KafkaError], object]]", "None", "",
        "Called with a `KafkaError` for each error that librdkafka reports and recovers from, on a thread of kjson."),
    own("on_stats", "Optional[Callable[[Dict[str, Any]], object]]", "None", "",
        "Called with librdkafka's statistics as a dict, every `statistics_interval_ms`."),
    passed("statistics_interval_ms", "int", "0", "ms", "statistics.interval.ms", "How often `on_stats` is called; 0 is \
            never."),
    own("config", "Optional[Dict[str, Any]]", "None", "",
        "Options under librdkafka's dotted names, such as {\"socket.keepalive.enable\": True}."),
];
