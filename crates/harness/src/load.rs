//! Load: readers and a writer that go on while a test restarts or breaks something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::http::Failure;
use crate::{Database, Http, background};

/// Codes that are read and written: a few, so that changes and fills meet.
pub const CODES: [&str; 12] = ["BGR", "FRA", "DEU", "USA", "CHN", "IND", "BRA", "NLD", "AND", "MLT", "ISL", "FJI"];

/// After a refused connection; a server that restarts is asked some dozen times.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// Between two writes.
const PAUSE_BETWEEN_WRITES: Duration = Duration::from_millis(5);

/// Running readers or writers.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<String>>,
    done: Arc<AtomicUsize>,
    /// Milliseconds that the slowest of them took.
    slowest: Arc<AtomicU64>,
}

impl Load {
    /// `clients` that read all [`CODES`] in turn. A connection that is refused or reset before an answer is no failure;
    /// an answer in part is one, and so is a status that `allowed` doesn't name.
    pub fn reads(http: &Http, clients: usize, allowed: &'static [u16]) -> Self {
        Self::reads_with_pause(http, clients, Duration::ZERO, allowed)
    }

    /// The same, each with a pause between two reads.
    pub fn reads_with_pause(http: &Http, clients: usize, pause: Duration, allowed: &'static [u16]) -> Self {
        let mut load = Self::none();
        for client in 0..clients {
            // Each with connections of its own.
            let (http, stop, done) = (Http::new(http.port), Arc::clone(&load.stop), Arc::clone(&load.done));
            let reads = async move {
                let mut failures = Vec::new();
                for code in CODES.iter().cycle().skip(client) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match http.try_get(&format!("/cities/{code}"), &[]).await {
                        Ok(answer) if allowed.contains(&answer.status) => drop(done.fetch_add(1, Ordering::Relaxed)),
                        Ok(answer) => failures.push(format!("{code}: {} {}", answer.status, answer.text())),
                        Err(Failure::Unanswered(_)) => sleep(PAUSE_AFTER_REFUSAL).await,
                        Err(failure) => failures.push(failure.to_string()),
                    }
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                }
                failures
            };
            // Beside the test, which may play thousands of clients itself: a user is only as slow as what is tested.
            load.tasks.spawn_on(reads, background::handle());
        }
        load
    }

    /// One writer that changes a population of each of [`CODES`] in turn, on a connection of its own.
    pub async fn writes(database: &Database) -> Self {
        Self::writes_with_pause(database, PAUSE_BETWEEN_WRITES).await
    }

    /// The same, and between two writes the user does something else.
    pub async fn writes_with_pause(database: &Database, pause: Duration) -> Self {
        let mut load = Self::none();
        let (client, stop, done) = (database.client().await, Arc::clone(&load.stop), Arc::clone(&load.done));
        let slowest = Arc::clone(&load.slowest);
        load.tasks.spawn(async move {
            let mut failures = Vec::new();
            let statement = "update city set population = population + 1
                             where id = (select min(id) from city where countrycode = $1::text)";
            for code in CODES.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                let written = client.execute(statement, &[code]).await;
                slowest.fetch_max(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                match written {
                    Ok(_) => drop(done.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => failures.push(format!("{code}: {error:?}")),
                }
                sleep(pause).await;
            }
            failures
        });
        load
    }

    /// How many reads or writes have succeeded.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends it, and returns how long the slowest write took.
    ///
    /// # Panics
    /// If something failed meanwhile, or nothing succeeded.
    pub async fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.tasks.join_all().await.concat();
        assert!(failures.is_empty(), "{} failures under load, the first: {}", failures.len(), failures[0]);
        assert!(self.done.load(Ordering::Relaxed) > 0, "the load did nothing");
        Duration::from_millis(self.slowest.load(Ordering::Relaxed))
    }

    fn none() -> Self {
        Self { stop: Arc::default(), tasks: JoinSet::new(), done: Arc::default(), slowest: Arc::default() }
    }
}
