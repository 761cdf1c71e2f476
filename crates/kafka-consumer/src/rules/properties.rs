//! What holds for whatever comes: the rules against random states, messages and disturbed streams.

use common::message::{Action, Message, Position};
use common::protocol::state::State;
use common::random_name::Name;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{Before, Cause, Effect, Reset, Step, step};

/// One of few, so that a message continues a state now and then.
fn few_names() -> impl Strategy<Value = Name> {
    "[ab]{1}".prop_map(|digit| Name::parse(&digit.repeat(16)).unwrap())
}

fn few_sequences() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4_u64, 1 => Just(u64::MAX)]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        "[A-C]".prop_map(Action::Invalidate),
        Just(Action::InvalidateAll),
        any::<u64>().prop_map(Action::Heartbeat)
    ]
}

fn any_state() -> impl Strategy<Value = State> {
    (few_names(), few_sequences(), any::<Option<u64>>(), 0..1_000_i64).prop_map(
        |(generation, sequence, number, offset)| State { epoch: Name::random(), generation, sequence, number, offset },
    )
}

fn any_before() -> impl Strategy<Value = Before> {
    prop_oneof![4 => any_state().prop_map(Before::Known), 1 => Just(Before::Unknown)]
}

/// `None`: it can't be decoded.
fn any_message() -> impl Strategy<Value = Option<Message>> {
    let position = (few_names(), few_sequences()).prop_map(|(generation, sequence)| Position { generation, sequence });
    option::of((any_action(), option::of(position)).prop_map(|(action, position)| Message { action, position }))
}

fn known(before: Before) -> Option<State> {
    match before {
        Before::Known(state) => Some(state),
        Before::Unknown => None,
    }
}

/// An offset that a message may have after `before`, with or without a hole.
fn offset_after(before: Before, hole: i64) -> i64 {
    known(before).map_or(0, |state| state.offset) + hole
}

proptest! {
    #[test]
    fn the_offset_always_moves_to_the_next_message(before in any_before(), message in any_message(), hole in 0..3_i64) {
        let offset = offset_after(before, hole);
        let Step { after, .. } = step(before, offset, message.as_ref(), Name::random());
        if let Some(state) = known(after) {
            prop_assert_eq!(state.offset, offset + 1);
        }
    }

    #[test]
    fn a_known_shard_has_a_new_epoch_exactly_where_the_effect_empties_it(
        state in any_state(),
        message in any_message(),
    ) {
        let fresh = Name::random();
        let Step { after, effect } = step(Before::Known(state), state.offset, message.as_ref(), fresh);
        let after = known(after).expect("what is known stays known");
        let empties = matches!(effect, Effect::Empty(_) | Effect::EmptyEverywhere(_));
        prop_assert_eq!(after.epoch, if empties { fresh } else { state.epoch });
    }

    #[test]
    fn an_unknown_shard_becomes_known_by_a_relays_message_alone_and_is_emptied_then(message in any_message()) {
        let fresh = Name::random();
        let Step { after, effect } = step(Before::Unknown, 7, message.as_ref(), fresh);
        let of_a_relay = message.is_some_and(|message| message.position.is_some());
        prop_assert_eq!(known(after).map(|state| state.epoch), of_a_relay.then_some(fresh));
        prop_assert_eq!(effect == Effect::Empty(Cause::Reset(Reset::Seek)), of_a_relay);
    }

    #[test]
    fn the_number_is_only_ever_one_that_a_relay_gave_in_the_states_generation(
        before in any_before(),
        message in any_message(),
    ) {
        let after = known(step(before, offset_after(before, 0), message.as_ref(), Name::random()).after);
        let Some((after, number)) = after.and_then(|after| Some((after, after.number?))) else { return Ok(()) };
        let given = message.is_some_and(|message| {
            message.action == Action::Heartbeat(number)
                && message.position.is_some_and(|position| position.generation == after.generation)
        });
        let kept = known(before).is_some_and(|before| {
            (before.generation, before.number) == (after.generation, Some(number))
        });
        prop_assert!(given || kept);
    }

    #[test]
    fn what_is_made_by_hand_leaves_the_relays_stream_alone(state in any_state(), action in any_action()) {
        let message = Message { action, position: None };
        let after = known(step(Before::Known(state), state.offset, Some(&message), Name::random()).after).unwrap();
        let stream = |state: State| (state.generation, state.sequence, state.number);
        prop_assert_eq!(stream(after), stream(state));
    }

    /// Delivered are the messages of a relay with these numbers in its stream: each may be lost, doubled or late.
    #[test]
    fn a_stream_that_is_not_delivered_as_it_was_published_resets_its_shard(
        actions in vec(any_action(), 1..6),
        delivered in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let delivered: Vec<_> = delivered.into_iter().map(|index| index.index(actions.len())).collect();
        let run = Run::of(&actions, delivered.iter().copied());
        let in_order = delivered.iter().copied().eq(0..delivered.len());
        prop_assert_eq!(run.resets == 0, in_order);
    }

    /// Of a message that is lost, doubled or late, nothing is left once the next heartbeats have come, but the code that
    /// it named can't be in the cache any more.
    #[test]
    fn one_disturbance_ends_in_a_reset_and_in_the_state_of_the_undisturbed_stream(
        actions in vec(any_action(), 2..8),
        place in any::<prop::sample::Index>(),
        disturbance in 0..3,
    ) {
        let count = actions.len();
        let place = place.index(count - 1);
        let actions = [actions, vec![Action::Heartbeat(8), Action::Heartbeat(9)]].concat();
        let mut delivered: Vec<_> = (0..actions.len()).collect();
        match disturbance {
            0 => drop(delivered.remove(place)),
            1 => delivered.insert(place, place),
            _ => delivered.swap(place, place + 1),
        }
        let undisturbed = Run::of(&actions, 0..actions.len());
        let disturbed = Run::of(&actions, delivered.into_iter());
        prop_assert_eq!(undisturbed.resets, 0);
        prop_assert!(disturbed.resets > 0);
        prop_assert_ne!(disturbed.state.epoch, disturbed.first_epoch, "what was filled before is dead");
        let stream = |run: &Run| (run.state.generation, run.state.sequence, run.state.number);
        prop_assert_eq!(stream(&disturbed), stream(&undisturbed));
    }
}

/// What became of a shard.
struct Run {
    first_epoch: Name,
    state: State,
    resets: usize,
}

impl Run {
    /// Applies the messages of one relay at these places of its stream to a shard that has applied none of them.
    fn of(actions: &[Action], delivered: impl Iterator<Item = usize>) -> Self {
        let [epoch, generation] = [Name::random(), Name::parse("aaaaaaaaaaaaaaaa").unwrap()];
        let mut state = State { epoch, generation, sequence: 0, number: None, offset: 0 };
        let mut resets = 0;
        for (offset, place) in (0..).zip(delivered) {
            let position = Position { generation, sequence: place as u64 + 1 };
            let message = Message { action: actions[place].clone(), position: Some(position) };
            let step = step(Before::Known(state), offset, Some(&message), Name::random());
            state = known(step.after).expect("what is known stays known");
            resets += usize::from(matches!(step.effect, Effect::Empty(Cause::Reset(_))));
        }
        Self { first_epoch: epoch, state, resets }
    }
}
