//! The rules: what one message does to a shard, as a pure function of the shard's state and the message.

use std::fmt;

use common::message::{Action, Message, Position};
use common::protocol::state::State;
use common::random_name::Name;

/// What a message is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Everything up to this state has been applied; the next message of its relay continues it.
    Known(State),
    /// The log was begun at its end: what lies before is unknown, and nothing is written until a relay's message resets.
    Unknown,
}

/// What a message does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What the following message is held against.
    pub(crate) after: Before,
    /// What it does beyond moving the offset on.
    pub(crate) effect: Effect,
}

/// What a message does beyond moving the offset on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// The code's key is deleted, value or lease, in the code's own shard.
    Delete(String, Cause),
    /// This shard has a new epoch.
    Empty(Cause),
    /// This shard has a new epoch, and every other one needs one, too.
    EmptyEverywhere(Cause),
}

/// Why something was dropped; as text it goes into the shard's `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The relay said so.
    Relay,
    /// Somebody said so by hand.
    Hand,
    /// Something may have been missed.
    Reset(Reset),
}

/// Why a relay's message doesn't continue what was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// It is of another generation.
    Generation {
        /// The one that was applied last.
        from: Name,
        /// The message's.
        to: Name,
    },
    /// A message of its generation is missing.
    Gap {
        /// The sequence applied last.
        after: u64,
        /// The message's.
        found: u64,
    },
    /// It is the first one found after a seek to the end.
    Seek,
}

/// What the message at `offset` does (`None`: it could not be decoded), where `fresh` is the epoch that the shard has
/// from now on if it needs a new one.
pub(crate) fn step(before: Before, offset: i64, message: Option<&Message>, fresh: Name) -> Step {
    let next = offset + 1;
    match message {
        // It is parked; if it was the relay's, the next sequence shows the gap.
        None => Step { after: moved(before, next), effect: Effect::Nothing },
        Some(Message { action, position: None }) => by_hand(moved(before, next), action, fresh),
        Some(Message { action, position: Some(position) }) => match continued(before, *position) {
            Ok(state) => by_relay(State { sequence: position.sequence, offset: next, ..state }, action, fresh),
            Err(reset) => reset_by(*position, next, action, fresh, reset),
        },
    }
}

fn moved(before: Before, offset: i64) -> Before {
    match before {
        Before::Known(state) => Before::Known(State { offset, ..state }),
        Before::Unknown => Before::Unknown,
    }
}

fn by_hand(after: Before, action: &Action, fresh: Name) -> Step {
    match (action, after) {
        (Action::Invalidate(code), _) => Step { after, effect: Effect::Delete(code.clone(), Cause::Hand) },
        // An unknown shard is about to be emptied anyway.
        (Action::InvalidateAll, Before::Unknown) => Step { after, effect: Effect::EmptyEverywhere(Cause::Hand) },
        (Action::InvalidateAll, Before::Known(state)) => {
            let after = Before::Known(State { epoch: fresh, ..state });
            Step { after, effect: Effect::EmptyEverywhere(Cause::Hand) }
        }
        (Action::Heartbeat(_), _) => Step { after, effect: Effect::Nothing },
    }
}

fn continued(before: Before, position: Position) -> Result<State, Reset> {
    match before {
        Before::Unknown => Err(Reset::Seek),
        Before::Known(state) if state.generation != position.generation => {
            Err(Reset::Generation { from: state.generation, to: position.generation })
        }
        Before::Known(state) if state.sequence.checked_add(1) != Some(position.sequence) => {
            Err(Reset::Gap { after: state.sequence, found: position.sequence })
        }
        Before::Known(state) => Ok(state),
    }
}

fn by_relay(state: State, action: &Action, fresh: Name) -> Step {
    let (state, effect) = match action {
        Action::Invalidate(code) => (state, Effect::Delete(code.clone(), Cause::Relay)),
        Action::InvalidateAll => (State { epoch: fresh, ..state }, Effect::Empty(Cause::Relay)),
        Action::Heartbeat(number) => (State { number: Some(*number), ..state }, Effect::Nothing),
    };
    Step { after: Before::Known(state), effect }
}

fn reset_by(position: Position, offset: i64, action: &Action, fresh: Name, reset: Reset) -> Step {
    let number = match action {
        Action::Heartbeat(number) => Some(*number),
        Action::Invalidate(_) | Action::InvalidateAll => None,
    };
    let Position { generation, sequence } = position;
    let state = State { epoch: fresh, generation, sequence, number, offset };
    Step { after: Before::Known(state), effect: Effect::Empty(Cause::Reset(reset)) }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay => f.write_str("relay"),
            Self::Hand => f.write_str("hand"),
            Self::Reset(reset) => reset.fmt(f),
        }
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generation { from, to } => write!(f, "generation {to} follows {from}"),
            Self::Gap { after, found } => write!(f, "sequence {found} follows {after}"),
            Self::Seek => f.write_str("first message of a relay after a seek to the end"),
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use common::message::{Action, Message, Position};
    use common::protocol::state::State;
    use common::random_name::Name;

    use super::{Before, Cause, Effect, Reset, Step, step};

    const OFFSET: i64 = 40;

    fn name(digits: &str) -> Name {
        Name::parse(digits).unwrap()
    }

    fn generation() -> Name {
        name("aaaaaaaaaaaaaaaa")
    }

    fn fresh() -> Name {
        name("ffffffffffffffff")
    }

    fn state() -> State {
        State {
            epoch: name("eeeeeeeeeeeeeeee"),
            generation: generation(),
            sequence: 7,
            number: Some(3),
            offset: OFFSET,
        }
    }

    /// The state with its offset moved on: every message does at least that.
    fn moved() -> State {
        State { offset: OFFSET + 1, ..state() }
    }

    fn relay(generation: Name, sequence: u64, action: Action) -> Message {
        Message { action, position: Some(Position { generation, sequence }) }
    }

    fn hand(action: Action) -> Message {
        Message { action, position: None }
    }

    fn code() -> Action {
        Action::Invalidate("BGR".into())
    }

    fn on_state(message: Message) -> Step {
        step(Before::Known(state()), OFFSET, Some(&message), fresh())
    }

    fn on_unknown(message: Message) -> Step {
        step(Before::Unknown, OFFSET, Some(&message), fresh())
    }

    fn applied(state: State, effect: Effect) -> Step {
        Step { after: Before::Known(state), effect }
    }

    #[test]
    fn the_relays_next_invalidation_moves_the_sequence_and_deletes_the_code() {
        let expected = applied(State { sequence: 8, ..moved() }, Effect::Delete("BGR".into(), Cause::Relay));
        assert_eq!(on_state(relay(generation(), 8, code())), expected);
    }

    #[test]
    fn the_relays_next_heartbeat_moves_sequence_and_number() {
        let expected = applied(State { sequence: 8, number: Some(4), ..moved() }, Effect::Nothing);
        assert_eq!(on_state(relay(generation(), 8, Action::Heartbeat(4))), expected);
    }

    #[test]
    fn the_relays_next_all_begins_a_new_epoch_and_keeps_the_number() {
        let expected = applied(State { sequence: 8, epoch: fresh(), ..moved() }, Effect::Empty(Cause::Relay));
        assert_eq!(on_state(relay(generation(), 8, Action::InvalidateAll)), expected);
    }

    #[test]
    fn another_generation_resets_without_a_number() {
        let other = name("bbbbbbbbbbbbbbbb");
        for action in [code(), Action::InvalidateAll] {
            let next = State { epoch: fresh(), generation: other, sequence: 8, number: None, offset: OFFSET + 1 };
            let reset = Reset::Generation { from: generation(), to: other };
            let expected = applied(next, Effect::Empty(Cause::Reset(reset)));
            assert_eq!(on_state(relay(other, 8, action)), expected);
        }
    }

    #[test]
    fn a_gap_resets_without_a_number() {
        for found in [9, 7, 6, 1, 0, u64::MAX] {
            let next = State { epoch: fresh(), sequence: found, number: None, ..moved() };
            let expected = applied(next, Effect::Empty(Cause::Reset(Reset::Gap { after: 7, found })));
            assert_eq!(on_state(relay(generation(), found, code())), expected);
        }
    }

    #[test]
    fn the_last_sequence_of_all_is_continued_by_none() {
        let last = Before::Known(State { sequence: u64::MAX, ..state() });
        let step = step(last, OFFSET, Some(&relay(generation(), 0, code())), fresh());
        assert!(matches!(step.effect, Effect::Empty(Cause::Reset(Reset::Gap { .. }))));
    }

    #[test]
    fn a_heartbeat_that_does_not_continue_resets_with_its_own_number() {
        let next = State { epoch: fresh(), sequence: 9, number: Some(1), ..moved() };
        let step = on_state(relay(generation(), 9, Action::Heartbeat(1)));
        assert_eq!(step.after, Before::Known(next));
    }

    #[test]
    fn the_relays_first_message_after_a_seek_to_the_end_resets() {
        let next = State { epoch: fresh(), generation: generation(), sequence: 8, number: None, offset: OFFSET + 1 };
        let expected = applied(next, Effect::Empty(Cause::Reset(Reset::Seek)));
        assert_eq!(on_unknown(relay(generation(), 8, code())), expected);
    }

    #[test]
    fn a_code_by_hand_is_deleted_and_nothing_else() {
        let effect = Effect::Delete("BGR".into(), Cause::Hand);
        assert_eq!(on_state(hand(code())), applied(moved(), effect.clone()));
        assert_eq!(on_unknown(hand(code())), Step { after: Before::Unknown, effect });
    }

    #[test]
    fn all_by_hand_begins_a_new_epoch_in_every_shard() {
        let effect = Effect::EmptyEverywhere(Cause::Hand);
        let next = State { epoch: fresh(), ..moved() };
        assert_eq!(on_state(hand(Action::InvalidateAll)), applied(next, effect.clone()));
        assert_eq!(on_unknown(hand(Action::InvalidateAll)), Step { after: Before::Unknown, effect });
    }

    #[test]
    fn a_heartbeat_by_hand_only_moves_the_offset() {
        assert_eq!(on_state(hand(Action::Heartbeat(9))), applied(moved(), Effect::Nothing));
        let nothing = Step { after: Before::Unknown, effect: Effect::Nothing };
        assert_eq!(on_unknown(hand(Action::Heartbeat(9))), nothing);
    }

    #[test]
    fn what_can_not_be_decoded_only_moves_the_offset() {
        let undecodable = |before| step(before, OFFSET, None, fresh());
        assert_eq!(undecodable(Before::Known(state())), applied(moved(), Effect::Nothing));
        assert_eq!(undecodable(Before::Unknown), Step { after: Before::Unknown, effect: Effect::Nothing });
    }

    #[test]
    fn an_undecodable_message_of_the_relay_shows_as_a_gap() {
        let after = step(Before::Known(state()), OFFSET, None, fresh()).after;
        let next = step(after, OFFSET + 1, Some(&relay(generation(), 9, code())), fresh());
        assert!(matches!(next.effect, Effect::Empty(Cause::Reset(Reset::Gap { after: 7, found: 9 }))));
    }

    #[test]
    fn offsets_may_have_holes() {
        let step = step(Before::Known(state()), OFFSET + 5, Some(&relay(generation(), 8, code())), fresh());
        let Before::Known(state) = step.after else { panic!("{step:?}") };
        assert_eq!((state.sequence, state.offset), (8, OFFSET + 6));
    }
}
