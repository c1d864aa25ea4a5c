//! How many partitions topics have, asked away from reading: a broker may take longer to answer than a read may block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::Arc;
use std::time::Duration;

use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::os::thread::spawn;

/// How long one answer is waited for. Longer than any broker needs that reading makes sense with.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A topic, and its number of partitions or the error that the cluster has for it; or why there is no answer.
pub(super) type TopicAnswer = (String, Result<Result<usize, Code>, Code>);

pub(super) struct TopicLookup {
    answers: Receiver<TopicAnswer>,
    abandoned: Arc<AtomicBool>,
    /// Whether the topics are read already, and may have grown.
    pub(super) rescan: bool,
    /// The cluster answered for all so far.
    pub(super) complete: bool,
}

/// What `Lookup::next` comes to.
pub(super) enum LookupResult {
    Answer(TopicAnswer),
    /// It is still asking.
    Later,
    Over,
}

impl TopicLookup {
    /// Asks for these topics, one after the other.
    pub(super) fn start(native: &Arc<NativeConsumer>, topics: Vec<String>, rescan: bool) -> Self {
        let abandoned = Arc::new(AtomicBool::new(false));
        let (sender, answers) = channel();
        let asking = (native.clone(), abandoned.clone());
        let started = spawn("kjson-lookup", move || {
            let (native, abandoned) = asking;
            for topic in topics {
                if abandoned.load(Ordering::Relaxed) {
                    return;
                }
                let answer = native.client().metadata(Some(&topic), TIMEOUT);
                if sender.send((topic, answer)).is_err() {
                    return;
                }
            }
        });
        TopicLookup { answers, abandoned, rescan, complete: started.is_ok() }
    }

    /// The next answer, waited for so long.
    pub(super) fn next(&self, timeout: Duration) -> LookupResult {
        let received = match timeout.is_zero() {
            true => self.answers.try_recv().map_err(|error| error == TryRecvError::Empty),
            false => self.answers.recv_timeout(timeout).map_err(|error| error == RecvTimeoutError::Timeout),
        };
        match received {
            Ok(answer) => LookupResult::Answer(answer),
            Err(true) => LookupResult::Later,
            Err(false) => LookupResult::Over,
        }
    }
}

impl Drop for TopicLookup {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}
