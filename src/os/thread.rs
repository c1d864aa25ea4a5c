//! Threads of ours take no signals, as librdkafka's own do not.
//!
//! The kernel hands a signal to any thread of the process that does not block it. A program that blocks SIGTERM on its own
//! threads, for a while or to wait for it by `sigwait`, would get it all the same: a process of celery's pool was interrupted
//! while it held a lock of all of them, and the worker never ended.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use libc::sigset_t;

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// What the program blocks. Some of our threads are started by librdkafka's, and could not tell.
static PROGRAM: OnceLock<sigset_t> = OnceLock::new();

/// To be called on a thread of the program.
pub fn remember_signals() {
    let program = without_signals(|program| program);
    let _ = PROGRAM.set(program);
}

/// Starts a thread that blocks all signals.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    without_signals(|_| {
        let builder = std::thread::Builder::new().name(name.to_owned());
        let started = builder.spawn(move || {
            OURS.set(true);
            work();
        });
        started.map(drop)
    })
}

/// Threads that `work` starts block all signals: a thread inherits what its creator blocks, from its first moment.
pub fn without_signals<T>(work: impl FnOnce(sigset_t) -> T) -> T {
    let former = block(&asynchronous());
    let result = work(former);
    block(&former);
    result
}

/// Runs the program's code, which may start threads and processes that would inherit what is blocked here.
pub fn with_signals<T>(work: impl FnOnce() -> T) -> T {
    let Some(program) = PROGRAM.get().filter(|_| OURS.get()) else { return work() };
    let ours = block(program);
    let result = work();
    block(&ours);
    result
}

/// All signals but those that an instruction of the thread itself raises.
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

/// Has this thread block `set` and nothing else. Returns what it blocked before.
fn block(set: &sigset_t) -> sigset_t {
    let mut former = MaybeUninit::zeroed();
    // SAFETY: both sets live here. It does not fail with SIG_SETMASK, and would leave a zeroed set, which is an empty one.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, set, former.as_mut_ptr());
        former.assume_init()
    }
}
