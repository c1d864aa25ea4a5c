//! Why reading stopped, and where.

use pyo3::prelude::*;

use crate::json::DecodeError;

/// One pointer wide when there is nothing to say, so that what succeeds returns in registers.
pub(super) type Read<T> = Result<T, Box<Halt>>;

pub(super) enum Halt {
    Malformed { byte_offset: usize, cause: String },
    Raised(PyErr),
}

impl Halt {
    #[cold]
    #[inline(never)]
    pub(super) fn at(byte_offset: usize, cause: impl Into<String>) -> Box<Halt> {
        Box::new(Halt::Malformed { byte_offset, cause: cause.into() })
    }

    pub(super) fn into_error(self, bytes: &[u8]) -> DecodeError {
        match self {
            Halt::Malformed { byte_offset, cause } => DecodeError::at(bytes, byte_offset, &cause),
            Halt::Raised(error) => DecodeError::Raised(error),
        }
    }
}

impl From<PyErr> for Box<Halt> {
    #[cold]
    fn from(error: PyErr) -> Self {
        Box::new(Halt::Raised(error))
    }
}
