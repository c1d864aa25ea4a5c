//! `kjson.testing.MockCluster`.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple, PyType};
use pyo3::wrap_pyfunction;

use super::construct::{call, LateInit};
use crate::error::Error;
use crate::kafka::{self, Code};

/// The requests that `fail_requests` can fail, by the protocol's names and keys
/// (https://kafka.apache.org/protocol#protocol_api_keys), as far as librdkafka's mock cluster knows them.
const REQUESTS: &[(&str, i16)] = &[
    ("Produce", 0),
    ("Fetch", 1),
    ("ListOffsets", 2),
    ("Metadata", 3),
    ("OffsetCommit", 8),
    ("OffsetFetch", 9),
    ("FindCoordinator", 10),
    ("JoinGroup", 11),
    ("Heartbeat", 12),
    ("LeaveGroup", 13),
    ("SyncGroup", 14),
    ("ApiVersions", 18),
    ("InitProducerId", 22),
    ("OffsetForLeaderEpoch", 23),
    ("AddPartitionsToTxn", 24),
    ("AddOffsetsToTxn", 25),
    ("EndTxn", 26),
    ("TxnOffsetCommit", 28),
    ("ConsumerGroupHeartbeat", 68),
];

/// Kafka brokers in this process, each on a loopback port: librdkafka's mock cluster.
///
/// For tests, demos and notebooks. Real sockets and real groups, with these limits (docs/testing.md says more):
///
/// - A partition keeps at most 5 MiB and silently drops the oldest messages; nothing else expires or is compacted.
/// - A topic is created with 4 partitions when a producer writes to it or asks for its partitions. Topics have no
///   options, and cannot grow or be deleted. Requests of admin clients go unanswered.
/// - No TLS, no SASL, no ACLs. No replicas: `acks="all"` waits for one broker.
/// - Acknowledgements have the timestamp 1234, and `offsets_for_times` finds nothing.
/// - `read_committed` hides no messages of open or aborted transactions. Transactions neither fence nor time out, and
///   the offsets sent with them are not stored. Static members do not fence each other either.
/// - When a member joins or leaves, a group admits nobody for the session timeout less one second, after a clean close,
///   too: kjson's own consumers use 2 s for it on a cluster of their process. A former member's longer session timeout
///   counts as well; a member whose own is shorter may then wait for more than a minute.
/// - A consumer that calls `assign` after it was a member of its group commits nothing from then on.
///
/// Args:
///     brokers: How many, 1 to 100. Their ids count from 1.
///     topics: Names with their partition counts, or names alone, for one partition each.
#[pyclass(module = "kjson.testing", frozen, subclass)]
pub struct MockCluster {
    cluster: LateInit<Arc<kafka::MockCluster>>,
}

impl MockCluster {
    fn make(arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Arc<kafka::MockCluster>> {
        let made = call::<Self>(&wrap_pyfunction!(mock_cluster, arguments.py())?, arguments, options)?;
        let cluster = made.get().cluster.get()?.clone();
        Ok(cluster)
    }

    fn usable(&self) -> Result<&kafka::MockCluster, Error> {
        let cluster = self.cluster.get()?;
        if cluster.forked() {
            return Err(Error::Forked { object: "MockCluster" });
        }
        Ok(cluster)
    }
}

#[pymethods]
impl MockCluster {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*arguments, **options), text_signature = "(brokers=1, topics=None)")]
    fn py_new(
        class: &Bound<'_, PyType>,
        arguments: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let make = || Self::make(arguments, options);
        Ok(MockCluster { cluster: LateInit::in_new::<Self>(class, "testing.MockCluster", make)? })
    }

    #[pyo3(signature = (*arguments, **options))]
    fn __init__(&self, arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        self.cluster.in_init(|| Self::make(arguments, options))
    }

    /// The brokers' addresses, for `Producer` and `Consumer`: "127.0.0.1:40001,127.0.0.1:40002".
    #[getter]
    fn bootstrap_servers(&self) -> PyResult<String> {
        Ok(self.usable()?.bootstrap_servers().map_err(Error::from)?)
    }

    /// Create a topic.
    #[pyo3(signature = (name, partitions=1))]
    fn create_topic(&self, py: Python<'_>, name: &str, partitions: i32) -> PyResult<()> {
        let cluster = self.usable()?;
        Ok(py.detach(|| cluster.create_topic(name, partitions)).map_err(Error::from)?)
    }

    /// Close a broker's connections and refuse new ones.
    fn broker_down(&self, py: Python<'_>, broker: i32) -> PyResult<()> {
        let cluster = self.usable()?;
        Ok(py.detach(|| cluster.set_broker_up(broker, false)).map_err(Error::from)?)
    }

    /// Accept connections again.
    fn broker_up(&self, py: Python<'_>, broker: i32) -> PyResult<()> {
        let cluster = self.usable()?;
        Ok(py.detach(|| cluster.set_broker_up(broker, true)).map_err(Error::from)?)
    }

    /// Delay every answer of a broker, or of all brokers, by `ms` milliseconds.
    #[pyo3(signature = (ms, broker=None))]
    fn round_trip_time(&self, py: Python<'_>, ms: u16, broker: Option<i32>) -> PyResult<()> {
        let cluster = self.usable()?;
        let ids = broker.map_or_else(|| (1..=i32::from(cluster.brokers)).collect(), |id| vec![id]);
        let set = || ids.iter().try_for_each(|id| cluster.set_round_trip_time(*id, i32::from(ms)));
        Ok(py.detach(set).map_err(Error::from)?)
    }

    /// Make a broker the coordinator of a group or a transactional id.
    fn move_coordinator(&self, py: Python<'_>, name: &str, broker: i32) -> PyResult<()> {
        let cluster = self.usable()?;
        Ok(py.detach(|| cluster.move_coordinator(name, broker)).map_err(Error::from)?)
    }

    /// Answer the next requests of one kind with an error.
    #[pyo3(signature = (api, error, times=1))]
    fn fail_requests(&self, py: Python<'_>, api: &str, error: &Bound<'_, PyAny>, times: usize) -> PyResult<()> {
        let cluster = self.usable()?;
        let (key, code) = (api_key(api)?, error_code(error)?);
        Ok(py.detach(|| cluster.fail_requests(key, code, times)).map_err(Error::from)?)
    }

    /// Remove the errors of `fail_requests` that are still to come.
    fn clear_failures(&self, py: Python<'_>) -> PyResult<()> {
        let cluster = self.usable()?;
        let clear = || cluster.clear_failures(REQUESTS.iter().map(|(_, key)| *key));
        Ok(py.detach(clear).map_err(Error::from)?)
    }

    /// Shut the brokers down. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let cluster = self.usable()?;
        py.detach(|| cluster.close());
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        // In a forked child there is nothing to close: the brokers are the parent's.
        if let Ok(cluster) = self.usable() {
            py.detach(|| cluster.close());
        }
    }

    fn __repr__(&self) -> String {
        self.cluster.repr(|cluster| match cluster.bootstrap_servers() {
            Ok(servers) => format!("<kjson.testing.MockCluster at {servers}>"),
            Err(_) => "<kjson.testing.MockCluster: closed>".to_owned(),
        })
    }
}

/// Named as the class, which Python's errors about arguments name.
#[pyfunction]
#[pyo3(name = "MockCluster", signature = (brokers=1, topics=None))]
fn mock_cluster(py: Python<'_>, brokers: u16, topics: Option<&Bound<'_, PyAny>>) -> PyResult<MockCluster> {
    if !(1..=100).contains(&brokers) {
        return Err(PyValueError::new_err(format!("MockCluster: brokers must be 1 to 100, not {brokers}")));
    }
    let topics = topics.map_or_else(|| Ok(Vec::new()), topic_counts)?;
    let cluster = py.detach(|| -> Result<_, kafka::Error> {
        let cluster = kafka::MockCluster::new(brokers)?;
        for (topic, partitions) in &topics {
            cluster.create_topic(topic, *partitions)?;
        }
        Ok(cluster)
    });
    Ok(MockCluster { cluster: LateInit::ready("testing.MockCluster", Arc::new(cluster.map_err(Error::from)?)) })
}

fn topic_counts(topics: &Bound<'_, PyAny>) -> PyResult<Vec<(String, i32)>> {
    if topics.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(
            "MockCluster: topics is a mapping of names to partition counts, or a list of names",
        ));
    }
    if let Ok(mapping) = topics.cast::<PyMapping>() {
        return mapping.items()?.iter().map(|pair| pair.extract()).collect();
    }
    topics.try_iter()?.map(|name| Ok((name?.extract()?, 1))).collect()
}

fn api_key(api: &str) -> PyResult<i16> {
    REQUESTS.iter().find(|(name, _)| *name == api).map(|(_, key)| *key).ok_or_else(|| {
        let names: Vec<&str> = REQUESTS.iter().map(|(name, _)| *name).collect();
        PyValueError::new_err(format!("fail_requests: no request is called {api:?}. There are: {}", names.join(", ")))
    })
}

/// An error by number or by name, such as "NOT_LEADER_FOR_PARTITION".
fn error_code(error: &Bound<'_, PyAny>) -> PyResult<Code> {
    let Ok(name) = error.cast::<PyString>() else { return Ok(Code(error.extract()?)) };
    let name = name.to_cow()?;
    Code::named(&name).ok_or_else(|| {
        PyValueError::new_err(format!(
            "fail_requests: no error is called {name:?}. Use a name of the Kafka protocol, such as \
             \"NOT_COORDINATOR\", or \"_TRANSPORT\" to have the broker hang up"
        ))
    })
}
