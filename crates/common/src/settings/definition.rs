//! What a setting is: a name, what its value may be, a default, and a description.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

/// One environment variable.
pub(super) struct Setting<K> {
    /// The variable's name.
    pub(super) name: &'static str,
    /// What its value may be.
    pub(super) kind: K,
    /// The value of an unset variable, as it would be written; empty: there is none.
    pub(super) default: &'static str,
    /// For the README and `--help`.
    pub(super) what: &'static str,
}

/// What a value may be.
pub(super) trait Kind {
    type Value;

    /// `None`: it may not be this.
    fn parse(&self, text: &str) -> Option<Self::Value>;

    /// Completes "must be …".
    fn expected(&self) -> String;

    /// The same for a column of a table: unit and limits.
    fn limits(&self) -> String {
        self.expected()
    }

    /// Whether an empty variable is a value; else it counts as unset.
    fn may_be_empty(&self) -> bool {
        false
    }
}

/// A setting of any kind, for lists.
pub(super) trait Definition: Sync {
    fn name(&self) -> &'static str;
    fn default(&self) -> &'static str;
    fn what(&self) -> &'static str;
    fn limits(&self) -> String;
    fn may_be_empty(&self) -> bool;
    #[cfg(test)]
    fn default_is_right(&self) -> bool;
}

impl<K: Kind + Sync> Definition for Setting<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default(&self) -> &'static str {
        self.default
    }

    fn what(&self) -> &'static str {
        self.what
    }

    fn limits(&self) -> String {
        self.kind.limits()
    }

    fn may_be_empty(&self) -> bool {
        self.kind.may_be_empty()
    }

    #[cfg(test)]
    fn default_is_right(&self) -> bool {
        self.default.is_empty() || self.kind.parse(self.default).is_some()
    }
}

/// A text that `parse` understands, and may write in another way.
pub(super) struct Text {
    pub(super) limits: &'static str,
    pub(super) expected: &'static str,
    pub(super) parse: fn(&str) -> Option<String>,
}

impl Text {
    /// Any text.
    pub(super) const ANY: Self = Self { limits: "text", expected: "a text", parse: |text| Some(text.to_owned()) };
}

impl Kind for Text {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        (self.parse)(text)
    }

    fn expected(&self) -> String {
        self.expected.to_owned()
    }

    fn limits(&self) -> String {
        self.limits.to_owned()
    }
}

/// A text that is never shown.
pub(super) struct Secret;

impl Kind for Secret {
    type Value = SecretString;

    fn parse(&self, text: &str) -> Option<SecretString> {
        Some(text.into())
    }

    fn expected(&self) -> String {
        "text".to_owned()
    }
}

/// A secret; empty: there is none.
pub(super) struct Password;

impl Kind for Password {
    type Value = Option<SecretString>;

    fn parse(&self, text: &str) -> Option<Option<SecretString>> {
        Some((!text.is_empty()).then(|| text.into()))
    }

    fn expected(&self) -> String {
        "text".to_owned()
    }

    fn may_be_empty(&self) -> bool {
        true
    }
}

/// A whole number.
pub(super) struct Whole<T>(pub(super) RangeInclusive<T>);

impl<T: FromStr + PartialOrd + Display> Kind for Whole<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Option<T> {
        text.parse().ok().filter(|number| self.0.contains(number))
    }

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn limits(&self) -> String {
        format!("{}–{}", self.0.start(), self.0.end())
    }
}

/// A time in milliseconds: the name ends in `_MS`.
pub(super) struct Milliseconds(pub(super) RangeInclusive<u64>);

impl Kind for Milliseconds {
    type Value = Duration;

    fn parse(&self, text: &str) -> Option<Duration> {
        text.parse().ok().filter(|number| self.0.contains(number)).map(Duration::from_millis)
    }

    fn expected(&self) -> String {
        format!("a whole number of milliseconds from {} to {}", self.0.start(), self.0.end())
    }

    fn limits(&self) -> String {
        format!("{}–{} ms", self.0.start(), self.0.end())
    }
}

/// A time in seconds: the name ends in `_S`.
pub(super) struct Seconds(pub(super) RangeInclusive<u64>);

impl Kind for Seconds {
    type Value = Duration;

    fn parse(&self, text: &str) -> Option<Duration> {
        text.parse().ok().filter(|number| self.0.contains(number)).map(Duration::from_secs)
    }

    fn expected(&self) -> String {
        format!("a whole number of seconds from {} to {}", self.0.start(), self.0.end())
    }

    fn limits(&self) -> String {
        format!("{}–{} s", self.0.start(), self.0.end())
    }
}

/// One of a few words, in any case.
pub(super) struct Word<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T> Word<T> {
    fn list(&self, written: impl Fn(&str) -> String) -> String {
        self.0.iter().map(|(word, _)| written(word)).collect::<Vec<_>>().join(", ")
    }
}

impl<T: Copy> Kind for Word<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Option<T> {
        self.0.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
    }

    fn expected(&self) -> String {
        format!("one of {}", self.list(str::to_owned))
    }

    fn limits(&self) -> String {
        self.list(|word| format!("`{word}`"))
    }
}
