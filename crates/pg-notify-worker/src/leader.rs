//! One leader at a time: the lock, the reads and the notifications are on one connection, and are lost together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::settings::Settings;
use common::shutdown::Shutdown;
use log::Level;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use crate::postgres::prepare::prepare;
use crate::postgres::session::Session;
use crate::relay::outbox::Outbox;
use crate::relay::term::Term;
use crate::relay::{GenerationEnd, Relay};
use crate::term_end::{ConnectionLost, REFUSED_INTERVAL, TermEnd};
use common::log_once::LogOnce;

/// Advisory lock (bigint form) of the leader.
const LEADER_LOCK: i64 = 7_231_002;

/// Between two tries of a worker that stands by: within this time it leads when the leader is gone.
const STANDBY_INTERVAL: Duration = Duration::from_millis(500);

/// Between two tries to connect, and before a leader that lets go tries again: above [`STANDBY_INTERVAL`], so that
/// whoever stands by is first.
const LOST_INTERVAL: Duration = Duration::from_secs(1);

/// A generation begins at most this often: each one costs a refill of the cache.
const GENERATION_INTERVAL: Duration = Duration::from_millis(500);

/// Leads, or stands by, until `shutdown`.
pub(crate) async fn lead(
    settings: &Settings,
    kafka_away: &Arc<LogOnce>,
    topic_is_fit: watch::Receiver<bool>,
    shutdown: &Shutdown,
) {
    let (said, incomplete) = (LogOnce::default(), LogOnce::default());
    while !shutdown.is_cancelled() {
        let term = async {
            let outbox = tokio::select! {
                outbox = begin(settings, &said) => outbox?,
                () = shutdown.cancelled() => return Ok(()),
            };
            let topic_is_fit = topic_is_fit.clone();
            let (said, incomplete) = (&said, &incomplete);
            relay(&Term { settings, outbox, kafka_away, topic_is_fit, shutdown, said, incomplete }).await
        };
        let Err(ended) = Box::pin(term).await else { return };
        tokio::select! {
            () = sleep(report(&ended, &said)) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Relays, one generation after the other, until the term is over; without an error the program is told to stop.
async fn relay(term: &Term<'_>) -> Result<(), TermEnd> {
    loop {
        let began = Instant::now();
        let mut relay = Relay::new(term).await?;
        match relay.run().await {
            Ok(()) => return Ok(()),
            Err(GenerationEnd::Term(ended)) => return Err(ended),
            Err(GenerationEnd::Doubt(why)) => log::warn!("generation {} ends: {why}", relay.generation()),
        }
        if relay.is_parked() {
            term.outbox.unpark().await?;
        }
        sleep_until((began + GENERATION_INTERVAL).into()).await;
    }
}

/// Says why a term ended, and how long to wait for the next one.
fn report(ended: &TermEnd, said: &LogOnce) -> Duration {
    match ended {
        TermEnd::Refused(line) => {
            said.holds(Level::Error, line);
            REFUSED_INTERVAL
        }
        TermEnd::ConnectionLost(lost) if lost.is_lasting() => {
            said.holds(Level::Error, format!("no lead until this is put right: {lost}"));
            REFUSED_INTERVAL
        }
        TermEnd::ConnectionLost(lost) => {
            said.holds(Level::Warn, format!("no lead without PostgreSQL: {lost}"));
            LOST_INTERVAL
        }
        // That Kafka is away, or the topic wrong, is said where it is found.
        TermEnd::NothingPublished(_) => {
            log::debug!("{ended}");
            LOST_INTERVAL
        }
    }
}

/// A connection with the leader's lock, in a database where all is in place.
async fn begin(settings: &Settings, said: &LogOnce) -> Result<Outbox, TermEnd> {
    let mut session = Session::open(&settings.postgres).await?;
    prepare(&mut session, settings.relay.publication_for_all_tables).await?;
    stand_by(&session, &settings.kafka.topic, said).await?;
    Ok(Outbox::open(session).await?)
}

/// Waits for the lock, without ever standing in its queue.
async fn stand_by(session: &Session, topic: &str, said: &LogOnce) -> Result<(), TermEnd> {
    while !session.try_lock(LEADER_LOCK).await? {
        if let Some(other) = topic_of_the_leader(session).await?
            && other != topic
        {
            return Err(TermEnd::Refused(format!(
                "another worker leads for topic {other} on this database, which serves one topic only; set KAFKA_TOPIC to \
                 it, or stop that worker"
            )));
        }
        said.holds_instead(Level::Info, "stands by: another worker leads");
        sleep(STANDBY_INTERVAL).await;
    }
    log::debug!("has the leader's lock");
    Ok(())
}

async fn topic_of_the_leader(session: &Session) -> Result<Option<String>, ConnectionLost> {
    let query = "select heartbeat.topic from cities_cache.heartbeat
                 where heartbeat.table_oid = 'cities_cache.heartbeat'::regclass::oid";
    Ok(session.query_opt(query, &[]).await?.map(|row| row.get(0)))
}
