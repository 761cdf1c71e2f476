//! What travels on the topic: JSON that any client can make by hand, and that the relay signs with a place in its run.

use serde::{Deserialize, Serialize};

use crate::code::{CODE_BYTES_MAX, normalise};
use crate::random_name::Name;

/// One message of the topic `city_updates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it asks for.
    pub action: Action,
    /// Its place in the relay's run; none for a message made by hand.
    pub position: Option<Position>,
}

/// What a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `{"action":"invalidate_cache","code":"BGR"}`: the answer for this code (normalised) has changed.
    Invalidate(String),
    /// `{"action":"invalidate_all"}`: anything may have changed.
    InvalidateAll,
    /// `{"action":"heartbeat","number":7}`: all that was visible when this number was committed has been published.
    /// Only the relay's count; one made by hand does nothing.
    Heartbeat(u64),
}

/// Where a relay's message stands: the relay's generation, and its gapless number in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Name of one unbroken run of the relay.
    pub generation: Name,
    /// From 1 in each generation and partition, by one for each attempt to publish.
    pub sequence: u64,
}

/// Why a payload is no message; its text goes into the dead letter's header `reason`.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// No payload at all: a tombstone, as compacted topics have them.
    #[error("no payload (a tombstone)")]
    Tombstone,
    /// Not the JSON that is expected here.
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
    /// `action` is none of ours.
    #[error("unknown action")]
    UnknownAction,
    /// The action lacks a field that it needs.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// `generation` without `sequence`, the other way round, or a generation that isn't one.
    #[error("`generation` and `sequence` don't belong together")]
    Position,
    /// Longer than [`CODE_BYTES_MAX`].
    #[error("the code is longer than {CODE_BYTES_MAX} bytes")]
    CodeTooLong,
}

/// The JSON object; fields that are not here are ignored, so that newer writers don't stop older readers.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    action: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

const INVALIDATE: &str = "invalidate_cache";
const INVALIDATE_ALL: &str = "invalidate_all";
const HEARTBEAT: &str = "heartbeat";

impl Message {
    /// The JSON payload.
    pub fn encode(&self) -> Vec<u8> {
        let (action, code, number) = match &self.action {
            Action::Invalidate(code) => (INVALIDATE, Some(code.as_str().into()), None),
            Action::InvalidateAll => (INVALIDATE_ALL, None, None),
            Action::Heartbeat(number) => (HEARTBEAT, None, Some(*number)),
        };
        let wire = Wire {
            action: action.into(),
            code,
            number,
            generation: self.position.map(|position| position.generation.to_string()),
            sequence: self.position.map(|position| position.sequence),
        };
        serde_json::to_vec(&wire).expect("text and numbers always serialise")
    }

    /// Reads a payload as it came from Kafka (`None`: a tombstone).
    ///
    /// # Errors
    /// Says why it is none of the three actions; deep nesting is refused by the JSON reader's own limit of 128.
    pub fn decode(payload: Option<&[u8]>) -> Result<Self, Undecodable> {
        let wire: Wire<'_> = serde_json::from_slice(payload.ok_or(Undecodable::Tombstone)?)?;
        let action = match wire.action.as_ref() {
            INVALIDATE => {
                let code = wire.code.as_deref().ok_or(Undecodable::Missing("code"))?;
                if code.len() > CODE_BYTES_MAX {
                    return Err(Undecodable::CodeTooLong);
                }
                Action::Invalidate(normalise(code))
            }
            INVALIDATE_ALL => Action::InvalidateAll,
            HEARTBEAT => Action::Heartbeat(wire.number.ok_or(Undecodable::Missing("number"))?),
            _ => return Err(Undecodable::UnknownAction),
        };
        let position = match (wire.generation, wire.sequence) {
            (None, None) => None,
            (Some(generation), Some(sequence)) => {
                Some(Position { generation: Name::parse(&generation).ok_or(Undecodable::Position)?, sequence })
            }
            _ => return Err(Undecodable::Position),
        };
        Ok(Self { action, position })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::{Action, Message, Position, Undecodable};
    use crate::code::{CODE_BYTES_MAX, normalise};
    use crate::random_name::Name;

    fn any_name() -> impl Strategy<Value = Name> {
        "[0-9a-f]{16}".prop_map(|digits| Name::parse(&digits).unwrap())
    }

    /// Whatever stands in a text column, as the capture writes it.
    fn any_code() -> impl Strategy<Value = String> {
        vec(any::<char>(), 0..CODE_BYTES_MAX / 4).prop_map(|code| normalise(&code.into_iter().collect::<String>()))
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let action = prop_oneof![
            any_code().prop_map(Action::Invalidate),
            Just(Action::InvalidateAll),
            any::<u64>().prop_map(Action::Heartbeat),
        ];
        let position = (any_name(), any::<u64>()).prop_map(|(generation, sequence)| Position { generation, sequence });
        (action, option::of(position)).prop_map(|(action, position)| Message { action, position })
    }

    proptest! {
        #[test]
        fn every_message_reads_back_as_it_was_written(message in any_message()) {
            prop_assert_eq!(Message::decode(Some(&message.encode())).unwrap(), message);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in vec(any::<u8>(), 0..256)) {
            let _ = Message::decode(Some(&bytes));
        }

        /// Close enough to a message to come past the JSON reader now and then.
        #[test]
        fn a_message_with_one_byte_changed_is_another_one_or_says_why_it_is_none(
            message in any_message(),
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = message.encode();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            match Message::decode(Some(&bytes)) {
                Ok(read) => prop_assert_eq!(Message::decode(Some(&read.encode())).unwrap(), read),
                Err(reason) => prop_assert!(!reason.to_string().is_empty()),
            }
        }

        #[test]
        fn a_message_that_was_cut_short_is_none(message in any_message(), length in any::<prop::sample::Index>()) {
            let bytes = message.encode();
            prop_assert!(Message::decode(Some(&bytes[..length.index(bytes.len())])).is_err());
        }
    }

    fn decode(json: &str) -> Result<Message, Undecodable> {
        Message::decode(Some(json.as_bytes()))
    }

    #[test]
    fn the_documented_message_needs_no_other_field() {
        let message = decode(r#"{"action":"invalidate_cache","code":"BGR"}"#).unwrap();
        assert_eq!(message, Message { action: Action::Invalidate("BGR".into()), position: None });
    }

    #[test]
    fn the_documented_form_is_what_is_written() {
        let message = Message { action: Action::Invalidate("BGR".into()), position: None };
        assert_eq!(message.encode(), br#"{"action":"invalidate_cache","code":"BGR"}"#);
    }

    #[test]
    fn fields_from_the_future_are_ignored() {
        assert!(decode(r#"{"action":"invalidate_all","shade":{"of":"blue"}}"#).is_ok());
    }

    #[test]
    fn a_code_typed_by_hand_is_normalised_and_may_hold_escapes() {
        let message = decode(r#"{"action":"invalidate_cache","code":" bg\u0072 "}"#).unwrap();
        assert_eq!(message.action, Action::Invalidate("BGR".into()));
    }

    #[test]
    fn what_is_no_message_says_why() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        let long = format!(r#"{{"action":"invalidate_cache","code":"{}"}}"#, "X".repeat(900_000));
        for (json, reason) in [
            ("", "not a message"),
            ("BGR", "not a message"),
            ("null", "not a message"),
            (deep.as_str(), "not a message"),
            (r#"{"action":7}"#, "not a message"),
            (r#"{"action":"heartbeat","number":-1}"#, "not a message"),
            (r#"{"action":"drop_table"}"#, "unknown action"),
            (r#"{"action":"invalidate_cache"}"#, "field `code` is missing"),
            (r#"{"action":"heartbeat"}"#, "field `number` is missing"),
            (r#"{"action":"invalidate_all","generation":"0123456789abcdef"}"#, "don't belong"),
            (r#"{"action":"invalidate_all","generation":"?","sequence":1}"#, "don't belong"),
            (long.as_str(), "longer than"),
        ] {
            let error = decode(json).unwrap_err().to_string();
            assert!(error.contains(reason), "{}: {error}", &json[..json.len().min(40)]);
        }
        assert!(matches!(Message::decode(None), Err(Undecodable::Tombstone)));
        assert!(Message::decode(Some(b"{\"action\":\"\xff\"}")).is_err());
    }
}
