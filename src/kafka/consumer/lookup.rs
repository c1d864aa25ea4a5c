//! How many partitions topics have, asked away from reading: a broker may take longer to answer than a read may block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::Arc;
use std::time::Duration;

use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::os::thread::spawn;

/// How long one answer is waited for. Longer than any broker needs that reading makes sense with.
const PATIENCE: Duration = Duration::from_secs(5);

/// A topic, and its number of partitions or the error that the cluster has for it; or why there is no answer.
pub(super) type Answer = (String, Result<Result<usize, Code>, Code>);

pub(super) struct Lookup {
    heard: Receiver<Answer>,
    abandoned: Arc<AtomicBool>,
    /// Whether the topics are read already, and may have grown.
    pub(super) again: bool,
    /// The cluster answered for all so far.
    pub(super) answered: bool,
}

/// What `Lookup::next` comes to.
pub(super) enum Next {
    Answer(Answer),
    /// It is still asking.
    Later,
    Over,
}

impl Lookup {
    /// Asks for these topics, one after the other.
    pub(super) fn begin(native: &Arc<NativeConsumer>, topics: Vec<String>, again: bool) -> Self {
        let abandoned = Arc::new(AtomicBool::new(false));
        let (tell, heard) = channel();
        let asking = (native.clone(), abandoned.clone());
        let started = spawn("kjson-lookup", move || {
            let (native, abandoned) = asking;
            for topic in topics {
                if abandoned.load(Ordering::Relaxed) {
                    return;
                }
                let answer = native.client().metadata(Some(&topic), PATIENCE);
                if tell.send((topic, answer)).is_err() {
                    return;
                }
            }
        });
        Lookup { heard, abandoned, again, answered: started.is_ok() }
    }

    /// The next answer, waited for so long.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let heard = match patience.is_zero() {
            true => self.heard.try_recv().map_err(|error| error == TryRecvError::Empty),
            false => self.heard.recv_timeout(patience).map_err(|error| error == RecvTimeoutError::Timeout),
        };
        match heard {
            Ok(answer) => Next::Answer(answer),
            Err(true) => Next::Later,
            Err(false) => Next::Over,
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}
