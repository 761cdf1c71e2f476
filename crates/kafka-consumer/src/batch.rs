//! What the messages of one shard come to when they are taken together: one script call, and what other shards need.

use std::collections::{BTreeMap, BTreeSet};

use common::keys::Keys;
use common::message::Message;
use common::protocol::apply::Change;
use common::random_name::Name;
use common::shard::Shard;

use crate::rules::{Before, Cause, Effect, Reset, step};

/// One message as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Its offset.
    pub(crate) offset: i64,
    /// What it says; `None`: it could not be decoded and was parked.
    pub(crate) message: Option<Message>,
}

/// What a batch comes to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the shard's next message is held against.
    pub(crate) after: Before,
    /// Codes to delete, by shard; nearly always this shard's alone.
    pub(crate) deletions: BTreeMap<Shard, Deletions>,
    /// The last ALL made by hand, which every other shard has to follow.
    pub(crate) everywhere: Option<Change>,
    /// Where the shard was reset, and why.
    pub(crate) resets: Vec<(i64, Reset)>,
}

/// What is deleted in one shard.
#[derive(Debug, Default)]
pub(crate) struct Deletions {
    /// The codes.
    pub(crate) codes: BTreeSet<String>,
    /// What goes into the shard's `changes`.
    pub(crate) changes: Vec<Change>,
}

/// Takes the messages of `shard` together; `fresh` makes names for new epochs.
pub(crate) fn outcome(
    keys: &Keys,
    shard: Shard,
    before: Before,
    records: &[Record],
    mut fresh: impl FnMut() -> Name,
) -> Outcome {
    let mut outcome = Outcome { after: before, deletions: BTreeMap::new(), everywhere: None, resets: Vec::new() };
    for Record { offset, message } in records {
        let step = step(outcome.after, *offset, message.as_ref(), fresh());
        outcome.after = step.after;
        outcome.note(keys, shard, *offset, step.effect);
    }
    outcome
}

impl Outcome {
    fn note(&mut self, keys: &Keys, shard: Shard, offset: i64, effect: Effect) {
        let change = |code, cause: Cause| Change { code, offset, cause: cause.to_string() };
        match effect {
            Effect::Nothing => {}
            Effect::Delete(code, cause) => {
                let deletions = self.deletions.entry(keys.shard_of(&code)).or_default();
                deletions.changes.push(change(Some(code.clone()), cause));
                deletions.codes.insert(code);
            }
            Effect::Empty(cause) => {
                self.deletions.entry(shard).or_default().changes.push(change(None, cause));
                if let Cause::Reset(reset) = cause {
                    self.resets.push((offset, reset));
                }
            }
            Effect::EmptyEverywhere(cause) => {
                self.deletions.entry(shard).or_default().changes.push(change(None, cause));
                self.everywhere = Some(change(None, cause));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::keys::Keys;
    use common::message::{Action, Message, Position};
    use common::protocol::state::State;
    use common::random_name::Name;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::{BTreeSet, Outcome, Record, outcome};
    use crate::rules::Before;

    fn keys() -> Keys {
        Keys::new("test", 8)
    }

    fn state() -> State {
        let (epoch, generation) = (Name::random(), Name::random());
        State { epoch, generation, sequence: 0, number: None, offset: 0 }
    }

    fn code(code: &str) -> Action {
        Action::Invalidate(code.to_owned())
    }

    /// The actions as consecutive messages of the state's relay.
    fn relay(state: &State, actions: Vec<Action>) -> Vec<Record> {
        let position = |sequence| Some(Position { generation: state.generation, sequence });
        let record = |(offset, action)| {
            let message = Some(Message { action, position: position(offset as u64 + 1) });
            Record { offset, message }
        };
        (0..).zip(actions).map(record).collect()
    }

    fn by_hand(action: Action) -> Record {
        Record { offset: 0, message: Some(Message { action, position: None }) }
    }

    fn take(before: Before, records: &[Record]) -> Outcome {
        outcome(&keys(), keys().shard_of("BGR"), before, records, Name::random)
    }

    proptest! {
        #[test]
        fn a_batch_comes_to_the_same_wherever_it_is_cut(
            codes in vec("[A-C]{3}", 1..8),
            lost in option::of(0..8_u64),
            cut in any::<Index>(),
        ) {
            let state = state();
            let mut records = relay(&state, codes.iter().map(|one| code(one)).collect());
            records.retain(|record| lost != Some(record.offset.cast_unsigned()));
            let (first, second) = records.split_at(cut.index(records.len() + 1));
            let take = |before, records: &[Record]| outcome(&keys(), 0, before, records, || state.generation);
            let whole = take(Before::Known(state), &records);
            let first = take(Before::Known(state), first);
            let second = take(first.after, second);
            prop_assert_eq!(whole.after, second.after);
            prop_assert_eq!(&whole.resets, &[first.resets.clone(), second.resets.clone()].concat());
            let codes = |outcome: &Outcome| -> BTreeSet<String> {
                outcome.deletions.values().flat_map(|deletions| deletions.codes.clone()).collect()
            };
            prop_assert_eq!(codes(&whole), &codes(&first) | &codes(&second));
        }
    }

    #[test]
    fn a_batch_has_one_next_state_and_each_code_once() {
        let state = state();
        let records = relay(&state, vec![code("BGR"), code("BGR"), Action::Heartbeat(5)]);
        let outcome = take(Before::Known(state), &records);
        let next = State { sequence: 3, number: Some(5), offset: 3, ..state };
        assert_eq!(outcome.after, Before::Known(next));
        let own = &outcome.deletions[&keys().shard_of("BGR")];
        assert_eq!(own.codes.iter().collect::<Vec<_>>(), ["BGR"]);
        assert_eq!(own.changes.iter().map(|change| change.offset).collect::<Vec<_>>(), [0, 1]);
        assert!(own.changes.iter().all(|change| change.cause == "relay"));
    }

    #[test]
    fn a_code_of_another_shard_is_deleted_there() {
        let foreign = ["FRA", "DEU", "USA"].into_iter().find(|code| keys().shard_of(code) != keys().shard_of("BGR"));
        let foreign = foreign.unwrap();
        let outcome = take(Before::Known(state()), &[by_hand(code(foreign))]);
        assert_eq!(outcome.deletions.keys().collect::<Vec<_>>(), [&keys().shard_of(foreign)]);
        assert_eq!(outcome.deletions[&keys().shard_of(foreign)].changes[0].cause, "hand");
    }

    #[test]
    fn all_by_hand_concerns_every_shard_and_all_of_the_relay_does_not() {
        let state = state();
        assert!(take(Before::Known(state), &[by_hand(Action::InvalidateAll)]).everywhere.is_some());
        let records = relay(&state, vec![Action::InvalidateAll]);
        assert!(take(Before::Known(state), &records).everywhere.is_none());
    }

    #[test]
    fn a_reset_is_reported_with_its_offset_and_its_reason_goes_into_the_changes() {
        let state = state();
        let mut records = relay(&state, vec![code("BGR"), code("BGR"), code("BGR")]);
        records.remove(1);
        let outcome = take(Before::Known(state), &records);
        assert_eq!(outcome.resets.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [2]);
        let own = &outcome.deletions[&keys().shard_of("BGR")];
        assert_eq!(own.changes[1].cause, "sequence 3 follows 1");
        assert_eq!(own.changes[1].code, None);
    }
}
