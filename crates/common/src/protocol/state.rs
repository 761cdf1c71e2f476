//! The state of a shard: one string in Redis, so that whatever is rolled back is rolled back together.

use std::fmt;

use crate::random_name::Name;

/// What a shard has applied, and the name of everything that it holds.
///
/// Generation and number are the shard's watermark: the proof of an answer's age will compare it with the heartbeat
/// that was noted before (docs/protocol.md, "Proof").
///
/// Written as `epoch generation sequence number offset`, with `-` for no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Name of everything that the shard holds; changing it empties the shard at once.
    pub epoch: Name,
    /// Generation of the relay whose messages were applied last.
    pub generation: Name,
    /// Sequence of the relay's last message.
    pub sequence: u64,
    /// Number of the newest heartbeat applied in this generation, if there was one.
    pub number: Option<u64>,
    /// Offset in the partition of the next message to apply.
    pub offset: i64,
}

impl State {
    /// Reads what [`fmt::Display`] writes; anything else is no state.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let state = Self {
            epoch: Name::parse(fields.next()?)?,
            generation: Name::parse(fields.next()?)?,
            sequence: fields.next()?.parse().ok()?,
            number: match fields.next()? {
                "-" => None,
                number => Some(number.parse().ok()?),
            },
            offset: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(state)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.epoch, self.generation, self.sequence)?;
        match self.number {
            Some(number) => write!(f, "{number}")?,
            None => write!(f, "-")?,
        }
        write!(f, " {}", self.offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::State;
    use crate::random_name::Name;

    fn state(number: Option<u64>) -> State {
        State { epoch: Name::random(), generation: Name::random(), sequence: 4, number, offset: 17 }
    }

    proptest! {
        #[test]
        fn a_state_reads_back_as_it_was_written(
            names in ["[0-9a-f]{16}", "[0-9a-f]{16}"],
            sequence: u64,
            number: Option<u64>,
            offset: i64,
        ) {
            let [epoch, generation] = names.map(|name| Name::parse(&name).unwrap());
            let state = State { epoch, generation, sequence, number, offset };
            prop_assert_eq!(State::parse(&state.to_string()), Some(state));
        }

        /// The scripts rely on it: `empty.lua` replaces the epoch alone.
        #[test]
        fn a_state_begins_with_its_epoch(epoch in "[0-9a-f]{16}") {
            let state = State { epoch: Name::parse(&epoch).unwrap(), ..state(Some(9)) };
            prop_assert_eq!(&state.to_string()[..epoch.len()], epoch);
        }

        #[test]
        fn no_text_makes_reading_panic(text in "[-+0-9a-f ]{0,80}") {
            let _ = State::parse(&text);
        }
    }

    #[test]
    fn anything_else_is_no_state() {
        let good = state(Some(9)).to_string();
        for text in ["", "x", &good[1..], &format!("{good} "), &format!("{good} 1"), &good.replace('9', "nine")] {
            assert_eq!(State::parse(text), None, "{text}");
        }
    }
}
