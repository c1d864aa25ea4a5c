//! Why a value is refused, in words that say what to do instead.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyFrozenSet, PyMemoryView, PySet};

use super::stop::Stop;

/// The type's name as a message shows it, with its module unless that is `builtins`.
pub(super) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().fully_qualified_name().map_or_else(|_| "object".to_string(), |name| name.to_string())
}

/// No rule, and no `default=`, takes the object.
#[cold]
pub(super) fn object(object: &Bound<'_, PyAny>) -> Box<Stop> {
    let name = type_name(object);
    let next_step = if object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
    {
        "decode it to str, encode it as base64, or pass default= to do so"
    } else if object.is_instance_of::<PySet>() || object.is_instance_of::<PyFrozenSet>() {
        "pass a list, such as sorted(value), or default=list"
    } else if name.starts_with("numpy.") {
        "convert it with .item() or .tolist()"
    } else {
        "convert it first, or pass default=, a function that returns what to encode instead"
    };
    Stop::refused(format!("the type {name} has no JSON form: {next_step}"))
}

/// The container is not what it was when the walk entered it.
#[cold]
pub(super) fn change(what: &str) -> Box<Stop> {
    Stop::refused(format!(
        "the {what} changed its size while it was being encoded: let default= and properties leave it alone"
    ))
}
