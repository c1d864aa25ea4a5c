//! Converts Rust errors to the Python exceptions of kjson/exceptions.py.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use thiserror::Error;

use crate::json::{DecodeError, EncodeError};
use crate::kafka::{self, Code, ConnectionKind, Failure};
use crate::once::Once;

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("{0}")]
    Python(#[from] PyErr),
    #[error(
        "this {object} was made before a fork and does not work in the child process, where librdkafka's threads do \
         not exist: create a new {object} in the child"
    )]
    Forked { object: &'static str },
    #[error("{message}")]
    Config { message: String, option: String },
}

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        let kafka_error = match error {
            Error::Kafka(error) => error,
            Error::Python(error) => return error,
            Error::Forked { .. } => return raise("ForkError", &error.to_string(), |_| Ok(())),
            Error::Config { message, option } => kafka::Error::Config { message, option, suggestion: None },
        };
        let message = kafka_error.to_string();
        match kafka_error {
            // Only where the interrupt was not a Python signal, such as at interpreter exit.
            kafka::Error::Interrupted => PyRuntimeError::new_err(message),
            kafka::Error::Closed { .. } => raise("ClosedError", &message, |_| Ok(())),
            kafka::Error::Connection { kind, servers, causes, .. } => {
                let class = match kind {
                    ConnectionKind::Unreachable => "KafkaConnectionError",
                    ConnectionKind::Tls => "TlsError",
                    ConnectionKind::Authentication => "AuthenticationError",
                };
                raise(class, &message, |attributes| {
                    attributes.set_item("servers", PyTuple::new(attributes.py(), servers)?)?;
                    attributes.set_item("causes", causes.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
                    attributes.set_item("retriable", kind == ConnectionKind::Unreachable)
                })
            }
            kafka::Error::FlushTimeout { remaining, .. } => raise("FlushTimeoutError", &message, |attributes| {
                attributes.set_item("remaining", remaining)?;
                attributes.set_item("retriable", true)
            }),
            kafka::Error::Timeout { .. } => {
                raise("KafkaTimeoutError", &message, |attributes| attributes.set_item("retriable", true))
            }
            kafka::Error::QueueFull { .. } => {
                raise("QueueFullError", &message, |attributes| describe(attributes, Code::QUEUE_FULL, false))
            }
            kafka::Error::Delivery { failures, .. } => delivery_error(&message, &failures),
            kafka::Error::Config { option, suggestion, .. } => raise("ConfigError", &message, |attributes| {
                attributes.set_item("option", option)?;
                attributes.set_item("suggestion", suggestion)
            }),
            kafka::Error::Commit { code, .. } => {
                raise("CommitError", &message, |attributes| describe(attributes, code, false))
            }
            kafka::Error::Transaction { code, abortable, fatal, fenced, retriable, .. } => {
                let class = if fenced { "FencedError" } else { "TransactionError" };
                raise(class, &message, |attributes| {
                    describe(attributes, code, fatal)?;
                    attributes.set_item("retriable", retriable)?;
                    attributes.set_item("abortable", abortable)
                })
            }
            kafka::Error::Failed { code, fatal, .. } => {
                raise(class_of(code), &message, |attributes| describe(attributes, code, fatal))
            }
            kafka::Error::Misuse(_) => raise("KafkaError", &message, |_| Ok(())),
        }
    }
}

pub fn delivery_error(message: &str, failures: &[Failure]) -> PyErr {
    raise("DeliveryError", message, |attributes| {
        attributes.set_item("failures", failed_records(attributes.py(), failures)?)?;
        failures.first().map_or(Ok(()), |first| describe(attributes, first.code, first.code == Code::FATAL))
    })
}

pub fn failed_records<'py>(py: Python<'py>, failures: &[Failure]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, failures.iter().map(|failure| failed_record(py, failure)).collect::<PyResult<Vec<_>>>()?)
}

fn failed_record<'py>(py: Python<'py>, failure: &Failure) -> PyResult<Bound<'py, PyAny>> {
    let bytes = |bytes: &Option<Box<[u8]>>| bytes.as_ref().map(|bytes| PyBytes::new(py, bytes));
    let error = raise(class_of(failure.code), &failure.message, |attributes| {
        describe(attributes, failure.code, failure.code == Code::FATAL)
    });
    let partition = (failure.partition >= 0).then_some(failure.partition);
    let fields = (&failure.topic, partition, bytes(&failure.key), bytes(&failure.value), error.into_value(py));
    module(py)?.getattr("FailedRecord")?.call1(fields)
}

impl From<EncodeError> for PyErr {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Raised(error) => error,
            EncodeError::NoJsonForm { path, message } => {
                raise("EncodeError", &message, |attributes| attributes.set_item("path", path))
            }
        }
    }
}

impl From<DecodeError> for PyErr {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Raised(error) => error,
            DecodeError::Malformed { message, line, column, byte_offset } => {
                raise("DecodeError", &message, |attributes| {
                    attributes.set_item("line", line)?;
                    attributes.set_item("column", column)?;
                    attributes.set_item("byte_offset", byte_offset)
                })
            }
        }
    }
}

/// The exception class for a code.
pub fn class_of(code: Code) -> &'static str {
    match code {
        Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PART | Code::UNKNOWN_PARTITION => "UnknownTopicError",
        Code::TOPIC_AUTHORIZATION_FAILED
        | Code::GROUP_AUTHORIZATION_FAILED
        | Code::CLUSTER_AUTHORIZATION_FAILED
        | Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => "AuthorizationError",
        Code::MSG_SIZE_TOO_LARGE => "MessageTooLargeError",
        Code::MSG_TIMED_OUT | Code::TIMED_OUT => "KafkaTimeoutError",
        Code::AUTHENTICATION => "AuthenticationError",
        Code::SSL => "TlsError",
        Code::FENCED_INSTANCE_ID => "FencedError",
        code if code.is_fenced() => "FencedError",
        code if code.is_connection() => "KafkaConnectionError",
        _ => "KafkaError",
    }
}

pub fn describe(attributes: &Bound<'_, PyDict>, code: Code, fatal: bool) -> PyResult<()> {
    attributes.set_item("code", code.0)?;
    attributes.set_item("name", code.name())?;
    attributes.set_item("retriable", code.retriable())?;
    attributes.set_item("fatal", fatal)
}

fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: Once<Py<PyModule>> = Once::new();
    Ok(MODULE.get_or_try_init(py, || PyModule::import(py, "kjson.exceptions").map(Bound::unbind))?.bind(py))
}

/// A new exception of kjson.exceptions with its attributes, or the error of making it.
pub fn raise(class: &str, message: &str, fill: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>) -> PyErr {
    Python::attach(|py| {
        let make = || {
            let attributes = PyDict::new(py);
            fill(&attributes)?;
            module(py)?.getattr(class)?.call((message,), Some(&attributes))
        };
        make().map_or_else(|error| error, PyErr::from_value)
    })
}
