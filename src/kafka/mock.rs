//! `MockCluster`: librdkafka's mock brokers in this process, for tests, demos and notebooks.

use super::client::brokers::addresses;
use super::client::error::Error;
use crate::librdkafka::callbacks::Silent;
use crate::librdkafka::client::Client;
use crate::librdkafka::code::Code;
use crate::librdkafka::conf::Conf;
use crate::librdkafka::mock::{to_enum, Cluster};
use crate::os::fork::forks;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses of the mock brokers of this process.
static ADDRESSES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn registered() -> MutexGuard<'static, Vec<String>> {
    ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether one of the addresses is a mock broker of this process.
pub fn is_mock(addresses: &[String]) -> bool {
    let registered = registered();
    addresses.iter().any(|address| registered.contains(address))
}

pub struct MockCluster {
    cluster: Mutex<Option<Cluster>>,
    pub brokers: u16,
    forks: u32,
}

impl MockCluster {
    pub fn new(brokers: u16) -> Result<Self, Error> {
        let failed = |why: &str| Error::Misuse(format!("cannot start a mock cluster of {brokers} brokers: {why}"));
        let host = Client::producer(Conf::new(), Arc::new(Silent)).map_err(|why| failed(&why))?;
        let cluster = Cluster::new(host, brokers).ok_or_else(|| failed("it cannot open sockets"))?;
        registered().extend(addresses(&cluster.bootstrap_servers()));
        Ok(MockCluster { cluster: Mutex::new(Some(cluster)), brokers, forks: forks() })
    }

    pub fn forked(&self) -> bool {
        self.forks != forks()
    }

    pub fn bootstrap_servers(&self) -> Result<String, Error> {
        self.with("bootstrap_servers", |cluster| Ok(cluster.bootstrap_servers()))
    }

    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), Error> {
        let replicas = i32::from(self.brokers.min(3));
        self.with("create_topic", |cluster| {
            cluster.create_topic(name, partitions, replicas).map_err(|code| {
                Error::failed(
                    &format!("mock cluster: cannot create topic '{name}' with {partitions} partitions"),
                    code,
                    "",
                )
            })
        })
    }

    pub fn set_broker_up(&self, broker: i32, up: bool) -> Result<(), Error> {
        let operation = if up { "broker_up" } else { "broker_down" };
        self.with(operation, |cluster| {
            cluster.set_broker_up(broker, up).map_err(|code| self.no_such_broker(operation, broker, code))
        })
    }

    pub fn set_round_trip_time(&self, broker: i32, millis: i32) -> Result<(), Error> {
        self.with("round_trip_time", |cluster| {
            cluster
                .set_round_trip_time(broker, millis)
                .map_err(|code| self.no_such_broker("round_trip_time", broker, code))
        })
    }

    /// Makes another broker the coordinator of a group, and of the transactional id of the same name.
    pub fn move_coordinator(&self, name: &str, broker: i32) -> Result<(), Error> {
        if !(1..=i32::from(self.brokers)).contains(&broker) {
            return Err(self.no_such_broker("move_coordinator", broker, Code::INVALID_ARG));
        }
        self.with("move_coordinator", |cluster| {
            [c"group", c"transaction"]
                .iter()
                .try_for_each(|kind| cluster.set_coordinator(kind, name, broker))
                .map_err(|code| self.no_such_broker("move_coordinator", broker, code))
        })
    }

    /// Answers the next `times` requests of a kind with `code`.
    pub fn fail_requests(&self, api_key: i16, code: Code, times: usize) -> Result<(), Error> {
        let error =
            to_enum(code).ok_or_else(|| Error::Misuse(format!("mock cluster: there is no error code {}", code.0)))?;
        self.with("fail_requests", |cluster| {
            cluster.push_errors(api_key, &vec![error; times]);
            Ok(())
        })
    }

    pub fn clear_failures(&self, api_keys: impl Iterator<Item = i16>) -> Result<(), Error> {
        self.with("clear_failures", |cluster| {
            api_keys.for_each(|key| cluster.clear_errors(key));
            Ok(())
        })
    }

    /// Stops the brokers; joining their thread takes some milliseconds.
    pub fn close(&self) {
        let cluster = self.lock().take();
        if let Some(cluster) = cluster {
            let gone = addresses(&cluster.bootstrap_servers());
            registered().retain(|address| !gone.contains(address));
        }
    }

    fn no_such_broker(&self, operation: &str, broker: i32, code: Code) -> Error {
        let detail = format!("there is no broker {broker}; ids are 1 to {}", self.brokers);
        Error::failed(&format!("mock cluster: {operation}"), code, &detail)
    }

    fn with<T>(&self, operation: &'static str, body: impl FnOnce(&Cluster) -> Result<T, Error>) -> Result<T, Error> {
        match &*self.lock() {
            Some(cluster) => body(cluster),
            None => Err(Error::Closed { operation, object: "mock cluster" }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Cluster>> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        if self.forked() {
            std::mem::forget(self.lock().take());
        }
        self.close();
    }
}
