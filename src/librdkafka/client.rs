//! `rd_kafka_t`, and the topic handles made from it: how a client is made, asked for metadata and destroyed.

use std::ffi::{c_char, CString};
use std::time::Duration;

use rdkafka::bindings as rd;

use super::callbacks::{guarded, register, register_group, ClientEvents, SharedEvents};
use super::code::Code;
use super::conf::{self, Conf};
use super::pinned::{interceptors, internal};
use super::{code, millis, text};
use crate::os::fork;

pub struct Client {
    raw: *mut rd::rd_kafka_t,
    /// What `rd_kafka_opaque` points to, freed after the destroy.
    events: *mut SharedEvents,
    forks: u32,
}

// SAFETY: librdkafka's handle may be used from any number of threads (INTRODUCTION.md, "Threads and callbacks"), and
// `SharedEvents` is Send + Sync.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    pub fn producer(conf: Conf, events: SharedEvents) -> Result<Self, String> {
        // SAFETY: the configuration is live.
        unsafe { rd::rd_kafka_conf_set_events(conf.raw(), rd::RD_KAFKA_EVENT_DR) };
        Self::new(rd::rd_kafka_type_t::RD_KAFKA_PRODUCER, conf, events)
    }

    pub fn consumer(conf: Conf, events: SharedEvents) -> Result<Self, String> {
        register_group(&conf);
        interceptors::register(&conf);
        Self::new(rd::rd_kafka_type_t::RD_KAFKA_CONSUMER, conf, events)
    }

    fn new(kind: rd::rd_kafka_type_t, conf: Conf, events: SharedEvents) -> Result<Self, String> {
        let forks = fork::forks();
        let events = Box::into_raw(Box::new(events));
        let mut why = [0 as c_char; 512];
        // SAFETY: `events` is freed after the destroy (see Drop). `rd_kafka_new` owns the configuration only when it
        // succeeds, so it is taken back when it does not.
        unsafe {
            register(&conf, events);
            let conf = conf.into_raw();
            let raw = rd::rd_kafka_new(kind, conf, why.as_mut_ptr(), why.len());
            if raw.is_null() {
                interceptors::drop_refused(Conf::from_raw(conf), kind);
                drop(Box::from_raw(events));
                return Err(text(why.as_ptr()));
            }
            Ok(Client { raw, events, forks })
        }
    }

    /// Calls the client's events as librdkafka would.
    pub(super) fn notify(&self, call: impl FnOnce(&dyn ClientEvents)) {
        // SAFETY: the events live as long as the client.
        guarded(|| call(unsafe { &**self.events }));
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
    pub fn ping(&self, timeout: Duration) -> Result<(), Code> {
        self.metadata(None, timeout).map(|_| ())
    }

    /// Whether some broker has answered a metadata request since the client was made.
    pub fn knows_cluster(&self) -> bool {
        // SAFETY: the handle is live; the string that it returns is ours to free.
        unsafe {
            let id = rd::rd_kafka_clusterid(self.raw, 0);
            if id.is_null() {
                return false;
            }
            rd::rd_kafka_mem_free(self.raw, id.cast());
            true
        }
    }

    /// The partition count of `topic`, or the error that the cluster reports for it. `None` asks for no topic at all.
    pub fn metadata(&self, topic: Option<&str>, timeout: Duration) -> Result<Result<usize, Code>, Code> {
        let topic = topic.map(|name| Topic::new(self, name)).transpose()?;
        let raw_topic = topic.as_ref().map_or(std::ptr::null_mut(), Topic::raw);
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

    /// Has the group look for its subscribed topics now; librdkafka alone looks every 5 minutes. Only an answer about
    /// all topics of the cluster does that (rd_kafka_parse_Metadata0).
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

    /// Has an idempotent producer request its producer id now. librdkafka requests it 500 ms after the client was made,
    /// so the first message of every producer takes that long: 502 ms, measured, against less than 1 ms with this call.
    ///
    /// Only for the first 500 ms: an id that the producer has already is replaced.
    pub fn request_producer_id(&self) {
        // SAFETY: the handle is live.
        unsafe { internal::start_idempotence(self.raw) }
    }

    /// The error that made the client useless, if there is one.
    pub fn fatal_error(&self) -> Option<(Code, String)> {
        let mut why = [0 as c_char; 512];
        // SAFETY: the handle is live, and the buffer has the given size.
        unsafe {
            let result = code(rd::rd_kafka_fatal_error(self.raw, why.as_mut_ptr(), why.len()));
            (result != Code::NONE).then(|| (result, text(why.as_ptr())))
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.forks != fork::forks() {
            // The threads that a destroy would join do not exist in a forked child.
            return;
        }
        // SAFETY: the handle is live and destroyed once; the events are freed when no thread can call them any more.
        // NO_CONSUMER_CLOSE: consumers are closed before that, in bounded steps; what is not closed by then is
        // abandoned.
        unsafe {
            rd::rd_kafka_destroy_flags(self.raw, rd::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
            drop(Box::from_raw(self.events));
        }
    }
}

/// A topic handle. Kept per topic: looking the topic up by name costs as much as the rest of a send.
pub struct Topic {
    raw: *mut rd::rd_kafka_topic_t,
}

// SAFETY: topic handles are reference counted and locked inside librdkafka.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Topic {
    pub(super) fn new(client: &Client, name: &str) -> Result<Self, Code> {
        let name = c_string(name)?;
        // SAFETY: the client is live, the name NUL-terminated; a null configuration means the client's defaults.
        let raw = unsafe { rd::rd_kafka_topic_new(client.raw(), name.as_ptr(), std::ptr::null_mut()) };
        if raw.is_null() {
            // SAFETY: reads the calling thread's last error.
            return Err(code(unsafe { rd::rd_kafka_last_error() }));
        }
        Ok(Topic { raw })
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_topic_t {
        self.raw
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: owned, and released once. Every owner of topics drops them before the client.
        unsafe { rd::rd_kafka_topic_destroy(self.raw) }
    }
}

pub(super) fn c_string(text: &str) -> Result<CString, Code> {
    CString::new(text).map_err(|_| Code::INVALID_ARG)
}
