//! The types beyond the exact builtins: subclasses of dict, list and tuple, dates, UUID, Decimal, Enum, dataclasses,
//! Mapping, Sequence, what libraries write, and finally `default=`. Safe PyO3 code: each calls into Python anyway.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyInt, PyList, PyMemoryView, PyString, PyTuple};

use crate::json::callback::call;
use crate::json::MAX_DEPTH;
use crate::once::Once;

use super::error::{type_name, WriteError, WriteResult};
use super::writer::JsonWriter;
use super::{number, text};

/// Classes and functions of the standard library.
struct StandardTypes {
    date: Py<PyAny>,
    time: Py<PyAny>,
    uuid: Py<PyAny>,
    decimal: Py<PyAny>,
    decimal_str: Py<PyAny>,
    enum_class: Py<PyAny>,
    mapping: Py<PyAny>,
    sequence: Py<PyAny>,
    fields: Py<PyAny>,
}

static TYPES: Once<StandardTypes> = Once::new();

impl StandardTypes {
    fn get(py: Python<'_>) -> PyResult<&StandardTypes> {
        TYPES.get_or_try_init(py, || {
            let find =
                |module: &str, name: &str| -> PyResult<Py<PyAny>> { Ok(py.import(module)?.getattr(name)?.unbind()) };
            let decimal = find("decimal", "Decimal")?;
            Ok(StandardTypes {
                date: find("datetime", "date")?,
                time: find("datetime", "time")?,
                uuid: find("uuid", "UUID")?,
                decimal_str: decimal.getattr(py, "__str__")?,
                decimal,
                enum_class: find("enum", "Enum")?,
                mapping: find("collections.abc", "Mapping")?,
                sequence: find("collections.abc", "Sequence")?,
                fields: find("dataclasses", "fields")?,
            })
        })
    }
}

/// How an object is written.
enum TypeKind {
    Mapping,
    List,
    Time,
    Uuid,
    Decimal,
    Enumeration,
    Dataclass,
    Sequence,
    Library,
    Default,
}

/// Functions that recurse are not inlined: a level of `default=` takes less than 400 bytes of stack instead of 830.
pub(super) fn write<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    writer.ran_code = true;
    match type_kind(writer.py, object)? {
        TypeKind::Mapping => write_mapping(writer, object),
        TypeKind::List => write_list(writer, object),
        TypeKind::Time => write_time(writer, object),
        TypeKind::Uuid => write_uuid(writer, object),
        TypeKind::Decimal => write_decimal(writer, object),
        TypeKind::Enumeration => write_enumeration(writer, object),
        TypeKind::Dataclass => write_dataclass(writer, object),
        TypeKind::Sequence => writer.write_items(object, object),
        TypeKind::Library => write_library(writer, object),
        TypeKind::Default => write_default(writer, object),
    }
}

#[inline(never)]
fn type_kind(py: Python<'_>, object: &Bound<'_, PyAny>) -> Result<TypeKind, Box<WriteError>> {
    if object.is_instance_of::<PyDict>() {
        return Ok(TypeKind::Mapping);
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        return Ok(TypeKind::List);
    }
    let types = StandardTypes::get(py)?;
    Ok(if object.is_instance(types.date.bind(py))? || object.is_instance(types.time.bind(py))? {
        TypeKind::Time
    } else if object.is_instance(types.uuid.bind(py))? {
        TypeKind::Uuid
    } else if object.is_instance(types.decimal.bind(py))? {
        TypeKind::Decimal
    } else if object.is_instance(types.enum_class.bind(py))? {
        TypeKind::Enumeration
    } else if object.get_type().hasattr(intern!(py, "__dataclass_fields__"))? {
        TypeKind::Dataclass
    } else if is_bytes(object) {
        TypeKind::Default
    } else if object.is_instance(types.mapping.bind(py))? {
        TypeKind::Mapping
    } else if object.is_instance(types.sequence.bind(py))? {
        TypeKind::Sequence
    } else if !library_writer(object)?.is_none() {
        TypeKind::Library
    } else {
        TypeKind::Default
    })
}

/// Iterates over the object as `json` does, into a list that no other code can modify.
#[inline(never)]
fn write_list<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    let items = call(&writer.py.get_type::<PyList>(), (object,))?;
    writer.write_items(object, &items)
}

#[inline(never)]
fn write_enumeration<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    let value = object.getattr(intern!(writer.py, "value"))?;
    write_replacement(writer, &value)
}

/// Python's bytes are sequences, but an array of numbers would be a surprise.
fn is_bytes(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
}

/// Calls `items()` as `json` does, since the order of an OrderedDict is not that of its dict. They are copied to a list
/// that no other code can modify.
#[inline(never)]
fn write_mapping<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    let py = writer.py;
    let items = call(&object.getattr(intern!(py, "items"))?, ())?;
    let items = call(&py.get_type::<PyList>(), (items,))?;
    let pairs = items.cast_into::<PyList>().map_err(PyErr::from)?.into_iter().map(|item| item.extract());
    writer.write_pairs(object, pairs)
}

#[inline(never)]
fn write_dataclass<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    let py = writer.py;
    let fields = StandardTypes::get(py)?.fields.bind(py).call1((object,))?;
    let pairs = fields.try_iter()?.map(|field| {
        let name = field?.getattr(intern!(py, "name"))?;
        let value = object.getattr(name.cast::<PyString>()?)?;
        Ok((name, value))
    });
    writer.write_pairs(object, pairs)
}

/// RFC 3339, from the object's `isoformat`: UTC is `+00:00`, a naive value has no offset.
#[inline(never)]
fn write_time(writer: &mut JsonWriter<'_, '_>, object: &Bound<'_, PyAny>) -> WriteResult {
    let text = call(&object.getattr(intern!(writer.py, "isoformat"))?, ())?;
    let text: String = text.extract()?;
    // pandas.NaT is a datetime whose text is "NaT".
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(WriteError::new(format!(
            "the {} is {text}, which is not a point in time: replace it with None",
            type_name(object)
        )));
    }
    // Only the part after the date can have a sign: `2026-01-31T12:00:00+01:00`, `12:00:00-05:00`.
    let clock = text.split_once('T').map_or(text.as_str(), |(_, clock)| clock);
    let is_clock = clock.contains(':');
    let offset = clock.find(['+', '-']).map(|sign| clock.len() - sign);
    if is_clock && offset.is_some_and(|length| length != "+00:00".len()) {
        return Err(WriteError::new(format!(
            "the offset of {text} has seconds, which RFC 3339 does not allow: convert it with \
             .astimezone(datetime.timezone.utc)"
        )));
    }
    text::write_text(writer.out, text.as_bytes(), b',');
    Ok(())
}

#[inline(never)]
fn write_uuid(writer: &mut JsonWriter<'_, '_>, object: &Bound<'_, PyAny>) -> WriteResult {
    let number: u128 = object.getattr(intern!(writer.py, "int"))?.extract()?;
    let digits = format!("{number:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    text::write_text(writer.out, parts.join("-").as_bytes(), b',');
    Ok(())
}

/// All digits of a Decimal: the `str` of a finite one is a JSON number.
#[inline(never)]
fn write_decimal(writer: &mut JsonWriter<'_, '_>, object: &Bound<'_, PyAny>) -> WriteResult {
    let text = StandardTypes::get(writer.py)?.decimal_str.bind(writer.py).call1((object,))?;
    let text: String = text.extract()?;
    let magnitude = text.strip_prefix('-').unwrap_or(&text);
    if magnitude.starts_with(|first: char| first.is_ascii_digit()) {
        text::write_short(writer.out, text.as_bytes(), b',');
        return Ok(());
    }
    let float = match (magnitude, text.len() > magnitude.len()) {
        ("Infinity", true) => f64::NEG_INFINITY,
        ("Infinity", false) => f64::INFINITY,
        _ => f64::NAN,
    };
    let literal = number::non_finite(float, writer.options.nan)?;
    text::write_short(writer.out, literal.as_bytes(), b',');
    Ok(())
}

/// What writes an attrs object, a pydantic model or a msgspec Struct as `value_type` reads it; None for other types.
#[inline(never)]
fn library_writer<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static WRITER_OF: Once<Py<PyAny>> = Once::new();
    WRITER_OF.import(object.py(), "kjson.typed.libraries", "writer_of")?.call1((object.get_type(),))
}

#[inline(never)]
fn write_library<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    let py = writer.py;
    let library = library_writer(object)?;
    match call(&library, (object,)) {
        Ok(value) => writer.write(&value),
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            Err(WriteError::new(format!("the {} cannot be written: {}", type_name(object), error.value(py))))
        }
        Err(error) => Err(error.into()),
    }
}

#[inline(never)]
fn write_default<'py>(writer: &mut JsonWriter<'_, 'py>, object: &Bound<'py, PyAny>) -> WriteResult {
    match &writer.options.default {
        Some(default) => {
            let value = call(default.bind(writer.py), (object,))?;
            write_replacement(writer, &value)
        }
        None => Err(WriteError::unsupported_type(object)),
    }
}

/// Writes the result of `default=` or the value of an Enum, whose replacements may never end.
fn write_replacement<'py>(writer: &mut JsonWriter<'_, 'py>, value: &Bound<'py, PyAny>) -> WriteResult {
    if writer.replacements == MAX_DEPTH {
        return Err(endless(value));
    }
    writer.replacements += 1;
    let result = writer.write(value);
    writer.replacements -= 1;
    result
}

#[cold]
#[inline(never)]
fn endless(value: &Bound<'_, PyAny>) -> Box<WriteError> {
    WriteError::new(format!(
        "default= was called {MAX_DEPTH} times inside its own results, last for {}: return a value with a JSON form",
        type_name(value)
    ))
}

/// The digits of an int of more than 64 bits. Python limits their number.
#[cold]
pub(super) fn digits(number: &Bound<'_, PyAny>) -> Result<String, Box<WriteError>> {
    let py = number.py();
    let text = py.get_type::<PyInt>().call_method1(intern!(py, "__repr__"), (number,));
    match text.and_then(|text| text.extract()) {
        Ok(text) => Ok(text),
        Err(error) if error.is_instance_of::<PyValueError>(py) => Err(WriteError::new(format!(
            "the int is too long for Python to print ({}): encode it as a string, or raise the limit",
            error.value(py)
        ))),
        Err(error) => Err(error.into()),
    }
}
