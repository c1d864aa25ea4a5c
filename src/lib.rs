//! The extension module `kjson._kjson`: the list of what Python sees, and no logic.

mod bindings;
mod json;

use pyo3::prelude::*;

#[pymodule]
mod _kjson {
    #[pymodule_export]
    use crate::bindings::codec::{_reference_dumps, _reference_loads, dumps, loads};
}
