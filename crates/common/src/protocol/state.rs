//! The state of a shard: one string in Redis, so that whatever is rolled back is rolled back together.

use std::fmt;

use crate::heartbeat::Heartbeat;
use crate::random::Name;

/// What a shard has applied, and the name of everything that it holds.
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
    /// The newest heartbeat that the shard has applied.
    pub fn watermark(&self) -> Option<Heartbeat> {
        let number = self.number?;
        Some(Heartbeat { generation: self.generation, number })
    }

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
    use super::State;
    use crate::random::Name;

    fn state(number: Option<u64>) -> State {
        State { epoch: Name::random(), generation: Name::random(), sequence: 4, number, offset: 17 }
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        for state in [state(None), state(Some(9))] {
            assert_eq!(State::parse(&state.to_string()), Some(state));
        }
    }

    #[test]
    fn anything_else_is_no_state() {
        let good = state(Some(9)).to_string();
        for text in ["", "x", &good[1..], &format!("{good} "), &format!("{good} 1"), &good.replace('9', "nine")] {
            assert_eq!(State::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_renewed_state_without_a_number_has_no_watermark() {
        assert_eq!(state(None).watermark(), None);
        assert!(state(Some(1)).watermark().is_some());
    }
}
