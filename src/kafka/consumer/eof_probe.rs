//! Finds the end of a partition from which nothing comes, with a second client.
//!
//! librdkafka may have nothing to return before the end of a partition, and not say so: messages of an aborted
//! transaction whose marker is after one of an open transaction, or messages deleted meanwhile. `enable.partition.eof`
//! reports the end, but clients that read in batches must not set it (`config::KEPT`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::kafka::client::background;
use crate::kafka::client::config::{Config, Role};
use crate::kafka::client::error::Error;
use crate::librdkafka::callbacks::Silent;
use crate::librdkafka::client::Client;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::Partition;
use crate::os::fork::forks;

pub(super) struct EofProbe {
    native: Option<NativeConsumer>,
    /// The partitions not found yet.
    pending: Vec<Partition>,
    forks: u32,
}

impl EofProbe {
    /// The options of a probe, with which it sees what the consumer would.
    pub(super) fn options(consumer: &Config) -> Config {
        let mut options = consumer.sibling(Role::Consumer);
        for name in ["isolation.level", "auto.offset.reset", "client.rack"] {
            if let Some(value) = consumer.get(name) {
                options.set_default(name, value);
            }
        }
        // librdkafka requires a group id, also of a client that joins none and commits nothing.
        options.set_default("group.id", "kjson-no-group");
        options.set_default("enable.auto.commit", "false");
        options.set_default("enable.partition.eof", "true");
        // A broker reports an end with an empty answer, which it delays for this long.
        options.set_default("fetch.wait.max.ms", "10");
        // The first message of a partition suffices.
        options.set_default("queued.min.messages", "1");
        options
    }

    /// Assigns these positions to a new client.
    pub(super) fn start(options: &Config, positions: &HashMap<Partition, i64>) -> Result<Self, Error> {
        let refused = |code| Error::failed("until_end: cannot look for the end", code, "");
        let client = Client::consumer(options.build()?, Arc::new(Silent)).map_err(|_| refused(Code::FAIL))?;
        let native = NativeConsumer::new(client).map_err(refused)?;
        let list = PartitionList::of(positions.iter().map(|(partition, offset)| (partition, *offset)));
        let assigned = native.assign(&list).map_err(refused);
        let probe = EofProbe { native: Some(native), pending: positions.keys().cloned().collect(), forks: forks() };
        assigned.map(|()| probe)
    }

    /// What was found in further partitions: the offset of the first message, or of the end.
    pub(super) fn poll(&mut self) -> Vec<(Partition, i64)> {
        let (mut fetched, mut found) = (VecDeque::new(), Vec::new());
        if let Some(native) = &self.native {
            native.fetch(Duration::ZERO, 100, &mut fetched);
        }
        for message in fetched.iter().filter(|message| matches!(message.code(), Code::NONE | Code::PARTITION_EOF)) {
            if let Some(index) = self.pending.iter().position(|partition| message.is_from(partition)) {
                found.push((self.pending.swap_remove(index), message.offset()));
            }
        }
        found
    }

    pub(super) fn is_done(&self) -> bool {
        self.pending.is_empty()
    }
}

impl Drop for EofProbe {
    fn drop(&mut self) {
        let native = self.native.take();
        if self.forks == forks() {
            drop(background::run("kjson-close", move || drop(native)));
        } else {
            std::mem::forget(native);
        }
    }
}
