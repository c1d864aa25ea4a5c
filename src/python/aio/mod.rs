//! Waiting on an event loop: what the asynchronous classes do where the synchronous ones block a thread.
//!
//! No thread of ours enters Python for it. Whoever has news leaves it at the loop's `loop_waker` and rings once; the loop takes
//! all that is there. What a method returns is an `operation`: a coroutine made of a Rust future, or of a value that is
//! there already, and `method` has the methods seen as coroutine functions. `spawn_blocking` runs a blocking call on a thread,
//! `timer` bounds a wait, `fairness` lets the loop run now and then.

pub mod connection;
pub mod fairness;
pub mod loop_waker;
pub mod method;
pub mod operation;
pub mod spawn_blocking;
pub mod timer;
