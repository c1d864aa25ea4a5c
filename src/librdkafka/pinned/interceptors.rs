//! A consumer's interceptors, which report requests to join the group to `ClientEvents::joining`.
//!
//! Interceptors of a configuration lead to a double free in librdkafka 2.12.1: when `rd_kafka_new` fails after it has
//! copied the configuration, it frees the copy's interceptors (rdkafka.c:2830), and `rd_kafka_conf_destroy` frees them
//! again (https://github.com/confluentinc/librdkafka/issues/4142). So on Linux the linker routes the call that
//! announces a new client to interceptors through here, and ours are added to the client's copy.
//! `tests/test_refused_options.py` fails without it. On other systems the configuration of a refused consumer is
//! leaked.

use std::ffi::{c_char, c_int, c_void, CStr};

use rdkafka::bindings as rd;

use crate::librdkafka::callbacks::{events, guarded};
use crate::librdkafka::conf::Conf;

/// The name of our interceptors.
const NAME: &CStr = c"kjson";
/// https://kafka.apache.org/protocol#protocol_api_keys
const JOIN_GROUP: i16 = 11;

#[cfg(target_os = "linux")]
mod linked {
    use super::*;

    extern "C" {
        /// `rd_kafka_interceptors_on_new` of rdkafka_interceptor.c.
        fn __real_rd_kafka_interceptors_on_new(raw: *mut rd::rd_kafka_t, conf: *const rd::rd_kafka_conf_t);
    }

    /// Called by `rd_kafka_new` with the client's copy of the configuration, before any thread of the client runs.
    #[no_mangle]
    unsafe extern "C" fn __wrap_rd_kafka_interceptors_on_new(
        raw: *mut rd::rd_kafka_t,
        conf: *const rd::rd_kafka_conf_t,
    ) {
        // SAFETY: the arguments are passed on unchanged; the client is live, with the opaque pointer that `Client::new`
        // set.
        unsafe {
            __real_rd_kafka_interceptors_on_new(raw, conf);
            if rd::rd_kafka_type(raw) == rd::rd_kafka_type_t::RD_KAFKA_CONSUMER {
                add(raw);
            }
        }
    }

    pub(in crate::librdkafka) fn register(_: &Conf) {}

    pub(in crate::librdkafka) fn drop_refused(conf: Conf, _: rd::rd_kafka_type_t) {
        drop(conf);
    }
}

#[cfg(not(target_os = "linux"))]
mod linked {
    use super::*;

    pub(in crate::librdkafka) fn register(conf: &Conf) {
        // SAFETY: the configuration is live.
        unsafe {
            rd::rd_kafka_conf_interceptor_add_on_new(conf.raw(), NAME.as_ptr(), Some(on_new), std::ptr::null_mut());
        }
    }

    /// Leaks some kilobytes for each refused consumer, to avoid the double free.
    pub(in crate::librdkafka) fn drop_refused(conf: Conf, kind: rd::rd_kafka_type_t) {
        if kind == rd::rd_kafka_type_t::RD_KAFKA_CONSUMER {
            std::mem::forget(conf);
        }
    }

    unsafe extern "C" fn on_new(
        raw: *mut rd::rd_kafka_t,
        _: *const rd::rd_kafka_conf_t,
        _: *mut c_void,
        _: *mut c_char,
        _: usize,
    ) -> rd::rd_kafka_resp_err_t {
        // SAFETY: librdkafka passes the client that it is making.
        unsafe { add(raw) }
    }
}

pub(in crate::librdkafka) use linked::{drop_refused, register};

/// # Safety
/// `raw` is a client that `rd_kafka_new` is making, with the opaque pointer that `Client::new` set.
unsafe fn add(raw: *mut rd::rd_kafka_t) -> rd::rd_kafka_resp_err_t {
    // SAFETY: as above, and the functions have the signatures that librdkafka calls.
    unsafe {
        let opaque = rd::rd_kafka_opaque(raw);
        rd::rd_kafka_interceptor_add_on_request_sent(raw, NAME.as_ptr(), Some(on_request), opaque);
        rd::rd_kafka_interceptor_add_on_response_received(raw, NAME.as_ptr(), Some(on_response), opaque)
    }
}

unsafe extern "C" fn on_request(
    _: *mut rd::rd_kafka_t,
    _: c_int,
    _: *const c_char,
    _: i32,
    api_key: i16,
    _: i16,
    _: i32,
    _: usize,
    opaque: *mut c_void,
) -> rd::rd_kafka_resp_err_t {
    if api_key == JOIN_GROUP {
        // SAFETY: the opaque pointer of a live client.
        guarded(|| unsafe { events(opaque) }.joining(true));
    }
    rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Also called for requests that fail.
unsafe extern "C" fn on_response(
    _: *mut rd::rd_kafka_t,
    _: c_int,
    _: *const c_char,
    _: i32,
    api_key: i16,
    _: i16,
    _: i32,
    _: usize,
    _: i64,
    _: rd::rd_kafka_resp_err_t,
    opaque: *mut c_void,
) -> rd::rd_kafka_resp_err_t {
    if api_key == JOIN_GROUP {
        // SAFETY: the opaque pointer of a live client.
        guarded(|| unsafe { events(opaque) }.joining(false));
    }
    rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
