//! Renewals in the log: each with its reason, unless two relays publish to one topic and every message is one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::random::Name;
use common::shard::Shard;

use crate::log_limit::LogLimit;
use crate::state::Renewal;

/// Two relays on one topic go on until somebody stops one of them; a line a minute reminds of it.
const ALTERNATION_INTERVAL: Duration = Duration::from_secs(60);

/// What is remembered to tell a new relay from two that alternate.
#[derive(Debug)]
pub(crate) struct Renewals {
    /// The generation that each shard left last.
    left: BTreeMap<Shard, Name>,
    alternation: LogLimit,
}

impl Renewals {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { left: BTreeMap::new(), alternation: LogLimit::new(ALTERNATION_INTERVAL) }
    }

    /// Logs the renewal of `shard` by the message at `offset`.
    pub(crate) fn log(&mut self, shard: Shard, offset: i64, renewal: Renewal) {
        if !self.alternates(shard, renewal) {
            log::info!("shard {shard} renewed at offset {offset}: {renewal}");
        } else if self.alternation.pass(Instant::now()).is_some() {
            log::warn!(
                "two relays publish to this topic, so that the cache is emptied again and again: \
                 in shard {shard} at offset {offset} {renewal}, which it had left"
            );
        }
    }

    /// Whether a generation returns that the shard had left: a relay never returns to one.
    fn alternates(&mut self, shard: Shard, renewal: Renewal) -> bool {
        let Renewal::Generation { from, to } = renewal else { return false };
        self.left.insert(shard, from) == Some(to)
    }
}

#[cfg(test)]
mod tests {
    use common::random::Name;

    use super::Renewals;
    use crate::state::Renewal;

    #[test]
    fn only_a_generation_that_returns_shows_two_relays() {
        let [a, b, c] = [(); 3].map(|()| Name::random());
        let mut renewals = Renewals::new();
        let mut alternates = |shard, from, to| renewals.alternates(shard, Renewal::Generation { from, to });
        assert!(!alternates(0, a, b));
        assert!(!alternates(1, b, a));
        assert!(!alternates(0, b, c));
        assert!(alternates(0, c, b));
        assert!(alternates(0, b, c));
        assert!(!renewals.alternates(0, Renewal::Seek));
    }
}
