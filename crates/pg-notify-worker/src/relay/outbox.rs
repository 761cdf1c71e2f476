//! The statements of the relay, each one function: read, count the heartbeat up, delete, collapse, park.

use common::random::Name;
use tokio_postgres::{Row, Statement};

use crate::error::ConnectionLost;
use crate::postgres::capture_check::FINGERPRINT;
use crate::postgres::notifications::Notified;
use crate::postgres::session::Session;
use crate::postgres::system_columns::{Ctid, Xid8};

/// Advisory lock (bigint form) that is held exclusively while the relay is parked. `migrations/` has the same number:
/// a writer's capture that can't have it shared notifies.
const PARKED_LOCK: i64 = 7_231_003;

/// The channel that wakes a parked relay, and that codes may be sent to by hand.
const CHANNEL: &str = "city_updates";

/// One row of the outbox: what one statement of somebody's changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    /// Its ctid in the table, which is its only name.
    pub(crate) ctid: Ctid,
    /// The transaction that wrote it.
    pub(crate) transaction: Xid8,
    /// The codes that changed; `None`: anything may have.
    pub(crate) codes: Option<Vec<String>>,
}

/// What one statement saw.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The backend that answered; another than before means that a pooler stands in between.
    pub(crate) backend: i32,
    /// The oldest transaction that was running: once all rows of this snapshot are read, no older one can come.
    pub(crate) oldest_running: Xid8,
    /// Whether a notification could do harm on this server.
    pub(crate) may_park: bool,
    /// The heartbeat's generation and number; `None`: there is no row, or one of another database.
    pub(crate) heartbeat: Option<(String, i64)>,
    /// The capture as it is, where it was asked for.
    pub(crate) fingerprint: Option<String>,
    /// Rows from the cursor on, oldest transaction first.
    pub(crate) rows: Vec<OutboxRow>,
}

/// A session with its statements prepared.
pub(crate) struct Outbox {
    pub(crate) session: Session,
    read: Statement,
    read_with_fingerprint: Statement,
    begin_generation: Statement,
    beat: Statement,
    put: Statement,
    delete: Statement,
    collapse: Statement,
    park: Statement,
    unpark: Statement,
}

impl Outbox {
    /// Begins to listen, and prepares every statement.
    pub(crate) async fn open(session: Session) -> Result<Self, ConnectionLost> {
        const READ: &str = include_str!("../../sql/read_outbox.sql");
        let with_fingerprint = READ.replace("null::text as", &format!("({FINGERPRINT}) as"));
        session.execute(&format!("listen {CHANNEL}"), &[]).await?;
        Ok(Self {
            read: session.prepare(READ).await?,
            read_with_fingerprint: session.prepare(&with_fingerprint).await?,
            begin_generation: session.prepare(include_str!("../../sql/begin_generation.sql")).await?,
            beat: session.prepare(include_str!("../../sql/advance_heartbeat.sql")).await?,
            put: session.prepare("insert into cities_cache.outbox (codes) values ($1)").await?,
            delete: session.prepare(include_str!("../../sql/delete_outbox_rows.sql")).await?,
            collapse: session.prepare(include_str!("../../sql/collapse_outbox.sql")).await?,
            park: session.prepare(&format!("select pg_try_advisory_lock({PARKED_LOCK})")).await?,
            unpark: session.prepare(&format!("select pg_advisory_unlock({PARKED_LOCK})")).await?,
            session,
        })
    }

    /// At most `limit` rows of transactions from `cursor` on, and the heartbeat, in one snapshot.
    pub(crate) async fn read(&self, cursor: Xid8, limit: i64, fingerprint: bool) -> Result<Snapshot, ConnectionLost> {
        let statement = if fingerprint { &self.read_with_fingerprint } else { &self.read };
        let lines = self.session.query(statement, &[&cursor, &limit]).await?;
        Snapshot::from_lines(&lines)
            .ok_or_else(|| ConnectionLost::Closed("PostgreSQL's answer is no snapshot".to_owned()))
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
        Ok(row.map(|row| row.get(0)))
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

    /// Makes one row that says "anything may have changed" of all.
    pub(crate) async fn collapse(&self) -> Result<(), ConnectionLost> {
        self.session.execute(&self.collapse, &[]).await.map(drop)
    }

    /// Makes writers notify from now on; false where one that won't is still open.
    pub(crate) async fn park(&self) -> Result<bool, ConnectionLost> {
        Ok(self.session.query_one(&self.park, &[]).await?.get(0))
    }

    /// Writers need not notify any more.
    pub(crate) async fn unpark(&self) -> Result<(), ConnectionLost> {
        self.session.query_one(&self.unpark, &[]).await.map(drop)
    }
}

impl Snapshot {
    fn from_lines(lines: &[Row]) -> Option<Self> {
        let server = lines.iter().find(|line| line.get::<_, Option<i32>>("pid").is_some())?;
        let generation: Option<String> = server.get("generation");
        let number: Option<i64> = server.get("number");
        Some(Self {
            backend: server.get("pid"),
            oldest_running: server.get("xmin"),
            may_park: server.get("may_park"),
            heartbeat: generation.zip(number),
            fingerprint: server.get("fingerprint"),
            rows: lines.iter().filter_map(OutboxRow::from_line).collect(),
        })
    }
}

impl OutboxRow {
    fn from_line(line: &Row) -> Option<Self> {
        let ctid = line.get::<_, Option<Ctid>>("ctid")?;
        Some(Self { ctid, transaction: line.get("xid"), codes: line.get("codes") })
    }
}
