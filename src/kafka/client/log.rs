//! librdkafka's log records, with repeated connection failures throttled.

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

/// Receives records on any thread, librdkafka's included. Must not block.
pub trait LogSink: Send + Sync + 'static {
    fn log(&self, record: LogRecord);
}

/// A broker that is down fails about twenty times a second (102 lines in 8 s from a client that logs each). The first
/// failure is logged at once, later ones after 1 s, 10 s and then every 60 s, with a count.
const INTERVALS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];

#[derive(Default)]
pub struct LogThrottle {
    seen: Mutex<HashMap<String, RepeatedFailure>>,
    connected: AtomicBool,
}

struct RepeatedFailure {
    logged_at: Instant,
    times: usize,
    suppressed: usize,
}

impl LogThrottle {
    /// The record to log; None if it is suppressed.
    pub fn filter(&self, syslog_level: i32, facility: &str, line: &str) -> Option<LogRecord> {
        let level = match syslog_level {
            // A new cluster still loads its coordinator when a producer id is requested; librdkafka retries.
            _ if facility == "GETPID" && line.ends_with("retrying") => Level::Info,
            ..=3 => Level::Error,
            4 => Level::Warning,
            5 | 6 => Level::Info,
            _ => Level::Debug,
        };
        // "[thrd:name]: text": the name of librdkafka's thread says nothing to users.
        let text = line.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(line, |(_, text)| text);
        if level == Level::Debug || !matches!(facility, "FAIL" | "ERROR") {
            return Some(LogRecord { level, text: format!("{facility}: {text}") });
        }
        if !self.connected.load(Ordering::Relaxed) {
            // The constructor raises these, or they do not matter: localhost is tried as ::1 before 127.0.0.1.
            return Some(LogRecord { level: Level::Debug, text: format!("{facility}: {text}") });
        }
        let subject = text.split(": ").next().unwrap_or(text);
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repeat) = seen.get_mut(subject) {
            let interval = INTERVALS[repeat.times.min(INTERVALS.len() - 1)];
            if now.duration_since(repeat.logged_at) < interval {
                repeat.suppressed += 1;
                return None;
            }
            let suppressed = std::mem::take(&mut repeat.suppressed);
            repeat.logged_at = now;
            repeat.times += 1;
            return Some(LogRecord { level, text: format!("{facility}: {text} [{suppressed} more since the last]") });
        }
        seen.insert(subject.to_owned(), RepeatedFailure { logged_at: now, times: 0, suppressed: 0 });
        Some(LogRecord { level, text: format!("{facility}: {text}") })
    }

    /// The constructor has returned: failures are logged from now on.
    pub fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// A broker answered: the next failure is logged at once.
    pub fn reset(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_failures_of_one_broker_are_suppressed() {
        let throttle = LogThrottle::default();
        let early = throttle.filter(3, "FAIL", "[thrd:a:1/bootstrap]: a:1/bootstrap: Connect failed").unwrap();
        assert_eq!(early.level, Level::Debug);
        throttle.connected();
        let first = throttle.filter(3, "FAIL", "[thrd:a:1/bootstrap]: a:1/bootstrap: Connect failed").unwrap();
        assert_eq!((first.level, first.text.as_str()), (Level::Error, "FAIL: a:1/bootstrap: Connect failed"));
        assert!(throttle.filter(3, "FAIL", "[thrd:x]: a:1/bootstrap: Connect failed again").is_none());
        assert!(throttle.filter(3, "FAIL", "[thrd:x]: b:1/bootstrap: Connect failed").is_some());
        assert!(throttle.filter(4, "OTHER", "a:1/bootstrap: x").is_some());
        throttle.reset();
        assert!(throttle.filter(3, "FAIL", "[thrd:x]: a:1/bootstrap: Connect failed").is_some());
    }
}
