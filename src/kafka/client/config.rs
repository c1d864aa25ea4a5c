//! The options of one client: given once, not twice differently, and checked before anything connects.

use std::collections::BTreeMap;
use std::time::Duration;

use super::brokers::addresses;
use super::defaults::{defaults, BOOTSTRAP_DEFAULT, KEPT};
use super::error::Error;
use super::properties::{table, Property, ValueType};
use super::redaction::redacted;
pub use super::role::Role;
use crate::librdkafka::conf::{Conf, ConfError};

struct Setting {
    value: String,
    given_as: String,
}

/// The options of one client, by canonical property name.
pub struct Config {
    role: Role,
    settings: BTreeMap<String, Setting>,
    defaults: BTreeMap<String, String>,
}

impl Config {
    /// With what kjson sets differently from librdkafka; the user's options override it.
    pub fn new(role: Role) -> Self {
        Config {
            role,
            settings: BTreeMap::new(),
            defaults: defaults(role).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    /// The property that a keyword ("linger_ms") or a dotted name ("linger.ms") stands for, if it may be set.
    pub fn property(&self, given_as: &str, own_keywords: &[&str]) -> Result<&'static Property, Error> {
        let table = table();
        let name = table.by_keyword.get(given_as).map_or(given_as, String::as_str);
        let property = table.by_name.get(name).ok_or_else(|| unknown(self.role, given_as, own_keywords))?;
        let role = self.role.name();
        if let Some((_, why)) = KEPT.iter().find(|(kept, _)| *kept == property.canonical) {
            return Err(config_error(given_as, format!("{role}: option '{given_as}' cannot be set: {why}")));
        }
        if !property.settable {
            let message = format!("{role}: '{given_as}' is a callback of librdkafka and has no value to set");
            return Err(config_error(given_as, message));
        }
        Ok(property)
    }

    /// Takes one option. `given_as` is its name in errors.
    pub fn set(&mut self, property: &Property, given_as: &str, value: String) -> Result<(), Error> {
        let canonical = property.canonical.clone();
        let value = match property.value_type {
            ValueType::Text => value,
            // Numbers and words to choose from are no secrets.
            _ => property.canonical_value(&value).ok_or_else(|| {
                let takes = format!("{} takes {}", property.name, property.range);
                config_error(given_as, format!("{}: '{given_as}' cannot be {value:?}: {takes}", self.role.name()))
            })?,
        };
        if let Some(earlier) = self.settings.get(&canonical) {
            if earlier.value != value {
                let message = format!(
                    "{}: '{given_as}' and '{}' are the same option ({canonical}) and were given different values. \
                     Give one of them",
                    self.role.name(),
                    earlier.given_as
                );
                return Err(config_error(given_as, message));
            }
        }
        self.settings.insert(canonical, Setting { value, given_as: given_as.to_owned() });
        Ok(())
    }

    /// The value that will be used for a canonical property, if kjson or the user sets one.
    pub fn get(&self, canonical: &str) -> Option<&str> {
        self.settings
            .get(canonical)
            .map(|setting| setting.value.as_str())
            .or_else(|| self.defaults.get(canonical).map(String::as_str))
    }

    pub fn set_default(&mut self, canonical: &str, value: &str) {
        self.defaults.insert(canonical.to_owned(), value.to_owned());
    }

    /// The options of another client to the same brokers: where they are, who asks, and how.
    pub fn sibling(&self, role: Role) -> Config {
        let mut sibling = Config::new(role);
        for (name, setting) in &self.settings {
            if table().by_name.get(name).is_some_and(|property| property.shared) {
                let setting = Setting { value: setting.value.clone(), given_as: setting.given_as.clone() };
                sibling.settings.insert(name.clone(), setting);
            }
        }
        sibling
    }

    pub fn bootstrap_addresses(&self) -> Vec<String> {
        addresses(self.get("metadata.broker.list").unwrap_or(BOOTSTRAP_DEFAULT))
    }

    pub(in crate::kafka) fn build(&self) -> Result<Conf, Error> {
        if self.bootstrap_addresses().is_empty() {
            let message = format!(
                "{}: bootstrap_servers is empty. Give at least one address, such as \"{BOOTSTRAP_DEFAULT}\"",
                self.role.name()
            );
            return Err(config_error("bootstrap_servers", message));
        }
        self.require_security_protocol()?;
        let mut conf = Conf::new();
        if self.role == Role::Consumer {
            let _ = conf.set("enable.auto.offset.store", "false");
        }
        if self.needs_ca_probe() {
            // A vendored OpenSSL looks only where it was built to look; librdkafka's probe knows where distributions
            // keep theirs.
            let _ = conf.set("ssl.ca.location", "probe");
        }
        for (name, value) in &self.defaults {
            let superseded = self.settings.contains_key(name)
                || (name == "enable.idempotence" && !self.idempotent())
                || (name == "message.timeout.ms" && self.get("transactional.id").is_some());
            if !superseded {
                self.apply(&mut conf, name, value, name)?;
            }
        }
        for (name, setting) in &self.settings {
            self.apply(&mut conf, name, &setting.value, &setting.given_as)?;
        }
        Ok(conf)
    }

    /// librdkafka connects in plaintext by default, and then ignores what would protect the connection.
    fn require_security_protocol(&self) -> Result<(), Error> {
        let has = |name: &str, part: &str| name.split('.').any(|word| word == part);
        let given = |part: &str| self.settings.iter().find(|(name, _)| has(name, part)).map(|(_, given)| given);
        let (sasl, tls) = (given("sasl"), given("ssl"));
        let Some(setting) = sasl.or(tls).filter(|_| !self.settings.contains_key("security.protocol")) else {
            return Ok(());
        };
        let protocol = if sasl.is_some() { "SASL_SSL" } else { "SSL" };
        let message = format!(
            "{}: '{}' is given without security_protocol, so the connection would be neither encrypted nor \
             authenticated. Pass security_protocol=\"{protocol}\"",
            self.role.name(),
            setting.given_as
        );
        Err(config_error(&setting.given_as, message))
    }

    /// Idempotence is a default, and gives way to an option that excludes it, as in the Java client (KIP-679).
    pub(in crate::kafka) fn idempotent(&self) -> bool {
        match self.settings.get("enable.idempotence") {
            Some(setting) => setting.value == "true",
            None => !self.conflicts_with_idempotence(),
        }
    }

    pub(in crate::kafka) fn transaction_timeout(&self) -> Duration {
        let millis = self.get("transaction.timeout.ms").and_then(|millis| millis.parse().ok());
        Duration::from_millis(millis.unwrap_or(60_000))
    }

    /// How long a message may take. In a transaction that is the transaction's time, beyond which librdkafka refuses to
    /// go.
    pub(in crate::kafka) fn delivery_timeout_ms(&self) -> &str {
        let given = self.settings.get("message.timeout.ms").map(|setting| setting.value.as_str());
        match self.get("transactional.id") {
            Some(_) => given.or_else(|| self.get("transaction.timeout.ms")).unwrap_or("60000"),
            None => self.get("message.timeout.ms").unwrap_or("300000"),
        }
    }

    fn conflicts_with_idempotence(&self) -> bool {
        let given = |name: &str| self.settings.get(name).map(|setting| setting.value.as_str());
        given("request.required.acks").is_some_and(|acks| acks != "-1")
            || given("message.send.max.retries") == Some("0")
            || given("max.in.flight.requests.per.connection")
                .and_then(|value| value.parse::<u32>().ok())
                .is_some_and(|value| value > 5)
    }

    fn needs_ca_probe(&self) -> bool {
        let encrypted = self.get("security.protocol").is_some_and(|value| value.ends_with("ssl"));
        let given = ["ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores"];
        cfg!(target_os = "linux") && encrypted && !given.iter().any(|name| self.settings.contains_key(*name))
    }

    fn apply(&self, conf: &mut Conf, name: &str, value: &str, given_as: &str) -> Result<(), Error> {
        let Err(refused) = conf.set(name, value) else { return Ok(()) };
        let role = self.role.name();
        let message = match refused {
            ConfError::UnknownProperty => format!("{role}: this build of librdkafka has no option '{name}'"),
            ConfError::InvalidValue(why) => {
                format!("{role}: the value of '{given_as}' is not valid for {name}: {}", self.redacted(&why))
            }
        };
        Err(config_error(given_as, message))
    }

    /// librdkafka's own words without any value that was configured and could be a secret.
    pub(in crate::kafka) fn redacted(&self, text: &str) -> String {
        let hidden = |name: &str| {
            let text = table().by_name.get(name).is_none_or(|property| property.value_type == ValueType::Text);
            text && name != "metadata.broker.list"
        };
        let values = self.settings.iter().filter(|(name, _)| hidden(name)).map(|(_, setting)| setting.value.as_str());
        redacted(text, values)
    }
}

fn config_error(option: &str, message: String) -> Error {
    Error::Config { message, option: option.to_owned(), suggestion: None }
}

fn unknown(role: Role, given_as: &str, own_keywords: &[&str]) -> Error {
    let table = table();
    let dotted = given_as.contains('.');
    let names: Box<dyn Iterator<Item = &str>> = if dotted {
        Box::new(table.by_name.values().map(|property| property.name.as_str()))
    } else {
        Box::new(table.by_keyword.keys().map(String::as_str).chain(own_keywords.iter().copied()))
    };
    let nearest = names
        .map(|name| (strsim::normalized_damerau_levenshtein(given_as, name), name))
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .map(|(_, name)| name.to_owned());
    let hint = nearest.as_ref().map_or_else(
        || "See librdkafka's CONFIGURATION.md for all names".to_owned(),
        |name| format!("Did you mean '{name}'?"),
    );
    Error::Config {
        message: format!("{}: unknown option '{given_as}'. {hint}", role.name()),
        option: given_as.to_owned(),
        suggestion: nearest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(config: &mut Config, name: &str, value: &str) -> Result<(), Error> {
        let property = config.property(name, &["connect_timeout"])?;
        config.set(property, name, value.to_owned())
    }

    fn message(result: Result<(), Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_same_option_twice_is_an_error_only_with_different_values() {
        let mut config = Config::new(Role::Producer);
        set(&mut config, "linger_ms", "5").unwrap();
        set(&mut config, "queue.buffering.max.ms", "5").unwrap();
        assert!(message(set(&mut config, "linger.ms", "6")).contains("'linger.ms' and 'queue.buffering.max.ms'"));
    }

    #[test]
    fn a_sibling_has_the_connection_and_nothing_of_the_others_role() {
        let mut config = Config::new(Role::Consumer);
        for (name, value) in [("sasl_plain_password", "p"), ("group_id", "g"), ("auto_offset_reset", "latest")] {
            set(&mut config, name, value).unwrap();
        }
        let sibling = config.sibling(Role::Producer);
        assert_eq!(sibling.settings.keys().collect::<Vec<_>>(), ["sasl.password"]);
    }

    #[test]
    fn an_unknown_option_names_the_nearest() {
        let mut config = Config::new(Role::Producer);
        assert!(message(set(&mut config, "liger_ms", "5")).contains("Did you mean 'linger_ms'?"));
        assert!(message(set(&mut config, "linger.mss", "5")).contains("Did you mean 'linger.ms'?"));
        assert!(message(set(&mut config, "connect_timout", "5")).contains("'connect_timeout'"));
    }

    #[test]
    fn defaults_are_all_known_to_librdkafka() {
        for role in [Role::Producer, Role::Consumer] {
            assert!(Config::new(role).build().is_ok());
        }
    }

    #[test]
    fn a_secret_is_never_in_an_error() {
        let mut config = Config::new(Role::Producer);
        set(&mut config, "sasl_plain_password", "hunter2").unwrap();
        set(&mut config, "ssl.ca.location", "hunter2").unwrap();
        assert!(!config.redacted("cannot open hunter2").contains("hunter2"));
        assert!(!message(set(&mut config, "sasl.password", "hunter3")).contains("hunter"));
    }
}
