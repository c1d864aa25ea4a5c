//! Work that outlives its client: a client that is dropped without `close` still delivers, or commits, on a thread.
//! Each such work is listed here until it ends, so that the end of the program can wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::Error;
use super::wait::{check, Deadline, Interrupt, TICK};
use crate::os::fork::PerProcess;

/// How long a work may take longer than it was given, to tell those who wait that it gives up.
const GRACE: Duration = Duration::from_secs(2);

/// What a work would lose if it ended now, for the log; None where that is nothing.
type Loss = dyn Fn() -> Option<String> + Send + Sync;

/// Works of this process. A forked child has none of its parent's.
static WORKS: PerProcess<Works> = PerProcess::new();

#[derive(Default)]
struct Works {
    list: Mutex<Vec<Arc<Work>>>,
    changed: Condvar,
}

struct Work {
    deadline: Deadline,
    loss: Box<Loss>,
}

impl Works {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<Work>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A work that is under way for as long as this lives.
pub struct UnderWay(Arc<Work>);

/// Lists a work that ends within `timeout`.
pub fn begin(timeout: Duration, loss: impl Fn() -> Option<String> + Send + Sync + 'static) -> UnderWay {
    let work = Arc::new(Work { deadline: Deadline::after(Some(timeout + GRACE)), loss: Box::new(loss) });
    WORKS.get().list().push(work.clone());
    UnderWay(work)
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let works = WORKS.get();
        works.list().retain(|work| !Arc::ptr_eq(work, &self.0));
        works.changed.notify_all();
    }
}

/// Waits until all works have ended, each as long as it was given, or for the deadline. Returns what is lost with those that
/// have not ended, which are not waited for again.
pub fn wait(deadline: Deadline, interrupt: Interrupt<'_>) -> (Vec<String>, Result<(), Error>) {
    let works = WORKS.get();
    let mut result = Ok(());
    let mut list = works.list();
    while result.is_ok() && !deadline.passed() && list.iter().any(|work| !work.deadline.passed()) {
        drop(works.changed.wait_timeout(list, TICK).unwrap_or_else(PoisonError::into_inner));
        result = check(interrupt);
        list = works.list();
    }
    let left = std::mem::take(&mut *list);
    drop(list);
    (left.iter().filter_map(|work| (work.loss)()).collect(), result)
}
