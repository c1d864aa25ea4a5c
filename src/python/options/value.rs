//! A value as Python has it, made into the text that librdkafka reads. What is refused is never shown.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyFloat, PyInt, PySequence, PyString};

use crate::kafka::{is_secret, ValueType};

/// Properties that take a Python list, besides librdkafka's flags.
const LISTS: &[&str] = &[
    "metadata.broker.list",
    "compression.codec",
    "partition.assignment.strategy",
    "ssl.ca.certificate.stores",
    "topic.blacklist",
];

/// The text that librdkafka reads, or the end of a sentence about the value, which never shows it.
pub fn text_of(value: &Bound<'_, PyAny>, name: &str, value_type: ValueType) -> Result<String, String> {
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
    let got = super::type_of(value);
    let decode = if matches!(got.as_str(), "bytes" | "bytearray") { ". Pass value.decode()" } else { "" };
    Err(format!("must be {wanted}, not {got}{decode}"))
}

/// Where a number would lose something, such as the zeros that a password begins with.
fn secret_like(name: &str) -> bool {
    is_secret(name) || name.starts_with("sasl.") || name.starts_with("ssl.")
}
