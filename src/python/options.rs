//! Options as Python gives them, made into a `Config`. Values are read here and shown nowhere.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use crate::error::Error;
use crate::kafka::{Config, Role};

use super::blocking::seconds;

/// What `Producer` and `Consumer` take besides librdkafka's options, for the nearest-name search.
pub const PRODUCER_KEYWORDS: &[&str] = &[
    "bootstrap_servers",
    "connect_timeout",
    "max_block_ms",
    "default",
    "nan",
    "value_serializer",
    "key_serializer",
    "on_delivery",
    "on_error",
    "on_stats",
    "config",
    "ssl_check_hostname",
];
pub const CONSUMER_KEYWORDS: &[&str] = &[
    "bootstrap_servers",
    "connect_timeout",
    "unreachable_timeout",
    "consumer_timeout_ms",
    "on_decode_error",
    "value_type",
    "value_deserializer",
    "key_type",
    "max_message_bytes",
    "parse_float",
    "on_error",
    "on_stats",
    "config",
    "ssl_check_hostname",
];

/// What librdkafka takes without a name as if it had not been given, or refuses without saying why.
const NEEDS_A_NAME: &[(&str, &str)] = &[
    ("group.id", "Leave it out, or pass None, to read without a group"),
    ("transactional.id", "Leave it out, or pass None, for a producer without transactions"),
    ("group.instance.id", "Leave it out, or pass None, for a member that is not static"),
];

/// Reads `bootstrap_servers`, the dotted `config` and all other keywords, in this order.
pub fn config(
    role: Role,
    bootstrap_servers: Option<&Bound<'_, PyAny>>,
    dotted: Option<&Bound<'_, PyDict>>,
    keywords: Option<&Bound<'_, PyDict>>,
) -> Result<Config, Error> {
    let own = match role {
        Role::Producer => PRODUCER_KEYWORDS,
        Role::Consumer => CONSUMER_KEYWORDS,
    };
    let mut config = Config::new(role);
    if let Some(servers) = bootstrap_servers {
        set(&mut config, role, "bootstrap_servers", servers, own)?;
    }
    for options in [dotted, keywords].into_iter().flatten() {
        for (name, value) in options {
            let name: String = name.extract().map_err(|_| Error::Config {
                message: format!("{}: the names in config must be str", role.name()),
                option: "config".to_owned(),
            })?;
            set(&mut config, role, &name, &value, own)?;
        }
    }
    Ok(config)
}

fn set(config: &mut Config, role: Role, name: &str, value: &Bound<'_, PyAny>, own: &[&str]) -> Result<(), Error> {
    if value.is_none() {
        return Ok(());
    }
    let unprintable = |error: PyErr| match error.is_instance_of::<PyValueError>(value.py()) {
        true => Error::Config {
            message: format!("{}: '{name}' cannot be written as text: {error}", role.name()),
            option: name.to_owned(),
        },
        false => error.into(),
    };
    let text = text_of(value).map_err(unprintable)?.ok_or_else(|| Error::Config {
        message: format!(
            "{}: '{name}' must be a str, a number, a bool or a list of them, not {}",
            role.name(),
            value.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string()),
        ),
        option: name.to_owned(),
    })?;
    refuse_empty(role, name, &text)?;
    if name == "ssl_check_hostname" {
        let algorithm = if text == "true" { "https" } else { "none" };
        return Ok(config.set("ssl.endpoint.identification.algorithm", algorithm.to_owned(), own)?);
    }
    Ok(config.set(name, text, own)?)
}

pub fn refuse_empty(role: Role, name: &str, text: &str) -> Result<(), Error> {
    let dotted = name.replace('_', ".");
    match NEEDS_A_NAME.iter().find(|(known, _)| text.is_empty() && *known == dotted) {
        None => Ok(()),
        Some((_, advice)) => Err(Error::Config {
            message: format!("{}: '{name}' is empty, which is no name. {advice}", role.name()),
            option: name.to_owned(),
        }),
    }
}

fn text_of(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(Some(if flag.is_true() { "true" } else { "false" }.to_owned()));
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        return Ok(Some(value.str()?.to_string_lossy().into_owned()));
    }
    let Ok(items) = value.try_iter() else { return Ok(None) };
    let mut texts = Vec::new();
    for item in items {
        match text_of(&item?)? {
            Some(text) => texts.push(text),
            None => return Ok(None),
        }
    }
    Ok(Some(texts.join(",")))
}

/// `None` and 0 mean that the connection is not checked.
pub fn connect_timeout(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    Ok(seconds("connect_timeout", timeout)?.filter(|timeout| !timeout.is_zero()))
}
