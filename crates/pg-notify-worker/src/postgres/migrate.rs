//! What must be there before anything is relayed: a server we can stand on, our schema, and the cities that ship.

use std::error::Error;
use std::io;
use std::time::Duration;

use common::postgres::{UnfitSession, describe};
use futures_util::{SinkExt, stream};
use refinery::error::Kind;
use tokio::time::{sleep, timeout};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::postgres::capture_check::check_tables;
use crate::postgres::session::Session;
use crate::term_end::{ConnectionLost, TermEnd, is_passing};

/// Advisory lock (bigint form) of the one worker that changes the schema.
const MIGRATION_LOCK: i64 = 7_231_001;

/// Between two tries for it.
const LOCK_INTERVAL: Duration = Duration::from_millis(500);

/// Oldest release with what the capture needs, as `server_version_num`.
const SERVER_VERSION_MIN: i32 = 150_000;

/// Limit for all migrations, or for loading the data: seconds even on a slow disk.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// The connection's buffer holds a few pieces at once.
const COPY_PIECE_BYTES: usize = 64 * 1024;

/// What ships with the project: table, columns, rows.
const TABLES: [(&str, &str, &str); 2] = [
    ("country", "code, name, continent, population", include_str!("../../../../data/country.csv")),
    ("city", "id, name, countrycode, district, population", include_str!("../../../../data/city.csv")),
];

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Checks the server and the user's tables, then makes the schema what it must be.
///
/// # Errors
/// [`TermEnd::Refused`] where somebody has to change something.
pub(crate) async fn migrate(session: &mut Session, publication_for_all_tables: bool) -> Result<(), TermEnd> {
    check_server(session).await?;
    while !session.try_lock(MIGRATION_LOCK).await? {
        sleep(LOCK_INTERVAL).await;
    }
    check_tables(session).await?;
    let migrated = timeout(MIGRATION_LIMIT, apply(session, publication_for_all_tables)).await;
    migrated.map_err(|_elapsed| ConnectionLost::Timeout(MIGRATION_LIMIT))??;
    let loaded =
        timeout(MIGRATION_LIMIT, load(session)).await.map_err(|_elapsed| ConnectionLost::Timeout(MIGRATION_LIMIT))?;
    match loaded {
        Ok(0) => {}
        Ok(rows) => log::info!("loaded the cities and countries that ship with the project: {rows} rows"),
        Err(error) if error.code().is_some_and(|code| !is_passing(code)) => {
            return Err(TermEnd::Refused(format!("the cities can't be loaded: {}", describe(&error))));
        }
        Err(error) => return Err(ConnectionLost::Postgres(error).into()),
    }
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

async fn apply(session: &mut Session, publication_for_all_tables: bool) -> Result<(), TermEnd> {
    let state = session
        .client
        .query_one(include_str!("../../sql/describe_schema.sql"), &[])
        .await
        .map_err(ConnectionLost::Postgres)?;
    if !state.get::<_, bool>("has_tables") && state.get("has_publication_for_all") && !publication_for_all_tables {
        return Err(TermEnd::Refused(
            "a publication FOR ALL TABLES would carry our tables to subscribers that lack them, and stop these, so \
             nothing is created; ALLOW_PUBLICATION_FOR_ALL_TABLES=true if they have them"
                .to_owned(),
        ));
    }
    let needed = || {
        let (database, role): (&str, &str) = (state.get("database"), state.get("role"));
        format!("grant create on database \"{database}\" to \"{role}\"; grant create on schema public to \"{role}\"")
    };
    if !state.get::<_, bool>("has_schema") {
        let created = session.client.batch_execute("create schema cities_cache").await;
        created.map_err(|error| refused(&error, needed()))?;
    }
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name("cities_cache.schema_history");
    let report =
        runner.run_async(&mut session.client).await.map_err(|error| match (postgres_error(&error), error.kind()) {
            (Some(cause), _) => refused(cause, needed()),
            (None, Kind::MissingVersion(migration)) => TermEnd::Refused(format!(
                "a newer release has been here: its migration {migration} is applied; run a worker of that release"
            )),
            (None, _) => TermEnd::Refused(format!("the schema can't be brought up to date: {error}")),
        })?;
    for migration in report.applied_migrations() {
        log::info!("applied migration {migration}");
    }
    Ok(())
}

fn postgres_error(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// A DBA may have to give a right; what else PostgreSQL refuses is told as it says it.
fn refused(error: &tokio_postgres::Error, needed: String) -> TermEnd {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            TermEnd::Refused(format!("{}; a DBA has to run: {needed}", describe(error)))
        }
        Some(code) if !is_passing(code) => {
            TermEnd::Refused(format!("the schema can't be brought up to date: {}", describe(error)))
        }
        _ => TermEnd::ConnectionLost(ConnectionLost::Closed(describe(error))),
    }
}

/// Fills tables that our migration created, once, and shows them. Answers how many rows came.
async fn load(session: &mut Session) -> Result<u64, tokio_postgres::Error> {
    let due = "select from cities_cache.sample_data where created and not loaded for update";
    let transaction = session.client.transaction().await?;
    let mut rows = 0;
    if transaction.query_opt(due, &[]).await?.is_some() {
        for (table, columns, csv) in TABLES {
            rows += copy(&transaction, &format!("cities_cache.{table} ({columns})"), csv).await?;
            transaction.batch_execute(&format!("alter table cities_cache.{table} set schema public")).await?;
        }
        transaction.execute("update cities_cache.sample_data set loaded = true", &[]).await?;
    }
    transaction.commit().await?;
    Ok(rows)
}

async fn copy(transaction: &Transaction<'_>, table: &str, csv: &'static str) -> Result<u64, tokio_postgres::Error> {
    let statement = format!("copy {table} from stdin with (format csv, header)");
    let sink = transaction.copy_in::<_, io::Cursor<&'static [u8]>>(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    let pieces = csv.as_bytes().chunks(COPY_PIECE_BYTES).map(|piece| Ok(io::Cursor::new(piece)));
    sink.send_all(&mut stream::iter(pieces)).await?;
    sink.finish().await
}
