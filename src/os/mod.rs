//! Calls of the operating system: threads that block signals, and whether this process is a forked child.
#![allow(unsafe_code)]

pub mod fork;
pub mod thread;
