//! The errors of producers and consumers. A message names the operation, the object, the cause and the next step, and
//! never the value of an option, which may be a secret.

use thiserror::Error;

use crate::librdkafka::code::Code;

/// A message that was accepted and not delivered, see `Error::Delivery`.
#[derive(Clone, Debug)]
pub struct Failure {
    pub topic: String,
    pub partition: i32,
    pub key: Option<Box<[u8]>>,
    pub value: Option<Box<[u8]>>,
    pub code: Code,
    pub message: String,
}

impl Failure {
    /// Its size in bytes, about.
    pub(in crate::kafka) fn size(&self) -> usize {
        let bytes = |bytes: &Option<Box<[u8]>>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        std::mem::size_of::<Failure>() + self.message.len() + self.topic.len() + bytes(&self.key) + bytes(&self.value)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionKind {
    Unreachable,
    Tls,
    Authentication,
}

#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The caller's `Interrupt` ended the wait.
    #[error("interrupted")]
    Interrupted,
    #[error("{operation}: the {object} is closed. Make a new one")]
    Closed { operation: &'static str, object: &'static str },
    #[error("{message}")]
    Connection { kind: ConnectionKind, message: String, servers: Vec<String>, causes: Vec<(String, String)> },
    #[error("{message}")]
    FlushTimeout { message: String, remaining: usize },
    #[error("{message}")]
    Timeout { message: String },
    #[error("{message}")]
    QueueFull { message: String },
    #[error("{message}")]
    Delivery { message: String, failures: Vec<Failure> },
    #[error("{message}")]
    Config { message: String, option: String, suggestion: Option<String> },
    #[error("{message}")]
    Commit { message: String, code: Code },
    /// `fenced`: another producer has taken over the transactional id.
    #[error("{message}")]
    Transaction { message: String, code: Code, abortable: bool, fatal: bool, fenced: bool, retriable: bool },
    /// An error of librdkafka or of a broker. The code decides the exception's class.
    #[error("{message}")]
    Failed { message: String, code: Code, fatal: bool },
    /// A call that the object does not allow in its present state.
    #[error("{0}")]
    Misuse(String),
}

impl Error {
    pub fn failed(operation: &str, code: Code, detail: &str) -> Self {
        let detail = if detail.is_empty() { code.text() } else { detail };
        Error::Failed { message: format!("{operation}: {detail} ({})", code.name()), code, fatal: code == Code::FATAL }
    }
}
