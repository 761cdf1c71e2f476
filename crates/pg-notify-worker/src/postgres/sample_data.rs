//! The cities and countries that ship with the project: loaded once, into tables that our migration created.

use std::io;
use std::time::Duration;

use common::postgres::describe;
use futures_util::{SinkExt, stream};
use tokio::time::timeout;
use tokio_postgres::Transaction;

use crate::postgres::session::Session;
use crate::term_end::{ConnectionLost, TermEnd, is_passing};

/// Limit for loading: a second or two even on a slow disk.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// The connection's buffer holds a few pieces at once.
const COPY_PIECE_BYTES: usize = 64 * 1024;

/// What ships: table, columns, rows.
const TABLES: [(&str, &str, &str); 2] = [
    ("country", "code, name, continent, population", include_str!("../../../../data/country.csv")),
    ("city", "id, name, countrycode, district, population", include_str!("../../../../data/city.csv")),
];

/// Server encodings that can hold every name that ships. `SQL_ASCII` holds any bytes.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];

/// How [`load_once`] ended.
enum Loaded {
    /// So many rows; none, where nothing was left to do.
    Rows(u64),
    /// Users have made their own tables before ours were filled: theirs count.
    UsersTables,
    /// The names that ship don't exist in the database's encoding.
    UnfitEncoding(String),
}

/// Fills the tables that our migration created, unless that is done, and shows them.
///
/// # Errors
/// [`TermEnd::Refused`] where somebody has to change something.
pub(crate) async fn load(session: &mut Session) -> Result<(), TermEnd> {
    let loaded = timeout(LOAD_LIMIT, load_once(session)).await;
    match loaded.map_err(|_elapsed| ConnectionLost::Timeout(LOAD_LIMIT))? {
        Ok(Loaded::Rows(0)) => Ok(()),
        Ok(Loaded::Rows(rows)) => {
            log::info!("loaded the cities and countries that ship with the project: {rows} rows");
            Ok(())
        }
        Ok(Loaded::UsersTables) => {
            log::info!("adopts public.city and public.country, which came before ours were filled");
            Ok(())
        }
        Ok(Loaded::UnfitEncoding(encoding)) => Err(TermEnd::Refused(format!(
            "there are no tables city and country, and those that ship with the project don't fit into encoding \
             {encoding}; create both tables, or set DB_NAME to a database with encoding UTF8"
        ))),
        Err(error) if error.code().is_some_and(|code| !is_passing(code)) => {
            Err(TermEnd::Refused(format!("the cities can't be loaded: {}", describe(&error))))
        }
        Err(error) => Err(ConnectionLost::Postgres(error).into()),
    }
}

/// All in one transaction, so that nobody ever sees a country without its cities.
async fn load_once(session: &mut Session) -> Result<Loaded, tokio_postgres::Error> {
    let transaction = session.client.transaction().await?;
    let left = transaction.query_opt(include_str!("../../sql/describe_sample_data.sql"), &[]).await?;
    let Some(left) = left else { return Ok(Loaded::Rows(0)) };
    let encoding: String = left.get("encoding");
    let loaded = if left.get("has_users_tables") {
        transaction.batch_execute("drop table cities_cache.city, cities_cache.country").await?;
        transaction.execute("update cities_cache.sample_data set created = false", &[]).await?;
        Loaded::UsersTables
    } else if ENCODINGS.contains(&encoding.as_str()) {
        let mut rows = 0;
        for (table, columns, csv) in TABLES {
            rows += copy(&transaction, &format!("cities_cache.{table} ({columns})"), csv).await?;
            transaction.batch_execute(&format!("alter table cities_cache.{table} set schema public")).await?;
        }
        transaction.execute("update cities_cache.sample_data set loaded = true", &[]).await?;
        Loaded::Rows(rows)
    } else {
        Loaded::UnfitEncoding(encoding)
    };
    transaction.commit().await?;
    Ok(loaded)
}

async fn copy(transaction: &Transaction<'_>, table: &str, csv: &'static str) -> Result<u64, tokio_postgres::Error> {
    let statement = format!("copy {table} from stdin with (format csv, header)");
    let sink = transaction.copy_in::<_, io::Cursor<&'static [u8]>>(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    let pieces = csv.as_bytes().chunks(COPY_PIECE_BYTES).map(|piece| Ok(io::Cursor::new(piece)));
    sink.send_all(&mut stream::iter(pieces)).await?;
    sink.finish().await
}
