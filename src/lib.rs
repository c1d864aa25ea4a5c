//! kjson: the Kafka client for Python programs whose messages are JSON. This file is the public list and nothing else.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod allocator;
mod bindings;
mod error;
mod json;
mod kafka;
mod once;

use pyo3::prelude::*;

// Without the GIL it is not sound: the codec reads dicts and lists by pointers that are borrowed, and its caches are shared.
#[pymodule(gil_used = true)]
mod _kjson {
    #[pymodule_export]
    use crate::bindings::aio::method::coroutine_method;
    #[pymodule_export]
    use crate::bindings::aio::operation::Operation;
    #[pymodule_export]
    use crate::bindings::codec::{_reference_dumps, _reference_loads, dumps, loads};
    #[pymodule_export]
    use crate::bindings::consumer::aio::AsyncConsumer;
    #[pymodule_export]
    use crate::bindings::consumer::dead_letter::DeadLetter;
    #[pymodule_export]
    use crate::bindings::consumer::Consumer;
    #[pymodule_export]
    use crate::bindings::group::GroupMetadata;
    #[pymodule_export]
    use crate::bindings::message::Message;
    #[pymodule_export]
    use crate::bindings::mock::MockCluster;
    #[pymodule_export]
    use crate::bindings::partitions::TopicPartition;
    #[pymodule_export]
    use crate::bindings::producer::aio::{AsyncProducer, AsyncTransaction};
    #[pymodule_export]
    use crate::bindings::producer::batch::DeliveryBatch;
    #[pymodule_export]
    use crate::bindings::producer::delivery::{Delivery, RecordMetadata};
    #[pymodule_export]
    use crate::bindings::producer::transaction::Transaction;
    #[pymodule_export]
    use crate::bindings::producer::Producer;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        #[cfg(target_os = "linux")]
        crate::allocator::set_up();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("librdkafka_version", crate::kafka::librdkafka_version())?;
        crate::kafka::prepare_for_forks();
        crate::kafka::remember_signals();
        crate::bindings::shutdown::install(module.py())
    }
}
