//! The errors of producers and consumers. Each message names the operation, the object, the cause and the next step; none holds the
//! value of an option, which may be a secret.

use thiserror::Error;

use crate::librdkafka::code::Code;

/// A message that was accepted and not delivered, as `Error::Delivery` names it.
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
    /// About how many bytes it takes.
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
    /// The caller asked to stop waiting; it knows why.
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
    /// `fenced`: another producer took the transactional id over.
    #[error("{message}")]
    Transaction { message: String, code: Code, abortable: bool, fatal: bool, fenced: bool, retriable: bool },
    /// Whatever librdkafka or the broker answered; the code decides the class.
    #[error("{message}")]
    Failed { message: String, code: Code, fatal: bool },
    /// The object is used in a way that it does not allow.
    #[error("{0}")]
    Misuse(String),
}

impl Error {
    pub fn failed(operation: &str, code: Code, detail: &str) -> Self {
        let detail = if detail.is_empty() { code.text() } else { detail };
        Error::Failed { message: format!("{operation}: {detail} ({})", code.name()), code, fatal: code == Code::FATAL }
    }
}
