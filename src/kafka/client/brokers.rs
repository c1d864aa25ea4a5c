//! The last connection error of each broker, which other errors name as their cause.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::{ConnectionKind, Error};
use crate::librdkafka::code::Code;

/// How long the connection check retries an address that refuses: librdkafka tries the addresses of a host name one
/// after the other (localhost is ::1 and 127.0.0.1), 100 ms apart at first.
const PERSISTENT: Duration = Duration::from_millis(600);

#[derive(Clone, Debug)]
struct BrokerError {
    cause: String,
    kind: ConnectionKind,
    since: Instant,
    latest: Instant,
}

#[derive(Debug)]
pub struct Brokers {
    /// The configured addresses, "host:port".
    servers: Vec<String>,
    errors: Mutex<BTreeMap<String, BrokerError>>,
    /// A connection has failed since a broker last answered.
    suspect: AtomicBool,
}

impl Brokers {
    pub fn new(servers: Vec<String>) -> Self {
        Brokers { servers, errors: Mutex::default(), suspect: AtomicBool::new(false) }
    }

    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Records the reason of an error event, such as "ssl://kafka-1:9093/1: SSL handshake failed: ... (after 4ms in
    /// ...)".
    pub fn record_error(&self, code: Code, reason: &str) {
        if !code.is_connection() && code != Code::TIMED_OUT {
            return;
        }
        self.suspect.store(true, Ordering::Relaxed);
        let Some((server, cause)) = split_reason(reason) else { return };
        let kind = match code {
            Code::SSL => ConnectionKind::Tls,
            Code::AUTHENTICATION => ConnectionKind::Authentication,
            _ => ConnectionKind::Unreachable,
        };
        let now = Instant::now();
        let mut errors = self.lock();
        let since = errors.get(&server).map_or(now, |error| error.since);
        errors.insert(server, BrokerError { cause, kind, since, latest: now });
    }

    pub fn answered(&self) {
        self.suspect.store(false, Ordering::Relaxed);
        self.lock().clear();
    }

    pub fn suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Whether a longer wait is pointless: each configured address has failed with an error that a retry does not
    /// resolve, or has kept failing for `PERSISTENT`.
    pub fn all_failed(&self) -> bool {
        let errors = self.lock();
        self.servers.iter().all(|server| {
            errors
                .get(server)
                .is_some_and(|error| error.kind != ConnectionKind::Unreachable || error.since.elapsed() >= PERSISTENT)
        })
    }

    /// The newest error, such as "localhost:9092 (connection refused)".
    pub fn last_cause(&self) -> Option<String> {
        let errors = self.lock();
        let newest = errors.iter().max_by_key(|(_, error)| error.latest)?;
        Some(format!("{} ({})", newest.0, newest.1.cause))
    }

    /// The connection error of `operation`. `otherwise` is the cause for addresses without an error of their own.
    pub fn error(&self, operation: &str, otherwise: &str, advice: &str) -> Error {
        let errors = self.lock();
        let mut causes: Vec<(String, String)> =
            errors.iter().map(|(server, error)| (server.clone(), error.cause.clone())).collect();
        for server in &self.servers {
            if !causes.iter().any(|(known, _)| known == server) {
                causes.push((server.clone(), otherwise.to_owned()));
            }
        }
        // An error of TLS or of the credentials says more than a refused connection of another broker.
        let kind = errors.values().map(|error| error.kind).max_by_key(|kind| *kind as u8);
        let list: Vec<String> = causes.iter().map(|(server, cause)| format!("{server} ({cause})")).collect();
        Error::Connection {
            kind: kind.unwrap_or(ConnectionKind::Unreachable),
            message: format!("{operation}: {}. {advice}", list.join(", ")),
            servers: self.servers.clone(),
            causes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BrokerError>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of a `bootstrap.servers` list as librdkafka names them: without a protocol, with port 9092 by default.
pub fn addresses(bootstrap_servers: &str) -> Vec<String> {
    bootstrap_servers
        .split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty())
        .map(|address| {
            let address = address.rsplit("://").next().unwrap_or(address);
            let has_port = match address.rfind(']') {
                Some(bracket) => address[bracket..].contains(':'),
                None => address.contains(':'),
            };
            if has_port {
                address.to_lowercase()
            } else {
                format!("{}:9092", address.to_lowercase())
            }
        })
        .collect()
}

/// "[scheme://]host:port/id: text (after 3ms in state X)" -> (host:port, text).
fn split_reason(reason: &str) -> Option<(String, String)> {
    let (name, rest) = reason.split_once(": ")?;
    let address = name.rsplit("://").next().unwrap_or(name);
    let server = address.split('/').next().filter(|server| server.contains(':'))?.to_lowercase();
    let text = rest.split(" (after ").next().unwrap_or(rest);
    let cause = match text.split_once(" failed: ") {
        Some((what, why)) if what.starts_with("Connect to ") => why.to_lowercase(),
        _ => text.to_owned(),
    };
    Some((server, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_split_into_server_and_cause() {
        let split = |text| split_reason(text).map(|(server, cause)| format!("{server}|{cause}"));
        let refused = "localhost:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused \
                       (after 0ms in state CONNECT)";
        assert_eq!(split(refused).as_deref(), Some("localhost:9092|connection refused"));
        let tls = "ssl://a:9093/1: SSL handshake failed: certificate verify failed (after 4ms in state SSL_HANDSHAKE)";
        assert_eq!(split(tls).as_deref(), Some("a:9093|SSL handshake failed: certificate verify failed"));
        let resolve =
            "nohost:9092/bootstrap: Failed to resolve 'nohost:9092': Name or service not known (after 1ms in x)";
        assert_eq!(
            split(resolve).as_deref(),
            Some("nohost:9092|Failed to resolve 'nohost:9092': Name or service not known")
        );
        assert_eq!(split("1/1 brokers are down"), None);
    }

    #[test]
    fn addresses_get_the_default_port() {
        assert_eq!(addresses("a, B:1,SSL://c:2,[::1],[::1]:3"), ["a:9092", "b:1", "c:2", "[::1]:9092", "[::1]:3"]);
    }

    #[test]
    fn not_all_have_failed_while_one_has_no_error() {
        let brokers = Brokers::new(vec!["a:1".into(), "b:1".into()]);
        brokers.record_error(Code::AUTHENTICATION, "a:1/bootstrap: SASL authentication error: no");
        assert!(!brokers.all_failed());
        brokers.record_error(Code::SSL, "b:1/bootstrap: SSL handshake failed: no");
        assert!(brokers.all_failed());
        brokers.answered();
        assert!(!brokers.all_failed() && !brokers.suspect());
    }
}
