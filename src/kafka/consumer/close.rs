//! The end of a consumer: what is done is committed, the group left, the client destroyed behind the caller's back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use super::events::Notice;
use super::read::Deferred;
use super::{Consumer, ConsumerHooks, Shared};
use crate::kafka::client::background;
use crate::kafka::client::config::Role;
use crate::kafka::client::error::Error;
use crate::kafka::client::log::{Level, LogRecord};
use crate::kafka::client::unfinished;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;

/// How long a consumer whose close was broken off tries to leave its group.
const LEAVING: Duration = Duration::from_millis(500);
/// How long a request may lie with librdkafka before a broker's thread sends it.
pub(super) const UNSENT: Duration = Duration::from_millis(50);

/// How long a consumer that was dropped without `close` has to commit and to leave its group.
const DROPPED: Duration = Duration::from_secs(10);

impl<H: ConsumerHooks> Consumer<H> {
    /// Commits what is done, leaves the group and ends the client. Closing again does nothing.
    pub fn close(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.refuse_in_hook("close")?;
        // Whoever is reading on another thread stops within a tick.
        self.closing.store(true, Ordering::SeqCst);
        let _only_one = loop {
            match self.close.try_lock() {
                Ok(guard) => break guard,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => std::thread::sleep(TICK / 5),
            }
            check(interrupt)?;
        };
        let Some(native) = self.current() else { return Ok(()) };
        let mut result = Ok(());
        self.settle(&mut self.control());
        let commits = self.commits_by_itself(&self.control());
        if commits {
            result = self.commit_done(&native, deadline, interrupt);
        }
        let interrupted = matches!(result, Err(Error::Interrupted));
        // The hook may still commit while the partitions are given back, so the client is taken away afterwards.
        let left = if interrupted { Err(Error::Interrupted) } else { self.leave(&native, deadline, interrupt) };
        self.native.write().unwrap_or_else(PoisonError::into_inner).take();
        self.control().forget_all();
        *self.lock(&self.aside) = Deferred::default();
        self.shared.quiet.store(true, Ordering::Relaxed);
        let ended = background::run("kjson-close", {
            let shared = self.shared.clone();
            let under_way = unfinished::begin(LEAVING, || None);
            move || {
                shared.leave_quietly(&native, LEAVING);
                drop((native, under_way));
            }
        });
        if left.is_ok() {
            let destroyed = Deadline::after(Some(deadline.step(Duration::from_secs(1))));
            background::wait(&ended, destroyed, interrupt)?;
        }
        result.and(left)
    }

    /// The partitions are given back while this fetches. Bounded by the deadline.
    fn leave(&self, native: &NativeConsumer, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        {
            let mut reading = self.control();
            reading.handed_out.clear();
            reading.give_up(|_| true);
            if reading.assignment.joined.is_some() && reading.assignment.own().is_some() {
                // A member whose subscription was replaced may not have left yet, see `resign`.
                self.replace(native, "cannot give up the assignment", &[])?;
            }
        }
        let mut told = Ok(());
        self.shared.leave(native, deadline, |discarded| {
            let mut reading = self.control();
            discarded.iter().for_each(|message| reading.received.miscounted(message));
            discarded.retain(|message: &Fetched| message.code() == Code::NONE);
            reading.buffer.append(discarded);
            reading.give_up(|_| true);
            drop(reading);
            let result = std::mem::replace(&mut told, Ok(()));
            told = result.and(self.act_on_notices(native));
            check(interrupt)
        })?;
        told
    }
}

impl<H: ConsumerHooks> Shared<H> {
    /// Leaves the group. `serve` gets what came meanwhile, acts on notices, and may break off.
    fn leave(
        &self,
        native: &NativeConsumer,
        deadline: Deadline,
        mut serve: impl FnMut(&mut VecDeque<Fetched>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut came = VecDeque::new();
        let mut until = |over: &dyn Fn() -> bool| {
            while !over() && !deadline.passed() {
                native.fetch(deadline.step(TICK / 5), 1, &mut came);
                serve(&mut came)?;
            }
            Ok(())
        };
        if native.closed() {
            return Ok(());
        }
        if self.resigns {
            self.resign(native, &mut until)?;
        }
        if native.begin_close().is_err() {
            return Ok(());
        }
        until(&|| native.closed())
    }

    /// Has a member without partitions leave. librdkafka 2.12 ends two kinds of them without a LeaveGroup, and the group,
    /// which waits for all its members in a rebalance, waits for these until the session times out, 45 s by default:
    /// - a cooperative one that has joined (rd_kafka_cgrp_revoke_all_rejoin, "skipping rejoin");
    /// - one whose first request to join is not answered: it is a member by the id in the answer (KIP-394).
    fn resign(
        &self,
        native: &NativeConsumer,
        until: &mut impl FnMut(&dyn Fn() -> bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let idle = || native.assignment().is_ok_and(|partitions| partitions.is_empty());
        // Unsubscribing waits for a rebalance that is under way, which may bring partitions: then they are given back.
        if !idle() || native.unsubscribe().is_err() {
            return Ok(());
        }
        let unsent = Deadline::after(Some(UNSENT));
        let member = || self.joining.load(Ordering::SeqCst) || !native.member_id().is_empty();
        until(&|| !idle() || (!member() && unsent.passed()))
    }

    /// Leaves the group without a word to the program.
    fn leave_quietly(&self, native: &NativeConsumer, timeout: Duration) {
        let deadline = Deadline::after(Some(timeout));
        let _ = self.leave(native, deadline, |came| {
            came.clear();
            while let Some(notice) = self.next_notice() {
                if let Notice::Rebalance { assign, partitions } = notice {
                    self.apply(native, assign, &partitions);
                }
            }
            Ok(())
        });
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// The consumer itself, in a place of its own, for a thread that outlives it.
    fn take_rest(&mut self, native: Arc<NativeConsumer>) -> Self {
        fn take<T: Default>(mutex: &mut Mutex<T>) -> Mutex<T> {
            Mutex::new(std::mem::take(mutex.get_mut().unwrap_or_else(PoisonError::into_inner)))
        }
        Consumer {
            shared: self.shared.clone(),
            native: RwLock::new(Some(native)),
            reading: take(&mut self.reading),
            subscribed: take(&mut self.subscribed),
            watch: self.watch.clone(),
            closing: AtomicBool::new(false),
            close: Mutex::default(),
            aside: take(&mut self.aside),
            has_aside: AtomicBool::new(*self.has_aside.get_mut()),
            reader: Mutex::default(),
            hook: Mutex::default(),
            waiting: AtomicUsize::new(0),
            settings: self.settings.clone(),
            group: self.group.clone(),
            on_mock: self.on_mock,
            scouting: self.scouting.sibling(Role::Consumer),
            forks: self.forks,
        }
    }
}

impl<H: ConsumerHooks> Drop for Consumer<H> {
    fn drop(&mut self) {
        let Some(native) = self.native.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let rest = self.take_rest(native);
        if self.forked() {
            std::mem::forget(rest);
            return;
        }
        // Dropped without a close: a thread does it, which the end of the program waits for.
        let under_way = self.settings.grouped.then(|| {
            let loss = "1 consumer dropped without close has not committed what is done, nor left its group";
            unfinished::begin(DROPPED, move || Some(loss.to_owned()))
        });
        drop(background::run("kjson-close", move || {
            // We cannot know whether the message that was handed out last has been processed.
            rest.abandon();
            if let Err(error) = rest.close(Deadline::after(Some(DROPPED)), &|| false) {
                let text = format!("consumer, closed when it was dropped: {error}");
                rest.shared.hooks.log(LogRecord { level: Level::Error, text });
            }
            drop((rest, under_way));
        }));
    }
}
