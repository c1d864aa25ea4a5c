//! `rd_kafka_conf_t`, and librdkafka's table of its properties.

use std::ffi::{c_char, CString};

use rdkafka::bindings as rd;

use super::text;

const OK: rd::rd_kafka_conf_res_t = rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK;

pub struct Conf {
    raw: *mut rd::rd_kafka_conf_t,
}

// SAFETY: a configuration is plain memory that one owner at a time changes.
unsafe impl Send for Conf {}

/// Why librdkafka refuses a property. Its text may quote the value, which may be secret: redact it.
pub enum ConfError {
    UnknownProperty,
    InvalidValue(String),
}

impl Conf {
    pub fn new() -> Self {
        // SAFETY: allocates; the result is owned by the new object.
        Conf { raw: unsafe { rd::rd_kafka_conf_new() } }
    }

    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfError> {
        let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else {
            return Err(ConfError::InvalidValue("it contains a NUL character".to_owned()));
        };
        let mut why = [0 as c_char; 512];
        // SAFETY: both strings are NUL-terminated and live for the call; `why` has the given size.
        let result =
            unsafe { rd::rd_kafka_conf_set(self.raw, name.as_ptr(), value.as_ptr(), why.as_mut_ptr(), why.len()) };
        match result {
            OK => Ok(()),
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => Err(ConfError::UnknownProperty),
            // SAFETY: librdkafka terminated the text with NUL.
            _ => Err(ConfError::InvalidValue(unsafe { text(why.as_ptr()) })),
        }
    }

    /// A property as librdkafka writes it: "LATEST" is read back as "largest".
    pub fn get(&self, name: &str) -> Option<String> {
        // SAFETY: the configuration is live.
        unsafe { get(self.raw, name) }
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_conf_t {
        self.raw
    }

    /// For `rd_kafka_new`, which takes ownership.
    pub(super) fn into_raw(self) -> *mut rd::rd_kafka_conf_t {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }

    pub(super) fn from_raw(raw: *mut rd::rd_kafka_conf_t) -> Self {
        Conf { raw }
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { rd::rd_kafka_conf_destroy(self.raw) }
    }
}

/// # Safety
/// `conf` is a live configuration.
pub(super) unsafe fn get(conf: *const rd::rd_kafka_conf_t, name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    let mut size = 0;
    // SAFETY: the configuration is live. Without a buffer the call says how large it must be, with the terminating NUL.
    unsafe {
        if rd::rd_kafka_conf_get(conf, name.as_ptr(), std::ptr::null_mut(), &mut size) != OK {
            return None;
        }
        let mut value = vec![0u8; size];
        let result = rd::rd_kafka_conf_get(conf, name.as_ptr(), value.as_mut_ptr().cast(), &mut size);
        (result == OK).then(|| text(value.as_ptr().cast()))
    }
}

/// The table of CONFIGURATION.md as librdkafka prints it: "name | C/P | range | default | importance | description".
pub fn properties_table() -> String {
    let (mut memory, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the stream writes into memory that it allocates, whose address and size it stores when it is closed; the
    // copy is made before that memory is freed.
    unsafe {
        let stream = libc::open_memstream(&mut memory, &mut size);
        if stream.is_null() {
            return String::new();
        }
        rd::rd_kafka_conf_properties_show(stream.cast());
        libc::fclose(stream);
        let table = text(memory);
        libc::free(memory.cast());
        table
    }
}
