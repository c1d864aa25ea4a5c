//! What the operating system is asked for: threads without signals, and whether this process is a forked child.
#![allow(unsafe_code)]

pub mod fork;
pub mod thread;
