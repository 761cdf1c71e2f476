//! PostgreSQL's own names of a row and of a transaction, as they travel: six and eight bytes, no text on either side.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// `ctid`: where a row stands, which is its name for as long as nobody updates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ctid {
    pub(crate) block: u32,
    pub(crate) line: u16,
}

/// `xid8`: a transaction; none is ever numbered twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Xid8(pub(crate) u64);

impl Xid8 {
    /// No transaction is ever numbered as high.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// The transaction that is numbered after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The transaction that was numbered before this one.
    pub(crate) fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl<'a> FromSql<'a> for Ctid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let (block, line) = raw.split_first_chunk().ok_or("too short for a ctid")?;
        Ok(Self { block: u32::from_be_bytes(*block), line: u16::from_be_bytes(line.try_into()?) })
    }

    accepts!(TID);
}

impl ToSql for Ctid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u32(self.block);
        out.put_u16(self.line);
        Ok(IsNull::No)
    }

    accepts!(TID);

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Xid8 {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    accepts!(XID8);
}

impl ToSql for Xid8 {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u64(self.0);
        Ok(IsNull::No)
    }

    accepts!(XID8);

    to_sql_checked!();
}
