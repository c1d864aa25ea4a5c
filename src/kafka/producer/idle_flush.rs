//! The thread that hands over what `send_many` has accumulated while its source makes it wait. It never enters Python.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::accumulator::{Accumulator, Accumulators};
use super::reports::Shared;
use super::{Open, ProducerHooks};

/// How often it comes by. What it finds unchanged in two looks is handed over.
const LOOK: Duration = Duration::from_millis(1);
/// It goes to sleep after so many looks without anything to do.
const QUIET: u32 = 50;

/// Ends with the producer.
pub fn run<H: ProducerHooks>(shared: &Shared<H>, open: &Weak<Open<H>>) {
    let accumulators = &shared.accumulators;
    let mut quiet = 0;
    loop {
        let listed = accumulators.lock();
        let (listed, _) = accumulators.woken.wait_timeout(listed, LOOK).unwrap_or_else(PoisonError::into_inner);
        let (all, ended) = (listed.open.clone(), listed.ended);
        drop(listed);
        if ended {
            return;
        }
        let Some(open) = open.upgrade() else { return };
        quiet = if look(shared, &open, &all) { 0 } else { quiet + 1 };
        drop(open);
        if quiet >= QUIET {
            sleep(accumulators, &all);
            quiet = 0;
        }
    }
}

/// Returns whether there was any news.
fn look<H: ProducerHooks>(shared: &Shared<H>, open: &Open<H>, all: &[Arc<Accumulator>]) -> bool {
    let (mut news, mut waiting) = (false, Vec::new());
    for one in all {
        let mut content = one.lock();
        let turns = content.turns;
        let turned = std::mem::replace(&mut content.turns_seen, turns) != turns;
        let left = content.left() > 0;
        news |= turned || left;
        if left && !turned {
            waiting.push(one.thread);
        }
    }
    // With those whose sources they are in.
    let waiting: Vec<_> = all.iter().filter(|one| waiting.contains(&one.thread)).cloned().collect();
    shared.in_order(open, &waiting);
    news
}

fn sleep(accumulators: &Accumulators, all: &[Arc<Accumulator>]) {
    accumulators.asleep.store(true, Ordering::SeqCst);
    // Whoever adds after this look sees that it is asleep.
    if accumulators.left() > 0 || all.len() != accumulators.count.load(Ordering::SeqCst) {
        accumulators.asleep.store(false, Ordering::SeqCst);
        return;
    }
    let mut listed = accumulators.lock();
    while accumulators.asleep.load(Ordering::SeqCst) && !listed.ended {
        listed = accumulators.woken.wait(listed).unwrap_or_else(PoisonError::into_inner);
    }
}
