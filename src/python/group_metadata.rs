//! The consumer's membership of its group, as a transaction names it.

use pyo3::prelude::*;

use crate::kafka;

/// Who consumes, as `Consumer.group_metadata()` tells `Producer.send_offsets_to_transaction()`.
#[pyclass(module = "kjson", frozen, name = "GroupMetadata")]
pub struct GroupMetadata(pub kafka::GroupMetadata);
