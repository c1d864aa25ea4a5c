//! A consumer's membership of its group, for transactions.

use pyo3::prelude::*;

use crate::kafka;

/// A consumer's group membership, for `send_offsets_to_transaction`.
#[pyclass(module = "kjson", frozen, name = "GroupMetadata")]
pub struct GroupMetadata(pub kafka::GroupMetadata);
