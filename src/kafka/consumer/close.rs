//! Close: commits processed messages, leaves the group, and destroys the client on a background thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use super::events::QueuedEvent;
use super::poll::DeferredUpdates;
use super::{Consumer, ConsumerContext, ConsumerHooks};
use crate::kafka::client::background;
use crate::kafka::client::config::Role;
use crate::kafka::client::error::Error;
use crate::kafka::client::log::{Level, LogRecord};
use crate::kafka::client::unfinished;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;

/// How long a consumer whose close was interrupted tries to leave its group.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long librdkafka may hold a request before a broker's thread sends it.
pub(super) const SEND_DELAY: Duration = Duration::from_millis(50);

/// How long a consumer that is dropped without `close` may take to commit and to leave its group.
const DROP_TIMEOUT: Duration = Duration::from_secs(10);

impl<H: ConsumerHooks> Consumer<H> {
    /// Commits processed messages, leaves the group and destroys the client. A second call does nothing.
    pub fn close(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        self.refuse_in_hook("close")?;
        // A read on another thread ends within a tick.
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
        self.store_processed(&mut self.lock_state());
        let commits = self.auto_commits(&self.lock_state());
        if commits {
            result = self.commit_processed(&native, deadline, interrupt);
        }
        let interrupted = matches!(result, Err(Error::Interrupted));
        // The hook may still commit while partitions are revoked, so the client is taken afterwards.
        let left = if interrupted { Err(Error::Interrupted) } else { self.leave(&native, deadline, interrupt) };
        self.native.write().unwrap_or_else(PoisonError::into_inner).take();
        self.lock_state().forget_all();
        *self.lock(&self.deferred) = DeferredUpdates::default();
        self.context.muted.store(true, Ordering::Relaxed);
        let ended = background::run("kjson-close", {
            let context = self.context.clone();
            let under_way = unfinished::register(LEAVE_TIMEOUT, || None);
            move || {
                context.leave_quietly(&native, LEAVE_TIMEOUT);
                drop((native, under_way));
            }
        });
        if left.is_ok() {
            let destroyed = Deadline::after(Some(deadline.step(Duration::from_secs(1))));
            background::wait(&ended, destroyed, interrupt)?;
        }
        result.and(left)
    }

    /// Leaves the group, which revokes partitions while this fetches.
    fn leave(&self, native: &NativeConsumer, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        {
            let mut state = self.lock_state();
            state.returned.clear();
            state.drop_buffered(|_| true);
            if state.subscriptions.joined.is_some() && state.subscriptions.manual().is_some() {
                // A member whose subscription was replaced may not have left yet, see `unsubscribe_first`.
                self.replace_assignment(native, "cannot end the assignment", &[])?;
            }
        }
        let mut hook_result = Ok(());
        self.context.leave(native, deadline, |discarded| {
            let mut state = self.lock_state();
            discarded.iter().for_each(|message| state.received.invalidate(message));
            discarded.retain(|message: &Fetched| message.code() == Code::NONE);
            state.buffer.append(discarded);
            state.drop_buffered(|_| true);
            drop(state);
            let result = std::mem::replace(&mut hook_result, Ok(()));
            hook_result = result.and(self.handle_events(native));
            check(interrupt)
        })?;
        hook_result
    }
}

impl<H: ConsumerHooks> ConsumerContext<H> {
    /// Leaves the group. `serve` gets what each fetch returns, and its error ends the wait.
    fn leave(
        &self,
        native: &NativeConsumer,
        deadline: Deadline,
        mut serve: impl FnMut(&mut VecDeque<Fetched>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut received = VecDeque::new();
        let mut until = |over: &dyn Fn() -> bool| {
            while !over() && !deadline.passed() {
                native.fetch(deadline.step(TICK / 5), 1, &mut received);
                serve(&mut received)?;
            }
            Ok(())
        };
        if native.closed() {
            return Ok(());
        }
        if self.unsubscribes_first {
            self.unsubscribe_first(native, &mut until)?;
        }
        if native.begin_close().is_err() {
            return Ok(());
        }
        until(&|| native.closed())
    }

    /// Has a member without partitions leave. librdkafka 2.12 ends two kinds of them without a LeaveGroup, and in a
    /// rebalance the group waits for them until the session times out, after 45 s by default:
    /// - a cooperative one that has joined (rd_kafka_cgrp_revoke_all_rejoin, "skipping rejoin");
    /// - one whose first JoinGroup is not answered: the answer makes it a member (KIP-394).
    fn unsubscribe_first(
        &self,
        native: &NativeConsumer,
        until: &mut impl FnMut(&dyn Fn() -> bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let idle = || native.assignment().is_ok_and(|partitions| partitions.is_empty());
        // Unsubscribing waits for the present rebalance, which may assign partitions, to be revoked then.
        if !idle() || native.unsubscribe().is_err() {
            return Ok(());
        }
        let unsent = Deadline::after(Some(SEND_DELAY));
        let member = || self.joining.load(Ordering::SeqCst) || !native.member_id().is_empty();
        until(&|| !idle() || (!member() && unsent.passed()))
    }

    /// Leaves the group without callbacks.
    fn leave_quietly(&self, native: &NativeConsumer, timeout: Duration) {
        let deadline = Deadline::after(Some(timeout));
        let _ = self.leave(native, deadline, |received| {
            received.clear();
            while let Some(event) = self.next_event() {
                if let QueuedEvent::Rebalance { assign, partitions } = event {
                    self.apply_rebalance(native, assign, &partitions);
                }
            }
            Ok(())
        });
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Moves the consumer's state into a value that a background thread owns.
    fn detach(&mut self, native: Arc<NativeConsumer>) -> Self {
        fn take<T: Default>(mutex: &mut Mutex<T>) -> Mutex<T> {
            Mutex::new(std::mem::take(mutex.get_mut().unwrap_or_else(PoisonError::into_inner)))
        }
        Consumer {
            context: self.context.clone(),
            native: RwLock::new(Some(native)),
            state: take(&mut self.state),
            subscribed: take(&mut self.subscribed),
            outage: self.outage.clone(),
            closing: AtomicBool::new(false),
            close: Mutex::default(),
            deferred: take(&mut self.deferred),
            has_deferred: AtomicBool::new(*self.has_deferred.get_mut()),
            reader: Mutex::default(),
            hook_thread: Mutex::default(),
            lock_waiters: AtomicUsize::new(0),
            settings: self.settings.clone(),
            group: self.group.clone(),
            on_mock: self.on_mock,
            probe_config: self.probe_config.sibling(Role::Consumer),
            forks: self.forks,
        }
    }
}

impl<H: ConsumerHooks> Drop for Consumer<H> {
    fn drop(&mut self) {
        let Some(native) = self.native.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let detached = self.detach(native);
        if self.forked() {
            std::mem::forget(detached);
            return;
        }
        // Dropped without a close: a background thread closes it, and the end of the process waits for that.
        let under_way = self.settings.grouped.then(|| {
            let loss = "1 consumer dropped without close has not committed processed messages, nor left its group";
            unfinished::register(DROP_TIMEOUT, move || Some(loss.to_owned()))
        });
        drop(background::run("kjson-close", move || {
            // Whether the message returned last was processed is unknown, so it is not committed.
            detached.mark_unprocessed();
            if let Err(error) = detached.close(Deadline::after(Some(DROP_TIMEOUT)), &|| false) {
                let text = format!("consumer, closed when it was dropped: {error}");
                detached.context.hooks.log(LogRecord { level: Level::Error, text });
            }
            drop((detached, under_way));
        }));
    }
}
