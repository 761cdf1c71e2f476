//! What must be there before anything is relayed: a server we can stand on, tables that can be captured, our schema,
//! and the cities that ship.

use std::time::Duration;

use common::postgres::UnfitSession;
use tokio::time::sleep;

use crate::postgres::capture_check::check_tables;
use crate::postgres::session::Session;
use crate::postgres::{migrate, sample_data};
use crate::term_end::TermEnd;

/// Advisory lock (bigint form) of the one worker that changes the schema.
const MIGRATION_LOCK: i64 = 7_231_001;

/// Between two tries for it.
const LOCK_INTERVAL: Duration = Duration::from_millis(500);

/// Oldest release with what the capture needs, as `server_version_num`.
const SERVER_VERSION_MIN: i32 = 150_000;

/// Checks the server and the user's tables, then makes the schema and the data what they must be.
///
/// # Errors
/// [`TermEnd::Refused`] where somebody has to change something.
pub(crate) async fn prepare(session: &mut Session, publication_for_all_tables: bool) -> Result<(), TermEnd> {
    check_server(session).await?;
    while !session.try_lock(MIGRATION_LOCK).await? {
        sleep(LOCK_INTERVAL).await;
    }
    check_tables(session).await?;
    migrate::migrate(session, publication_for_all_tables).await?;
    sample_data::load(session).await?;
    Ok(session.unlock(MIGRATION_LOCK).await?)
}

async fn check_server(session: &Session) -> Result<(), TermEnd> {
    const SERVER: &str = include_str!("../../sql/describe_server.sql");
    let server = session.query_one(SERVER, &[]).await?;
    let again = session.query_one(SERVER, &[]).await?;
    let version: i32 = server.get("version");
    if server.get::<_, i32>("pid") != again.get::<_, i32>("pid") {
        return Err(UnfitSession::Pooler.into());
    }
    if version < SERVER_VERSION_MIN {
        let (release, least) = (version / 10_000, SERVER_VERSION_MIN / 10_000);
        return Err(TermEnd::Refused(format!("PostgreSQL {release} is too old; {least} or newer is needed")));
    }
    if server.get("is_standby") {
        return Err(TermEnd::Refused("this PostgreSQL is a standby; connect to the primary".to_owned()));
    }
    Ok(())
}
