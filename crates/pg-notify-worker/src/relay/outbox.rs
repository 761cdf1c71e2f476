//! The statements of the relay, each one function: read, count the heartbeat up, delete, collapse, park.

use common::random_name::Name;
use tokio_postgres::{Row, Statement};

use crate::postgres::notifications::Notified;
use crate::postgres::session::Session;
use crate::postgres::system_columns::{Ctid, Xid8};
use crate::relay::cursor::{Horizon, Unread};
use crate::term_end::ConnectionLost;

/// Advisory lock (bigint form) that is held exclusively while the relay is parked. `migrations/` has the same number:
/// a writer's capture that can't have it shared notifies.
pub(crate) const PARKED_LOCK: i64 = 7_231_003;

/// The channel that wakes a parked relay, and that codes may be sent to by hand.
pub(crate) const CHANNEL: &str = "city_updates";

/// The fingerprint is a query of its own, which the capture check asks as well; here it stands in front as `capture`.
const READ: &str = concat!(
    "-- read_outbox.sql\nwith capture (fingerprint) as (\n",
    include_str!("../../sql/capture_fingerprint.sql"),
    ")\n",
    include_str!("../../sql/read_outbox.sql"),
);

/// SQLSTATE class "data exception": a value that PostgreSQL itself can't turn into what we asked for.
const DATA_EXCEPTION: &str = "22";

/// One row of the outbox: what one statement of somebody's changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    /// Its place in the table, which is its only name.
    pub(crate) ctid: Ctid,
    /// The transaction that wrote it.
    pub(crate) transaction: Xid8,
    /// The codes that changed; `None`: anything may have.
    pub(crate) codes: Option<Vec<String>>,
}

/// What a read asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRequest<'a> {
    pub(crate) unread: &'a Unread,
    /// Rows of each part of `unread`, beside those that the last transaction has more.
    pub(crate) batch_rows: usize,
    /// Rows of each part at most, whatever one transaction has.
    pub(crate) rows_max: usize,
    /// Whether to take the capture's fingerprint.
    pub(crate) fingerprint: bool,
}

/// What one statement saw.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The backend that answered; another than before means that a pooler stands in between.
    pub(crate) backend: i32,
    /// The transactions that it did not see.
    pub(crate) horizon: Horizon,
    /// Whether a notification could do harm on this server.
    pub(crate) may_park: bool,
    /// The heartbeat's generation and number; `None`: there is no row, or one of another database.
    pub(crate) heartbeat: Option<(String, i64)>,
    /// The capture as it is, where it was asked for.
    pub(crate) fingerprint: Option<String>,
    /// The unread rows, in any order.
    pub(crate) rows: Vec<OutboxRow>,
}

/// A row that stands for all that its statement saw.
#[derive(Debug)]
pub(crate) struct StandIn {
    /// Its place.
    pub(crate) ctid: Ctid,
    /// The transactions that its statement did not see.
    pub(crate) horizon: Horizon,
    /// What it did see, as PostgreSQL writes it.
    pub(crate) snapshot: String,
    /// Blocks of the table that the rows it stands for are in.
    pub(crate) blocks: u32,
}

/// A session with its statements prepared.
pub(crate) struct Outbox {
    pub(crate) session: Session,
    read: Statement,
    begin_generation: Statement,
    beat: Statement,
    put: Statement,
    delete: Statement,
    insert_stand_in: Statement,
    delete_stood_for: Statement,
    park: Statement,
    unpark: Statement,
}

impl Outbox {
    /// Begins to listen, and prepares every statement.
    pub(crate) async fn open(session: Session) -> Result<Self, ConnectionLost> {
        session.execute(&format!("listen {CHANNEL}"), &[]).await?;
        Ok(Self {
            read: session.prepare(READ).await?,
            begin_generation: session.prepare(include_str!("../../sql/begin_generation.sql")).await?,
            beat: session.prepare(include_str!("../../sql/advance_heartbeat.sql")).await?,
            put: session.prepare("insert into cities_cache.outbox (codes) values ($1)").await?,
            delete: session.prepare(include_str!("../../sql/delete_outbox_rows.sql")).await?,
            insert_stand_in: session.prepare(include_str!("../../sql/insert_stand_in.sql")).await?,
            delete_stood_for: session.prepare(include_str!("../../sql/delete_stood_for.sql")).await?,
            park: session.prepare(&format!("select pg_try_advisory_lock({PARKED_LOCK})")).await?,
            unpark: session.prepare(&format!("select pg_advisory_unlock({PARKED_LOCK})")).await?,
            session,
        })
    }

    /// Unread rows, and the heartbeat, in one snapshot. Where PostgreSQL can't pass on the codes of one row, as with
    /// bytes that are no text in the database's encoding, it passes on none: each row says "anything may have changed".
    pub(crate) async fn read(&self, request: ReadRequest<'_>) -> Result<Snapshot, ConnectionLost> {
        match self.try_read(request, true).await {
            Err(error) if is_data_exception(&error) => {
                log::debug!("codes in the outbox can't be read, so anything may have changed: {error}");
                self.try_read(request, false).await
            }
            read => read,
        }
    }

    async fn try_read(&self, request: ReadRequest<'_>, codes: bool) -> Result<Snapshot, ConnectionLost> {
        let ReadRequest { unread, batch_rows, rows_max, fingerprint } = request;
        let [batch_rows, rows_max] = [batch_rows, rows_max].map(|rows| i64::try_from(rows).unwrap_or(i64::MAX));
        let (from, to, open) = (unread.from, unread.to, unread.open.as_slice());
        let lines =
            self.session.query(&self.read, &[&from, &open, &to, &batch_rows, &rows_max, &fingerprint, &codes]).await?;
        Snapshot::from_lines(&lines)
    }

    /// Commits number 1 of a generation.
    pub(crate) async fn begin_generation(&self, generation: Name, topic: &str) -> Result<(), ConnectionLost> {
        let generation = generation.to_string();
        self.session.execute(&self.begin_generation, &[&generation, &topic]).await.map(drop)
    }

    /// Commits the next number; `None`: the row is not this generation's any more.
    pub(crate) async fn beat(&self, generation: Name) -> Result<Option<i64>, ConnectionLost> {
        let generation = generation.to_string();
        let row = self.session.query_opt(&self.beat, &[&generation]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Makes changes of what was notified by hand.
    pub(crate) async fn put(&self, notified: &Notified) -> Result<(), ConnectionLost> {
        let codes = match notified {
            Notified::Nothing => return Ok(()),
            Notified::Codes(codes) => Some(codes),
            Notified::Anything => None,
        };
        self.session.execute(&self.put, &[&codes]).await.map(drop)
    }

    /// Deletes rows that are published; answers how many of them were there.
    pub(crate) async fn delete(&self, ctids: &[Ctid]) -> Result<u64, ConnectionLost> {
        self.session.execute(&self.delete, &[&ctids]).await
    }

    /// Commits one row that stands for all that are visible.
    pub(crate) async fn insert_stand_in(&self) -> Result<StandIn, ConnectionLost> {
        let row = self.session.query_one(&self.insert_stand_in, &[]).await?;
        Ok(StandIn {
            ctid: row.try_get("ctid")?,
            horizon: Horizon::from_line(&row)?,
            snapshot: row.try_get("snapshot")?,
            // A table has fewer than 2^32 blocks.
            blocks: u32::try_from(row.try_get::<_, i64>("blocks")?).unwrap_or(u32::MAX),
        })
    }

    /// Deletes what `snapshot` saw in the blocks from `from` up to `to`; answers how many rows that were.
    pub(crate) async fn delete_stood_for(&self, from: u32, to: u32, snapshot: &str) -> Result<u64, ConnectionLost> {
        let [from, to] = [from, to].map(|block| Ctid { block, line: 0 });
        self.session.execute(&self.delete_stood_for, &[&from, &to, &snapshot]).await
    }

    /// Makes writers notify from now on; false where one that won't is still open.
    pub(crate) async fn park(&self) -> Result<bool, ConnectionLost> {
        Ok(self.session.query_one(&self.park, &[]).await?.try_get(0)?)
    }

    /// Writers need not notify any more.
    pub(crate) async fn unpark(&self) -> Result<(), ConnectionLost> {
        self.session.query_one(&self.unpark, &[]).await.map(drop)
    }
}

fn is_data_exception(error: &ConnectionLost) -> bool {
    error.sql_state().is_some_and(|state| state.code().starts_with(DATA_EXCEPTION))
}

impl Snapshot {
    fn from_lines(lines: &[Row]) -> Result<Self, ConnectionLost> {
        let is_row = |line: &&Row| matches!(line.try_get::<_, Option<Ctid>>("ctid"), Ok(Some(_)));
        let (rows, server): (Vec<&Row>, Vec<&Row>) = lines.iter().partition(is_row);
        let [server] = server.as_slice() else {
            return Err(ConnectionLost::Closed("PostgreSQL's answer is no snapshot".to_owned()));
        };
        let generation: Option<String> = server.try_get("generation")?;
        let number: Option<i64> = server.try_get("number")?;
        Ok(Self {
            backend: server.try_get("pid")?,
            horizon: Horizon::from_line(server)?,
            may_park: server.try_get("may_park")?,
            heartbeat: generation.zip(number),
            fingerprint: server.try_get("fingerprint")?,
            rows: rows.into_iter().map(OutboxRow::from_line).collect::<Result<_, _>>()?,
        })
    }
}

impl Horizon {
    fn from_line(line: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { next: line.try_get("xmax")?, open: line.try_get("xip")? })
    }
}

impl OutboxRow {
    /// What can't be read as a list of texts (a null in it, lists in the list) says "anything may have changed".
    fn from_line(line: &Row) -> Result<Self, tokio_postgres::Error> {
        let codes = line.try_get::<_, Option<Vec<String>>>("codes").ok().flatten();
        Ok(Self { ctid: line.try_get("ctid")?, transaction: line.try_get("xid")?, codes })
    }
}
