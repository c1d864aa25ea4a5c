//! A consumer's interceptors: they see requests to join the group, for `ClientEvents::joining`.
//!
//! librdkafka has interceptors added to a configuration, which leads to a double free in 2.12.1: when `rd_kafka_new` fails after
//! it has copied the configuration, it frees the copy's interceptors (rdkafka.c:2830), and `rd_kafka_conf_destroy` frees them once
//! more (https://github.com/confluentinc/librdkafka/issues/4142). So on Linux no configuration has any: the linker routes the
//! call that tells interceptors of a new client through here (`--wrap`, see build.rs), and they are added to the client's own
//! copy. `tests/test_refused_options.py` fails without it. Elsewhere a refused consumer's configuration is leaked.

use std::ffi::{c_char, c_int, c_void, CStr};

use rdkafka::bindings as rd;

use crate::librdkafka::callbacks::{events, guarded};
use crate::librdkafka::conf::Conf;

/// What librdkafka knows our interceptors by.
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
        // SAFETY: the arguments are passed on as they came; the client is live, and its opaque pointer is the one that
        // `Client::new` set.
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

    /// Some kilobytes for each refused consumer are better than a double free.
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
        add(raw)
    }
}

pub(in crate::librdkafka) use linked::{drop_refused, register};

/// # Safety
/// `raw` is a client that `rd_kafka_new` is making, with the opaque pointer that `Client::new` set.
unsafe fn add(raw: *mut rd::rd_kafka_t) -> rd::rd_kafka_resp_err_t {
    let opaque = rd::rd_kafka_opaque(raw);
    rd::rd_kafka_interceptor_add_on_request_sent(raw, NAME.as_ptr(), Some(on_request), opaque);
    rd::rd_kafka_interceptor_add_on_response_received(raw, NAME.as_ptr(), Some(on_response), opaque)
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
        guarded(|| events(opaque).joining(true));
    }
    rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Called for requests that fail, too.
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
        guarded(|| events(opaque).joining(false));
    }
    rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
