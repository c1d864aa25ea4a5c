//! Work that outlives its client: a client that is dropped without `close` still delivers, or commits, on a background
//! thread. It is listed here until it ends, and the end of the process waits for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::Error;
use super::wait::{check, Deadline, Interrupt, TICK};
use crate::os::fork::PerProcess;

/// How much longer than its timeout a work may take, to report what it could not finish.
const GRACE: Duration = Duration::from_secs(2);

/// What would be lost if the work ended now, for the log; None for nothing.
type Loss = dyn Fn() -> Option<String> + Send + Sync;

/// The unfinished work of this process. A forked child starts with none.
static UNFINISHED: PerProcess<UnfinishedList> = PerProcess::new();

#[derive(Default)]
struct UnfinishedList {
    list: Mutex<Vec<Arc<Unfinished>>>,
    changed: Condvar,
}

struct Unfinished {
    deadline: Deadline,
    loss: Box<Loss>,
}

impl UnfinishedList {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<Unfinished>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a work listed until it is dropped.
pub struct UnfinishedGuard(Arc<Unfinished>);

/// Lists work that ends within `timeout`.
pub fn register(timeout: Duration, loss: impl Fn() -> Option<String> + Send + Sync + 'static) -> UnfinishedGuard {
    let work = Arc::new(Unfinished { deadline: Deadline::after(Some(timeout + GRACE)), loss: Box::new(loss) });
    UNFINISHED.get().list().push(work.clone());
    UnfinishedGuard(work)
}

impl Drop for UnfinishedGuard {
    fn drop(&mut self) {
        let unfinished = UNFINISHED.get();
        unfinished.list().retain(|work| !Arc::ptr_eq(work, &self.0));
        unfinished.changed.notify_all();
    }
}

/// Waits until all work has ended or timed out, up to the deadline. Returns what the rest loses, and unlists it.
pub fn wait(deadline: Deadline, interrupt: Interrupt<'_>) -> (Vec<String>, Result<(), Error>) {
    let unfinished = UNFINISHED.get();
    let mut result = Ok(());
    let mut list = unfinished.list();
    while result.is_ok() && !deadline.passed() && list.iter().any(|work| !work.deadline.passed()) {
        drop(unfinished.changed.wait_timeout(list, TICK).unwrap_or_else(PoisonError::into_inner));
        result = check(interrupt);
        list = unfinished.list();
    }
    let left = std::mem::take(&mut *list);
    drop(list);
    (left.iter().filter_map(|work| (work.loss)()).collect(), result)
}
