//! Waiting on an event loop: what the asynchronous classes do where the synchronous ones block a thread.
//!
//! No thread of kjson enters Python for it. A thread queues a callback on the loop's `loop_waker`, which wakes the loop
//! once for all that are queued. A method returns an `operation`: a coroutine around a Rust future or a ready value;
//! `method` makes Python see the methods as coroutine functions. `spawn_blocking` runs a blocking call on a thread,
//! `timer` limits a wait, `fairness` yields to the loop now and then.

pub mod connection;
pub mod fairness;
pub mod loop_waker;
pub mod method;
pub mod operation;
pub mod spawn_blocking;
pub mod timer;
