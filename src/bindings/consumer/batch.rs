//! The messages of one `consume`, decoded in their order, with the dead letters among them sent and waited for together.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::bindings::forward::Forwarded;
use crate::bindings::message::Message;
use crate::kafka::Incoming;

use super::core::Core;
use super::dead_letter::Letter;
use super::policy::Step;

#[derive(Default)]
pub struct Batch {
    pub messages: Vec<Py<Message>>,
    /// What is dealt with, in order, messages and others.
    pub taken: Vec<Incoming>,
    /// What was taken up and has to come again.
    pub unread: Vec<Incoming>,
    under_way: Vec<UnderWay>,
}

/// A dead letter, and how many of `taken` and of `messages` lie before it.
struct UnderWay {
    taken: usize,
    messages: usize,
    letter: Letter,
    sent: PyResult<Forwarded>,
}

impl Batch {
    pub fn with_capacity(count: usize) -> Self {
        Batch { messages: Vec::with_capacity(count), taken: Vec::with_capacity(count), ..Default::default() }
    }

    /// Takes messages as far as they can be handed out together. An error is to be raised now; one that has good messages
    /// before it is met again, and raised, at the head of the next call.
    pub fn fill(&mut self, py: Python<'_>, core: &Core, incoming: &mut impl Iterator<Item = Incoming>) -> PyResult<()> {
        for next in incoming.by_ref() {
            let step = match core.decoder.message(py, &next) {
                Ok(message) => {
                    self.messages.push(Py::new(py, message)?);
                    self.taken.push(next);
                    continue;
                }
                Err(fault) => core.faults.step(py, &core.decoder, &next, fault, 0),
            };
            let step = core.decide(py, &next, step).and_then(|step| py.check_signals().map(|()| step));
            match step {
                Ok(Step::Message(message)) => {
                    self.messages.push(Py::new(py, message)?);
                    self.taken.push(next);
                }
                Ok(Step::Passed | Step::TryAgain(_)) => self.taken.push(next),
                Ok(Step::DeadLetter(letter)) => {
                    let sent = core.post(py, &next, &letter);
                    let failed = sent.is_err();
                    let (taken, messages) = (self.taken.len(), self.messages.len());
                    self.under_way.push(UnderWay { taken, messages, letter: *letter, sent });
                    self.taken.push(next);
                    if failed {
                        return Ok(());
                    }
                }
                Ok(Step::Raise(error)) if self.messages.is_empty() => {
                    self.taken.push(next);
                    return Err(error);
                }
                Ok(Step::Raise(error)) => {
                    core.faults.hold(&next, error);
                    self.unread.push(next);
                    return Ok(());
                }
                Ok(Step::Interrupted(error)) | Err(error) => {
                    self.unread.push(next);
                    self.take_back(0);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Where one did not arrive, the batch ends before it, and all from there on comes again.
    pub fn await_dead_letters(&mut self, py: Python<'_>, core: &Core) -> PyResult<()> {
        for one in std::mem::take(&mut self.under_way) {
            if one.taken >= self.taken.len() {
                break;
            }
            let Err(error) = one.sent.and_then(|sent| core.arrived(py, &sent)) else { continue };
            let interrupted = !error.is_instance_of::<PyException>(py);
            self.messages.truncate(one.messages);
            if interrupted {
                self.take_back(0);
            } else {
                self.take_back(one.taken);
            }
            return if interrupted || self.messages.is_empty() {
                Err(one.letter.undelivered(py, error))
            } else {
                Ok(())
            };
        }
        Ok(())
    }

    fn take_back(&mut self, from: usize) {
        let rest = std::mem::take(&mut self.unread);
        self.unread = self.taken.split_off(from);
        self.unread.extend(rest);
    }
}
