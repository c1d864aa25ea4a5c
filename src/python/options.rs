//! Options as Python gives them, made into a `Config`. Values are read here and shown nowhere.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PySequence, PyString};

use crate::error::Error;
use crate::kafka::{boolean, is_secret, Config, Role, ValueType};

use super::blocking::seconds;
use super::consumer::aio::AsyncConsumer;
use super::consumer::Consumer;
use super::producer::aio::AsyncProducer;
use super::producer::Producer;

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
    let property = match name {
        "ssl_check_hostname" => config.property("ssl.endpoint.identification.algorithm", own)?,
        _ => config.property(name, own)?,
    };
    if value.is_none() {
        return Ok(());
    }
    let value_type = if name == "ssl_check_hostname" { ValueType::Boolean } else { property.value_type };
    let text = text_of(value, &property.canonical, value_type).map_err(|expected| refused(role, name, &expected))?;
    refuse_empty(role, name, &text)?;
    if name == "ssl_check_hostname" {
        let unreadable = || refused(role, name, &format!("cannot be {text:?}: it takes true, false"));
        let algorithm = if boolean(&text).ok_or_else(unreadable)? { "https" } else { "none" };
        return Ok(config.set(property, name, algorithm.to_owned())?);
    }
    Ok(config.set(property, name, text)?)
}

fn refused(role: Role, name: &str, why: &str) -> Error {
    Error::Config { message: format!("{}: '{name}' {why}", role.name()), option: name.to_owned() }
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

/// Properties that take a Python list, besides librdkafka's flags.
const LISTS: &[&str] = &[
    "metadata.broker.list",
    "compression.codec",
    "partition.assignment.strategy",
    "ssl.ca.certificate.stores",
    "topic.blacklist",
];

/// The text that librdkafka reads, or the end of a sentence about the value, which never shows it.
fn text_of(value: &Bound<'_, PyAny>, name: &str, value_type: ValueType) -> Result<String, String> {
    let listed = value_type == ValueType::Flags || LISTS.contains(&name);
    let bytes = value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>();
    if listed && !bytes && !value.is_instance_of::<PyString>() {
        if let Ok(items) = value.cast::<PySequence>() {
            let items = items.to_tuple().map_err(|error| format!("cannot be read: {error}"))?;
            let texts: Result<Vec<_>, _> = items.iter().map(|item| scalar(&item, name, value_type, listed)).collect();
            return Ok(texts?.join(","));
        }
    }
    scalar(value, name, value_type, listed)
}

fn scalar(value: &Bound<'_, PyAny>, name: &str, value_type: ValueType, listed: bool) -> Result<String, String> {
    let py = value.py();
    let text = value_type == ValueType::Text;
    let unwritable = |error: PyErr| format!("cannot be written as text: {error}");
    if let Ok(text) = value.cast::<PyString>() {
        // The content, also of a member of a str enum, whose str() is its name. The error would show a part of it.
        let text = text.to_cow().map_err(|_| "holds a lone surrogate, which cannot be written as UTF-8".to_owned())?;
        return Ok(text.into_owned());
    }
    if let (Ok(flag), false) = (value.cast::<PyBool>(), text) {
        return Ok(if flag.is_true() { "true" } else { "false" }.to_owned());
    }
    let number = !(value.is_instance_of::<PyBool>() || listed || text && secret_like(name));
    for class in [py.get_type::<PyInt>(), py.get_type::<PyFloat>()] {
        if number && value.is_instance(&class).unwrap_or(false) {
            // As for str enums: the number, and not the name of a member.
            let text = class.getattr("__repr__").and_then(|repr| repr.call1((value,))).map_err(unwritable)?;
            return text.extract().map_err(unwritable);
        }
    }
    let wanted = match value_type {
        _ if name == "metadata.broker.list" => "a str such as \"localhost:9092\", or a list of them",
        _ if listed => "a str or a list of them",
        ValueType::Boolean => "a bool (true, false)",
        ValueType::Integer | ValueType::Float => "a number",
        ValueType::Word | ValueType::Flags | ValueType::Text => "a str",
    };
    let got = value.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string());
    let decode = if matches!(got.as_str(), "bytes" | "bytearray") { ". Pass value.decode()" } else { "" };
    Err(format!("must be {wanted}, not {got}{decode}"))
}

/// Where a number would lose something, such as the zeros that a password begins with.
fn secret_like(name: &str) -> bool {
    is_secret(name) || name.starts_with("sasl.") || name.starts_with("ssl.")
}

/// `None` and 0 mean that the connection is not checked.
pub fn connect_timeout(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    Ok(seconds("connect_timeout", timeout)?.filter(|timeout| !timeout.is_zero()))
}

/// What a client uses for one of librdkafka's properties, for the tests to compare with what is documented.
#[pyfunction]
pub fn _option_of(client: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<String>> {
    let value = if let Ok(producer) = client.cast::<Producer>() {
        producer.get().core()?.producer.option(name)
    } else if let Ok(producer) = client.cast::<AsyncProducer>() {
        producer.get().handle()?.get().core.producer.option(name)
    } else if let Ok(consumer) = client.cast::<Consumer>() {
        consumer.get().core()?.consumer.option(name)
    } else {
        client.cast::<AsyncConsumer>()?.get().core()?.consumer.option(name)
    };
    Ok(value.filter(|_| !is_secret(name)))
}
