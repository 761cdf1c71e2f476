//! Our schema and its migrations. Their history stands in the schema; what has landed is never edited.

use std::error::Error;
use std::time::Duration;

use common::postgres::describe;
use refinery::error::Kind;
use refinery::{Migration, Runner};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::postgres::session::Session;
use crate::term_end::{ConnectionLost, TermEnd, is_passing};

/// Limit for all migrations: seconds even on a slow disk.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// Where the history of migrations stands.
const HISTORY: &str = "cities_cache.schema_history";

/// Migrations of earlier releases that a later one has replaced: a history may hold them, a new one doesn't.
const REPLACED: [i32; 2] = [3, 5];

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Makes the schema what this release needs.
///
/// # Errors
/// [`TermEnd::Refused`] where somebody has to change something.
pub(crate) async fn migrate(session: &mut Session, publication_for_all_tables: bool) -> Result<(), TermEnd> {
    let migrated = timeout(MIGRATION_LIMIT, apply(session, publication_for_all_tables)).await;
    migrated.map_err(|_elapsed| ConnectionLost::Timeout(MIGRATION_LIMIT))?
}

async fn apply(session: &mut Session, publication_for_all_tables: bool) -> Result<(), TermEnd> {
    let schema = session.query_one(include_str!("../../sql/describe_schema.sql"), &[]).await?;
    if !schema.get::<_, bool>("has_tables") && schema.get("has_publication_for_all") && !publication_for_all_tables {
        return Err(TermEnd::Refused(
            "a publication FOR ALL TABLES would carry our tables to subscribers that lack them, and stop these, so \
             nothing is created; ALLOW_PUBLICATION_FOR_ALL_TABLES=true if they have them"
                .to_owned(),
        ));
    }
    if !schema.get::<_, bool>("has_schema") {
        let created = session.client.batch_execute("create schema cities_cache").await;
        created.map_err(|error| refused(&error, &schema))?;
    }
    let report = match runner(session, schema.get("has_history")).await {
        Ok(runner) => runner.run_async(&mut session.client).await,
        Err(error) => Err(error),
    };
    let report = report.map_err(|error| match (postgres_error(&error), error.kind()) {
        (Some(cause), _) => refused(cause, &schema),
        (None, Kind::MissingVersion(migration)) if migration.version() > newest() => TermEnd::Refused(format!(
            "a newer release has been here: its migration {migration} is applied; run a worker of that release"
        )),
        (None, _) => TermEnd::Refused(format!("the schema can't be brought up to date: {error}")),
    })?;
    for migration in report.applied_migrations() {
        log::info!("applied migration {migration}");
    }
    Ok(())
}

/// Knows the migrations of this release, and those replaced ones that this database has in its history.
async fn runner(session: &mut Session, has_history: bool) -> Result<Runner, refinery::Error> {
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name(HISTORY);
    if has_history {
        let mut known = runner.get_applied_migrations_async(&mut session.client).await?;
        known.retain(|migration| REPLACED.contains(&migration.version()));
        known.extend_from_slice(runner.get_migrations());
        runner = Runner::new(&known);
        runner.set_migration_table_name(HISTORY);
    }
    Ok(runner)
}

/// The newest migration of this release.
fn newest() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(Migration::version).max().unwrap_or_default()
}

fn postgres_error(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// A DBA may have to give a right; what else PostgreSQL refuses is told as it says it.
fn refused(error: &tokio_postgres::Error, schema: &Row) -> TermEnd {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let (database, role): (&str, &str) = (schema.get("database"), schema.get("role"));
            TermEnd::Refused(format!(
                "{}; a DBA has to run: grant create on database \"{database}\" to \"{role}\"; \
                 grant create on schema public to \"{role}\"",
                describe(error)
            ))
        }
        Some(code) if !is_passing(code) => {
            TermEnd::Refused(format!("the schema can't be brought up to date: {}", describe(error)))
        }
        _ => TermEnd::ConnectionLost(ConnectionLost::Closed(describe(error))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::embedded;
    use crate::relay::outbox::{CHANNEL, PARKED_LOCK};

    const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    /// Every file with this ending in `folder` and below.
    fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .filter(|path| !path.ends_with("target") && !path.ends_with("app"))
            .flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] })
            .filter(|path| path.extension().is_some_and(|found| found == ending))
            .collect()
    }

    #[test]
    fn all_sql_is_ascii_so_that_a_database_of_any_encoding_takes_it() {
        let folders = ["crates", "migrations", "bench", "tests"].map(|folder| Path::new(REPOSITORY).join(folder));
        let sql: Vec<_> = folders.iter().flat_map(|folder| files(folder, "sql")).collect();
        assert!(sql.len() > 10, "{sql:?}");
        // Short statements stand between the lines of the worker.
        let inline = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "rs");
        for path in sql.iter().chain(&inline) {
            let is_rust = path.extension().is_some_and(|ending| ending == "rs");
            for (number, line) in (1..).zip(fs::read_to_string(path).unwrap().lines()) {
                let is_comment = is_rust && line.trim_start().starts_with("//");
                assert!(is_comment || line.is_ascii(), "{}:{number}: {line}", path.display());
            }
        }
    }

    #[test]
    fn the_capture_and_the_relay_mean_the_same_lock_and_channel_which_stand_in_one_place_each() {
        let migrations = embedded::migrations::runner();
        let sql: String = migrations.get_migrations().iter().filter_map(|migration| migration.sql()).collect();
        let lock = format!("parked_lock constant bigint := {PARKED_LOCK};");
        let channel = format!("channel constant text := '{CHANNEL}';");
        assert!(sql.contains(&lock) && sql.contains(&channel));
        assert_eq!(sql.matches(&PARKED_LOCK.to_string()).count(), 1);
        assert_eq!(sql.matches(CHANNEL).count(), 1);
    }

    /// What has landed: a database may have it in its history, where an edited one would be refused.
    const LANDED: [(&str, u64); 4] = [
        ("V1__cities_and_countries", 540_465_013_210_319_844),
        ("V2__outbox_and_heartbeat", 8_527_894_135_405_026_006),
        ("V4__triggers", 13_943_768_866_517_243_582),
        ("V6__statement_and_row_capture", 11_674_475_243_726_019_820),
    ];

    #[test]
    fn migrations_that_have_landed_are_never_edited_and_a_new_one_is_listed_here() {
        let runner = embedded::migrations::runner();
        let there: Vec<_> = runner.get_migrations().iter().map(|there| (there.to_string(), there.checksum())).collect();
        let there: Vec<_> = there.iter().map(|(name, checksum)| (name.as_str(), *checksum)).collect();
        assert_eq!(there, LANDED);
    }
}
