//! What stands under a code's key: a finished answer, or the lease of the reader that is about to fill it.
//!
//! Both begin with the same small header, so that one comparison of first bytes tells one entry from any other:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format version, `1` |
//! | 1 | kind: `L` lease, `V` value |
//! | 16 | epoch of the shard when the lease was taken |
//! | 16 | token: random, the lease's; the value keeps it |
//! | 16 | entity tag of the answer (values only); the HTTP `ETag` will be made of it |
//! | … | the finished HTTP body (values only) |

use crate::random_name::{NAME_LENGTH, Name};

const VERSION: u8 = b'1';
const LEASE: u8 = b'L';
const VALUE: u8 = b'V';

/// How many first bytes tell an entry from every other one: version, kind, epoch and token.
pub const IDENTITY_LENGTH: usize = 2 + 2 * NAME_LENGTH;
const VALUE_HEADER_LENGTH: usize = IDENTITY_LENGTH + NAME_LENGTH;

/// A reader's right to fill a code: only whoever finds exactly this in the code's place may replace it by a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shard's epoch as the reader saw it; the value will bear it.
    pub epoch: Name,
    /// Tells this lease from every other one.
    pub token: Name,
}

/// A finished answer as it lies in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The lease's epoch: if the shard was reset since, the value is dead.
    pub epoch: Name,
    /// 16 hexadecimal digits over the data of the answer.
    pub entity_tag: &'a str,
    /// The finished HTTP body.
    pub body: &'a [u8],
}

/// One reading of what stands in a code's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// Somebody is filling it.
    Lease(Lease),
    /// An answer.
    Value(Value<'a>),
}

impl Lease {
    /// A new lease in `epoch`.
    pub fn new(epoch: Name) -> Self {
        Self { epoch, token: Name::random() }
    }

    /// What is put in the code's place while its holder reads PostgreSQL.
    pub fn encode(&self) -> Vec<u8> {
        self.header(LEASE)
    }

    /// The value that its holder puts in the lease's place.
    ///
    /// # Panics
    /// If `entity_tag` isn't 16 bytes long.
    pub fn value(&self, entity_tag: &str, body: &[u8]) -> Vec<u8> {
        assert_eq!(entity_tag.len(), NAME_LENGTH, "an entity tag has {NAME_LENGTH} digits");
        let mut value = self.header(VALUE);
        value.reserve_exact(NAME_LENGTH + body.len());
        value.extend_from_slice(entity_tag.as_bytes());
        value.extend_from_slice(body);
        value
    }

    fn header(self, kind: u8) -> Vec<u8> {
        let mut header = vec![VERSION, kind];
        header.extend_from_slice(format!("{}{}", self.epoch, self.token).as_bytes());
        header
    }
}

impl<'a> Entry<'a> {
    /// Reads what stands in a code's place; `None` for what no program of this version wrote.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let identity = bytes.get(..IDENTITY_LENGTH)?;
        let name = |from: usize| Name::parse(str::from_utf8(&identity[from..from + NAME_LENGTH]).ok()?);
        let (epoch, token) = (name(2)?, name(2 + NAME_LENGTH)?);
        match (identity[0], identity[1]) {
            (VERSION, LEASE) => Some(Self::Lease(Lease { epoch, token })),
            (VERSION, VALUE) => {
                let entity_tag = str::from_utf8(bytes.get(IDENTITY_LENGTH..VALUE_HEADER_LENGTH)?).ok()?;
                Some(Self::Value(Value { epoch, entity_tag, body: &bytes[VALUE_HEADER_LENGTH..] }))
            }
            _ => None,
        }
    }

    /// The epoch that it was made in.
    pub fn epoch(&self) -> Name {
        match self {
            Self::Lease(lease) => lease.epoch,
            Self::Value(value) => value.epoch,
        }
    }
}

/// The first bytes of what stands in a code's place: what [`swap`](super::swap) compares.
pub fn identity(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(IDENTITY_LENGTH)]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Entry, Lease, Value, identity};
    use crate::random_name::Name;

    #[test]
    fn a_lease_reads_back_as_it_was_written() {
        let lease = Lease::new(Name::random());
        assert_eq!(Entry::parse(&lease.encode()), Some(Entry::Lease(lease)));
        assert_eq!(identity(&lease.encode()), lease.encode());
    }

    #[test]
    fn a_value_bears_the_epoch_of_its_lease() {
        let lease = Lease::new(Name::random());
        let bytes = lease.value("0123456789abcdef", b"{}");
        let value = Value { epoch: lease.epoch, entity_tag: "0123456789abcdef", body: b"{}" };
        assert_eq!(Entry::parse(&bytes), Some(Entry::Value(value)));
        assert_ne!(identity(&bytes), lease.encode());
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in vec(any::<u8>(), 0..80)) {
            let _ = Entry::parse(&bytes);
        }

        #[test]
        fn a_value_reads_back_as_it_was_written(entity_tag in "[0-9a-f]{16}", body in vec(any::<u8>(), 0..200)) {
            let lease = Lease::new(Name::random());
            let bytes = lease.value(&entity_tag, &body);
            let value = Value { epoch: lease.epoch, entity_tag: &entity_tag, body: &body };
            prop_assert_eq!(Entry::parse(&bytes), Some(Entry::Value(value)));
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_no_entry() {
        let lease = Lease::new(Name::random()).encode();
        let mut other_version = lease.clone();
        other_version[0] = b'2';
        for bytes in [&b""[..], b"hello", &lease[..20], &other_version, &[0xff; 80]] {
            assert_eq!(Entry::parse(bytes), None);
        }
    }
}
