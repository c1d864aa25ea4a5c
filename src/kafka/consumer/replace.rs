//! What replaces what is read: `assign`, `unsubscribe`, and what becomes of the group's notices about a subscription that
//! was replaced.
//!
//! librdkafka puts off an unsubscribe while the group rebalances, so an assignment may come after it, and be revoked after
//! that. Each notice must be answered all the same, or the member never leaves. Such an answer takes nothing on: eager groups
//! change an assignment only as a whole, so the program's own is made again with it, where reading stands; cooperative ones
//! (KIP-848, too) get an empty list of changes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::assignment::Wanted;
use super::close::UNSENT;
use super::read::{Reading, BATCH};
use super::stray::Expected;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::PartitionList;
#[cfg(target_os = "linux")]
use crate::librdkafka::pinned::left_group;
use crate::librdkafka::record::Partition;

/// How long a call waits for a read on another thread to end, to have the group's callbacks called from here. A read that an
/// event loop has cancelled ends within a tick. Otherwise that read calls them.
const READ_ENDS: Duration = Duration::from_millis(200);
/// How long a call waits for the answer to the first request to join, which brokers since 2.2 give at once (KIP-394).
const FIRST_JOIN: Duration = Duration::from_millis(500);
/// How long what is queued of a replaced subscription is looked through for its revocation.
const LOOK_THROUGH: Duration = Duration::from_secs(1);

impl<H: ConsumerHooks> Consumer<H> {
    pub fn unsubscribe(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        const FAILED: &str = "cannot unsubscribe";
        let native = self.open("unsubscribe")?;
        let (epoch, told) = self.let_go(&native, FAILED, interrupt)?;
        let mut reading = self.control();
        if reading.assignment.epoch == epoch {
            self.replace(&native, FAILED, &[])?;
            reading.forget_place();
        }
        told
    }

    /// Reads these partitions and no others, from the offsets given, or from where the group was, or without one from where
    /// `auto.offset.reset` says. What was handed out before is done.
    pub fn assign(&self, partitions: Vec<(Partition, Option<i64>)>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        const FAILED: &str = "cannot assign partitions";
        let native = self.open("assign")?;
        for (index, (partition, _)) in partitions.iter().enumerate() {
            if partitions[..index].iter().any(|(other, _)| other == partition) {
                let twice = format!("'{}' [{}] is given twice", partition.topic, partition.id);
                return Err(Error::failed(FAILED, Code::INVALID_ARG, &twice));
            }
        }
        let replaces = !matches!(self.control().assignment.wanted, Wanted::Nothing);
        let (epoch, told) = self.let_go(&native, FAILED, interrupt)?;
        let mut reading = self.control();
        if reading.assignment.epoch != epoch {
            return told;
        }
        let replaces = replaces || reading.assignment.joined.is_some();
        let place = |offset: Option<i64>| offset.unwrap_or_else(|| self.usual_start());
        let own: Vec<_> = partitions.iter().map(|(partition, offset)| (partition.clone(), place(*offset))).collect();
        self.replace(&native, FAILED, &own)?;
        reading.forget_place();
        for (partition, start) in &own {
            reading.stopped.begin(partition, *start);
        }
        for (partition, offset) in &partitions {
            match offset {
                Some(offset) => {
                    reading.offsets.forget(partition);
                    reading.starts.insert(partition.clone(), *offset);
                    if replaces {
                        reading.expected.push(Expected::at(partition.clone(), *offset));
                    }
                }
                None => self.stop_if_nowhere(&mut reading, partition),
            }
        }
        reading.missing = own.iter().map(|(partition, _)| partition.topic.to_string()).collect();
        reading.missing.dedup();
        // Of most topics a message has come by the time they are looked for.
        reading.looked_at = Some(Instant::now());
        reading.assignment.want(Wanted::Own(own));
        #[cfg(target_os = "linux")]
        if reading.assignment.joined.is_some() {
            left_group::note(&self.group, true);
        }
        reading.assigned = true;
        if self.on_mock && self.settings.auto_commit && reading.assignment.joined.is_some() {
            const COMMITS: &str =
                "a mock cluster takes no commits of a consumer that has left its group: what is read by \
                this assignment is not committed";
            if reading.warned.insert(COMMITS.to_owned()) {
                self.shared.warn(COMMITS.to_owned());
            }
        }
        told
    }

    /// Ends what is read now, with the callbacks that the group's revocation is for as far as that has come. Returns their
    /// error, and a number that is another one if they have made another choice.
    fn let_go(
        &self,
        native: &NativeConsumer,
        failed: &str,
        interrupt: Interrupt<'_>,
    ) -> Result<(u64, Result<(), Error>), Error> {
        self.await_first_join(native, interrupt)?;
        let mut reading = self.control();
        self.settle(&mut reading);
        if self.settings.grouped && !self.lock(&self.subscribed).is_empty() {
            native.unsubscribe().map_err(|code| Error::failed(failed, code, ""))?;
        }
        reading.give_up(|_| true);
        // What is dropped from here on is not received, and no marker either.
        reading.received = Default::default();
        reading.assignment.want(Wanted::Nothing);
        reading.assigned = false;
        reading.lookup = None;
        reading.missing.clear();
        reading.stopped = Default::default();
        self.lock(&self.subscribed).clear();
        let epoch = reading.assignment.epoch;
        let in_group = reading.assignment.joined.is_some();
        drop(reading);
        let told = if in_group { self.serve_notices(native, interrupt) } else { Ok(()) };
        Ok((epoch, told))
    }

    /// librdkafka forgets a first request to join when the subscription changes. The broker does not: it keeps the others
    /// of the group waiting for the member that it has named in the answer, until the session times out.
    pub(super) fn await_first_join(&self, native: &NativeConsumer, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(joined) = self.control().assignment.joined.filter(|_| self.shared.resigns) else { return Ok(()) };
        let answered = Deadline::after(Some(FIRST_JOIN));
        let under_way = || self.shared.joining.load(Ordering::SeqCst) || joined.elapsed() < UNSENT;
        while under_way() && native.member_id().is_empty() && !answered.passed() {
            std::thread::sleep(TICK / 10);
            check(interrupt)?;
        }
        Ok(())
    }

    /// Acts on the notices that are there, without waiting for more. Messages in between are dropped: nothing is wanted.
    fn serve_notices(&self, native: &NativeConsumer, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let read_ends = Deadline::after(Some(READ_ENDS));
        let _reader = loop {
            match self.be_reader() {
                Ok(reader) => break reader,
                // That read acts on them.
                Err(_) if self.in_hook() || read_ends.passed() => return Ok(()),
                Err(_) => std::thread::sleep(TICK / 10),
            }
            check(interrupt)?;
        };
        let look_through = Deadline::after(Some(LOOK_THROUGH));
        let mut result = Ok(());
        loop {
            let reading = self.control();
            let fetched = native.drain(BATCH);
            drop(reading);
            result = result.and(self.act_on_notices(native));
            if fetched == 0 || look_through.passed() {
                return result;
            }
            check(interrupt)?;
        }
    }

    /// Makes these partitions the ones that librdkafka reads, in the way that the group's protocol asks for. librdkafka keeps
    /// to that of the last group when this was left.
    pub(super) fn replace(&self, native: &NativeConsumer, failed: &str, own: &[(Partition, i64)]) -> Result<(), Error> {
        let list = PartitionList::of(own.iter().map(|(partition, offset)| (partition, *offset)));
        let mut attempts = 3;
        loop {
            match native.replace_assignment(&list) {
                // The group was joined in the same moment, and with it its protocol.
                Err(problem) if problem.code == Code::STATE && attempts > 0 => attempts -= 1,
                result => return result.map_err(|problem| Error::failed(failed, problem.code, &problem.text)),
            }
        }
    }

    /// Takes nothing on of what the group has assigned or revoked.
    pub(super) fn decline(&self, native: &NativeConsumer, assign: bool, reading: &mut Reading) {
        if native.cooperative() || reading.assignment.own().is_none() || self.closing() {
            return self.shared.apply(native, assign, &[]);
        }
        // Read before the answer, which ends the fetches.
        let places = reading.own_places(native);
        if !assign {
            self.shared.apply(native, false, &[]);
        }
        if let Err(error) = self.replace(native, "rebalance: cannot keep the assignment", &places) {
            self.shared.warn(error.to_string());
        }
        reading.begin_at(places);
        if !reading.paused.is_empty() {
            // librdkafka forgets with an assignment what was paused.
            let _ = native.pause(&PartitionList::without_offsets(&reading.paused));
        }
    }

    /// Has a subscription take the place of what was read before.
    pub(super) fn make_way_for(
        &self,
        native: &NativeConsumer,
        reading: &mut Reading,
        topics: &[String],
    ) -> Result<(), Error> {
        if reading.assignment.own().is_some() {
            self.settle(reading);
            reading.assignment.want(Wanted::Nothing);
            self.replace(native, "cannot subscribe", &[])?;
            reading.forget_all();
            reading.assigned = false;
        }
        reading.assignment.want(Wanted::Topics(topics.to_vec()));
        if self.settings.grouped {
            #[cfg(target_os = "linux")]
            left_group::note(&self.group, false);
            reading.assignment.joined = Some(Instant::now());
        }
        if reading.assignment.topics_replaced {
            let assignment = std::mem::take(&mut reading.assignment);
            reading.give_up(|message| !assignment.wants_topic(&message.topic()));
            reading.assignment = assignment;
        }
        Ok(())
    }

    /// Reads again what was given up by an unsubscribe that the group never learnt of, since the next subscription overtook
    /// it: a cooperative group does not assign that anew.
    pub(super) fn regain(&self, native: &NativeConsumer, reading: &Reading) {
        if native.cooperative() {
            self.shared.take_on_more(native, &reading.assignment.regained());
        }
    }
}
