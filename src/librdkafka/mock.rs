//! librdkafka's mock cluster: brokers on loopback sockets, in this process.

use std::ffi::{c_int, CStr};
use std::sync::Arc;

use rdkafka::bindings as rd;

use super::client::{c_string, Client};
use super::code::Code;
use super::{checked, text};

pub struct Cluster {
    raw: *mut rd::rd_kafka_mock_cluster_t,
    /// The client that the cluster belongs to; destroyed after it.
    _host: Arc<Client>,
}

// SAFETY: rdkafka_mock.c hands every call to the cluster's own thread, or takes the cluster's lock.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

impl Cluster {
    pub fn new(host: Client, brokers: u16) -> Option<Self> {
        // SAFETY: the host is live and kept until after the cluster's destroy.
        let new = |_| unsafe { rd::rd_kafka_mock_cluster_new(host.raw(), c_int::from(brokers)) };
        // librdkafka starts this thread, unlike all its others, without blocking signals.
        let raw = crate::os::thread::without_signals(new);
        if raw.is_null() {
            return None;
        }
        // SAFETY: the cluster is live. librdkafka's default of 3,000 ms would make every first join last 3 s.
        unsafe { rd::rd_kafka_mock_group_initial_rebalance_delay_ms(raw, 0) };
        Some(Cluster { raw, _host: Arc::new(host) })
    }

    pub fn bootstrap_servers(&self) -> String {
        // SAFETY: the cluster is live and owns the string.
        unsafe { text(rd::rd_kafka_mock_cluster_bootstraps(self.raw)) }
    }

    pub fn create_topic(&self, name: &str, partitions: i32, replicas: i32) -> Result<(), Code> {
        let name = c_string(name)?;
        // SAFETY: the cluster is live and the name NUL-terminated.
        checked(unsafe { rd::rd_kafka_mock_topic_create(self.raw, name.as_ptr(), partitions, replicas) })
    }

    pub fn set_broker_up(&self, id: i32, up: bool) -> Result<(), Code> {
        // SAFETY: the cluster is live; an unknown id is an error code.
        checked(unsafe {
            if up {
                rd::rd_kafka_mock_broker_set_up(self.raw, id)
            } else {
                rd::rd_kafka_mock_broker_set_down(self.raw, id)
            }
        })
    }

    pub fn set_round_trip_time(&self, id: i32, millis: i32) -> Result<(), Code> {
        // SAFETY: the cluster is live; an unknown id is an error code.
        checked(unsafe { rd::rd_kafka_mock_broker_set_rtt(self.raw, id, millis) })
    }

    /// `kind` is `group` or `transaction`.
    pub fn set_coordinator(&self, kind: &CStr, key: &str, id: i32) -> Result<(), Code> {
        let key = c_string(key)?;
        // SAFETY: the cluster is live and the texts NUL-terminated; an unknown id is an error code.
        checked(unsafe { rd::rd_kafka_mock_coordinator_set(self.raw, kind.as_ptr(), key.as_ptr(), id) })
    }

    pub fn push_errors(&self, api_key: i16, errors: &[rd::rd_kafka_resp_err_t]) {
        // SAFETY: the cluster is live and copies the array, which has the given length.
        unsafe {
            rd::rd_kafka_mock_push_request_errors_array(self.raw, api_key, errors.len(), errors.as_ptr());
        }
    }

    pub fn clear_errors(&self, api_key: i16) {
        // SAFETY: the cluster is live.
        unsafe { rd::rd_kafka_mock_clear_request_errors(self.raw, api_key) };
    }
}

/// The bindings' enum for a code, if it lists the code.
pub fn to_enum(code: Code) -> Option<rd::rd_kafka_resp_err_t> {
    rd::rd_kafka_resp_err_t::try_from(code.0).ok()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once, while its host is live.
        unsafe { rd::rd_kafka_mock_cluster_destroy(self.raw) };
    }
}
