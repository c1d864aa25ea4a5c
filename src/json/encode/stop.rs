//! Why a walk stopped, and where: the path is put together on the way back up, so that a walk that succeeds pays nothing.

use std::fmt::Write;

use pyo3::PyErr;

use crate::json::{recursion, EncodeError};

/// Paths longer than this are cut in the middle of nowhere useful: the first steps say where to look.
const STEPS_SHOWN: usize = 24;

/// One pointer wide when there is nothing to say, so that every call of the walk returns in a register.
pub(super) type Walk = Result<(), Box<Stop>>;

pub(super) struct Stop {
    cause: Cause,
    /// From the inside out: the address of each container that was left, and the step taken in it.
    trail: Vec<(usize, Step)>,
}

enum Cause {
    Refused(String),
    TooDeep,
    Raised(PyErr),
}

/// One step from a container to what it holds.
pub(super) enum Step {
    Index(usize),
    /// The key as it stands in the JSON text, escapes included, without its quotes.
    Key(String),
}

impl Stop {
    #[cold]
    pub(super) fn refused(message: impl Into<String>) -> Box<Stop> {
        Box::new(Stop { cause: Cause::Refused(message.into()), trail: Vec::new() })
    }

    #[cold]
    pub(super) fn too_deep() -> Box<Stop> {
        Box::new(Stop { cause: Cause::TooDeep, trail: Vec::new() })
    }

    #[cold]
    #[inline(never)]
    pub(super) fn no_stack() -> Box<Stop> {
        recursion::error().into()
    }

    /// Notes that the walk leaves `container`, which it had entered by `step`.
    #[cold]
    pub(super) fn leave(mut self: Box<Stop>, container: usize, step: Step) -> Box<Stop> {
        self.trail.push((container, step));
        self
    }

    pub(super) fn into_error(self) -> EncodeError {
        let mut trail = self.trail;
        trail.reverse();
        let message = match self.cause {
            Cause::Raised(error) => return EncodeError::Raised(error),
            Cause::Refused(message) => message,
            Cause::TooDeep => match first_repeat(&trail) {
                Some(length) => {
                    trail.truncate(length);
                    "the value refers to itself, which JSON cannot say: encode a copy without the loop".to_string()
                }
                None => format!(
                    "the value is nested deeper than {} levels: flatten it, or encode the inner part as a string",
                    crate::json::MAX_DEPTH
                ),
            },
        };
        let path = path_of(&trail);
        EncodeError::Refused { message: format!("cannot encode {path} as JSON: {message}"), path }
    }
}

impl From<PyErr> for Box<Stop> {
    #[cold]
    fn from(error: PyErr) -> Self {
        Box::new(Stop { cause: Cause::Raised(error), trail: Vec::new() })
    }
}

/// How many steps lead to the first container that is met a second time, if one is.
fn first_repeat(trail: &[(usize, Step)]) -> Option<usize> {
    (0..trail.len()).find(|later| trail[..*later].iter().any(|(container, _)| *container == trail[*later].0))
}

fn path_of(trail: &[(usize, Step)]) -> String {
    let mut path = String::from("$");
    for (_, step) in trail.iter().take(STEPS_SHOWN) {
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Index(index) => write!(path, "[{index}]"),
            Step::Key(key) if is_plain(key) => write!(path, ".{key}"),
            Step::Key(key) => write!(path, "[\"{key}\"]"),
        };
    }
    if trail.len() > STEPS_SHOWN {
        path.push('…');
    }
    path
}

/// Whether a key reads well after a dot.
fn is_plain(key: &str) -> bool {
    let mut letters = key.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}
