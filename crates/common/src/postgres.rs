//! How the programs connect to PostgreSQL: each session sets what it stands on itself, whatever the server's defaults.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio_postgres::{Client, Config};

use crate::settings::Postgres;

/// How long unacknowledged data may be on its way before the connection counts as dead.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence after which the other side is asked whether it is still there, and between two such questions.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// Unanswered questions after which the connection counts as dead.
const KEEPALIVE_RETRIES: u32 = 3;

/// What a session of ours is like: `statement_timeout` and `lock_timeout` (of at least 1 ms) differ by what it does.
///
/// Everything is given in the start-up packet, so that there is no moment without it (docs/protocol.md, "Capture"): an
/// inherited SERIALIZABLE made users' commits fail, an unqualified name may be another table than the captured one, a
/// policy that filters our reads must be an error, and with `synchronous_commit = on` a standby that is away keeps our
/// locks for ever.
pub fn config(settings: &Postgres, program: &str, statement_timeout: Duration, lock_timeout: Duration) -> Config {
    let options = [
        ("search_path", "pg_catalog"),
        ("default_transaction_isolation", "read\\ committed"),
        ("default_transaction_read_only", "off"),
        ("default_transaction_deferrable", "off"),
        ("row_security", "off"),
        ("synchronous_commit", "local"),
        ("extra_float_digits", "1"), // Each float in the fewest digits that are exactly it.
        ("jit", "off"),              // Our statements are short; compiling them is not.
        ("statement_timeout", &statement_timeout.as_millis().to_string()),
        ("lock_timeout", &lock_timeout.as_millis().to_string()),
    ]
    .map(|(name, value)| format!("-c {name}={value}"))
    .join(" ");

    let mut config = Config::new();
    config
        .host(&settings.host)
        .port(settings.port)
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name(program)
        .options(options)
        .connect_timeout(settings.connect_timeout)
        .tcp_user_timeout(TCP_USER_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .keepalives_retries(KEEPALIVE_RETRIES);
    if let Some(password) = &settings.password {
        config.password(password.expose_secret());
    }
    config
}

/// Why a fresh connection is none that we can stand on.
#[derive(Debug, thiserror::Error)]
pub enum UnfitSession {
    /// The session isn't what was asked for.
    #[error(
        "the session settings were not taken over, so a connection pooler stands in between; connect to PostgreSQL itself"
    )]
    Pooler,
    /// The question itself failed.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

/// Makes sure that the session is as [`config()`] asked for: a pooler may drop what it doesn't know without a word.
///
/// # Errors
/// If it isn't, or can't be asked.
pub async fn verify(client: &Client) -> Result<(), UnfitSession> {
    let row = client
        .query_one(
            "select current_setting('search_path') = 'pg_catalog' and current_setting('row_security') = 'off'",
            &[],
        )
        .await?;
    if row.get(0) { Ok(()) } else { Err(UnfitSession::Pooler) }
}

/// An error of PostgreSQL or of the connection to it as one line: message, hint and cause, no statement, no values.
pub fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        // PgBouncer refuses start-up parameters that it can't keep for each client.
        if db.message().contains("unsupported startup parameter") {
            return UnfitSession::Pooler.to_string();
        }
        return format!("PostgreSQL says: {} (SQLSTATE {})", one_line(db.message()), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
