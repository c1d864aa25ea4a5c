//! One message for a broker: its payload, the opaque pointer that leads to its delivery report, and the report.

use std::ffi::c_void;
use std::sync::Arc;

use rdkafka::bindings as rd;

use super::code::Code;
use super::fetched::Fetched;
use super::pinned::refusal_texts::text_of;
use super::record::Header;
use super::{code, copy, text};

/// A message for librdkafka, which copies all of it.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// -1: the partitioner decides.
    pub partition: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// `None` is the present time.
    pub timestamp_ms: Option<i64>,
    pub headers: &'a [Header],
    /// Copies this message's headers byte for byte, before `headers`: a name that is not UTF-8 is no `Header`.
    pub forwarded: Option<&'a Fetched>,
}

/// The delivery report of one message.
pub struct DeliveryReport<'a> {
    pub code: Code,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    /// Why it failed, where the message alone does not show it.
    pub(super) cause: Option<String>,
    pub(super) message: &'a rd::rd_kafka_message_t,
}

impl DeliveryReport<'_> {
    pub fn topic(&self) -> String {
        // SAFETY: the message is live during the report and so is its topic.
        unsafe { text(rd::rd_kafka_topic_name(self.message.rkt)) }
    }

    pub fn key(&self) -> Option<Box<[u8]>> {
        // SAFETY: the message is live, and pointer and length belong together.
        unsafe { copy(self.message.key, self.message.key_len) }
    }

    pub fn value(&self) -> Option<Box<[u8]>> {
        // SAFETY: as above.
        unsafe { copy(self.message.payload, self.message.len) }
    }

    /// The bytes of key and value.
    pub fn size(&self) -> usize {
        self.message.len + self.message.key_len
    }

    /// The cause, the broker's text, or else the meaning of the code.
    pub fn reason(&self) -> String {
        // SAFETY: the message is live during the report.
        let reason = self.cause.clone().or_else(|| unsafe { text_of(self.message) });
        reason.filter(|text| !text.is_empty()).unwrap_or_else(|| self.code.text().to_owned())
    }
}

/// What librdkafka's opaque pointer carries from `produce` to the delivery report.
pub enum Opaque<R> {
    /// A message that was sent alone.
    Message(Arc<R>),
    /// A message of a batch: two numbers and no allocation. The lowest bit, 1, distinguishes them from a pointer.
    InBatch { batch: u32, index: u32 },
}

const _: () = assert!(usize::BITS >= 64, "`InBatch` packs two numbers into the 64 bits of a pointer");

impl<R> Opaque<R> {
    pub(super) fn into_opaque(self) -> *mut c_void {
        match self {
            Opaque::Message(report) => Arc::into_raw(report).cast_mut().cast(),
            Opaque::InBatch { batch, index } => (((index as usize) << 32) | ((batch as usize) << 1) | 1) as *mut c_void,
        }
    }

    /// # Safety
    /// `opaque` is from `into_opaque` for the same `R`, and is used once.
    pub(super) unsafe fn from_opaque(opaque: *mut c_void) -> Self {
        let bits = opaque as usize;
        if bits & 1 == 0 {
            // SAFETY: even, so it is the pointer of an Arc, whose content is aligned to more than one byte.
            return Opaque::Message(unsafe { Arc::from_raw(opaque.cast::<R>()) });
        }
        Opaque::InBatch { batch: (bits as u32) >> 1, index: (bits >> 32) as u32 }
    }
}

pub(super) fn raw_parts(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((std::ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

pub(super) struct NativeHeaders {
    pub(super) raw: *mut rd::rd_kafka_headers_t,
}

impl NativeHeaders {
    pub(super) fn new(headers: &[Header], forwarded: Option<&Fetched>) -> Result<Self, Code> {
        // SAFETY: allocates; the result is owned by the new object.
        let raw = forwarded
            .and_then(Fetched::copy_of_headers)
            .unwrap_or_else(|| unsafe { rd::rd_kafka_headers_new(headers.len()) });
        let new = NativeHeaders { raw };
        for (name, value) in headers {
            let (pointer, length) = raw_parts(value.as_deref());
            // SAFETY: name and value are live and have these lengths; librdkafka copies both. A null value is null.
            let result = unsafe {
                rd::rd_kafka_header_add(
                    new.raw,
                    name.as_ptr().cast(),
                    isize::try_from(name.len()).unwrap_or(isize::MAX),
                    pointer,
                    isize::try_from(length).unwrap_or(isize::MAX),
                )
            };
            if code(result) != Code::NONE {
                return Err(code(result));
            }
        }
        Ok(new)
    }
}

impl Drop for NativeHeaders {
    fn drop(&mut self) {
        // SAFETY: owned; librdkafka owns only those that were forgotten after a produce.
        unsafe { rd::rd_kafka_headers_destroy(self.raw) }
    }
}
