//! `rd_kafka_t`: made, asked for metadata, destroyed, and its callbacks led to a `ClientEvents` object.

use std::ffi::{c_char, c_int, c_void, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::code::Code;
use super::conf::{self, Conf};
use super::partitions::{read, Entry};
use super::pinned::interceptors;
use super::{code, millis, text};
use crate::os::fork;

/// Called by librdkafka: `log` on any of its threads, the others on the thread that polls. Must not block or panic.
pub trait ClientEvents: Send + Sync + 'static {
    fn log(&self, level: i32, facility: &str, text: &str);
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
    fn rebalance(&self, _client: &Client, _code: Code, _partitions: &[Entry]) {}
    fn committed(&self, _code: Code, _offsets: &[Entry]) {}
    /// On a broker's thread: a request to join the group was sent, or is over.
    fn joining(&self, _under_way: bool) {}
}

/// For clients of which nobody wants to hear.
pub struct Silent;

impl ClientEvents for Silent {
    fn log(&self, _level: i32, _facility: &str, _text: &str) {}
    fn error(&self, _code: Code, _reason: &str) {}
    fn statistics(&self, _json: &str) {}
}

type Shared = Arc<dyn ClientEvents>;

extern "C" {
    /// `void rd_kafka_idemp_start(rd_kafka_t *rk, rd_bool_t immediate)`, where `rd_bool_t` is a `uint8_t`.
    fn rd_kafka_idemp_start(rk: *mut rd::rd_kafka_t, immediate: u8);
}

pub struct Client {
    raw: *mut rd::rd_kafka_t,
    /// What `rd_kafka_opaque` points to, freed after the destroy. Null in the short-lived views inside callbacks.
    callbacks: *mut Shared,
    forks: u32,
}

// SAFETY: librdkafka's handle may be used from any number of threads (INTRODUCTION.md, "Threads and callbacks"), and
// `Shared` is Send + Sync.
unsafe impl Send for Client {}
unsafe impl Sync for Client {}

impl Client {
    pub fn producer(conf: Conf, callbacks: Shared) -> Result<Self, String> {
        // SAFETY: the configuration is live.
        unsafe { rd::rd_kafka_conf_set_events(conf.raw(), rd::RD_KAFKA_EVENT_DR) };
        Self::new(rd::rd_kafka_type_t::RD_KAFKA_PRODUCER, conf, callbacks)
    }

    pub fn consumer(conf: Conf, callbacks: Shared) -> Result<Self, String> {
        // SAFETY: the configuration is live, and both functions have the signatures that librdkafka calls.
        unsafe {
            rd::rd_kafka_conf_set_rebalance_cb(conf.raw(), Some(on_rebalance));
            rd::rd_kafka_conf_set_offset_commit_cb(conf.raw(), Some(on_commit));
            interceptors::register(&conf);
        }
        Self::new(rd::rd_kafka_type_t::RD_KAFKA_CONSUMER, conf, callbacks)
    }

    fn new(kind: rd::rd_kafka_type_t, conf: Conf, callbacks: Shared) -> Result<Self, String> {
        let forks = fork::forks();
        let callbacks = Box::into_raw(Box::new(callbacks));
        let mut why = [0 as c_char; 512];
        // SAFETY: the opaque pointer stays valid until after the destroy (see Drop). `rd_kafka_new` owns the
        // configuration only when it succeeds, so it is taken back when it does not.
        unsafe {
            rd::rd_kafka_conf_set_opaque(conf.raw(), callbacks.cast());
            rd::rd_kafka_conf_set_log_cb(conf.raw(), Some(on_log));
            rd::rd_kafka_conf_set_error_cb(conf.raw(), Some(on_error));
            rd::rd_kafka_conf_set_stats_cb(conf.raw(), Some(on_statistics));
            let conf = conf.into_raw();
            let raw = rd::rd_kafka_new(kind, conf, why.as_mut_ptr(), why.len());
            if raw.is_null() {
                interceptors::drop_refused(Conf::from_raw(conf), kind);
                drop(Box::from_raw(callbacks));
                return Err(text(why.as_ptr()));
            }
            Ok(Client { raw, callbacks, forks })
        }
    }

    /// Hands something to the client's callbacks, as librdkafka would.
    pub(super) fn tell(&self, what: impl FnOnce(&dyn ClientEvents)) {
        if !self.callbacks.is_null() {
            // SAFETY: the callbacks live as long as the client.
            guarded(|| what(unsafe { &**self.callbacks }));
        }
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_t {
        self.raw
    }

    /// What this client uses for a property, which librdkafka may have adjusted when it made the client.
    pub fn option(&self, name: &str) -> Option<String> {
        // SAFETY: the configuration is the client's, and lives as long.
        unsafe { conf::get(rd::rd_kafka_conf(self.raw), name) }
    }

    /// Asks any broker for metadata of no topic: an answer within `timeout` proves a working connection.
    pub fn answers(&self, timeout: Duration) -> Result<(), Code> {
        self.metadata(None, timeout).map(|_| ())
    }

    /// Whether some broker has answered a metadata request since the client was made.
    pub fn knows_cluster(&self) -> bool {
        // SAFETY: the handle is live; the string that comes back is ours to free.
        unsafe {
            let id = rd::rd_kafka_clusterid(self.raw, 0);
            if id.is_null() {
                return false;
            }
            rd::rd_kafka_mem_free(self.raw, id.cast());
            true
        }
    }

    /// The partition count of `topic`, or the error that the cluster has for it. `None` asks for no topic at all.
    pub fn metadata(&self, topic: Option<&str>, timeout: Duration) -> Result<Result<usize, Code>, Code> {
        let handle = match topic {
            Some(name) => Some(super::producer::Topic::local(self, name)?),
            None => None,
        };
        let raw_topic = handle.as_ref().map_or(std::ptr::null_mut(), |topic| topic.raw());
        let mut metadata = std::ptr::null();
        // SAFETY: handle and topic are live; on success `metadata` is ours to read and to free.
        unsafe {
            let result = code(rd::rd_kafka_metadata(self.raw, 0, raw_topic, &mut metadata, millis(timeout)));
            if result != Code::NONE {
                return Err(result);
            }
            let mut answer = Ok(0);
            if (*metadata).topic_cnt > 0 && !(*metadata).topics.is_null() {
                let first = (*metadata).topics;
                let error = Code(std::ptr::addr_of!((*first).err).cast::<i32>().read());
                answer = if error == Code::NONE {
                    Ok(usize::try_from((*first).partition_cnt).unwrap_or(0))
                } else {
                    Err(error)
                };
            }
            rd::rd_kafka_metadata_destroy(metadata);
            Ok(answer)
        }
    }

    /// Has the group look again for the topics that it subscribes to: an answer about all topics of the cluster does that,
    /// one about some does not (rd_kafka_parse_Metadata0). By itself librdkafka looks every 5 minutes.
    pub fn refresh_topics(&self, timeout: Duration) {
        let mut metadata = std::ptr::null();
        // SAFETY: the handle is live; on success `metadata` is ours to free.
        unsafe {
            let result = rd::rd_kafka_metadata(self.raw, 1, std::ptr::null_mut(), &mut metadata, millis(timeout));
            if code(result) == Code::NONE {
                rd::rd_kafka_metadata_destroy(metadata);
            }
        }
    }

    /// Serves the callbacks of the main queue.
    pub fn poll(&self, timeout: Duration) {
        // SAFETY: the handle is live.
        unsafe { rd::rd_kafka_poll(self.raw, millis(timeout)) };
    }

    /// Has an idempotent producer ask for its producer id now. librdkafka asks 500 ms after the client was made, so the
    /// first message of every producer takes that long: 502 ms, measured, against less than 1 ms with this call.
    ///
    /// An id that is there already is replaced, so this is for the first 500 ms only.
    pub fn request_producer_id(&self) {
        // SAFETY: the handle is live. The function (rdkafka_idempotence.c) takes librdkafka's own lock, sets the state and
        // starts a timer; it is internal, which the pinned and statically linked librdkafka makes good: another version
        // that lacks it does not link.
        unsafe { rd_kafka_idemp_start(self.raw, 1) }
    }

    /// The error that made the client useless, if there is one.
    pub fn fatal_error(&self) -> Option<(Code, String)> {
        let mut why = [0 as c_char; 512];
        // SAFETY: the handle is live and the buffer is as long as said.
        unsafe {
            let result = code(rd::rd_kafka_fatal_error(self.raw, why.as_mut_ptr(), why.len()));
            (result != Code::NONE).then(|| (result, text(why.as_ptr())))
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.callbacks.is_null() || self.forks != fork::forks() {
            // A view inside a callback, or a forked child, where the threads that a destroy would join do not exist.
            return;
        }
        // SAFETY: the handle is live and destroyed once; the callbacks are freed when no thread can call them any more.
        // NO_CONSUMER_CLOSE: consumers are closed before, in bounded steps; what could not be closed then is given up.
        unsafe {
            rd::rd_kafka_destroy_flags(self.raw, rd::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
            drop(Box::from_raw(self.callbacks));
        }
    }
}

pub(super) fn c_string(text: &str) -> Result<CString, Code> {
    CString::new(text).map_err(|_| Code::INVALID_ARG)
}

/// A panic must not unwind into C. There is nobody to tell here, and the next callback finds all as it was.
pub(super) fn guarded(body: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(body));
}

/// # Safety
/// `opaque` is the pointer that `Client::new` set, and the client still lives.
pub(super) unsafe fn shared<'a>(opaque: *mut c_void) -> &'a Shared {
    &*opaque.cast::<Shared>()
}

unsafe extern "C" fn on_log(raw: *const rd::rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    if raw.is_null() {
        return;
    }
    let opaque = rd::rd_kafka_opaque(raw);
    if !opaque.is_null() {
        guarded(|| shared(opaque).log(level, &text(facility), &text(line)));
    }
}

unsafe extern "C" fn on_error(_: *mut rd::rd_kafka_t, error: c_int, reason: *const c_char, opaque: *mut c_void) {
    guarded(|| shared(opaque).error(Code(error), &text(reason)));
}

unsafe extern "C" fn on_statistics(
    _: *mut rd::rd_kafka_t,
    json: *mut c_char,
    length: usize,
    opaque: *mut c_void,
) -> c_int {
    let json = std::slice::from_raw_parts(json.cast::<u8>(), length);
    guarded(|| shared(opaque).statistics(&String::from_utf8_lossy(json)));
    0
}

unsafe extern "C" fn on_rebalance(
    raw: *mut rd::rd_kafka_t,
    error: rd::rd_kafka_resp_err_t,
    partitions: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    let view = Client { raw, callbacks: std::ptr::null_mut(), forks: 0 };
    guarded(|| shared(opaque).rebalance(&view, code(error), &read(partitions)));
}

unsafe extern "C" fn on_commit(
    _: *mut rd::rd_kafka_t,
    error: rd::rd_kafka_resp_err_t,
    offsets: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    guarded(|| shared(opaque).committed(code(error), &read(offsets)));
}
