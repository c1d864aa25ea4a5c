//! Distinguishes a forked child from its parent. librdkafka's threads do not survive a fork, so no client works in the
//! child.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::Once;

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The number of forks between the first call and this process. An object from another count belongs to an ancestor.
/// Costs an atomic load, where `getpid` has been a system call of about 40 ns since glibc 2.25.
pub fn forks() -> u32 {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: registers a handler that only adds to an atomic, which is allowed after a fork.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    FORKS.load(Ordering::Relaxed)
}

/// A value for each process. A forked child begins with a new one, so that it neither sees its parent's nor waits for a
/// lock that another thread of the parent held during the fork.
pub struct PerProcess<T: 'static>(AtomicPtr<(u32, T)>);

impl<T: Default + Send + Sync> PerProcess<T> {
    pub const fn new() -> Self {
        PerProcess(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// An ancestor's value is never freed: its threads, or its lock, may refer to it.
    pub fn get(&self) -> &'static T {
        let forks = forks();
        let current = self.0.load(Ordering::Acquire);
        // SAFETY: null, or from `Box::leak` below, and never freed.
        if let Some((made, value)) = unsafe { current.as_ref() } {
            if *made == forks {
                return value;
            }
        }
        let made: &'static mut (u32, T) = Box::leak(Box::new((forks, T::default())));
        match self.0.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked just now, or by another thread of this process that came first.
            Ok(_) => unsafe { &(*self.0.load(Ordering::Acquire)).1 },
            // SAFETY: not null, since it differs from `current`, and leaked by another thread of this process.
            Err(first) => unsafe { &(*first).1 },
        }
    }
}
