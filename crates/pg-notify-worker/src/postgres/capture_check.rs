//! Is the capture as it must be? Mends it where it isn't, and says what it is like.

use common::postgres::describe;
use tokio_postgres::error::SqlState;

use crate::postgres::session::Session;
use crate::term_end::{ConnectionLost, TermEnd, is_passing};

/// The capture as it is, as one text: a scalar subquery.
pub(crate) const FINGERPRINT: &str = include_str!("../../sql/capture_fingerprint.sql");

/// What a look at the capture found.
#[derive(Debug)]
pub(crate) enum Capture {
    /// It is complete, and this is its fingerprint.
    Complete(String),
    /// Something is in the way that goes away by itself.
    NotYet(String),
}

/// Makes the capture complete, or says what is missing for that. Waits for no lock longer than the session's timeout.
///
/// # Errors
/// [`TermEnd::Refused`] where somebody has to change something.
pub(crate) async fn check_capture(session: &Session) -> Result<Capture, TermEnd> {
    check_tables(session).await?;
    if let Some(not_yet) = mend(session).await? {
        return Ok(not_yet);
    }
    let mut seen = look(session).await?;
    if !seen.is_settled() {
        if let Some(not_yet) = settle(session, &seen.functions).await? {
            return Ok(not_yet);
        }
        seen = look(session).await?;
    }
    if seen.is_complete && seen.is_settled() {
        Ok(Capture::Complete(seen.fingerprint))
    } else {
        Ok(Capture::NotYet("somebody who changes it".to_owned()))
    }
}

/// Refuses tables that can't be captured, in one line.
pub(crate) async fn check_tables(session: &Session) -> Result<(), TermEnd> {
    let row = session.query_opt(include_str!("../../sql/unfit_tables.sql"), &[]).await?;
    row.map_or(Ok(()), |row| Err(TermEnd::Refused(row.get("line"))))
}

/// Makes or repairs the triggers of each table that lacks some, each in a transaction of its own.
async fn mend(session: &Session) -> Result<Option<Capture>, TermEnd> {
    const MISSING: &str = include_str!("../../sql/missing_triggers.sql");
    for table in session.query(MISSING, &[]).await? {
        let (relation, name): (u32, String) = (table.get("relation"), table.get("name"));
        match session.query_one("select cities_cache.mend_capture($1)", &[&relation]).await {
            Ok(mended) => log::info!("made {} capture triggers on {name}", mended.get::<_, i32>(0)),
            Err(error) => return not_mended(&name, table.get("permission"), error).map(Some),
        }
    }
    let left = session.query_opt(&format!("{MISSING} limit 1"), &[]).await?;
    left.map_or(Ok(None), |table| {
        let (name, triggers): (&str, &str) = (table.get("name"), table.get("triggers"));
        Err(TermEnd::Refused(format!("the capture on {name} can't be mended; make these triggers anew: {triggers}")))
    })
}

fn not_mended(table: &str, permission: &str, error: ConnectionLost) -> Result<Capture, TermEnd> {
    let ConnectionLost::Postgres(cause) = &error else { return Err(error.into()) };
    match cause.code() {
        Some(code) if is_passing(code) => Ok(Capture::NotYet(format!("a lock on {table}"))),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(TermEnd::Refused(format!(
            "the capture on {table} may not be mended: {}; a superuser has to run: {permission}",
            describe(cause)
        ))),
        Some(_) => Err(TermEnd::Refused(format!("the capture on {table} can't be mended: {}", describe(cause)))),
        None => Err(error.into()),
    }
}

/// Waits for every writer that is still open, since it may have run a function that was replaced.
async fn settle(session: &Session, functions: &str) -> Result<Option<Capture>, TermEnd> {
    let tables = "select captured.relation::regclass::text from cities_cache.captured_tables() as captured";
    for table in session.query(tables, &[]).await? {
        let name: &str = table.get(0);
        // One table at a time, let go at once: the lock is had when all who had written before have ended.
        let lock = format!("do $lock$ begin lock table only {name} in share row exclusive mode; end $lock$");
        match session.execute(&lock, &[]).await {
            Ok(_) => {}
            Err(error) if error.sql_state().is_some_and(is_passing) => {
                return Ok(Some(Capture::NotYet(format!("the transactions that write to {name}"))));
            }
            Err(error) if error.sql_state() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(TermEnd::Refused(format!("{error}; the worker's role needs the right to update it")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    session.execute(include_str!("../../sql/note_settled_functions.sql"), &[&functions]).await?;
    Ok(None)
}

struct Look {
    is_complete: bool,
    functions: String,
    settled: Option<String>,
    fingerprint: String,
}

impl Look {
    fn is_settled(&self) -> bool {
        self.settled.as_ref() == Some(&self.functions)
    }
}

async fn look(session: &Session) -> Result<Look, ConnectionLost> {
    const CHECK: &str = include_str!("../../sql/check_capture.sql");
    // In one snapshot.
    let statement = format!("select checked.*, ({FINGERPRINT}) as fingerprint from ({CHECK}) as checked");
    let row = session.query_one(&statement, &[]).await?;
    Ok(Look {
        is_complete: row.get("is_complete"),
        functions: row.get("functions"),
        settled: row.get("settled"),
        fingerprint: row.get("fingerprint"),
    })
}
