//! librdkafka's log lines on their way to whoever wants them, with repeated connection failures collapsed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

#[derive(Debug)]
pub struct LogRecord {
    pub level: Level,
    pub text: String,
}

/// Takes records from any thread, librdkafka's too; must not block.
pub trait LogSink: Send + Sync + 'static {
    fn log(&self, record: LogRecord);
}

/// A broker that is down fails about twenty times a second (102 lines in 8 s from a client that passes all on): the
/// first line is passed on at once, the next ones after 1 s, 10 s and then every 60 s, with a count.
const STEPS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];

#[derive(Default)]
pub struct Collapse {
    seen: Mutex<HashMap<String, Repeat>>,
    connected: AtomicBool,
}

struct Repeat {
    passed_on: Instant,
    times: usize,
    held_back: usize,
}

impl Collapse {
    /// The record to pass on, if it is its turn.
    pub fn pass(&self, syslog_level: i32, facility: &str, line: &str) -> Option<LogRecord> {
        let level = match syslog_level {
            // A new cluster loads its coordinator while it is asked for a producer id; librdkafka asks again.
            _ if facility == "GETPID" && line.ends_with("retrying") => Level::Info,
            ..=3 => Level::Error,
            4 => Level::Warning,
            5 | 6 => Level::Info,
            _ => Level::Debug,
        };
        // "[thrd:name]: text": the thread is librdkafka's business.
        let text = line.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(line, |(_, text)| text);
        if level == Level::Debug || !matches!(facility, "FAIL" | "ERROR") {
            return Some(LogRecord { level, text: format!("{facility}: {text}") });
        }
        if !self.connected.load(Ordering::Relaxed) {
            // The constructor raises these, or they did not matter: localhost is tried as ::1 before 127.0.0.1.
            return Some(LogRecord { level: Level::Debug, text: format!("{facility}: {text}") });
        }
        let subject = text.split(": ").next().unwrap_or(text);
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repeat) = seen.get_mut(subject) {
            let step = STEPS[repeat.times.min(STEPS.len() - 1)];
            if now.duration_since(repeat.passed_on) < step {
                repeat.held_back += 1;
                return None;
            }
            let held_back = std::mem::take(&mut repeat.held_back);
            repeat.passed_on = now;
            repeat.times += 1;
            return Some(LogRecord { level, text: format!("{facility}: {text} [{held_back} more since the last]") });
        }
        seen.insert(subject.to_owned(), Repeat { passed_on: now, times: 0, held_back: 0 });
        Some(LogRecord { level, text: format!("{facility}: {text}") })
    }

    /// The constructor is done: from here on failures are told by the log.
    pub fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// After a connection the next failure is news again.
    pub fn reset(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_failures_of_one_broker_are_held_back() {
        let collapse = Collapse::default();
        let early = collapse.pass(3, "FAIL", "[thrd:a:1/bootstrap]: a:1/bootstrap: Connect failed").unwrap();
        assert_eq!(early.level, Level::Debug);
        collapse.connected();
        let first = collapse.pass(3, "FAIL", "[thrd:a:1/bootstrap]: a:1/bootstrap: Connect failed").unwrap();
        assert_eq!((first.level, first.text.as_str()), (Level::Error, "FAIL: a:1/bootstrap: Connect failed"));
        assert!(collapse.pass(3, "FAIL", "[thrd:x]: a:1/bootstrap: Connect failed again").is_none());
        assert!(collapse.pass(3, "FAIL", "[thrd:x]: b:1/bootstrap: Connect failed").is_some());
        assert!(collapse.pass(4, "OTHER", "a:1/bootstrap: x").is_some());
        collapse.reset();
        assert!(collapse.pass(3, "FAIL", "[thrd:x]: a:1/bootstrap: Connect failed").is_some());
    }
}
