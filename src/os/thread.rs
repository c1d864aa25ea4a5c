//! Starts threads that block all signals, as librdkafka does.
//!
//! The kernel delivers a signal to any thread of the process that does not block it, so also where the program blocks
//! it on its own threads, for a while or to wait for it by `sigwait`: a process of celery's pool was interrupted by
//! SIGTERM while it held a lock of the whole pool, and the worker never ended.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use libc::sigset_t;

thread_local! {
    static STARTED_HERE: Cell<bool> = const { Cell::new(false) };
}

/// The signals that the program blocks, for threads that librdkafka's threads start.
static PROGRAM: OnceLock<sigset_t> = OnceLock::new();

/// Call it on a thread of the program.
pub fn remember_signals() {
    let program = without_signals(|program| program);
    let _ = PROGRAM.set(program);
}

/// Starts a thread that blocks all signals. Linux cuts its name to 15 bytes.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    without_signals(|_| {
        let builder = std::thread::Builder::new().name(name.to_owned());
        let started = builder.spawn(move || {
            STARTED_HERE.set(true);
            work();
        });
        started.map(drop)
    })
}

/// Threads that `work` starts block all signals: a thread inherits its creator's signal mask.
pub fn without_signals<T>(work: impl FnOnce(sigset_t) -> T) -> T {
    let former = block(&asynchronous());
    let result = work(former);
    block(&former);
    result
}

/// Runs code of the program, which may start threads and processes that would inherit this thread's signal mask.
pub fn with_signals<T>(work: impl FnOnce() -> T) -> T {
    let Some(program) = PROGRAM.get().filter(|_| STARTED_HERE.get()) else { return work() };
    let ours = block(program);
    let result = work();
    block(&ours);
    result
}

/// All signals but those that an instruction of the thread raises.
fn asynchronous() -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initializes the set, which lives here; the numbers are valid.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL] {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Sets this thread's signal mask, and returns the former one.
fn block(set: &sigset_t) -> sigset_t {
    let mut former = MaybeUninit::zeroed();
    // SAFETY: both sets live here. It does not fail with SIG_SETMASK, and a zeroed set would be an empty one.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, set, former.as_mut_ptr());
        former.assume_init()
    }
}
