//! `WriteError`: why an object cannot be written, in words that say what to do instead, and where it is.
//!
//! Its path is collected on the way back up, so that writing without an error costs nothing.

use std::fmt::Write;

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyFrozenSet, PyMemoryView, PySet};

use crate::json::{recursion, EncodeError, MAX_DEPTH};

/// Longer paths are cut: the first segments say where to look.
const SEGMENTS_SHOWN: usize = 24;

/// The error is boxed, so that a result is returned in a register.
pub(super) type WriteResult = Result<(), Box<WriteError>>;

pub(super) struct WriteError {
    kind: WriteErrorKind,
    /// Innermost first: the address of each container, and the place in it.
    path: Vec<(usize, PathSegment)>,
}

enum WriteErrorKind {
    NoJsonForm(String),
    TooDeep,
    Raised(PyErr),
}

/// Where an object is in its container.
pub(super) enum PathSegment {
    Index(usize),
    /// The key as in the JSON text, with escapes and without quotes.
    Key(String),
}

impl WriteError {
    #[cold]
    pub(super) fn new(message: impl Into<String>) -> Box<WriteError> {
        Box::new(WriteError { kind: WriteErrorKind::NoJsonForm(message.into()), path: Vec::new() })
    }

    #[cold]
    pub(super) fn too_deep() -> Box<WriteError> {
        Box::new(WriteError { kind: WriteErrorKind::TooDeep, path: Vec::new() })
    }

    #[cold]
    #[inline(never)]
    pub(super) fn no_stack() -> Box<WriteError> {
        recursion::error().into()
    }

    /// Neither a type of ours nor one that `default=` takes.
    #[cold]
    pub(super) fn unsupported_type(object: &Bound<'_, PyAny>) -> Box<WriteError> {
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
        WriteError::new(format!("the type {name} has no JSON form: {next_step}"))
    }

    #[cold]
    pub(super) fn size_changed(container: &str) -> Box<WriteError> {
        WriteError::new(format!(
            "the {container} changed its size while it was being encoded: default= and properties must not modify it"
        ))
    }

    /// Adds the container that the object is in to the path.
    #[cold]
    pub(super) fn inside(mut self: Box<WriteError>, container: usize, segment: PathSegment) -> Box<WriteError> {
        self.path.push((container, segment));
        self
    }

    pub(super) fn into_encode_error(self) -> EncodeError {
        let mut path = self.path;
        path.reverse();
        let message = match self.kind {
            WriteErrorKind::Raised(error) => return EncodeError::Raised(error),
            WriteErrorKind::NoJsonForm(message) => message,
            WriteErrorKind::TooDeep => match first_repeat(&path) {
                Some(length) => {
                    path.truncate(length);
                    "the value refers to itself, which JSON cannot express: encode a copy without the cycle".to_string()
                }
                None => format!(
                    "the value is nested deeper than {MAX_DEPTH} levels: flatten it, or encode the inner part as a str"
                ),
            },
        };
        let path = path_text(&path);
        EncodeError::NoJsonForm { message: format!("cannot encode {path} as JSON: {message}"), path }
    }
}

impl From<PyErr> for Box<WriteError> {
    #[cold]
    fn from(error: PyErr) -> Self {
        Box::new(WriteError { kind: WriteErrorKind::Raised(error), path: Vec::new() })
    }
}

/// The name of an object's type, with its module unless that is `builtins`.
pub(super) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().fully_qualified_name().map_or_else(|_| "object".to_string(), |name| name.to_string())
}

/// The length of the path to the first container that occurs a second time.
fn first_repeat(path: &[(usize, PathSegment)]) -> Option<usize> {
    (0..path.len()).find(|later| path[..*later].iter().any(|(container, _)| *container == path[*later].0))
}

fn path_text(path: &[(usize, PathSegment)]) -> String {
    let mut text = String::from("$");
    for (_, segment) in path.iter().take(SEGMENTS_SHOWN) {
        // Writing to a String cannot fail.
        let _ = match segment {
            PathSegment::Index(index) => write!(text, "[{index}]"),
            PathSegment::Key(key) if is_identifier(key) => write!(text, ".{key}"),
            PathSegment::Key(key) => write!(text, "[\"{key}\"]"),
        };
    }
    if path.len() > SEGMENTS_SHOWN {
        text.push('…');
    }
    text
}

fn is_identifier(key: &str) -> bool {
    let mut characters = key.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}
