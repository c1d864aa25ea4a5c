//! Follows the grammar: jiter parses, and what it finds becomes Python objects.
//!
//! `unsafe`: makes str, int and float objects through the C API, which is what the stack takes.

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, NumberAny, NumberInt, Peek};
use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;

use crate::json::key_cache::KeyCache;
use crate::json::{DecodeError, DecodeOptions, MAX_DEPTH};

use super::slow;
use super::stack::Stack;

pub(super) type Read<T> = Result<T, Box<Halt>>;

/// Why reading stopped; boxed, so that what succeeds returns in registers.
pub(super) enum Halt {
    Malformed { byte_offset: usize, cause: String },
    Raised(PyErr),
}

impl Halt {
    #[cold]
    pub(super) fn at(byte_offset: usize, cause: impl Into<String>) -> Box<Halt> {
        Box::new(Halt::Malformed {
            byte_offset,
            cause: cause.into(),
        })
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

pub(super) struct Reader<'a, 'py> {
    py: Python<'py>,
    bytes: &'a [u8],
    /// Reads `bytes[base..]`.
    jiter: Jiter<'a>,
    base: usize,
    parse_float: Option<&'a Py<PyAny>>,
    keys: &'a mut KeyCache,
    stack: Stack<'py>,
    depth: usize,
}

impl<'a, 'py> Reader<'a, 'py> {
    pub(super) fn new(
        py: Python<'py>,
        bytes: &'a [u8],
        start: usize,
        options: &'a DecodeOptions,
        keys: &'a mut KeyCache,
    ) -> Self {
        Reader {
            py,
            bytes,
            jiter: Jiter::new(&bytes[start..]),
            base: start,
            parse_float: options.parse_float.as_ref(),
            keys,
            stack: Stack::new(py),
            depth: 0,
        }
    }

    pub(super) fn read(mut self) -> Read<Bound<'py, PyAny>> {
        let first = self.jiter.peek().map_err(|error| self.halt(error))?;
        self.value(first)?;
        self.jiter.finish().map_err(|error| self.halt(error))?;
        self.stack
            .pop()
            .ok_or_else(|| Halt::at(self.bytes.len(), "expected value"))
    }

    fn value(&mut self, peek: Peek) -> Read<()> {
        match peek {
            Peek::String => self.string(),
            Peek::Object => self.object(),
            Peek::Array => self.array(),
            Peek::True => {
                self.jiter
                    .known_bool(peek)
                    .map_err(|error| self.halt(error))?;
                self.constant(
                    true.into_pyobject(self.py)
                        .map(|it| it.to_owned().into_any()),
                )
            }
            Peek::False => {
                self.jiter
                    .known_bool(peek)
                    .map_err(|error| self.halt(error))?;
                self.constant(
                    false
                        .into_pyobject(self.py)
                        .map(|it| it.to_owned().into_any()),
                )
            }
            Peek::Null => {
                self.jiter.known_null().map_err(|error| self.halt(error))?;
                self.stack.push_bound(self.py.None().into_bound(self.py));
                Ok(())
            }
            _ => self.number(peek),
        }
    }

    fn constant(&mut self, made: Result<Bound<'py, PyAny>, std::convert::Infallible>) -> Read<()> {
        let Ok(object) = made;
        self.stack.push_bound(object);
        Ok(())
    }

    /// Where the next byte stands in `bytes`.
    fn here(&self) -> usize {
        self.base + self.jiter.current_index()
    }

    /// Goes on after something that was read without jiter.
    fn resume(&mut self, at: usize) {
        self.base = at;
        self.jiter = Jiter::new(&self.bytes[at..]);
    }

    fn enter(&mut self) -> Read<()> {
        if self.depth == MAX_DEPTH {
            return Err(Halt::at(
                self.here(),
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        self.depth += 1;
        Ok(())
    }

    fn array(&mut self) -> Read<()> {
        self.enter()?;
        let start = self.stack.len();
        let mut next = self.jiter.known_array().map_err(|error| self.halt(error))?;
        while let Some(peek) = next {
            self.value(peek)?;
            next = self.jiter.array_step().map_err(|error| self.halt(error))?;
        }
        self.depth -= 1;
        Ok(self.stack.close_list(start)?)
    }

    fn object(&mut self) -> Read<()> {
        self.enter()?;
        let start = self.stack.len();
        let mut more = self.key(true)?;
        while more {
            let peek = self.jiter.peek().map_err(|error| self.halt(error))?;
            self.value(peek)?;
            more = self.key(false)?;
        }
        self.depth -= 1;
        Ok(self.stack.close_dict(start)?)
    }

    /// Reads a key and its colon, or the end of the object.
    fn key(&mut self, first: bool) -> Read<bool> {
        let found = if first {
            self.jiter.known_object()
        } else {
            self.jiter.next_key()
        };
        match found {
            Ok(None) => Ok(false),
            Ok(Some(key)) => {
                // SAFETY: the GIL is held, and `new_text` gives a new reference or NULL.
                let object = unsafe { self.keys.get(key.as_bytes(), |text| new_text(text)) };
                // SAFETY: as above.
                unsafe { self.stack.push(object) }?;
                Ok(true)
            }
            Err(error) => {
                let after = self.surrogates(error)?;
                let colon = slow::skip_whitespace(self.bytes, after);
                if self.bytes.get(colon) != Some(&b':') {
                    return Err(Halt::at(colon, "expected `:`"));
                }
                self.resume(colon + 1);
                Ok(true)
            }
        }
    }

    fn string(&mut self) -> Read<()> {
        match self.jiter.known_str() {
            // SAFETY: a new reference or NULL.
            Ok(text) => Ok(unsafe { self.stack.push(new_text(text.as_bytes())) }?),
            Err(error) => {
                let after = self.surrogates(error)?;
                self.resume(after);
                Ok(())
            }
        }
    }

    /// Reads a string that jiter refuses, in case it is only because of a lone surrogate, which `json` lets through.
    #[cold]
    fn surrogates(&mut self, error: JiterError) -> Read<usize> {
        // Other errors, such as a missing colon, leave jiter standing after the string.
        if !matches!(
            error.error_type,
            JiterErrorType::JsonError(
                JsonErrorType::LoneLeadingSurrogateInHexEscape
                    | JsonErrorType::UnexpectedEndOfHexEscape
                    | JsonErrorType::InvalidEscape
                    | JsonErrorType::EofWhileParsingString
            )
        ) {
            return Err(self.halt(error));
        }
        let start = self.here();
        match slow::read_string(self.py, self.bytes, start)? {
            Some((object, after)) => {
                self.stack.push_bound(object);
                Ok(after)
            }
            None => Err(self.halt(error)),
        }
    }

    fn number(&mut self, peek: Peek) -> Read<()> {
        let start = self.here();
        match self.jiter.known_number(peek) {
            // SAFETY: a new reference or NULL.
            Ok(NumberAny::Int(NumberInt::Int(number))) => {
                Ok(unsafe { self.stack.push(ffi::PyLong_FromLongLong(number)) }?)
            }
            Ok(NumberAny::Float(number)) => match self.parse_float {
                // SAFETY: a new reference or NULL.
                None => Ok(unsafe { self.stack.push(ffi::PyFloat_FromDouble(number)) }?),
                Some(parse_float) => self.custom_float(parse_float, start, self.here()),
            },
            Err(error) => self.long_number(error, start),
        }
    }

    fn custom_float(&mut self, parse_float: &Py<PyAny>, start: usize, end: usize) -> Read<()> {
        let text = String::from_utf8_lossy(&self.bytes[start..end]);
        let object = parse_float.bind(self.py).call1((text,))?;
        self.stack.push_bound(object);
        Ok(())
    }

    /// Integers beyond 64 bits, and numbers of more than 4,300 digits.
    #[cold]
    fn long_number(&mut self, error: JiterError, start: usize) -> Read<()> {
        let out_of_range = JiterErrorType::JsonError(JsonErrorType::NumberOutOfRange);
        let scanned = match error.error_type == out_of_range {
            true => slow::scan_number(self.bytes, start),
            false => None,
        };
        let Some((end, is_float)) = scanned else {
            return Err(self.halt(error));
        };
        self.resume(end);
        let text = &self.bytes[start..end];
        let object = match (is_float, self.parse_float) {
            (true, Some(parse_float)) => return self.custom_float(parse_float, start, end),
            (true, None) => slow::read_float(text)
                .ok_or_else(|| Halt::at(start, "invalid number"))?
                .into_pyobject(self.py)
                .map(Bound::into_any)
                .map_err(PyErr::from)?,
            (false, _) => slow::read_integer(self.py, text, start)?,
        };
        self.stack.push_bound(object);
        Ok(())
    }

    #[cold]
    fn halt(&self, error: JiterError) -> Box<Halt> {
        Halt::at(self.base + error.index, error.error_type.to_string())
    }
}

/// A new `str`, or NULL with an exception set. `text` is UTF-8.
#[inline(always)]
fn new_text(text: &[u8]) -> *mut PyObject {
    // SAFETY: reads `text`, which is as long as it says; the GIL is held wherever a Reader lives.
    unsafe { ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as Py_ssize_t) }
}
