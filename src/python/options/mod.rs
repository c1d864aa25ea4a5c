//! The arguments of a constructor: names are looked up in the client's table, kjson's own values are checked here, and
//! librdkafka's become a `Config`. Errors never show a value that could be a secret.

mod table;
mod value;

use std::collections::HashMap;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::error::Error;
use crate::kafka::{boolean, is_secret, Config, Role, ValueType};

use super::callables::refuse_async;
use super::consumer::aio::AsyncConsumer;
use super::consumer::Consumer;
use super::producer::aio::AsyncProducer;
use super::producer::Producer;
use table::{options, ClientOption};
use value::text_of;

/// What librdkafka takes without a name as if it had not been given, or refuses without saying why.
const NEEDS_A_NAME: &[(&str, &str)] = &[
    ("group.id", "Leave it out, or pass None, to read without a group"),
    ("transactional.id", "Leave it out, or pass None, for a producer without transactions"),
    ("group.instance.id", "Leave it out, or pass None, for a member that is not static"),
];

/// What a client is made with.
pub struct Arguments<'py> {
    role: Role,
    client: &'static str,
    own: HashMap<&'static str, Bound<'py, PyAny>>,
    pub config: Config,
}

impl<'py> Arguments<'py> {
    /// Reads `servers`, then the dotted names of `config`, then the keywords. `servers` is a positional argument.
    pub fn new(
        role: Role,
        client: &'static str,
        servers: Option<&Bound<'py, PyAny>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Self> {
        let mut arguments = Arguments { role, client, own: HashMap::new(), config: Config::new(role) };
        if let Some(servers) = servers {
            if keywords.is_some_and(|keywords| keywords.contains("bootstrap_servers").unwrap_or(false)) {
                let message = format!("{client}() got multiple values for argument 'bootstrap_servers'");
                return Err(PyTypeError::new_err(message));
            }
            arguments.set("bootstrap_servers", servers)?;
        }
        let Some(keywords) = keywords else { return Ok(arguments) };
        if let Some(dotted) = keywords.get_item("config")?.filter(|dotted| !dotted.is_none()) {
            let dotted = dotted.cast_into::<PyDict>().map_err(|_| {
                arguments.refusal("config", "must be a dict of librdkafka's names, such as {\"linger.ms\": 5}")
            })?;
            arguments.set_all(&dotted, false)?;
        }
        arguments.set_all(keywords, true)?;
        Ok(arguments)
    }

    fn set_all(&mut self, values: &Bound<'py, PyDict>, keywords: bool) -> Result<(), Error> {
        for (name, value) in values {
            let name: String = name.extract().map_err(|_| self.refusal("config", "has a name that is no str"))?;
            match options(self.role).find(|option| keywords && option.name == name && option.property.is_empty()) {
                Some(option) => drop(self.own.insert(option.name, value)),
                None => self.set(&name, &value)?,
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> Result<(), Error> {
        let names: Vec<&str> = options(self.role).map(|option| option.name).collect();
        let property = match name {
            "ssl_check_hostname" => self.config.property("ssl.endpoint.identification.algorithm", &names)?,
            _ => self.config.property(name, &names)?,
        };
        if value.is_none() {
            return Ok(());
        }
        let value_type = if name == "ssl_check_hostname" { ValueType::Boolean } else { property.value_type };
        let text = text_of(value, &property.canonical, value_type).map_err(|why| self.refusal(name, &why))?;
        refuse_empty(self.role, name, &text)?;
        if name == "ssl_check_hostname" {
            let unreadable = || self.refusal(name, &format!("cannot be {text:?}: it takes true, false"));
            let algorithm = if boolean(&text).ok_or_else(unreadable)? { "https" } else { "none" };
            return Ok(self.config.set(property, name, algorithm.to_owned())?);
        }
        Ok(self.config.set(property, name, text)?)
    }

    fn refusal(&self, name: &str, why: &str) -> Error {
        Error::Config { message: format!("{}: '{name}' {why}", self.role.name()), option: name.to_owned() }
    }

    /// One of kjson's own options, unless it is left out or None.
    pub fn get(&self, name: &str) -> Option<&Bound<'py, PyAny>> {
        self.own.get(name).filter(|value| !value.is_none())
    }

    pub fn callable(&self, name: &str) -> Result<Option<Py<PyAny>>, Error> {
        match self.get(name) {
            Some(value) if !value.is_callable() => {
                Err(self.refusal(name, &format!("must be callable, not {}", type_of(value))))
            }
            value => Ok(value.map(|value| value.clone().unbind())),
        }
    }

    pub fn refuse_async(&self, py: Python<'py>, names: &[&str], step: &str) -> PyResult<()> {
        let given: Vec<_> = names.iter().map(|name| (*name, self.get(name).map(Bound::as_unbound))).collect();
        refuse_async(py, self.client, &given, step)
    }

    fn option(&self, name: &str) -> Result<&'static ClientOption, Error> {
        options(self.role)
            .find(|option| option.name == name)
            .ok_or_else(|| self.refusal(name, "is not in kjson's table"))
    }

    /// A time in the option's unit. None and infinity have no end.
    pub fn time(&self, name: &str) -> Result<Option<Duration>, Error> {
        let option = self.option(name)?;
        let unit = if option.unit == "ms" { "milliseconds" } else { "seconds" };
        let or_none = if option.optional() { ", or None" } else { "" };
        let refusal =
            |got: &str| self.refusal(name, &format!("must be a number of {unit} from 0 up{or_none}, not {got}"));
        let number = match self.own.get(name) {
            None => option.default.parse().ok(),
            Some(value) if value.is_none() && option.optional() => None,
            Some(value) if value.is_instance_of::<PyBool>() => return Err(refusal("bool")),
            Some(value) => Some(value.extract::<f64>().map_err(|_| refusal(&type_of(value)))?),
        };
        let Some(number) = number.filter(|number| *number != f64::INFINITY) else { return Ok(None) };
        let seconds = if option.unit == "ms" { number / 1000.0 } else { number };
        Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| refusal(&number.to_string()))
    }

    /// A number of bytes from 1 up; None has no limit.
    pub fn bytes(&self, name: &str) -> Result<Option<usize>, Error> {
        let option = self.option(name)?;
        let refusal =
            |got: &str| self.refusal(name, &format!("must be a number of bytes from 1 up, or None; got {got}"));
        match self.own.get(name) {
            None => Ok(option.default.parse().ok()),
            Some(value) if value.is_none() => Ok(None),
            Some(value) if value.is_instance_of::<PyBool>() => Err(refusal("bool")),
            Some(value) => match value.extract::<i64>() {
                Ok(bytes) => usize::try_from(bytes)
                    .ok()
                    .filter(|bytes| *bytes > 0)
                    .map(Some)
                    .ok_or_else(|| refusal(&bytes.to_string())),
                Err(_) => Err(refusal(&type_of(value))),
            },
        }
    }

    /// One of a few words: what `read` makes of it.
    pub fn word<T>(&self, name: &str, choices: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let given = match self.own.get(name) {
            None => self.option(name)?.default.trim_matches('"').to_owned(),
            Some(value) => match value.cast::<PyString>() {
                Ok(text) => text.to_string_lossy().into_owned(),
                Err(_) => return Err(self.refusal(name, &format!("must be {choices}, not {}", type_of(value)))),
            },
        };
        read(&given).ok_or_else(|| self.refusal(name, &format!("must be {choices}, not {given:?}")))
    }
}

fn type_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string())
}

/// For a dict of options where the first argument is something else: the habit of confluent-kafka.
pub fn refuse_dict(client: &str, first: &Bound<'_, PyAny>) -> Result<(), Error> {
    if !first.is_instance_of::<PyDict>() {
        return Ok(());
    }
    let message = format!(
        "{client}: the first argument is a dict. If these are options under librdkafka's names, pass config={{...}}"
    );
    Err(Error::Config { message, option: "config".to_owned() })
}

fn refuse_empty(role: Role, name: &str, text: &str) -> Result<(), Error> {
    let dotted = name.replace('_', ".");
    match NEEDS_A_NAME.iter().find(|(known, _)| text.is_empty() && *known == dotted) {
        None => Ok(()),
        Some((_, advice)) => Err(Error::Config {
            message: format!("{}: '{name}' is empty, which is no name. {advice}", role.name()),
            option: name.to_owned(),
        }),
    }
}

/// The options of a client, for what is generated from them: name, type, default, unit, librdkafka's name, secret,
/// text.
#[pyfunction]
pub fn _options_table(
    client: &str,
) -> Vec<(&'static str, &'static str, &'static str, &'static str, &'static str, bool, &'static str)> {
    let role = if client.ends_with("Producer") { Role::Producer } else { Role::Consumer };
    options(role)
        .map(|o| (o.name, o.annotation, o.default, o.unit, o.property, is_secret(o.property), o.text))
        .collect()
}

/// What a client uses for one of librdkafka's properties, for the tests to compare with what is documented.
#[pyfunction]
pub fn _option_of(client: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<String>> {
    let value = if let Ok(producer) = client.cast::<Producer>() {
        producer.get().core()?.producer.option(name)
    } else if let Ok(producer) = client.cast::<AsyncProducer>() {
        producer.get().handle()?.get().core.producer.option(name)
    } else if let Ok(consumer) = client.cast::<Consumer>() {
        consumer.get().core()?.consumer.option(name)
    } else {
        client.cast::<AsyncConsumer>()?.get().core()?.consumer.option(name)
    };
    Ok(value.filter(|_| !is_secret(name)))
}
