//! Every name that an option may be given by, led to one librdkafka property.
//!
//! The names come from librdkafka's own list, printed by itself at run time, so the two cannot drift apart.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::librdkafka::conf::properties_table;

/// Names that users of kafka-python and aiokafka type, where librdkafka's differ by more than dots.
const KNOWN_AS: &[(&str, &str)] = &[
    ("delivery_timeout_ms", "message.timeout.ms"),
    ("fetch_max_wait_ms", "fetch.wait.max.ms"),
    ("max_request_size", "message.max.bytes"),
    ("sasl_plain_password", "sasl.password"),
    ("sasl_plain_username", "sasl.username"),
    ("ssl_cafile", "ssl.ca.location"),
    ("ssl_certfile", "ssl.certificate.location"),
    ("ssl_crlfile", "ssl.crl.location"),
    ("ssl_keyfile", "ssl.key.location"),
    ("ssl_password", "ssl.key.password"),
];

pub struct Property {
    pub name: String,
    /// The property that this is another name of, or the name itself.
    pub canonical: String,
    pub range: String,
    pub settable: bool,
    /// Whether producers and consumers have it.
    pub shared: bool,
}

pub struct Table {
    pub by_name: HashMap<String, Property>,
    /// "linger_ms" -> "linger.ms"
    pub by_keyword: HashMap<String, String>,
}

pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut by_name = HashMap::new();
        for line in properties_table().lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [name, scope, range, _, _, description, ..] = cells[..] else { continue };
            if name == "Property" || name.starts_with('-') {
                continue;
            }
            let canonical = description
                .strip_prefix("Alias for `")
                .and_then(|rest| rest.split('`').next())
                .unwrap_or(name)
                .to_owned();
            let settable = !description.ends_with("*Type: see dedicated API*");
            let property =
                Property { name: name.to_owned(), canonical, range: range.to_owned(), settable, shared: scope == "*" };
            by_name.insert(name.to_owned(), property);
        }
        let mut by_keyword: HashMap<String, String> =
            by_name.keys().map(|name| (name.replace('.', "_"), name.clone())).collect();
        by_keyword.extend(KNOWN_AS.iter().map(|(keyword, name)| ((*keyword).to_owned(), (*name).to_owned())));
        Table { by_name, by_keyword }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafkas_table_is_read() {
        assert!(table().by_name.len() > 150, "{}", table().by_name.len());
        assert_eq!(table().by_name["bootstrap.servers"].canonical, "metadata.broker.list");
        assert!(!table().by_name["error_cb"].settable && table().by_name["linger.ms"].settable);
        for name in ["statistics.interval.ms", "socket.timeout.ms", "ssl.cipher.suites", "max.poll.interval.ms"] {
            assert!(table().by_name[name].settable, "{name}");
        }
        for (keyword, name) in KNOWN_AS {
            assert!(table().by_name.contains_key(*name), "{keyword}");
        }
    }
}
