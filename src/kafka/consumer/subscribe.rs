//! Subscribing to topics. A consumer without a group finds their partitions itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::poll::ReadState;
use super::read_errors::no_start_offset;
use super::topic_lookup::{Lookup, TopicLookup};
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::background;
use crate::kafka::client::connect::request;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::{PartitionList, NO_OFFSET};
use crate::librdkafka::record::{Partition, WHOLE};

/// How often a consumer without a group looks up topics that do not exist.
const MISSING_INTERVAL: Duration = Duration::from_secs(1);
/// How soon it repeats a lookup that no broker answered in time.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How often it looks for new partitions. Members of a group learn of them from librdkafka, every
/// `topic.metadata.refresh.interval.ms` (5 minutes).
const GROWTH_INTERVAL: Duration = Duration::from_secs(10);
/// How long `subscribe` waits for the partitions, enough for brokers nearby.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_millis(150);
/// How long a refresh of the metadata may take.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(10);
/// librdkafka's `OFFSET_BEGINNING` and `OFFSET_END`.
const BEGINNING: i64 = -2;
const END: i64 = -1;
/// After every end, so that nothing is read: librdkafka has no offset for "none" that does not use the committed one.
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
            self.subscribe_alone(&native, &mut state, &topics)?;
            return self.find_topics(&native, &mut state, Deadline::after(Some(SUBSCRIBE_TIMEOUT)));
        }
        let twice = topics.iter().enumerate().any(|(index, topic)| topics[..index].contains(topic));
        if topics.is_empty() || twice {
            // librdkafka refuses them, but only after the present subscription has ended.
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

    /// Stops reading other topics, and has new ones looked up.
    fn subscribe_alone(&self, native: &NativeConsumer, state: &mut ReadState, topics: &[String]) -> Result<(), Error> {
        let before = self.subscription();
        self.start_subscription(native, state, topics)?;
        self.retry_without_offset(native, state, topics)?;
        let is_gone = |partition: &Partition| !topics.iter().any(|topic| **topic == *partition.topic);
        let gone: Vec<Partition> = self.assignment()?.into_iter().filter(is_gone).collect();
        if !gone.is_empty() {
            native
                .incremental_unassign(&PartitionList::without_offsets(&gone))
                .map_err(|problem| Error::failed("cannot unassign partitions", problem.code, &problem.text))?;
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
        let entries = self.open("assignment")?.assignment();
        let entries = entries.map_err(|code| Error::failed("cannot read the assignment", code, ""))?;
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

    /// Has each read raise that this partition has no start offset.
    fn add_no_start(&self, state: &mut ReadState, partition: Partition) {
        let error = no_start_offset(&partition, "a consumer without a group has no committed offset");
        state.read_errors.add(partition, error);
    }

    /// Without a group: finds partitions of missing topics and new partitions, and starts to read them. They count as
    /// assigned when the cluster has answered for each topic. For partitions assigned by the program: finds out whether
    /// their topics exist and may be read, since librdkafka reports no error of the first metadata
    /// (rd_kafka_topic_set_error). Has the lock, so it checks no signals: handlers may use this consumer.
    pub(super) fn find_topics(
        &self,
        native: &Arc<NativeConsumer>,
        state: &mut ReadState,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let Some(mut lookup) = state.lookup.take().or_else(|| self.start_lookup(native, state)) else {
            return Ok(());
        };
        let manual = state.subscriptions.manual().is_some();
        let known = if lookup.rescan { self.assignment()? } else { Vec::new() };
        let mut list = PartitionList::new();
        let over = loop {
            match lookup.next(deadline.step(TICK)) {
                Lookup::Answer((topic, Ok(Ok(count)))) => {
                    // A partition that is new since the consumer started is read from its beginning: nothing is missed.
                    let new = lookup.rescan || state.warned.contains(&topic);
                    let start = if new { BEGINNING } else { self.default_start() };
                    let count = if manual { 0 } else { i32::try_from(count).unwrap_or(i32::MAX) };
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
                Lookup::Answer((topic, Ok(Err(Code::UNKNOWN_TOPIC_OR_PART)))) => self.warn_of_missing(state, topic),
                Lookup::Answer((topic, Ok(Err(code)))) if !code.retriable() => {
                    state.read_errors.add(whole(&topic), Error::failed(&format!("cannot read '{topic}'"), code, ""));
                }
                Lookup::Answer(_) => lookup.complete = false,
                Lookup::Finished => break true,
                Lookup::Pending if deadline.passed() => break false,
                Lookup::Pending => {}
            }
        };
        if !manual {
            native
                .incremental_assign(&list)
                .map_err(|problem| Error::failed("cannot assign partitions", problem.code, &problem.text))?;
        }
        if over {
            state.assigned |= lookup.complete;
            state.lookup_ended = Some(Instant::now());
        } else {
            state.lookup = Some(lookup);
        }
        Ok(())
    }

    /// Starts a lookup if one is due.
    fn start_lookup(&self, native: &Arc<NativeConsumer>, state: &mut ReadState) -> Option<TopicLookup> {
        let interval = match (state.assigned, state.missing.is_empty()) {
            (false, _) => RETRY_INTERVAL,
            (true, false) => MISSING_INTERVAL,
            (true, true) => GROWTH_INTERVAL,
        };
        if state.lookup_ended.is_some_and(|at| at.elapsed() < interval) {
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
