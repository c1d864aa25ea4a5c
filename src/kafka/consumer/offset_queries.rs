//! Queries of offsets: committed ones, the first and the end of a partition, by timestamp, positions, and lag.

use std::collections::HashMap;
use std::time::Duration;

use super::{Consumer, ConsumerHooks};
use crate::kafka::client::connect::request;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::partitions::{Entry, PartitionList};
use crate::librdkafka::position::OffsetSpec;
use crate::librdkafka::record::Partition;

impl<H: ConsumerHooks> Consumer<H> {
    /// The group's committed offsets; None for a partition without one.
    pub fn committed(
        &self,
        partitions: Vec<Partition>,
        timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<HashMap<Partition, Option<i64>>, Error> {
        let native = self.open("committed")?;
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "committed: the consumer has no group, so it has no committed offsets. Give it a group_id".to_owned(),
            ));
        }
        if partitions.is_empty() {
            return Ok(HashMap::new());
        }
        const OPERATION: &str = "cannot read the group's offsets";
        let entries = request(&self.context.brokers, OPERATION, timeout, interrupt, move |step| {
            native.committed(&PartitionList::without_offsets(&partitions), step)
        })?;
        entries
            .into_iter()
            .map(|entry| match entry.code {
                Code::NONE => Ok((entry.partition, Some(entry.offset).filter(|offset| *offset >= 0))),
                code => Err(failed(OPERATION, &entry.partition, code)),
            })
            .collect()
    }

    /// The requested offsets, each with its message's timestamp, both -1 for none. One request a broker.
    pub fn offsets(
        &self,
        operation: &'static str,
        wanted: &[(Partition, OffsetSpec)],
        timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<HashMap<Partition, (i64, i64)>, Error> {
        let native = self.open(operation)?;
        let deadline = Deadline::after(Some(timeout));
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let wanted: Vec<(Entry, OffsetSpec)> = wanted
            .iter()
            .map(|(partition, spec)| (Entry { partition: partition.clone(), offset: 0, code: Code::NONE }, *spec))
            .collect();
        loop {
            let left = deadline.step(timeout).max(TICK);
            let question = native.list_offsets(&wanted, self.settings.committed_only, left);
            let answer = loop {
                if let Some(answer) = question.result(deadline.step(TICK)) {
                    break answer;
                }
                check(interrupt)?;
                if deadline.passed() {
                    break Err(Code::TIMED_OUT);
                }
            };
            let failed_entry = |entry: &Entry| entry.code != Code::NONE;
            let code = match &answer {
                Ok(entries) => entries.iter().map(|(entry, _)| entry).find(|entry| failed_entry(entry)).map(|e| e.code),
                Err(code) => Some(*code),
            };
            match (answer, code) {
                (Ok(entries), None) => {
                    let pair = |(entry, timestamp): (Entry, i64)| (entry.partition, (entry.offset, timestamp));
                    return Ok(entries.into_iter().map(pair).collect());
                }
                // The leader moves. An unknown topic is final: the brokers have been asked.
                (_, Some(code)) if code.retriable() && code != Code::UNKNOWN_TOPIC_OR_PART && !deadline.passed() => {
                    check(interrupt)?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                (Ok(entries), Some(code)) => {
                    let partition =
                        entries.into_iter().find(|(entry, _)| failed_entry(entry)).map(|(e, _)| e.partition);
                    return Err(match partition {
                        Some(partition) => failed(&format!("{operation}: cannot read offsets"), &partition, code),
                        None => Error::failed(operation, code, ""),
                    });
                }
                (Err(Code::NO_ENTRY), _) => {
                    let mut names: Vec<String> = wanted
                        .iter()
                        .map(|(entry, _)| format!("'{}' [{}]", entry.partition.topic, entry.partition.id))
                        .collect();
                    names.sort();
                    let message = format!(
                        "{operation}: of {} at least one does not exist on the cluster ({})",
                        names.join(", "),
                        Code::UNKNOWN_TOPIC_OR_PART.name()
                    );
                    return Err(Error::Failed { message, code: Code::UNKNOWN_TOPIC_OR_PART, fatal: false });
                }
                (Err(code), _) if code.is_connection() || code == Code::TIMED_OUT => {
                    let silent = format!("no answer within {} s", timeout.as_secs_f64());
                    return Err(self.context.brokers.error(operation, &silent, "Is the broker running?"));
                }
                (Err(code), _) => return Err(Error::failed(operation, code, "")),
            }
        }
    }

    /// How many messages of each assigned partition there are from its position to its end.
    pub fn lag(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<HashMap<Partition, i64>, Error> {
        let deadline = Deadline::after(Some(timeout));
        let partitions = self.assignment()?;
        let positions = self.positions(&partitions, deadline.step(timeout), interrupt)?;
        let wanted: Vec<_> = partitions.into_iter().map(|partition| (partition, OffsetSpec::End)).collect();
        let ends = self.offsets("lag", &wanted, deadline.step(timeout), interrupt)?;
        let lag = |partition: &Partition, end: i64| positions.get(partition).map_or(0, |next| (end - next).max(0));
        Ok(ends.into_iter().map(|(partition, (end, _))| (partition.clone(), lag(&partition, end))).collect())
    }

    /// The next offset to return of each partition: known here, or committed, or where `auto.offset.reset` starts.
    pub fn positions(
        &self,
        partitions: &[Partition],
        timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<HashMap<Partition, i64>, Error> {
        let deadline = Deadline::after(Some(timeout));
        let (mut known, mut unknown) = (HashMap::new(), Vec::new());
        let state = self.lock_state();
        let native = self.open("position")?;
        let taken = native
            .positions(&PartitionList::without_offsets(partitions))
            .map_err(|code| Error::failed("position", code, ""))?;
        for partition in partitions {
            let taken = taken.iter().find(|entry| entry.partition == *partition && entry.offset >= 0);
            match state.position(partition, taken.map(|entry| entry.offset)) {
                Some(next) => drop(known.insert(partition.clone(), next)),
                None => unknown.push(partition.clone()),
            }
        }
        drop(state);
        if self.settings.grouped && !unknown.is_empty() {
            for (partition, offset) in self.committed(unknown.clone(), deadline.step(timeout), interrupt)? {
                if let Some(offset) = offset {
                    unknown.retain(|other| *other != partition);
                    known.insert(partition, offset);
                }
            }
        }
        let spec = if self.settings.from_end { OffsetSpec::End } else { OffsetSpec::Beginning };
        let wanted: Vec<_> = unknown.into_iter().map(|partition| (partition, spec)).collect();
        let starts = self.offsets("position", &wanted, deadline.step(timeout), interrupt)?;
        known.extend(starts.into_iter().map(|(partition, (offset, _))| (partition, offset)));
        Ok(known)
    }
}

fn failed(operation: &str, partition: &Partition, code: Code) -> Error {
    Error::failed(&format!("{operation} of '{}' [{}]", partition.topic, partition.id), code, "")
}
