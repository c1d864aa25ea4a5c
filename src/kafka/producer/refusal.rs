//! Why librdkafka refused a message: its code as an error for the program.

use super::state::{OpenClient, ProducerHooks, ProducerState};
use super::transactions::timeout_error;
use crate::kafka::client::error::Error;
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::Payload;

impl<H: ProducerHooks> ProducerState<H> {
    pub(super) fn refused(&self, open: &OpenClient<H>, topic: &str, payload: &Payload<'_>, code: Code) -> Error {
        let operation = format!("cannot send to '{topic}'");
        let transaction = &self.transaction;
        let detail = match code {
            Code::MSG_SIZE_TOO_LARGE => {
                let size = payload.value.map_or(0, <[u8]>::len) + payload.key.map_or(0, <[u8]>::len);
                format!(
                    "the message has {size} bytes, more than message.max.bytes. Raise max_request_size or send less"
                )
            }
            Code::STATE if transaction.is_open() => {
                let why = transaction
                    .failure()
                    .map_or_else(|| "it is being ended".to_owned(), |why| format!("it failed: {why}"));
                let message = format!(
                    "{operation}: the transaction takes no more messages, since {why}. Abort it and begin a new one"
                );
                return Error::Transaction {
                    message,
                    code,
                    abortable: true,
                    fatal: false,
                    fenced: false,
                    retriable: false,
                };
            }
            Code::STATE => "no transaction has begun, and this producer has a transactional_id. Send inside `with \
                            producer.transaction():`"
                .to_owned(),
            Code::UNKNOWN_PARTITION => format!("the topic has no partition {}", payload.partition),
            Code::FATAL => {
                let (code, why) = open.native.client().fatal_error().unwrap_or((code, String::new()));
                if let Some(timed_out) = transaction.timed_out() {
                    return timeout_error(&operation, &timed_out, code);
                }
                let name = code.name();
                let message = format!("{operation}: the producer failed for good: {why} ({name}). Make a new one");
                return Error::Failed { message, code, fatal: true };
            }
            other => other.text().to_owned(),
        };
        Error::Failed { message: format!("{operation}: {detail} ({})", code.name()), code, fatal: false }
    }
}
