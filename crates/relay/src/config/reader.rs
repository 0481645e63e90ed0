//! Reads keys out of the merged layers, collecting faults instead of stopping at the first.
//!
//! Every key is asked for by name, with the variable that may set it; what has not been asked for
//! by the end is unknown, and a fault.

use super::{ConfigError, Fault};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use toml::{Table, Value};

pub(super) struct Reader<'a> {
    merged: BTreeMap<String, Value>,
    environment: &'a BTreeMap<String, String>,
    asked: BTreeSet<String>,
    faults: Vec<Fault>,
}

/// A key and the variable over it.
#[derive(Clone, Copy)]
pub(super) struct Key<'k> {
    pub(super) path: &'k str,
    pub(super) variable: Option<&'k str>,
}

impl Key<'_> {
    fn name(&self) -> String {
        match self.variable {
            Some(variable) => format!("{variable} ({})", self.path),
            None => self.path.to_owned(),
        }
    }
}

fn flatten(prefix: &str, table: Table, into: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            // An empty one stays, so that a name that means nothing is found even there.
            Value::Table(inner) if !inner.is_empty() => flatten(&path, inner, into),
            other => {
                into.insert(path, other);
            }
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        embedded: &str,
        file: Option<&str>,
        environment: &'a BTreeMap<String, String>,
    ) -> Self {
        let mut reader = Self {
            merged: BTreeMap::new(),
            environment,
            asked: BTreeSet::new(),
            faults: Vec::new(),
        };
        for (name, text) in [("config.default.toml", Some(embedded)), ("--config", file)] {
            match text.map(Table::from_str) {
                Some(Ok(table)) => flatten("", table, &mut reader.merged),
                Some(Err(error)) => {
                    // Only where and what: the line itself might hold a secret.
                    let at = error.span().map(|span| line_of(text.unwrap_or_default(), span.start));
                    let at = at.map_or_else(String::new, |line| format!("line {line}: "));
                    reader.fault(name.to_owned(), format!("{at}{}", error.message()));
                }
                None => {}
            }
        }
        reader
    }

    pub(super) fn fault(&mut self, key: String, what: impl Into<String>) {
        self.faults.push(Fault { key, what: what.into() });
    }

    pub(super) fn fault_at(&mut self, key: Key<'_>, what: impl Into<String>) {
        self.fault(key.name(), what);
    }

    /// The keys below `prefix` that are set, one level deep.
    pub(super) fn names_below(&self, prefix: &str) -> BTreeSet<String> {
        let below =
            self.merged.keys().filter_map(|path| path.strip_prefix(prefix)?.strip_prefix('.'));
        below.filter_map(|rest| rest.split('.').next()).map(str::to_owned).collect()
    }

    /// What is set: the environment's text, or the file's value. An empty variable is unset.
    fn value(&mut self, key: Key<'_>) -> Option<Value> {
        self.asked.insert(key.path.to_owned());
        let variable = key.variable.and_then(|name| self.environment.get(name));
        match variable {
            Some(text) if !text.is_empty() => Some(Value::String(text.clone())),
            _ => self.merged.get(key.path).cloned(),
        }
    }

    /// Text; white space around it is not part of it.
    pub(super) fn text(&mut self, key: Key<'_>) -> Option<String> {
        match self.value(key)? {
            Value::String(text) if text.trim().is_empty() => {
                self.fault_at(key, "is blank");
                None
            }
            Value::String(text) => Some(text.trim().to_owned()),
            _ => {
                self.fault_at(key, "must be text");
                None
            }
        }
    }

    /// Text that must be set.
    pub(super) fn required(&mut self, key: Key<'_>) -> String {
        let faults = self.faults.len();
        match self.text(key) {
            Some(text) => text,
            None => {
                if self.faults.len() == faults {
                    self.fault_at(key, "is required and not set");
                }
                String::new()
            }
        }
    }

    /// A key, a token or an id: one word.
    pub(super) fn word(&mut self, key: Key<'_>) -> Option<String> {
        let text = self.text(key)?;
        self.is_word(key, &text);
        Some(text)
    }

    fn is_word(&mut self, key: Key<'_>, text: &str) {
        if text.contains(|it: char| it.is_whitespace() || it.is_control()) {
            self.fault_at(key, "must be one word; is there a comment behind it?");
        }
    }

    /// A list of such.
    pub(super) fn words(&mut self, key: Key<'_>) -> Vec<String> {
        let words = self.list(key);
        words.iter().for_each(|word| self.is_word(key, word));
        words
    }

    /// A word that must be set.
    pub(super) fn required_word(&mut self, key: Key<'_>) -> String {
        let text = self.required(key);
        if !text.is_empty() {
            self.word(key);
        }
        text
    }

    pub(super) fn secret(&mut self, key: Key<'_>) -> Option<SecretString> {
        self.word(key).map(SecretString::from)
    }

    /// Anything that is written as text and parsed; `what` names it.
    pub(super) fn parsed<T: FromStr>(&mut self, key: Key<'_>, what: &str) -> Option<T> {
        let text = self.text(key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault_at(key, format!("must be {what}"));
        }
        parsed
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, key: Key<'_>, least: i64, most: i64) -> i64 {
        let number = match self.value(key) {
            None => {
                self.fault_at(key, "is required and not set");
                return least;
            }
            Some(Value::Integer(number)) => Some(number),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match number {
            Some(number) if (least..=most).contains(&number) => number,
            _ => {
                self.fault_at(key, format!("must be a whole number from {least} to {most}"));
                least
            }
        }
    }

    pub(super) fn flag(&mut self, key: Key<'_>) -> bool {
        match self.value(key) {
            Some(Value::Boolean(flag)) => flag,
            Some(Value::String(text)) if matches!(text.trim(), "true" | "1") => true,
            Some(Value::String(text)) if matches!(text.trim(), "false" | "0") => false,
            _ => {
                self.fault_at(key, "must be true or false");
                false
            }
        }
    }

    /// A list: an array in the file; text separated by commas in a variable (or in the file).
    pub(super) fn list(&mut self, key: Key<'_>) -> Vec<String> {
        let items: Vec<String> = match self.value(key) {
            None => return Vec::new(),
            Some(Value::String(text)) => {
                text.split(',').map(|item| item.trim().to_owned()).collect()
            }
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => text.trim().to_owned(),
                    Value::Integer(number) => number.to_string(),
                    _ => String::new(),
                })
                .collect(),
            Some(_) => vec![String::new()],
        };
        if items.iter().any(String::is_empty) {
            self.fault_at(key, "must be a list without empty items");
            return Vec::new();
        }
        items
    }

    /// A list of things that are parsed.
    pub(super) fn parsed_list<T: FromStr>(&mut self, key: Key<'_>, what: &str) -> Vec<T> {
        let mut parsed = Vec::new();
        for item in self.list(key) {
            match item.parse() {
                Ok(it) => parsed.push(it),
                Err(_) => self.fault_at(key, format!("must be a list of {what}")),
            }
        }
        parsed
    }

    /// Whether somebody asked for this key, or, if it is an empty table, for one below it.
    fn is_known(&self, (path, value): &(&String, &Value)) -> bool {
        let below =
            |key: &String| key.strip_prefix(*path).is_some_and(|rest| rest.starts_with('.'));
        self.asked.contains(*path) || (value.is_table() && self.asked.iter().any(below))
    }

    /// Answers what was read of a part of the configuration, if nothing was wrong with that part.
    pub(super) fn finish_part<T>(mut self, part: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() {
            return Ok(part);
        }
        self.faults.sort();
        self.faults.dedup();
        Err(ConfigError { faults: self.faults })
    }

    /// Adds the unknown keys; answers `config` if nothing at all was wrong.
    pub(super) fn finish<T>(mut self, config: Option<T>) -> Result<T, ConfigError> {
        let unknown: Vec<String> =
            self.merged.iter().filter(|it| !self.is_known(it)).map(|it| it.0.clone()).collect();
        for path in unknown {
            self.fault(path, "is not a key of this program; see `autocrea-relay default-config`");
        }
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => {
                self.faults.sort();
                self.faults.dedup();
                Err(ConfigError { faults: self.faults })
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}
