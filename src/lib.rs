//! kjson: the Kafka client for Python programs whose messages are JSON. This file lists the public names, nothing else.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod allocator;
mod error;
mod json;
mod kafka;
mod librdkafka;
mod once;
mod os;
mod python;

use pyo3::prelude::*;

// Unsound without the GIL: the codec reads dicts and lists by borrowed pointers, and its caches are shared.
#[pymodule(gil_used = true)]
mod _kjson {
    #[pymodule_export]
    use crate::python::aio::method::coroutine_method;
    #[pymodule_export]
    use crate::python::aio::operation::Operation;
    #[pymodule_export]
    use crate::python::codec::{_reference_dumps, _reference_loads, dumps, loads};
    #[pymodule_export]
    use crate::python::consumer::aio::AsyncConsumer;
    #[pymodule_export]
    use crate::python::consumer::dead_letter::DeadLetter;
    #[pymodule_export]
    use crate::python::consumer::Consumer;
    #[pymodule_export]
    use crate::python::group_metadata::GroupMetadata;
    #[pymodule_export]
    use crate::python::message::Message;
    #[pymodule_export]
    use crate::python::mock::MockCluster;
    #[pymodule_export]
    use crate::python::options::{_option_of, _options_table};
    #[pymodule_export]
    use crate::python::partitions::TopicPartition;
    #[pymodule_export]
    use crate::python::producer::aio::{AsyncProducer, AsyncTransaction};
    #[pymodule_export]
    use crate::python::producer::delivery::{Delivery, RecordMetadata};
    #[pymodule_export]
    use crate::python::producer::delivery_batch::DeliveryBatch;
    #[pymodule_export]
    use crate::python::producer::transaction::Transaction;
    #[pymodule_export]
    use crate::python::producer::Producer;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        #[cfg(target_os = "linux")]
        crate::allocator::set_up();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("librdkafka_version", crate::kafka::librdkafka_version())?;
        crate::kafka::prepare_for_forks();
        crate::kafka::remember_signals();
        crate::python::shutdown::install(module.py())
    }
}
