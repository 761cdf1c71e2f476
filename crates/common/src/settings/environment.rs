//! The variables of a process: those that are ours, in layers above their defaults, and what is wrong with them.

use std::collections::BTreeMap;
use std::ffi::OsString;

use config::{Config, ConfigError};

use super::definition::{Kind, Setting};
use super::table::ALL;
use super::unknown_variables::{Findings, judge};

/// The settings found, and what to say about the rest.
pub(super) struct Environment {
    values: Config,
    not_unicode: Vec<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Environment {
    /// Picks the settings from the variables. An empty one counts as unset, unless empty is a value of its own.
    pub(super) fn new(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let (mut found, mut not_unicode) = (BTreeMap::new(), Vec::new());
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
                continue;
            }
            if value.to_str().is_none() {
                not_unicode.push(name.clone());
            }
            let value = value.to_string_lossy().into_owned();
            let may_be_empty = ALL.iter().any(|setting| setting.name() == name && setting.may_be_empty());
            if may_be_empty || !value.trim().is_empty() {
                found.insert(name, value);
            }
        }
        let Findings { refused, warnings, displaced } = judge(&found);
        found.retain(|name, _| !displaced.contains(&name.as_str()));

        let mut values = Config::builder();
        for setting in ALL {
            values = values.set_default(setting.name().to_lowercase(), setting.default())?;
        }
        let source = config::Environment::default().source(Some(found.into_iter().collect()));
        Ok(Self { values: values.add_source(source).build()?, not_unicode, problems: refused, warnings })
    }

    /// The value of a setting that has a default; a wrong one is noted.
    pub(super) fn get<K: Kind>(&mut self, setting: &Setting<K>) -> K::Value {
        let value = self.optional(setting).or_else(|| setting.kind.parse(setting.default));
        value.expect("a setting without a default is asked for by `optional`")
    }

    /// The value of a setting that may be unset; a wrong one is noted, and counts as unset.
    pub(super) fn optional<K: Kind>(&mut self, setting: &Setting<K>) -> Option<K::Value> {
        if self.not_unicode.iter().any(|name| name == setting.name) {
            self.problem(format!("{} is not valid UTF-8", setting.name));
            return None;
        }
        let text = self.values.get_string(&setting.name.to_lowercase()).ok()?;
        if text.is_empty() && !setting.kind.may_be_empty() {
            return None;
        }
        let value = setting.kind.parse(&text);
        if value.is_none() {
            self.problem(format!("{} must be {}{}", setting.name, setting.kind.expected(), shown(&text)));
        }
        value
    }

    /// Notes what is wrong with a variable, in a line that begins with its name.
    pub(super) fn problem(&mut self, line: String) {
        self.problems.push(line);
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_right(&self) -> bool {
        self.problems.is_empty()
    }

    /// Lines to be logged; or, as the error, one line for each variable that is wrong.
    pub(super) fn finish(self) -> Result<Vec<String>, Vec<String>> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(self.problems) }
    }
}

/// A value as an error shows it, on one line; not at all if it looks like an address with a user or parameters, which
/// may hold a password.
fn shown(value: &str) -> String {
    if value.contains(['@', '=']) { String::new() } else { format!(", but is `{}`", value.escape_debug()) }
}
