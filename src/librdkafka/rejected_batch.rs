//! A broker rejects a batch as a whole: which of its messages were at fault, and what the reports of the others say.

use super::code::Code;
use super::delivery_report::{DeliveryReport, Opaque};

/// librdkafka's text for messages that were not at fault (rd_kafka_msgbatch_handle_Produce_result_record_errors). Their
/// code is replaced by that of the batch before we see the report.
const NOT_AT_FAULT: &str = "Failed to append record because it was part of a batch";

/// Sets the code and the cause of each report of a batch.
pub(super) fn explain<R>(batch: &mut [(Opaque<R>, DeliveryReport<'_>)]) {
    for (_, report) in batch.iter_mut().filter(|(_, report)| report.reason().starts_with(NOT_AT_FAULT)) {
        report.code = Code::INVALID_DIFFERENT_RECORD;
    }
    let innocent = |report: &DeliveryReport<'_>| report.code == Code::INVALID_DIFFERENT_RECORD;
    if let Some((_, guilty)) = batch.iter().find(|(_, report)| !innocent(report)) {
        let why = format!("{} ({})", guilty.reason(), guilty.code.name());
        for (_, report) in batch.iter_mut().filter(|(_, report)| innocent(report)) {
            report.cause = Some(not_at_fault(&why));
        }
    }
    let (count, total) = (batch.len(), batch.iter().map(|(_, report)| report.size()).sum::<usize>());
    let largest = batch.iter().map(|(_, report)| report.size()).max().unwrap_or(0);
    for (_, report) in batch.iter_mut().filter(|(_, report)| report.code == Code::MSG_SIZE_TOO_LARGE) {
        let size = report.size();
        // The topic's limit is unknown. Where one message is most of the batch, the small ones are not at fault.
        if count > 1 && largest > total / 2 && size <= largest / 2 {
            let why = format!("one of {largest} bytes is too large for its topic ({})", report.code.name());
            report.code = Code::INVALID_DIFFERENT_RECORD;
            report.cause = Some(not_at_fault(&why));
        } else {
            report.cause = Some(format!(
                "the broker rejected the batch of {count} messages and {total} bytes, {size} of them in this one, as \
                 larger than the topic's max.message.bytes. Raise that, send smaller messages, or lower batch_size"
            ));
        }
    }
}

fn not_at_fault(why: &str) -> String {
    format!(
        "it was not at fault: a broker accepts or rejects a batch as a whole, and rejected this one for \
             another message: {why}. Send it again"
    )
}
