//! Checks that the messages of a new assignment come from the expected position.
//!
//! librdkafka 2.12 may still look up a start offset (`auto.offset.reset`) when a partition is unassigned. It finds the
//! answer outdated, asks again 500 ms later, and then moves the partition there, whatever it reads by then
//! (rd_kafka_toppar_handle_Offset): messages would come twice, or with "latest" be skipped. So a partition that moves
//! without a seek is sought back once; what comes after that is the next message.

use std::time::{Duration, Instant};

use super::poll::ReadState;
use crate::librdkafka::code::Code;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::record::Partition;

/// For how long after the first message a gap is checked. Compaction and transactions leave gaps, too.
const GAP_WINDOW: Duration = Duration::from_secs(3);

pub(super) struct ExpectedPosition {
    partition: Partition,
    next: i64,
    gaps_until: Option<Instant>,
    /// `next` was sought, to check a gap.
    sought_again: bool,
}

impl ExpectedPosition {
    pub(super) fn at(partition: Partition, next: i64) -> Self {
        ExpectedPosition { partition, next, gaps_until: None, sought_again: false }
    }
}

impl ReadState {
    /// The program sought this offset.
    pub(super) fn expect_position(&mut self, partition: &Partition, next: i64) {
        for expected in self.expected_positions.iter_mut().filter(|expected| expected.partition == *partition) {
            *expected = ExpectedPosition::at(partition.clone(), next);
        }
    }

    /// Whether to skip this message. Its partition is then in `seek_again`, with the offset to seek.
    pub(super) fn is_unexpected(&mut self, incoming: &Fetched, seek_again: &mut Vec<(Partition, i64)>) -> bool {
        if incoming.code() != Code::NONE {
            return false;
        }
        let Some(expected) = self.expected_positions.iter_mut().find(|expected| incoming.is_from(&expected.partition))
        else {
            return false;
        };
        let offset = incoming.offset();
        let gaps_until = *expected.gaps_until.get_or_insert_with(|| Instant::now() + GAP_WINDOW);
        let moved = offset < expected.next || (offset > expected.next && Instant::now() < gaps_until);
        if moved && !expected.sought_again {
            expected.sought_again = true;
            seek_again.push((expected.partition.clone(), expected.next));
            return true;
        }
        expected.next = offset + 1;
        expected.sought_again = false;
        false
    }
}
