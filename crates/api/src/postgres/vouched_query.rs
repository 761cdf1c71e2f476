//! One statement about one code, and in the same snapshot the generation that vouches for what it reads.

use std::sync::OnceLock;
use std::time::Duration;

use common::postgres::describe;
use common::random_name::Name;
use deadpool_postgres::Client;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::clock::Moment;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::sessions::is_standby;

/// The statement, with and without the heartbeat row.
pub(crate) struct VouchedQuery {
    vouched: String,
    unvouched: String,
}

/// What it answered.
pub(crate) struct VouchedRow {
    /// The generation in the same snapshot; `None`: nobody vouches for it.
    pub(crate) generation: Option<Name>,
    /// The columns of the query, behind the generation.
    pub(crate) row: Row,
}

/// When a read's statement began, as soon as it has.
#[derive(Default)]
pub(crate) struct StatementStart(OnceLock<Moment>);

impl StatementStart {
    /// It begins. A statement that is repeated began, for whoever wants to join it, when it was first tried.
    pub(crate) fn mark(&self) {
        self.0.get_or_init(Moment::now);
    }

    /// Whether it has not begun yet, or no longer than `bound` ago.
    pub(crate) fn is_within(&self, bound: Duration) -> bool {
        self.0.get().is_none_or(|start| start.elapsed() <= bound)
    }
}

impl VouchedQuery {
    /// `sql` has one parameter, the code, and always one row.
    pub(crate) fn new(sql: &str) -> Self {
        let generation = include_str!("../../sql/heartbeat_generation.sql");
        Self {
            vouched: format!("select (\n{generation}\n) as generation, answer.* from (\n{sql}\n) as answer"),
            // Without a heartbeat table nothing else tells that this is a standby.
            unvouched: format!(
                "select null as generation, answer.* from (\n{sql}\n) as answer where not pg_catalog.pg_is_in_recovery()"
            ),
        }
    }

    /// Reads `code` on `connection`. Where there is no heartbeat table (`has_table`), no worker was here yet or it was
    /// refused: answered, and vouched for by nobody. That the table is gone may show here first.
    pub(crate) async fn read(
        &self,
        connection: &Client,
        has_table: bool,
        code: &str,
        start: &StatementStart,
    ) -> Result<VouchedRow, DatabaseError> {
        if has_table {
            match read_with(&self.vouched, connection, code, start).await {
                Err(DatabaseError::NoTable(_)) => {}
                read => return read,
            }
        }
        read_with(&self.unvouched, connection, code, start).await
    }
}

/// "Feature not supported" has three meanings: a standby has no unlogged tables; a plan was prepared before a column got
/// another type; and a value such as NaN can't become what a view makes of it.
async fn read_with(
    sql: &str,
    connection: &Client,
    code: &str,
    start: &StatementStart,
) -> Result<VouchedRow, DatabaseError> {
    let mut row = execute(sql, connection, code, start).await;
    let is_unsupported = |error: &tokio_postgres::Error| error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED);
    if row.as_ref().is_err_and(is_unsupported) {
        if is_standby(connection).await? {
            return Err(DatabaseError::Standby);
        }
        connection.statement_cache.clear();
        row = execute(sql, connection, code, start).await;
    }
    let row = row?.ok_or(DatabaseError::Standby)?;
    let generation: Option<&str> =
        row.try_get("generation").map_err(|error| DatabaseError::Refused(describe(&error)))?;
    Ok(VouchedRow { generation: generation.and_then(Name::parse), row })
}

async fn execute(
    sql: &str,
    connection: &Client,
    code: &str,
    start: &StatementStart,
) -> Result<Option<Row>, tokio_postgres::Error> {
    let statement = connection.prepare_cached(sql).await?;
    start.mark();
    log::debug!("asks PostgreSQL about `{code}`");
    connection.query_opt(&statement, &[&code]).await
}
