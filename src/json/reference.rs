//! A slow, independent codec made of pythonize and serde_json's `Value`, with which the tests compare ours; nothing
//! else uses it. It is correct for plain values only: see docs/json.md.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// `value` as JSON.
pub fn reference_encode(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let tree: serde_json::Value = pythonize::depythonize(value)?;
    serde_json::to_vec(&tree).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The object that `bytes` represent.
pub fn reference_decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let tree: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(pythonize::pythonize(py, &tree)?)
}
