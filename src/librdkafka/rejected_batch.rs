//! A broker rejects a batch as a whole. Finds which of its messages are at fault, and words the errors of the others.

use super::code::Code;
use super::delivery_report::{DeliveryReport, Opaque};

/// What librdkafka says of them (rd_kafka_msgbatch_handle_Produce_result_record_errors). The code that it gives them is
/// replaced by that of the batch before the report is read.
const NEIGHBOUR: &str = "Failed to append record because it was part of a batch";

/// A broker refuses a batch as a whole. Tells of each of its messages whether it was at fault.
pub(super) fn explain<R>(batch: &mut [(Opaque<R>, DeliveryReport<'_>)]) {
    for (_, outcome) in batch.iter_mut().filter(|(_, outcome)| outcome.reason().starts_with(NEIGHBOUR)) {
        outcome.code = Code::INVALID_DIFFERENT_RECORD;
    }
    let neighbour = |outcome: &DeliveryReport<'_>| outcome.code == Code::INVALID_DIFFERENT_RECORD;
    if let Some((_, guilty)) = batch.iter().find(|(_, outcome)| !neighbour(outcome)) {
        let why = format!("{} ({})", guilty.reason(), guilty.code.name());
        for (_, outcome) in batch.iter_mut().filter(|(_, outcome)| neighbour(outcome)) {
            outcome.because = Some(not_at_fault(&why));
        }
    }
    let (count, total) = (batch.len(), batch.iter().map(|(_, outcome)| outcome.size()).sum::<usize>());
    let largest = batch.iter().map(|(_, outcome)| outcome.size()).max().unwrap_or(0);
    for (_, outcome) in batch.iter_mut().filter(|(_, outcome)| outcome.code == Code::MSG_SIZE_TOO_LARGE) {
        let size = outcome.size();
        // Which limit the topic has is not told. Where one message is most of the batch, the small ones are not at fault.
        if count > 1 && largest > total / 2 && size <= largest / 2 {
            let why = format!("one of {largest} bytes is too large for its topic ({})", outcome.code.name());
            outcome.code = Code::INVALID_DIFFERENT_RECORD;
            outcome.because = Some(not_at_fault(&why));
        } else {
            outcome.because = Some(format!(
                "the broker refused the batch of {count} messages and {total} bytes, {size} of them in this one, as larger \
                 than the topic's max.message.bytes. Raise that, send less, or lower batch_size"
            ));
        }
    }
}

fn not_at_fault(why: &str) -> String {
    format!("it was not at fault, but a broker takes or refuses a batch as a whole, and another message of it was refused: \
             {why}. Send it again")
}
