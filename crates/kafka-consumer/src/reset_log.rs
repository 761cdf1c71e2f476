//! Resets in the log: each with its reason, unless two relays publish to one topic and every message is one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::log_limit::LogLimit;
use common::random_name::Name;
use common::shard::Shard;

use crate::rules::Reset;

/// Two relays on one topic go on until somebody stops one of them; a line a minute reminds of it.
const ALTERNATION_INTERVAL: Duration = Duration::from_secs(60);

/// What is remembered to tell a new relay from two that alternate.
#[derive(Debug)]
pub(crate) struct ResetLog {
    /// The generation that each shard left last.
    left: BTreeMap<Shard, Name>,
    alternation: LogLimit,
}

impl ResetLog {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { left: BTreeMap::new(), alternation: LogLimit::new(ALTERNATION_INTERVAL) }
    }

    /// Logs the reset of `shard` by the message at `offset`.
    pub(crate) fn log(&mut self, shard: Shard, offset: i64, reset: Reset) {
        if !self.alternates(shard, reset) {
            log::info!("shard {shard} reset at offset {offset}: {reset}");
        } else if self.alternation.pass(Instant::now()).is_some() {
            log::warn!(
                "two relays publish to this topic, so that the cache is emptied again and again: \
                 in shard {shard} at offset {offset} {reset}, which it had left"
            );
        }
    }

    /// Whether a generation returns that the shard had left: a relay never returns to one.
    fn alternates(&mut self, shard: Shard, reset: Reset) -> bool {
        let Reset::Generation { from, to } = reset else { return false };
        self.left.insert(shard, from) == Some(to)
    }
}

#[cfg(test)]
mod tests {
    use common::random_name::Name;

    use super::ResetLog;
    use crate::rules::Reset;

    #[test]
    fn only_a_generation_that_returns_shows_two_relays() {
        let [a, b, c] = [(); 3].map(|()| Name::random());
        let mut resets = ResetLog::new();
        let mut alternates = |shard, from, to| resets.alternates(shard, Reset::Generation { from, to });
        assert!(!alternates(0, a, b));
        assert!(!alternates(1, b, a));
        assert!(!alternates(0, b, c));
        assert!(alternates(0, c, b));
        assert!(alternates(0, b, c));
        assert!(!resets.alternates(0, Reset::Seek));
    }
}
