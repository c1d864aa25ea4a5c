//! Transactions: what is sent between begin and commit is seen by readers of committed messages in full or not at all.
//!
//! librdkafka's calls block, and go on where they were when they are called again; so each is made of short ones, with a
//! look at the interrupt between them. `send_offsets` is not of that kind and runs on a thread of its own.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use super::{Producer, ProducerHooks};
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
    /// Takes the transactional id over from whoever had it, and ends what they left open. Once is enough.
    pub fn init_transactions(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if !self.transactional {
            return Err(Error::Misuse(
                "this producer has no transactions: give it a transactional_id, the same one at every start of the program"
                    .to_owned(),
            ));
        }
        if !self.shared.transactions_ready.load(Ordering::Acquire) {
            self.repeat("cannot start transactions", deadline, interrupt, Client::init_transactions)?;
            self.shared.transactions_ready.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub fn begin_transaction(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let deadline = Deadline::after(Some(self.settings.max_block));
        self.init_transactions(deadline, interrupt)?;
        self.repeat("cannot begin a transaction", deadline, interrupt, |client, _| client.begin_transaction())?;
        self.shared.transaction.begun();
        Ok(())
    }

    /// Waits until every message of the transaction is confirmed, and commits. Interrupted, it is to be called again.
    pub fn commit_transaction(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.refuse_in_callback("end a transaction")?;
        self.hand_over_for_transaction(deadline, interrupt)?;
        self.repeat("cannot commit the transaction", deadline, interrupt, Client::commit_transaction)?;
        self.shared.transaction.ended();
        Ok(())
    }

    /// Gives up the transaction's messages, sent or not. That they failed is no news to anybody then.
    pub fn abort_transaction(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.refuse_in_callback("end a transaction")?;
        self.hand_over_for_transaction(deadline, interrupt)?;
        if let (Some(why), Some(open)) = (self.shared.transaction.needs_epoch(), self.current()) {
            open.native.client().bump_epoch_after_abort(&why);
        }
        self.repeat("cannot abort the transaction", deadline, interrupt, Client::abort_transaction)?;
        self.shared.transaction.ended();
        self.wait_until(deadline, interrupt, || self.pending() == 0)?;
        self.shared.failures.forget();
        Ok(())
    }

    /// What was given before a transaction's end is part of it.
    fn hand_over_for_transaction(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.current().map_or(Ok(()), |open| self.hand_over_all(&open, deadline, interrupt))
    }

    /// Makes a consumer's offsets part of the transaction: they count when it is committed.
    pub fn send_offsets(
        &self,
        offsets: Vec<(Partition, i64)>,
        group: GroupMetadata,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        const OPERATION: &str = "cannot send offsets to the transaction";
        let open = self.current().ok_or(Error::Closed { operation: OPERATION, object: "producer" })?;
        let (answer, heard) = mpsc::channel();
        background::start(OPERATION, "kjson-offsets", move || {
            let list = PartitionList::of(offsets.iter().map(|(partition, offset)| (partition, *offset)));
            loop {
                let step = deadline.step(Duration::from_secs(10));
                match open.native.client().send_offsets(&list, &group, step) {
                    Err(problem) if problem.retriable && !deadline.passed() => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    result => return drop(answer.send(result)),
                }
            }
        })?;
        loop {
            if let Ok(result) = heard.recv_timeout(TICK) {
                return result.map_err(|problem| self.transaction_error(OPERATION, problem));
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
                Err(problem) if problem.retriable && !deadline.passed() => {
                    check(interrupt)?;
                    // A call that failed at once must not spin.
                    if problem.code != Code::TIMED_OUT {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
                result => return result.map_err(|problem| self.transaction_error(operation, problem)),
            }
        }
    }

    fn transaction_error(&self, operation: &str, problem: NativeError) -> Error {
        let transaction = &self.shared.transaction;
        if problem.abortable || problem.fatal {
            transaction.failed(&problem.text, false);
        }
        let fenced = problem.code.is_fenced();
        if let Some(timed_out) = if fenced { transaction.outdated() } else { transaction.timed_out() } {
            return Error::Transaction {
                message: format!("{operation}: {timed_out} ({})", problem.code.name()),
                code: problem.code,
                abortable: false,
                fatal: true,
                fenced: false,
                retriable: false,
            };
        }
        let advice = if fenced {
            "Another producer with the same transactional_id took over; this one is of no more use"
        } else if problem.fatal {
            "Make a new producer"
        } else if problem.abortable {
            "Abort the transaction and begin a new one"
        } else if problem.retriable {
            "Call it again to go on"
        } else {
            "Is the order right: begin_transaction, send, commit_transaction or abort_transaction?"
        };
        let cause = self.shared.brokers.last_cause().filter(|_| problem.retriable);
        let cause = cause.map_or_else(String::new, |cause| format!("; {cause}"));
        Error::Transaction {
            message: format!("{operation}: {} ({}){cause}. {advice}", problem.text, problem.code.name()),
            code: problem.code,
            abortable: problem.abortable,
            fatal: problem.fatal || fenced,
            fenced,
            retriable: problem.retriable,
        }
    }
}
