//! The types beyond the exact builtins: subclasses of dict, list and tuple, dates, UUID, Decimal, Enum, dataclasses, Mapping
//! and Sequence, and at last `default=`. Safe PyO3 code throughout: each of these costs a call into Python anyway.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyInt, PyList, PyMemoryView, PyString, PyTuple};

use crate::json::callback::call;
use crate::json::MAX_DEPTH;
use crate::once::Once;

use super::stop::{Stop, Walk};
use super::walk::Walker;
use super::{number, refuse, text};

/// What has to be imported to recognise these types.
struct Types {
    date: Py<PyAny>,
    time: Py<PyAny>,
    uuid: Py<PyAny>,
    decimal: Py<PyAny>,
    decimal_str: Py<PyAny>,
    enumeration: Py<PyAny>,
    mapping: Py<PyAny>,
    sequence: Py<PyAny>,
    fields: Py<PyAny>,
}

static TYPES: Once<Types> = Once::new();

impl Types {
    fn get(py: Python<'_>) -> PyResult<&Types> {
        TYPES.get_or_try_init(py, || {
            let find =
                |module: &str, name: &str| -> PyResult<Py<PyAny>> { Ok(py.import(module)?.getattr(name)?.unbind()) };
            let decimal = find("decimal", "Decimal")?;
            Ok(Types {
                date: find("datetime", "date")?,
                time: find("datetime", "time")?,
                uuid: find("uuid", "UUID")?,
                decimal_str: decimal.getattr(py, "__str__")?,
                decimal,
                enumeration: find("enum", "Enum")?,
                mapping: find("collections.abc", "Mapping")?,
                sequence: find("collections.abc", "Sequence")?,
                fields: find("dataclasses", "fields")?,
            })
        })
    }
}

/// How an object is written.
enum Kind {
    Pairs,
    List,
    Time,
    Uuid,
    Decimal,
    Enumeration,
    Fields,
    Sequence,
    Default,
}

/// What recurses is in functions of its own: a level of `default=` takes less than 400 bytes of stack so, and 830 in one.
pub(super) fn write<'py>(walker: &mut Walker<'_, 'py>, object: &Bound<'py, PyAny>) -> Walk {
    walker.ran_code = true;
    match kind_of(walker.py, object)? {
        Kind::Pairs => write_pairs(walker, object),
        Kind::List => write_list(walker, object),
        Kind::Time => write_time(walker, object),
        Kind::Uuid => write_uuid(walker, object),
        Kind::Decimal => write_decimal(walker, object),
        Kind::Enumeration => write_enumeration(walker, object),
        Kind::Fields => write_fields(walker, object),
        Kind::Sequence => walker.iterated(object, object),
        Kind::Default => write_default(walker, object),
    }
}

#[inline(never)]
fn kind_of(py: Python<'_>, object: &Bound<'_, PyAny>) -> Result<Kind, Box<Stop>> {
    if object.is_instance_of::<PyDict>() {
        return Ok(Kind::Pairs);
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        return Ok(Kind::List);
    }
    let types = Types::get(py)?;
    Ok(if object.is_instance(types.date.bind(py))? || object.is_instance(types.time.bind(py))? {
        Kind::Time
    } else if object.is_instance(types.uuid.bind(py))? {
        Kind::Uuid
    } else if object.is_instance(types.decimal.bind(py))? {
        Kind::Decimal
    } else if object.is_instance(types.enumeration.bind(py))? {
        Kind::Enumeration
    } else if object.get_type().hasattr(intern!(py, "__dataclass_fields__"))? {
        Kind::Fields
    } else if is_bytes(object) {
        Kind::Default
    } else if object.is_instance(types.mapping.bind(py))? {
        Kind::Pairs
    } else if object.is_instance(types.sequence.bind(py))? {
        Kind::Sequence
    } else {
        Kind::Default
    })
}

/// As `json` does: a list of what it iterates over, which nobody changes meanwhile.
#[inline(never)]
fn write_list<'py>(walker: &mut Walker<'_, 'py>, object: &Bound<'py, PyAny>) -> Walk {
    let items = call(&walker.py.get_type::<PyList>(), (object,))?;
    walker.iterated(object, &items)
}

#[inline(never)]
fn write_enumeration<'py>(walker: &mut Walker<'_, 'py>, object: &Bound<'py, PyAny>) -> Walk {
    let value = object.getattr(intern!(walker.py, "value"))?;
    write_stand_in(walker, &value)
}

/// Python counts these among the sequences; as a list of numbers they would be a surprise.
fn is_bytes(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
}

/// `items()` is called, as `json` does: an OrderedDict has an order of its own. A list of them is taken first, so that
/// code that runs meanwhile cannot disturb it.
#[inline(never)]
fn write_pairs<'py>(walker: &mut Walker<'_, 'py>, object: &Bound<'py, PyAny>) -> Walk {
    let py = walker.py;
    let items = call(&object.getattr(intern!(py, "items"))?, ())?;
    let items = call(&py.get_type::<PyList>(), (items,))?;
    let pairs = items.cast_into::<PyList>().map_err(PyErr::from)?.into_iter().map(|item| item.extract());
    walker.paired(object, pairs)
}

#[inline(never)]
fn write_fields<'py>(walker: &mut Walker<'_, 'py>, object: &Bound<'py, PyAny>) -> Walk {
    let py = walker.py;
    let fields = Types::get(py)?.fields.bind(py).call1((object,))?;
    let pairs = fields.try_iter()?.map(|field| {
        let name = field?.getattr(intern!(py, "name"))?;
        let value = object.getattr(name.cast::<PyString>()?)?;
        Ok((name, value))
    });
    walker.paired(object, pairs)
}

/// RFC 3339, from the object's own `isoformat`: UTC is `+00:00`, a naive value has no offset.
#[inline(never)]
fn write_time(walker: &mut Walker<'_, '_>, object: &Bound<'_, PyAny>) -> Walk {
    let text = call(&object.getattr(intern!(walker.py, "isoformat"))?, ())?;
    let text: String = text.extract()?;
    // pandas.NaT is a datetime whose text is "NaT".
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Stop::refused(format!(
            "the {} is {text}, which is no point in time: replace it with None",
            refuse::type_name(object)
        )));
    }
    // Only the part after the date can hold a sign: `2026-01-31T12:00:00+01:00`, `12:00:00-05:00`.
    let clock = text.split_once('T').map_or(text.as_str(), |(_, clock)| clock);
    let is_clock = clock.contains(':');
    let offset = clock.find(['+', '-']).map(|sign| clock.len() - sign);
    if is_clock && offset.is_some_and(|length| length != "+00:00".len()) {
        return Err(Stop::refused(format!(
            "the offset of {text} has seconds, which RFC 3339 does not know: convert it with \
             .astimezone(datetime.timezone.utc)"
        )));
    }
    text::write_text(walker.out, text.as_bytes(), b',');
    Ok(())
}

#[inline(never)]
fn write_uuid(walker: &mut Walker<'_, '_>, object: &Bound<'_, PyAny>) -> Walk {
    let number: u128 = object.getattr(intern!(walker.py, "int"))?.extract()?;
    let digits = format!("{number:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    text::write_text(walker.out, parts.join("-").as_bytes(), b',');
    Ok(())
}

/// A number with all its digits: what `str` gives for a finite Decimal is a JSON number as it stands.
#[inline(never)]
fn write_decimal(walker: &mut Walker<'_, '_>, object: &Bound<'_, PyAny>) -> Walk {
    let text = Types::get(walker.py)?.decimal_str.bind(walker.py).call1((object,))?;
    let text: String = text.extract()?;
    let magnitude = text.strip_prefix('-').unwrap_or(&text);
    if magnitude.starts_with(|first: char| first.is_ascii_digit()) {
        text::write_short(walker.out, text.as_bytes(), b',');
        return Ok(());
    }
    let float = match (magnitude, text.len() > magnitude.len()) {
        ("Infinity", true) => f64::NEG_INFINITY,
        ("Infinity", false) => f64::INFINITY,
        _ => f64::NAN,
    };
    let word = number::non_finite(float, walker.options.nan)?;
    text::write_short(walker.out, word.as_bytes(), b',');
    Ok(())
}

#[inline(never)]
fn write_default<'py>(walker: &mut Walker<'_, 'py>, object: &Bound<'py, PyAny>) -> Walk {
    match &walker.options.default {
        Some(default) => {
            let value = call(default.bind(walker.py), (object,))?;
            write_stand_in(walker, &value)
        }
        None => Err(refuse::object(object)),
    }
}

/// Writes what stands for another object, unless that has become a chain without an end.
fn write_stand_in<'py>(walker: &mut Walker<'_, 'py>, value: &Bound<'py, PyAny>) -> Walk {
    if walker.stand_ins == MAX_DEPTH {
        return Err(no_end(value));
    }
    walker.stand_ins += 1;
    let walk = walker.root(value);
    walker.stand_ins -= 1;
    walk
}

#[cold]
#[inline(never)]
fn no_end(value: &Bound<'_, PyAny>) -> Box<Stop> {
    Stop::refused(format!(
        "default= was called {MAX_DEPTH} times inside its own results, last for {}: return a value that has a JSON form",
        refuse::type_name(value)
    ))
}

/// Every digit of an int that does not fit 64 bits. Python limits how many there may be.
#[cold]
pub(super) fn digits(number: &Bound<'_, PyAny>) -> Result<String, Box<Stop>> {
    let py = number.py();
    let text = py.get_type::<PyInt>().call_method1(intern!(py, "__repr__"), (number,));
    match text.and_then(|text| text.extract()) {
        Ok(text) => Ok(text),
        Err(error) if error.is_instance_of::<PyValueError>(py) => Err(Stop::refused(format!(
            "the int is too long for Python to print ({}): encode it as a string, or raise the limit",
            error.value(py)
        ))),
        Err(error) => Err(error.into()),
    }
}
