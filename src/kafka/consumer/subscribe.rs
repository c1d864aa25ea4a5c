//! Which topics are read: subscription, and the partitions of a consumer without a group, which finds them itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::poll::ReadState;
use super::read_errors::no_start_offset;
use super::topic_lookup::{LookupResult, TopicLookup};
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::background;
use crate::kafka::client::connect::request;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::{PartitionList, NO_OFFSET};
use crate::librdkafka::record::{Partition, WHOLE};

/// How often a topic that does not exist is looked for again, by a consumer without a group.
const MISSING_INTERVAL: Duration = Duration::from_secs(1);
/// How soon it asks again where no broker answered in time.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How often such a consumer looks whether its topics have grown; members of a group learn that from librdkafka, every
/// `topic.metadata.refresh.interval.ms` (5 minutes).
const GROWTH_INTERVAL: Duration = Duration::from_secs(10);
/// How long `subscribe` waits for brokers to answer that are not far away.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_millis(150);
/// How long the cluster may take to list its topics.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(10);
/// What `OFFSET_BEGINNING` and `OFFSET_END` are in librdkafka.
const BEGINNING: i64 = -2;
const END: i64 = -1;
/// Past every end, so that nothing is read: librdkafka has no offset for "nowhere" that does not ask a group for its own.
const NO_START: i64 = i64::MAX - 1;

fn whole(topic: &str) -> Partition {
    Partition { topic: topic.into(), id: WHOLE }
}

impl<H: ConsumerHooks> Consumer<H> {
    pub fn subscribe(&self, topics: Vec<String>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let native = self.open("subscribe")?;
        self.await_first_join(&native, interrupt)?;
        let mut state = self.lock_state();
        let failed = |code| Error::failed(&format!("cannot subscribe to {}", topics.join(", ")), code, "");
        if !self.settings.grouped {
            self.subscribe_groupless(&native, &mut state, &topics)?;
            return self.find_topics(&native, &mut state, Deadline::after(Some(SUBSCRIBE_TIMEOUT)));
        }
        let twice = topics.iter().enumerate().any(|(index, topic)| topics[..index].contains(topic));
        if topics.is_empty() || twice {
            // librdkafka refuses them, but what is read now has to be given up before it is asked.
            return Err(failed(Code::INVALID_ARG));
        }
        self.start_subscription(&native, &mut state, &topics)?;
        self.retry_without_offset(&native, &mut state, &topics)?;
        native.subscribe(&topics).map_err(failed)?;
        if state.read_errors.has_topic_errors() {
            let native = native.clone();
            drop(background::run("kjson-refresh", move || native.client().refresh_topics(REFRESH_TIMEOUT)));
        }
        self.reassign_unsubscribed(&native, &state);
        *self.lock(&self.subscribed) = topics;
        Ok(())
    }

    /// Without a group: gives up what is read of other topics. Those that are new are looked for.
    fn subscribe_groupless(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        topics: &[String],
    ) -> Result<(), Error> {
        let before = self.subscription();
        self.start_subscription(native, state, topics)?;
        self.retry_without_offset(native, state, topics)?;
        let is_gone = |partition: &Partition| !topics.iter().any(|topic| **topic == *partition.topic);
        let gone: Vec<Partition> = self.assignment()?.into_iter().filter(is_gone).collect();
        if !gone.is_empty() {
            native
                .incremental_unassign(&PartitionList::without_offsets(&gone))
                .map_err(|problem| Error::failed("cannot give up partitions", problem.code, &problem.text))?;
            gone.iter().for_each(|partition| state.forget(partition));
        }
        state.missing = topics.iter().filter(|topic| !before.contains(topic)).cloned().collect();
        (state.lookup, state.lookup_ended, state.assigned) = (None, None, false);
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
        request(&self.context.brokers, &operation, timeout, interrupt, question)?
            .map_err(|code| Error::failed(&operation, code, ""))
    }

    pub(super) fn default_start(&self) -> i64 {
        match (self.settings.grouped, self.settings.from_end) {
            (true, _) => NO_OFFSET,
            (false, _) if self.settings.reset_fails => NO_START,
            (false, true) => END,
            (false, false) => BEGINNING,
        }
    }

    pub(super) fn require_start(&self, state: &mut ReadState, partition: &Partition) {
        if self.default_start() == NO_START {
            self.add_no_start(state, partition.clone());
        }
    }

    /// Has each read raise that there is nowhere to begin with this partition.
    fn add_no_start(&self, state: &mut ReadState, partition: Partition) {
        let error = no_start_offset(&partition, "a consumer without a group has no committed offset");
        state.read_errors.add(partition, error);
    }

    /// Without a group: finds the partitions of topics that are still missing, and of those that have grown, and begins to
    /// read them. Of the partitions that the program has chosen: whether their topics are there and may be read, since
    /// librdkafka says nothing of one that its first metadata refuses (rd_kafka_topic_set_error). Waits for an answer so long, under the lock, so without a look at signals: their handlers may use this
    /// consumer. They count as assigned when the cluster has answered for each topic.
    pub(super) fn find_topics(
        &self,
        native: &Arc<NativeConsumer>,
        state: &mut ReadState,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let Some(mut lookup) = state.lookup.take().or_else(|| self.start_lookup(native, state)) else {
            return Ok(());
        };
        let chosen = state.subscriptions.manual().is_some();
        let known = if lookup.rescan { self.assignment()? } else { Vec::new() };
        let mut list = PartitionList::new();
        let over = loop {
            match lookup.next(deadline.step(TICK)) {
                LookupResult::Answer((topic, Ok(Ok(count)))) => {
                    // What was not there when the consumer began has been written since: none of it may be missed.
                    let new = lookup.rescan || state.warned.contains(&topic);
                    let start = if new { BEGINNING } else { self.default_start() };
                    let count = if chosen { 0 } else { i32::try_from(count).unwrap_or(i32::MAX) };
                    for id in 0..count {
                        if !known.iter().any(|partition| partition.id == id && *partition.topic == *topic) {
                            list.add(&topic, id, start);
                            if start == NO_START {
                                self.add_no_start(state, Partition { topic: topic.as_str().into(), id });
                            }
                        }
                    }
                    state.missing.retain(|missing| *missing != topic);
                    state.read_errors.clear(&whole(&topic));
                }
                LookupResult::Answer((topic, Ok(Err(Code::UNKNOWN_TOPIC_OR_PART)))) => {
                    self.warn_of_missing(state, topic)
                }
                LookupResult::Answer((topic, Ok(Err(code)))) if !code.retriable() => {
                    state.read_errors.add(whole(&topic), Error::failed(&format!("cannot read '{topic}'"), code, ""));
                }
                LookupResult::Answer(_) => lookup.complete = false,
                LookupResult::Over => break true,
                LookupResult::Later if deadline.passed() => break false,
                LookupResult::Later => {}
            }
        };
        if !chosen {
            native
                .incremental_assign(&list)
                .map_err(|problem| Error::failed("cannot take on partitions", problem.code, &problem.text))?;
        }
        if over {
            state.assigned |= lookup.complete;
            state.lookup_ended = Some(Instant::now());
        } else {
            state.lookup = Some(lookup);
        }
        Ok(())
    }

    /// Begins to look for topics where it is time for that.
    fn start_lookup(&self, native: &Arc<NativeConsumer>, state: &mut ReadState) -> Option<TopicLookup> {
        let timeout = match (state.assigned, state.missing.is_empty()) {
            (false, _) => RETRY_INTERVAL,
            (true, false) => MISSING_INTERVAL,
            (true, true) => GROWTH_INTERVAL,
        };
        if state.lookup_ended.is_some_and(|at| at.elapsed() < timeout) {
            return None;
        }
        if state.subscriptions.manual().is_some() && !state.missing.is_empty() {
            state.missing.retain(|topic| !state.received.has_any(topic));
        }
        let rescan = state.missing.is_empty();
        let topics = if rescan { self.subscription() } else { state.missing.clone() };
        (!topics.is_empty()).then(|| TopicLookup::start(native, topics, rescan))
    }

    pub(super) fn warn_of_missing(&self, state: &mut ReadState, topic: String) {
        if state.warned.insert(topic.clone()) {
            self.context.warn(format!(
                "topic '{topic}' does not exist on the cluster. The consumer waits for it to be created"
            ));
        }
    }
}
