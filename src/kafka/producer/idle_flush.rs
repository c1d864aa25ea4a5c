//! The idle flusher: a thread that enqueues what `send_many` has accumulated while its source makes it wait.
//!
//! It never enters Python.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::accumulator::{Accumulator, Accumulators};
use super::state::{OpenClient, ProducerHooks, ProducerState};

/// How often it looks. What is unchanged in two looks is enqueued.
const LOOK: Duration = Duration::from_millis(1);
/// It sleeps after this many looks without work.
const QUIET: u32 = 50;

/// Ends with the producer.
pub fn run<H: ProducerHooks>(state: &ProducerState<H>, open: &Weak<OpenClient<H>>) {
    let accumulators = &state.accumulators;
    let mut quiet = 0;
    loop {
        let registry = accumulators.lock();
        let (registry, _) = accumulators.woken.wait_timeout(registry, LOOK).unwrap_or_else(PoisonError::into_inner);
        let (all, ended) = (registry.open.clone(), registry.ended);
        drop(registry);
        if ended {
            return;
        }
        let Some(open) = open.upgrade() else { return };
        quiet = if look(state, &open, &all) { 0 } else { quiet + 1 };
        drop(open);
        if quiet >= QUIET {
            sleep(accumulators, &all);
            quiet = 0;
        }
    }
}

/// Returns whether a source was active or messages were accumulated.
fn look<H: ProducerHooks>(state: &ProducerState<H>, open: &OpenClient<H>, all: &[Arc<Accumulator>]) -> bool {
    let (mut active, mut waiting) = (false, Vec::new());
    for one in all {
        let mut buffered = one.lock();
        let turns = buffered.turns;
        let turned = std::mem::replace(&mut buffered.turns_seen, turns) != turns;
        let left = buffered.left() > 0;
        active |= turned || left;
        if left && !turned {
            waiting.push(one.thread);
        }
    }
    // Including earlier ones of the same thread, whose sources they are inside.
    let waiting: Vec<_> = all.iter().filter(|one| waiting.contains(&one.thread)).cloned().collect();
    state.enqueue_in_order(open, &waiting);
    active
}

fn sleep(accumulators: &Accumulators, all: &[Arc<Accumulator>]) {
    accumulators.asleep.store(true, Ordering::SeqCst);
    // A thread that accumulates after this look sees `asleep` and wakes it.
    if accumulators.left() > 0 || all.len() != accumulators.count.load(Ordering::SeqCst) {
        accumulators.asleep.store(false, Ordering::SeqCst);
        return;
    }
    let mut registry = accumulators.lock();
    while accumulators.asleep.load(Ordering::SeqCst) && !registry.ended {
        registry = accumulators.woken.wait(registry).unwrap_or_else(PoisonError::into_inner);
    }
}
