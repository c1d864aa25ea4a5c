//! Every name that an option may be given by, led to one librdkafka property.
//!
//! The names come from librdkafka's own list, printed by itself at run time, so the two cannot drift apart.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::librdkafka::conf::{properties_table, Conf};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Boolean,
    Integer,
    Float,
    /// One of a few words.
    Word,
    /// Several of a few words, separated by commas.
    Flags,
    Text,
}

pub struct Property {
    pub name: String,
    /// The property that this is another name of, or the name itself.
    pub canonical: String,
    pub value_type: ValueType,
    pub range: String,
    pub settable: bool,
    /// Whether producers and consumers have it.
    pub shared: bool,
}

impl Property {
    /// A value as librdkafka writes it, or None if it is not one of the property's. librdkafka itself would read "30s"
    /// as 30, 4294967301 as 5 and an empty word as the default.
    pub fn canonical_value(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let value = match (self.value_type, number) {
            (ValueType::Integer, Some(number)) => integer(number)?.to_string(),
            (ValueType::Float, Some(number)) => number.to_string(),
            (ValueType::Integer, None) if text.starts_with(|first: char| !first.is_alphabetic()) => return None,
            (ValueType::Float, None) => return None,
            _ => text.to_owned(),
        };
        if value.is_empty() && self.value_type != ValueType::Flags {
            return None;
        }
        let mut conf = Conf::new();
        conf.set(&self.name, &value).ok()?;
        match self.value_type {
            ValueType::Float | ValueType::Flags => Some(value),
            _ => conf.get(&self.name),
        }
    }
}

fn integer(number: f64) -> Option<i32> {
    let whole = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation)]
    whole.then_some(number as i32)
}

/// Whether a property holds a secret: a password, a key, or options of an authentication in one text.
pub fn is_secret(name: &str) -> bool {
    name.split('.').any(|part| matches!(part, "password" | "passphrase" | "secret" | "pem" | "config"))
}

/// A boolean in librdkafka's words.
pub fn boolean(text: &str) -> Option<bool> {
    let is_any = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is_any(["true", "t", "1"]), is_any(["false", "f", "0"])) {
        (false, false) => None,
        (on, _) => Some(on),
    }
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
            let value_type = match description.rsplit_once("*Type: ").map(|(_, value_type)| value_type) {
                Some("boolean*") => ValueType::Boolean,
                Some("integer*") => ValueType::Integer,
                Some("float*") => ValueType::Float,
                Some("enum value*") => ValueType::Word,
                Some("CSV flags*") => ValueType::Flags,
                _ => ValueType::Text,
            };
            let (name, range, shared) = (name.to_owned(), range.to_owned(), scope == "*");
            by_name.insert(name.clone(), Property { name, canonical, value_type, range, settable, shared });
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
