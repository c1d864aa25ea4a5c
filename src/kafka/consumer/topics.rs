//! Which topics are read: subscription, and the partitions of a consumer without a group, which finds them itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lookup::{Lookup, Next};
use super::read::Reading;
use super::stopped::nowhere_to_begin;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::background;
use crate::kafka::client::connect::ask;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::{PartitionList, NO_OFFSET};
use crate::librdkafka::record::{Partition, WHOLE};

/// How often a topic that does not exist is looked for again, by a consumer without a group.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How soon it asks again where no broker answered in time.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How often such a consumer looks whether its topics have grown; members of a group learn that from librdkafka, every
/// `topic.metadata.refresh.interval.ms` (5 minutes).
const LOOK_FOR_MORE: Duration = Duration::from_secs(10);
/// How long `subscribe` waits for brokers to answer that are not far away.
const NEAR: Duration = Duration::from_millis(150);
/// How long the cluster may take to list its topics.
const REFRESHED: Duration = Duration::from_secs(10);
/// What `OFFSET_BEGINNING` and `OFFSET_END` are in librdkafka.
const BEGINNING: i64 = -2;
const END: i64 = -1;
/// Past every end, so that nothing is read: librdkafka has no offset for "nowhere" that does not ask a group for its own.
const NOWHERE: i64 = i64::MAX - 1;

fn whole(topic: &str) -> Partition {
    Partition { topic: topic.into(), id: WHOLE }
}

impl<H: ConsumerHooks> Consumer<H> {
    pub fn subscribe(&self, topics: Vec<String>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let native = self.open("subscribe")?;
        self.await_first_join(&native, interrupt)?;
        let mut reading = self.control();
        let failed = |code| Error::failed(&format!("cannot subscribe to {}", topics.join(", ")), code, "");
        if !self.settings.grouped {
            self.read_only(&native, &mut reading, &topics)?;
            return self.look_for_topics(&native, &mut reading, Deadline::after(Some(NEAR)));
        }
        let twice = topics.iter().enumerate().any(|(index, topic)| topics[..index].contains(topic));
        if topics.is_empty() || twice {
            // librdkafka refuses them, but what is read now has to be given up before it is asked.
            return Err(failed(Code::INVALID_ARG));
        }
        self.make_way_for(&native, &mut reading, &topics)?;
        self.begin_again(&native, &mut reading, &topics)?;
        native.subscribe(&topics).map_err(failed)?;
        if reading.stopped.has_topics() {
            let asked = native.clone();
            drop(background::run("kjson-refresh", move || asked.client().refresh_topics(REFRESHED)));
        }
        self.regain(&native, &reading);
        *self.lock(&self.subscribed) = topics;
        Ok(())
    }

    /// Without a group: gives up what is read of other topics. Those that are new are looked for.
    fn read_only(&self, native: &NativeConsumer, reading: &mut Reading, topics: &[String]) -> Result<(), Error> {
        let before = self.subscription();
        self.make_way_for(native, reading, topics)?;
        self.begin_again(native, reading, topics)?;
        let is_gone = |partition: &Partition| !topics.iter().any(|topic| **topic == *partition.topic);
        let gone: Vec<Partition> = self.assignment()?.into_iter().filter(is_gone).collect();
        if !gone.is_empty() {
            native
                .assign_fewer(&PartitionList::without_offsets(&gone))
                .map_err(|problem| Error::failed("cannot give up partitions", problem.code, &problem.text))?;
            gone.iter().for_each(|partition| reading.forget(partition));
        }
        reading.missing = topics.iter().filter(|topic| !before.contains(topic)).cloned().collect();
        (reading.lookup, reading.looked_at, reading.assigned) = (None, None, false);
        *self.lock(&self.subscribed) = topics.to_vec();
        Ok(())
    }

    pub fn subscription(&self) -> Vec<String> {
        self.lock(&self.subscribed).clone()
    }

    pub fn assignment(&self) -> Result<Vec<Partition>, Error> {
        let entries = self
            .open("assignment")?
            .assignment()
            .map_err(|code| Error::failed("cannot read the assignment", code, ""))?;
        Ok(entries.into_iter().map(|entry| entry.partition).collect())
    }

    pub fn partition_count(&self, topic: &str, timeout: Duration, interrupt: Interrupt<'_>) -> Result<usize, Error> {
        let native = self.open("partitions_for")?;
        let operation = format!("cannot look up topic '{topic}'");
        let topic = topic.to_owned();
        let question = move |step| native.client().metadata(Some(&topic), step);
        ask(&self.shared.brokers, &operation, timeout, interrupt, question)?
            .map_err(|code| Error::failed(&operation, code, ""))
    }

    pub(super) fn usual_start(&self) -> i64 {
        match (self.settings.grouped, self.settings.from_end) {
            (true, _) => NO_OFFSET,
            (false, _) if self.settings.reset_fails => NOWHERE,
            (false, true) => END,
            (false, false) => BEGINNING,
        }
    }

    pub(super) fn stop_if_nowhere(&self, reading: &mut Reading, partition: &Partition) {
        if self.usual_start() == NOWHERE {
            self.stop_nowhere(reading, partition.clone());
        }
    }

    /// Has each read raise that there is nowhere to begin with this partition.
    fn stop_nowhere(&self, reading: &mut Reading, partition: Partition) {
        let error = nowhere_to_begin(&partition, "a consumer without a group has no committed offset");
        reading.stopped.keep(partition, error);
    }

    /// Without a group: finds the partitions of topics that are still missing, and of those that have grown, and begins to
    /// read them. Of the partitions that the program has chosen: whether their topics are there and may be read, since
    /// librdkafka says nothing of one that its first metadata refuses (rd_kafka_topic_set_error). Waits for an answer so long, under the lock, so without a look at signals: their handlers may use this
    /// consumer. They count as assigned when the cluster has answered for each topic.
    pub(super) fn look_for_topics(
        &self,
        native: &Arc<NativeConsumer>,
        reading: &mut Reading,
        patience: Deadline,
    ) -> Result<(), Error> {
        let Some(mut lookup) = reading.lookup.take().or_else(|| self.begin_lookup(native, reading)) else {
            return Ok(());
        };
        let chosen = reading.assignment.own().is_some();
        let known = if lookup.again { self.assignment()? } else { Vec::new() };
        let mut list = PartitionList::new();
        let over = loop {
            match lookup.next(patience.step(TICK)) {
                Next::Answer((topic, Ok(Ok(count)))) => {
                    // What was not there when the consumer began has been written since: none of it may be missed.
                    let new = lookup.again || reading.warned.contains(&topic);
                    let start = if new { BEGINNING } else { self.usual_start() };
                    let count = if chosen { 0 } else { i32::try_from(count).unwrap_or(i32::MAX) };
                    for id in 0..count {
                        if !known.iter().any(|partition| partition.id == id && *partition.topic == *topic) {
                            list.add(&topic, id, start);
                            if start == NOWHERE {
                                self.stop_nowhere(reading, Partition { topic: topic.as_str().into(), id });
                            }
                        }
                    }
                    reading.missing.retain(|missing| *missing != topic);
                    reading.stopped.mended(&whole(&topic));
                }
                Next::Answer((topic, Ok(Err(Code::UNKNOWN_TOPIC_OR_PART)))) => self.warn_of_missing(reading, topic),
                Next::Answer((topic, Ok(Err(code)))) if !code.retriable() => {
                    reading.stopped.keep(whole(&topic), Error::failed(&format!("cannot read '{topic}'"), code, ""));
                }
                Next::Answer(_) => lookup.answered = false,
                Next::Over => break true,
                Next::Later if patience.passed() => break false,
                Next::Later => {}
            }
        };
        if !chosen {
            native
                .assign_more(&list)
                .map_err(|problem| Error::failed("cannot take on partitions", problem.code, &problem.text))?;
        }
        if over {
            reading.assigned |= lookup.answered;
            reading.looked_at = Some(Instant::now());
        } else {
            reading.lookup = Some(lookup);
        }
        Ok(())
    }

    /// Begins to look for topics where it is time for that.
    fn begin_lookup(&self, native: &Arc<NativeConsumer>, reading: &mut Reading) -> Option<Lookup> {
        let patience = match (reading.assigned, reading.missing.is_empty()) {
            (false, _) => ASK_AGAIN,
            (true, false) => LOOK_AGAIN,
            (true, true) => LOOK_FOR_MORE,
        };
        if reading.looked_at.is_some_and(|at| at.elapsed() < patience) {
            return None;
        }
        if reading.assignment.own().is_some() && !reading.missing.is_empty() {
            reading.missing.retain(|topic| !reading.received.has_any(topic));
        }
        let again = reading.missing.is_empty();
        let topics = if again { self.subscription() } else { reading.missing.clone() };
        (!topics.is_empty()).then(|| Lookup::begin(native, topics, again))
    }

    pub(super) fn warn_of_missing(&self, reading: &mut Reading, topic: String) {
        if reading.warned.insert(topic.clone()) {
            self.shared.warn(format!(
                "topic '{topic}' does not exist on the cluster. The consumer waits for it to be created"
            ));
        }
    }
}
