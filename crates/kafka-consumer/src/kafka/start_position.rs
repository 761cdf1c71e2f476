//! Where a shard's log is begun: a pure decision from its state in Redis and the bounds of its log.

use std::fmt;

use common::protocol::state::State;
use rdkafka::Offset;

/// First offset that is in a log, and the next one to be written.
pub(crate) type LogBounds = (i64, i64);

/// Where a shard's log is begun.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartPosition {
    /// Where the state in Redis ends.
    AtState(State),
    /// At the end of the log: what lies before is not applied, so that the next message of a relay resets the shard.
    AtEnd(SeekReason),
}

/// Why a log is begun at its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SeekReason {
    /// Redis has no state that can be read.
    NoState,
    /// The state is of another log than the one that is there, or of what was removed from it.
    OutsideLog {
        /// The state's.
        offset: i64,
        /// What is there.
        bounds: LogBounds,
    },
    /// A refill costs less than a replay.
    LargeBacklog {
        /// How many there are from the state's offset on.
        messages: i64,
        /// `BACKLOG_LIMIT_MESSAGES`.
        limit: i64,
    },
}

impl StartPosition {
    /// Decides. Without bounds, since the broker didn't tell them in time, the state is believed: where it is wrong,
    /// Kafka objects later.
    pub(crate) fn of(state: Option<State>, bounds: Option<LogBounds>, backlog_limit: i64) -> Self {
        let Some(state) = state else { return Self::AtEnd(SeekReason::NoState) };
        let Some(bounds @ (low, high)) = bounds else { return Self::AtState(state) };
        if !(low..=high).contains(&state.offset) {
            return Self::AtEnd(SeekReason::OutsideLog { offset: state.offset, bounds });
        }
        let messages = high - state.offset;
        if messages > backlog_limit {
            return Self::AtEnd(SeekReason::LargeBacklog { messages, limit: backlog_limit });
        }
        Self::AtState(state)
    }

    /// The same for librdkafka.
    pub(crate) fn offset(&self) -> Offset {
        match self {
            Self::AtState(state) => Offset::Offset(state.offset),
            Self::AtEnd(_) => Offset::End,
        }
    }
}

impl fmt::Display for SeekReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoState => f.write_str("no state in redis"),
            Self::OutsideLog { offset, bounds: (low, high) } => {
                write!(f, "its offset {offset} is outside the log, which reaches from {low} to {high}")
            }
            Self::LargeBacklog { messages, limit } => {
                write!(f, "its backlog of {messages} messages is above the limit of {limit}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::protocol::state::State;
    use common::random_name::Name;

    use super::{LogBounds, SeekReason, StartPosition};

    const LIMIT: i64 = 100;

    fn state(offset: i64) -> State {
        State { epoch: Name::random(), generation: Name::random(), sequence: 4, number: None, offset }
    }

    fn begin(state: State, bounds: Option<LogBounds>) -> StartPosition {
        StartPosition::of(Some(state), bounds, LIMIT)
    }

    #[test]
    fn a_state_is_gone_on_from() {
        let state = state(17);
        for bounds in [(0, 17), (17, 17), (17, 20), (0, 17 + LIMIT)] {
            assert_eq!(begin(state, Some(bounds)), StartPosition::AtState(state), "{bounds:?}");
        }
    }

    #[test]
    fn without_a_state_the_log_is_begun_at_its_end() {
        for bounds in [Some((0, 5)), None] {
            assert_eq!(StartPosition::of(None, bounds, LIMIT), StartPosition::AtEnd(SeekReason::NoState));
        }
    }

    #[test]
    fn an_offset_outside_the_log_is_not_gone_on_from() {
        for bounds in [(0, 16), (18, 20), (0, 0)] {
            let reason = SeekReason::OutsideLog { offset: 17, bounds };
            assert_eq!(begin(state(17), Some(bounds)), StartPosition::AtEnd(reason));
        }
    }

    #[test]
    fn a_backlog_above_the_limit_is_not_replayed() {
        let reason = SeekReason::LargeBacklog { messages: LIMIT + 1, limit: LIMIT };
        assert_eq!(begin(state(17), Some((0, 17 + LIMIT + 1))), StartPosition::AtEnd(reason));
    }

    #[test]
    fn without_bounds_the_state_is_believed() {
        let state = state(17);
        assert_eq!(begin(state, None), StartPosition::AtState(state));
    }
}
