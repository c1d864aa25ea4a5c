//! Transactions: `read_committed` consumers see all messages sent between begin and commit, or none.
//!
//! librdkafka's calls block, and resume when they are called again; so each is made in short steps, with a check of the
//! interrupt between them. `send_offsets` does not resume, so it runs on a thread.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use super::state::ProducerHooks;
use super::Producer;
use crate::kafka::client::background;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::client::Client;
use crate::librdkafka::code::Code;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::Partition;
use crate::librdkafka::transactions::GroupMetadata;
use crate::librdkafka::NativeError;

impl<H: ProducerHooks> Producer<H> {
    /// Fences the previous producer with this transactional id and aborts its open transaction. Needed once.
    pub fn init_transactions(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if !self.transactional {
            return Err(Error::Misuse(
                "this producer has no transactions: give it a transactional_id, the same one at every start".to_owned(),
            ));
        }
        if !self.state.transactions_ready.load(Ordering::Acquire) {
            self.repeat("cannot start transactions", deadline, interrupt, Client::init_transactions)?;
            self.state.transactions_ready.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub fn begin_transaction(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let deadline = Deadline::after(Some(self.settings.max_block));
        self.init_transactions(deadline, interrupt)?;
        self.repeat("cannot begin a transaction", deadline, interrupt, |client, _| client.begin_transaction())?;
        self.state.transaction.begun();
        Ok(())
    }

    /// Waits until every message of the transaction is acknowledged, and commits. After an interrupt it can be called
    /// again.
    pub fn commit_transaction(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.refuse_in_callback("end a transaction")?;
        self.enqueue_accumulated(deadline, interrupt)?;
        self.repeat("cannot commit the transaction", deadline, interrupt, Client::commit_transaction)?;
        self.state.transaction.ended();
        Ok(())
    }

    /// Aborts the transaction, whose messages fail, sent or not. No `flush` raises those failures.
    pub fn abort_transaction(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.refuse_in_callback("end a transaction")?;
        self.enqueue_accumulated(deadline, interrupt)?;
        if let (Some(why), Some(open)) = (self.state.transaction.needs_epoch(), self.current()) {
            open.native.client().bump_epoch_after_abort(&why);
        }
        self.repeat("cannot abort the transaction", deadline, interrupt, Client::abort_transaction)?;
        self.state.transaction.ended();
        self.wait_until(deadline, interrupt, || self.pending() == 0)?;
        self.state.failures.forget();
        Ok(())
    }

    /// Messages accumulated before the end of a transaction are part of it.
    fn enqueue_accumulated(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.current().map_or(Ok(()), |open| self.enqueue_all(&open, deadline, interrupt))
    }

    /// Adds a consumer's offsets to the transaction, which commits them with its messages.
    pub fn send_offsets(
        &self,
        offsets: Vec<(Partition, i64)>,
        group: GroupMetadata,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        const OPERATION: &str = "cannot send offsets to the transaction";
        let open = self.current().ok_or(Error::Closed { operation: OPERATION, object: "producer" })?;
        let (sender, receiver) = mpsc::channel();
        background::start(OPERATION, "kjson-offsets", move || {
            let list = PartitionList::of(offsets.iter().map(|(partition, offset)| (partition, *offset)));
            loop {
                let step = deadline.step(Duration::from_secs(10));
                match open.native.client().send_offsets(&list, &group, step) {
                    Err(error) if error.retriable && !deadline.passed() => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    result => return drop(sender.send(result)),
                }
            }
        })?;
        loop {
            if let Ok(result) = receiver.recv_timeout(TICK) {
                return result.map_err(|error| self.transaction_error(OPERATION, error));
            }
            check(interrupt)?;
        }
    }

    fn repeat(
        &self,
        operation: &'static str,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        call: impl Fn(&Client, Duration) -> Result<(), NativeError>,
    ) -> Result<(), Error> {
        let open = self.current().ok_or(Error::Closed { operation, object: "producer" })?;
        loop {
            match call(open.native.client(), deadline.step(TICK)) {
                Err(error) if error.retriable && !deadline.passed() => {
                    check(interrupt)?;
                    // A call that failed at once must not spin.
                    if error.code != Code::TIMED_OUT {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
                result => return result.map_err(|error| self.transaction_error(operation, error)),
            }
        }
    }

    fn transaction_error(&self, operation: &str, error: NativeError) -> Error {
        let transaction = &self.state.transaction;
        if error.abortable || error.fatal {
            transaction.failed(&error.text, false);
        }
        let fenced = error.code.is_fenced();
        if let Some(timed_out) = if fenced { transaction.outdated() } else { transaction.timed_out() } {
            return timeout_error(operation, &timed_out, error.code);
        }
        let advice = if fenced {
            "Another producer with the same transactional_id took over; this one can only be closed"
        } else if error.fatal {
            "Make a new producer"
        } else if error.abortable {
            "Abort the transaction and begin a new one"
        } else if error.retriable {
            "Call it again"
        } else {
            "Is the order right: begin_transaction, send, commit_transaction or abort_transaction?"
        };
        let cause = self.state.brokers.last_cause().filter(|_| error.retriable);
        let cause = cause.map_or_else(String::new, |cause| format!("; {cause}"));
        Error::Transaction {
            message: format!("{operation}: {} ({}){cause}. {advice}", error.text, error.code.name()),
            code: error.code,
            abortable: error.abortable,
            fatal: error.fatal || fenced,
            fenced,
            retriable: error.retriable,
        }
    }
}

/// The error of a transaction that the broker has timed out.
pub(super) fn timeout_error(operation: &str, timed_out: &str, code: Code) -> Error {
    let message = format!("{operation}: {timed_out} ({})", code.name());
    Error::Transaction { message, code, abortable: false, fatal: true, fenced: false, retriable: false }
}
