//! Reads up to the ends that the partitions had when the call was made.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::eof_probe::EofProbe;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{Deadline, Interrupt, TICK};
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::position::OffsetSpec;
use crate::librdkafka::record::Partition;

/// How long nothing comes before the probe starts. Longer than brokers delay an answer (`fetch.wait.max.ms`).
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// After a probe that found a message the next one starts after twice the time, up to this.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// The offsets to stop at, of the partitions with messages before them.
pub struct UntilEnd {
    ends: HashMap<Partition, i64>,
    /// The positions at the start.
    starts: HashMap<Partition, i64>,
    idle: IdleTimer,
}

/// How long the positions have not changed.
struct IdleTimer {
    since: Instant,
    positions: HashMap<Partition, i64>,
    timeout: Duration,
    probe: Option<EofProbe>,
}

impl IdleTimer {
    fn at(positions: HashMap<Partition, i64>) -> Self {
        IdleTimer { since: Instant::now(), positions, timeout: PROBE_AFTER, probe: None }
    }
}

impl UntilEnd {
    fn covers(&self, message: &Fetched) -> bool {
        self.ends.iter().any(|(partition, end)| message.is_from(partition) && message.offset() < *end)
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Waits for an assignment, then queries the ends.
    pub fn until_end(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<UntilEnd, Error> {
        let _reader = self.lock_reader()?;
        let deadline = Deadline::after(Some(timeout));
        if !self.fill(1, deadline, interrupt, |state| state.assigned)? {
            let message = format!("until_end: no partitions were assigned within {} s", timeout.as_secs_f64());
            return Err(Error::Timeout { message });
        }
        self.raise_read_error(&*self.open("until_end")?)?;
        let partitions = self.assignment()?;
        let wanted: Vec<_> = partitions.iter().map(|partition| (partition.clone(), OffsetSpec::End)).collect();
        let ends = self.offsets("until_end", &wanted, deadline.step(timeout), interrupt)?;
        let starts = self.positions(&partitions, deadline.step(timeout), interrupt)?;
        let left = |partition: &Partition, end: i64| starts.get(partition).is_none_or(|start| *start < end);
        let ends = ends
            .into_iter()
            .map(|(partition, (end, _))| (partition, end))
            .filter(|(partition, end)| left(partition, *end))
            .collect();
        Ok(UntilEnd { ends, starts, idle: IdleTimer::at(HashMap::new()) })
    }

    /// The next message before the ends; None after the last one. Those after the ends are held for other reads.
    pub fn next_until(&self, until: &mut UntilEnd, interrupt: Interrupt<'_>) -> Result<Option<Fetched>, Error> {
        loop {
            if let Some(message) = self.try_next_until(until) {
                return Ok(Some(message));
            }
            if !self.ready_until(until, interrupt)? {
                return Ok(None);
            }
        }
    }

    /// The same if it is buffered, without waiting.
    pub fn try_next_until(&self, until: &UntilEnd) -> Option<Fetched> {
        let mut state = self.try_lock_state()?;
        if self.closing.load(Ordering::Relaxed) {
            return None;
        }
        state.bounded = true;
        self.store_processed(&mut state);
        while let Some(message) = state.buffer.pop_front() {
            if until.covers(&message) {
                return Some(message);
            }
            state.held.push(message);
        }
        None
    }

    /// Waits for a message before the ends; false after the last one.
    pub fn ready_until(&self, until: &mut UntilEnd, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        let _reader = self.lock_reader()?;
        loop {
            // librdkafka's position is after buffered messages.
            if self.lock(&self.state).buffer.iter().any(|message| until.covers(message)) {
                return Ok(true);
            }
            let positions = self.remaining_positions(until)?;
            self.probe_if_idle(until, positions)?;
            if until.ends.is_empty() {
                until.idle.probe = None;
                self.lock(&self.state).release_held();
                return Ok(false);
            }
            if self.fill(1, Deadline::after(Some(TICK)), interrupt, |state| !state.buffer.is_empty())? {
                return Ok(true);
            }
        }
    }

    /// Forgets the partitions that were read to their ends, and those that other members have. Returns the positions of
    /// the others, except paused ones, and none during a rebalance.
    fn remaining_positions(&self, until: &mut UntilEnd) -> Result<HashMap<Partition, i64>, Error> {
        let native = self.open("until_end")?;
        let assigned = self.assignment()?;
        // During a rebalance of an eager group no member has partitions, and all may come back.
        let assigned_now = self.lock(&self.state).assigned;
        let UntilEnd { ends, starts, .. } = until;
        ends.retain(|partition, _| !assigned_now || assigned.contains(partition));
        let list = PartitionList::without_offsets(ends.keys());
        // librdkafka's position is after transaction markers that follow the last message.
        let taken = native.positions(&list).map_err(|code| Error::failed("until_end", code, ""))?;
        let taken: HashMap<Partition, i64> =
            taken.into_iter().filter(|entry| entry.offset >= 0).map(|entry| (entry.partition, entry.offset)).collect();
        let state = self.lock(&self.state);
        ends.retain(|partition, end| {
            let passed = taken.get(partition).is_some_and(|taken| *taken >= *end);
            !passed && state.position(partition, None).is_none_or(|next| next < *end)
        });
        let position = |partition: &Partition| {
            let known = state.position(partition, taken.get(partition).copied());
            Some((partition.clone(), known.or_else(|| starts.get(partition).copied())?))
        };
        Ok(ends
            .keys()
            .filter(|partition| assigned_now && !state.paused.contains(*partition))
            .filter_map(position)
            .collect())
    }

    /// If positions do not change, a probe finds the next offsets. Forgets partitions with none before their ends.
    fn probe_if_idle(&self, until: &mut UntilEnd, positions: HashMap<Partition, i64>) -> Result<(), Error> {
        let UntilEnd { ends, idle, .. } = until;
        if positions.iter().any(|(partition, position)| idle.positions.get(partition) != Some(position)) {
            *idle = IdleTimer::at(positions);
            return Ok(());
        }
        if let Some(probe) = &mut idle.probe {
            for (partition, first) in probe.poll() {
                if ends.get(&partition).is_some_and(|end| first >= *end) {
                    ends.remove(&partition);
                }
            }
            if probe.is_done() {
                (idle.probe, idle.since) = (None, Instant::now());
            }
        } else if !positions.is_empty() && idle.since.elapsed() >= idle.timeout {
            idle.timeout = (idle.timeout * 2).min(LONGEST_IDLE);
            idle.probe = Some(EofProbe::start(&self.probe_config, &positions)?);
        }
        Ok(())
    }
}
