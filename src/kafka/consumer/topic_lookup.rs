//! Looks up how many partitions topics have, on a background thread: a broker may answer later than a read may block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::Arc;
use std::time::Duration;

use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::os::thread::spawn;

/// The timeout of one request, longer than a usable broker takes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A topic, with its number of partitions or its error, or why there is no answer.
pub(super) type TopicAnswer = (String, Result<Result<usize, Code>, Code>);

pub(super) struct TopicLookup {
    answers: Receiver<TopicAnswer>,
    abandoned: Arc<AtomicBool>,
    /// The topics are read already, and may have new partitions.
    pub(super) rescan: bool,
    /// The cluster has answered for each topic so far.
    pub(super) complete: bool,
}

pub(super) enum Lookup {
    Answer(TopicAnswer),
    Pending,
    Finished,
}

impl TopicLookup {
    /// Looks these topics up, one after the other.
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

    pub(super) fn next(&self, timeout: Duration) -> Lookup {
        let received = match timeout.is_zero() {
            true => self.answers.try_recv().map_err(|error| error == TryRecvError::Empty),
            false => self.answers.recv_timeout(timeout).map_err(|error| error == RecvTimeoutError::Timeout),
        };
        match received {
            Ok(answer) => Lookup::Answer(answer),
            Err(true) => Lookup::Pending,
            Err(false) => Lookup::Finished,
        }
    }
}

impl Drop for TopicLookup {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}
