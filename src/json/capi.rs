//! The few CPython functions that the codec needs beyond the limited API of Python 3.8, looked up once by name.
//!
//! Every CPython since 3.3 exports `PyUnicode_AsUTF8AndSize`, but the limited API has it only from 3.10 on: called by
//! address it borrows a string's text in 1.6 ns, where the limited API makes a `bytes` object first. The others save
//! the growth of a dict, and decoding where a text is known to be ASCII. Where a name is missing, a slower function of
//! the limited API is used.
//!
//! `unsafe`: calls foreign functions by address, with the signatures of CPython's headers.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::raw::{c_char, c_int};
use std::sync::OnceLock;

use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::pep393;

type AsUtf8 = unsafe extern "C" fn(*mut PyObject, *mut Py_ssize_t) -> *const c_char;
type FromKindAndData = unsafe extern "C" fn(c_int, *const u8, Py_ssize_t) -> *mut PyObject;
type NewUnicode = unsafe extern "C" fn(Py_ssize_t, u32) -> *mut PyObject;
type NewPresized = unsafe extern "C" fn(Py_ssize_t) -> *mut PyObject;

/// The functions that this interpreter has.
pub(super) struct CApi {
    as_utf8: Option<AsUtf8>,
    from_kind_and_data: Option<FromKindAndData>,
    new_presized: Option<NewPresized>,
    new_ascii: Option<NewAscii>,
}

/// Allocates a str for ASCII characters, which are to be written at `text_at`, in bytes from its address.
#[derive(Clone, Copy)]
struct NewAscii {
    new: NewUnicode,
    text_at: usize,
}

static CAPI: OnceLock<CApi> = OnceLock::new();

/// As `PyBytes::new`, which panics if memory runs out.
pub fn new_bytes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: pointer and length are those of one slice, which is copied. The result is null with an exception set, or
    // a new reference to a bytes object.
    unsafe {
        let made = ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), data.len() as Py_ssize_t);
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}

/// The int of decimal digits.
pub(super) fn new_int<'py>(py: Python<'py>, digits: &str) -> PyResult<Bound<'py, PyAny>> {
    let digits = CString::new(digits)?;
    // SAFETY: the text is NUL-terminated and read only in the call. The result is null with an exception set, or new.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromString(digits.as_ptr(), std::ptr::null_mut(), 10)) }
}

/// As `PyList::new`, which panics if memory runs out. Returns the items with the error.
pub fn new_list<T>(py: Python<'_>, items: Vec<Py<T>>) -> Result<Bound<'_, PyList>, (PyErr, Vec<Py<T>>)> {
    // SAFETY: as above. Each item of the new list is set once, before other code sees it, and takes over the reference.
    unsafe {
        let list = match Bound::from_owned_ptr_or_err(py, ffi::PyList_New(items.len() as Py_ssize_t)) {
            Ok(list) => list.cast_into_unchecked::<PyList>(),
            Err(error) => return Err((error, items)),
        };
        for (index, item) in items.into_iter().enumerate() {
            ffi::PyList_SetItem(list.as_ptr(), index as Py_ssize_t, item.into_ptr());
        }
        Ok(list)
    }
}

impl CApi {
    pub(super) fn get(_py: Python<'_>) -> &'static CApi {
        CAPI.get_or_init(CApi::look_up)
    }

    fn look_up() -> CApi {
        let address = |name: &std::ffi::CStr| {
            // SAFETY: dlsym only reads the name, which is NUL-terminated.
            let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            (!found.is_null()).then_some(found)
        };
        // SAFETY: these are functions of CPython, unchanged since 3.3 (Include/cpython/unicodeobject.h) with exactly
        // these signatures; a pointer to a function and one to data have the same size wherever dlsym exists.
        unsafe {
            let as_utf8 = address(c"PyUnicode_AsUTF8AndSize")
                .map(|found| std::mem::transmute::<*mut libc::c_void, AsUtf8>(found));
            let new =
                address(c"PyUnicode_New").map(|found| std::mem::transmute::<*mut libc::c_void, NewUnicode>(found));
            CApi {
                as_utf8,
                from_kind_and_data: address(c"PyUnicode_FromKindAndData")
                    .map(|found| std::mem::transmute::<*mut libc::c_void, FromKindAndData>(found)),
                new_presized: address(c"_PyDict_NewPresized")
                    .map(|found| std::mem::transmute::<*mut libc::c_void, NewPresized>(found)),
                new_ascii: as_utf8.zip(new).and_then(|(as_utf8, new)| NewAscii::look_up(as_utf8, new)),
            }
        }
    }

    /// The UTF-8 text of a `str` or a subclass, borrowed from it. None, with no exception set, where the function is
    /// missing or fails (a lone surrogate, no memory): then `copy_utf8` has the text or the error.
    ///
    /// # Safety
    /// `text` must be a live `str` and outlive the result.
    #[inline(always)]
    pub(super) unsafe fn borrow_utf8<'a>(&self, text: *mut PyObject) -> Option<&'a [u8]> {
        let as_utf8 = self.as_utf8?;
        let mut size: Py_ssize_t = 0;
        // SAFETY: `text` is a str, and `size` outlives the call.
        let data = unsafe { as_utf8(text, &mut size) };
        if data.is_null() {
            // SAFETY: the GIL is held, as for every call here.
            unsafe { ffi::PyErr_Clear() };
            return None;
        }
        // SAFETY: CPython keeps the UTF-8 form, `size` bytes long, as long as the str lives.
        Some(unsafe { std::slice::from_raw_parts(data.cast(), size as usize) })
    }

    /// The UTF-8 text of a `str` or a subclass as a new `bytes` object, with functions of the limited API.
    ///
    /// # Safety
    /// `text` must be a live `str`.
    #[cold]
    pub(super) unsafe fn copy_utf8(py: Python<'_>, text: *mut PyObject) -> PyResult<Bound<'_, PyBytes>> {
        // SAFETY: a new reference or NULL with an exception set, which is what from_owned_ptr_or_err expects.
        let bytes = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyUnicode_AsUTF8String(text)) }?;
        Ok(bytes.cast_into()?)
    }

    /// As `copy_utf8`, with three bytes for each lone surrogate, which are not UTF-8.
    ///
    /// # Safety
    /// `text` must be a live `str`.
    #[cold]
    pub(super) unsafe fn copy_utf8_with_surrogates(
        py: Python<'_>,
        text: *mut PyObject,
    ) -> PyResult<Bound<'_, PyBytes>> {
        // SAFETY: as above; both names are NUL-terminated.
        let bytes = unsafe {
            let bytes = ffi::PyUnicode_AsEncodedString(text, c"utf-8".as_ptr(), c"surrogatepass".as_ptr());
            Bound::from_owned_ptr_or_err(py, bytes)
        }?;
        Ok(bytes.cast_into()?)
    }

    /// A new `str`, or NULL with an exception set if `text` is not UTF-8 or memory runs out.
    #[inline(always)]
    pub(super) fn new_text(&self, text: &[u8], is_ascii: bool) -> *mut PyObject {
        if !is_ascii {
            if let Some(object) = self.new_wide_text(text) {
                return object;
            }
        } else if let Some(object) = self.new_ascii.and_then(|ascii| ascii.text(text)) {
            return object;
        }
        // SAFETY: pointer and length are those of one slice; the GIL is held wherever a CApi is used.
        unsafe { ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as Py_ssize_t) }
    }

    #[inline(never)]
    fn new_wide_text(&self, text: &[u8]) -> Option<*mut PyObject> {
        let from_kind_and_data = self.from_kind_and_data?;
        pep393::decode(text, |width, units, length| {
            // SAFETY: `units` holds `length` code points of `width` bytes, 1, 2 or 4, aligned to that; the GIL is held.
            unsafe { from_kind_and_data(width, units, length as Py_ssize_t) }
        })
    }

    /// A new dict with capacity for `length` keys, or NULL with an exception set.
    #[inline(always)]
    pub(super) fn new_dict(&self, length: usize) -> *mut PyObject {
        // A dict has capacity for 5 keys at first, and moves its keys each time that it grows.
        match self.new_presized {
            // SAFETY: takes a length and returns a new reference or NULL.
            Some(new_presized) if length > 5 => unsafe { new_presized(length as Py_ssize_t) },
            // SAFETY: as above.
            _ => unsafe { ffi::PyDict_New() },
        }
    }
}

impl NewAscii {
    /// Measures `text_at` on a new str: one of ASCII characters holds its text inside itself (PEP 393), which is its
    /// UTF-8 text, too.
    fn look_up(as_utf8: AsUtf8, new: NewUnicode) -> Option<Self> {
        const LENGTH: usize = 32;
        // SAFETY: the functions are CPython's, and the GIL is held; the object is released once.
        unsafe {
            let object = new(LENGTH as Py_ssize_t, 127);
            if object.is_null() {
                ffi::PyErr_Clear();
                return None;
            }
            let mut size = 0;
            let text = as_utf8(object, &mut size);
            let text_at = (text as usize).checked_sub(object as usize);
            ffi::Py_DECREF(object);
            // The header of a str is a few words. Any other distance is a layout unknown to this code.
            text_at
                .filter(|at| size == LENGTH as Py_ssize_t && (16..=128).contains(at))
                .map(|text_at| NewAscii { new, text_at })
        }
    }

    /// None for the shortest, which Python shares, and if memory runs out: then the slower function has the error.
    #[inline(always)]
    fn text(self, text: &[u8]) -> Option<*mut PyObject> {
        if text.len() < 2 {
            return None;
        }
        // SAFETY: no other code has the new str yet, which holds `text.len()` bytes at `text_at` and ends with a NUL
        // already. The caller knows that all are ASCII, and the GIL is held.
        unsafe {
            let object = (self.new)(text.len() as Py_ssize_t, 127);
            if object.is_null() {
                ffi::PyErr_Clear();
                return None;
            }
            std::ptr::copy_nonoverlapping(text.as_ptr(), object.cast::<u8>().add(self.text_at), text.len());
            Some(object)
        }
    }
}
