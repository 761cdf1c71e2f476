//! Reads environment variables one by one and remembers every one that is wrong, so that all are reported at once.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use config::{Config, ConfigError};
use secrecy::SecretString;

/// The variables of a process, and what was found wrong with those that were asked for.
pub struct Environment {
    values: Config,
    not_unicode: Vec<String>,
    problems: Vec<String>,
}

impl Environment {
    /// Takes all variables whose name could be one of ours.
    ///
    /// # Errors
    /// If the `config` crate can't make sense of them, which takes a name that this refuses already.
    pub fn new(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut not_unicode = Vec::new();
        let mut values = HashMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
                continue;
            }
            match value.into_string() {
                Ok(value) => drop(values.insert(name, value)),
                Err(_) => not_unicode.push(name),
            }
        }
        let source = config::Environment::default().source(Some(values));
        let values = Config::builder().add_source(source).build()?;
        Ok(Self { values, not_unicode, problems: Vec::new() })
    }

    /// A text; `default` where the variable isn't set.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.optional_text(name).unwrap_or_else(|| default.to_owned())
    }

    /// A text that may be absent.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        if self.not_unicode.iter().any(|other| other == name) {
            self.problem(name, "is not valid UTF-8");
            return None;
        }
        let value = self.values.get_string(&name.to_lowercase()).ok()?;
        if value.trim().is_empty() {
            self.problem(name, "is set but empty; unset it to have the default");
            return None;
        }
        Some(value)
    }

    /// A text that is not to be shown anywhere.
    pub fn secret(&mut self, name: &str, default: &str) -> SecretString {
        self.text(name, default).into()
    }

    /// A text that `check` accepts; `expected` completes "must be …".
    pub fn checked_text(&mut self, name: &str, default: &str, expected: &str, check: impl Fn(&str) -> bool) -> String {
        let value = self.text(name, default);
        if !check(&value) {
            self.problem(name, &format!("must be {expected}, but is `{value}`"));
        }
        value
    }

    /// A whole number within `range`.
    pub fn number<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.optional_text(name) else { return default };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = (range.start(), range.end());
                self.problem(name, &format!("must be a whole number from {least} to {most}, but is `{text}`"));
                default
            }
        }
    }

    /// A time in milliseconds (the name ends in `_MS`).
    pub fn milliseconds(&mut self, name: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(name, default, range))
    }

    /// One of a few words; the first one is the default.
    pub fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> T {
        let (_, default) = words[0];
        let Some(text) = self.optional_text(name) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.problem(name, &format!("must be one of {}, but is `{text}`", known.join(", ")));
        default
    }

    /// Notes that a variable is wrong.
    pub fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name} {what}").escape_debug().to_string());
    }

    /// One line for each variable that is wrong.
    pub fn into_problems(self) -> Vec<String> {
        self.problems
    }
}
