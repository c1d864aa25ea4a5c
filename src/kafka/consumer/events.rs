//! What librdkafka reports to a consumer: logs, errors, rebalances and automatic commits.

use std::sync::atomic::Ordering;
use std::sync::PoisonError;

use super::{ConsumerHooks, Revocation, Shared};
use crate::kafka::code::Code;
use crate::kafka::log::{Level, LogRecord};
use crate::kafka::native::client::{Callbacks, Client};
use crate::kafka::native::partitions::Entry;

impl<H: ConsumerHooks> Callbacks for Shared<H> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        if !self.quiet.load(Ordering::Relaxed) {
            if let Some(record) = self.collapse.pass(level, facility, text) {
                self.hooks.log(record);
            }
        }
    }

    fn error(&self, code: Code, reason: &str) {
        self.brokers.heard(code, reason);
        self.hooks.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.hooks.statistics(json);
    }

    fn rebalance(&self, client: &Client, code: Code, partitions: &[Entry]) {
        let assign = code == Code::ASSIGN_PARTITIONS;
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        if assign {
            let back =
                |revocation: &&mut Revocation| partitions.iter().any(|entry| entry.partition == revocation.partition);
            revoked.iter_mut().filter(back).for_each(|revocation| revocation.stands = false);
        } else {
            let gone = partitions.iter().map(|entry| Revocation { partition: entry.partition.clone(), stands: true });
            revoked.extend(gone);
        }
        drop(revoked);
        if let Err(problem) = client.apply_rebalance(assign, partitions) {
            let text = format!("rebalance: cannot change the assignment: {} ({})", problem.text, problem.code.name());
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }

    fn committed(&self, code: Code, offsets: &[Entry]) {
        if code != Code::NONE && code != Code::NO_OFFSET {
            let names: Vec<String> = offsets
                .iter()
                .map(|entry| format!("'{}' [{}] @{}", entry.partition.topic, entry.partition.id, entry.offset))
                .collect();
            let text = format!("automatic commit of {} failed: {} ({})", names.join(", "), code.text(), code.name());
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }
}
