//! What an operator and a load balancer see: put together from what the looks at PostgreSQL, Redis and the store have
//! found, so that no number of probes is a load for any of them.

use std::time::Duration;

use common::shard::Shard;
use serde::Serialize;

use crate::Api;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::outbox_watch::COUNTED_MAX;

/// The answer of `/readyz`: what this api can answer from.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    status: &'static str,
    /// Redis is reached, and a shard can hold answers.
    cache: bool,
    /// The primary is reached, and answers about cities.
    database: bool,
}

impl Readiness {
    pub(crate) fn of(api: &Api) -> Self {
        let cache = !api.shards.are_away() && api.shards.have_state();
        let database = api.primary.latest().failure.is_none() && !api.database.refuses();
        Self { status: if cache || database { "ready" } else { "not ready" }, cache, database }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.cache || self.database
    }
}

/// The answer of `/status`: every part that fresh answers from the cache, and images, stand on.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Whether no part fails. First in the answer, for whoever looks at its beginning only.
    ok: bool,
    /// Is the primary reached?
    postgres: Part<Server>,
    /// Can cities be read there?
    cities: Part<Cities>,
    /// Does a relay lead, and go on?
    relay: Part<Relay>,
    /// Does it keep up with what changes?
    outbox: Part<Outbox>,
    /// Is Redis reached?
    redis: Part<Server>,
    /// Do heartbeats, and so changes, arrive through Kafka and the consumer?
    shards: Part<Shards>,
    images: Part<Store>,
}

/// One part.
#[derive(Debug, Serialize)]
struct Part<Numbers> {
    ok: bool,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    fails: Option<String>,
    /// Since how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_s: Option<u64>,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Debug, Serialize)]
struct Server {
    server: String,
}

#[derive(Debug, Serialize)]
struct Cities {
    /// Codes whose data can't be read.
    unreadable: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Relay {
    /// Of the heartbeat row; null: there is none.
    generation: Option<String>,
    number: Option<u64>,
    /// How long ago the row was seen to change, by the api's own clock.
    age_ms: u64,
}

#[derive(Debug, Serialize)]
struct Outbox {
    /// Changes that wait, counted up to a limit; null: they can't be counted.
    rows: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Shards {
    /// Those that can hold nothing.
    without_state: Vec<Shard>,
    /// Those that no heartbeat has reached for longer than the bound.
    standing_still: Vec<Shard>,
}

#[derive(Debug, Serialize)]
struct Store {
    store: String,
}

impl Status {
    pub(crate) fn of(api: &Api) -> Self {
        let (postgres, cities, relay) = (postgres(api), cities(api), relay(api));
        let (outbox, redis, shards, images) = (outbox(api), redis(api), shards(api), images(api));
        let ok = postgres.ok && cities.ok && relay.ok && outbox.ok && redis.ok && shards.ok && images.ok;
        Self { ok, postgres, cities, relay, outbox, redis, shards, images }
    }
}

impl<Numbers> Part<Numbers> {
    fn new(failure: Option<(String, Duration)>, numbers: Numbers) -> Self {
        let (fails, since_s) = failure.map(|(fails, since)| (fails, since.as_secs())).unzip();
        Self { ok: fails.is_none(), fails, since_s, numbers }
    }
}

fn postgres(api: &Api) -> Part<Server> {
    let latest = api.primary.latest();
    let fails = latest.failure.map(|failure| match failure {
        DatabaseError::Standby => "it is a standby, not the primary",
        DatabaseError::Refused(_) => "it refuses the api, whose log says why",
        _ => "it can't be reached",
    });
    let failure = fails.map(|fails| (fails.to_owned(), latest.failure_changed.elapsed()));
    Part::new(failure, Server { server: api.primary.address().to_owned() })
}

fn cities(api: &Api) -> Part<Cities> {
    let unreadable = api.database.unreadable().lasting();
    let (since, codes) = unreadable.map_or((None, Vec::new()), |(since, codes)| (Some(since), codes));
    let refusal = api.database.refuses_for();
    let failure = match (refusal, since) {
        (Some(since), _) => Some(("they can't be read; the api's log says why".to_owned(), since)),
        (None, Some(since)) => {
            Some((format!("codes whose data can't be read: {}; the api's log says why", codes.len()), since))
        }
        (None, None) => None,
    };
    Part::new(failure, Cities { unreadable: codes })
}

fn relay(api: &Api) -> Part<Relay> {
    let latest = api.primary.latest();
    let silence = latest.changed.elapsed();
    let failure = match latest.heartbeat {
        None => Some("no heartbeat row: no relay leads on this database"),
        Some(_) if silence > api.bound => Some("no heartbeat: the relay doesn't go on"),
        Some(_) => None,
    };
    let numbers = Relay {
        generation: latest.heartbeat.map(|heartbeat| heartbeat.generation.to_string()),
        number: latest.heartbeat.map(|heartbeat| heartbeat.number),
        age_ms: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
    };
    Part::new(failure.map(|fails| (fails.to_owned(), silence)), numbers)
}

fn outbox(api: &Api) -> Part<Outbox> {
    let waiting = api.outbox.waiting();
    let failure = match waiting.rows {
        None => Some("the changes that wait can't be counted".to_owned()),
        Some(_) if waiting.are_few() => None,
        Some(_) => Some(format!("more than {COUNTED_MAX} changes wait for the relay")),
    };
    Part::new(failure.map(|fails| (fails, waiting.changed.elapsed())), Outbox { rows: waiting.rows })
}

fn redis(api: &Api) -> Part<Server> {
    let failure = api.shards.away_for().map(|since| ("it can't be reached".to_owned(), since));
    Part::new(failure, Server { server: api.shards.address().to_owned() })
}

fn shards(api: &Api) -> Part<Shards> {
    let without_state = api.shards.without_state();
    let standing_still = api.shards.standing_still(api.bound);
    let (count, longest) = (standing_still.shards.len(), standing_still.longest);
    let failure = if let Some(since) = api.shards.away_for() {
        Some(("nothing is known while Redis can't be reached".to_owned(), since))
    } else if !without_state.shards.is_empty() {
        Some((format!("{} shards have no state in Redis", without_state.shards.len()), without_state.longest))
    } else {
        (count > 0).then(|| (format!("no heartbeat arrives in {count} shards: nor do changes"), longest))
    };
    Part::new(failure, Shards { without_state: without_state.shards, standing_still: standing_still.shards })
}

fn images(api: &Api) -> Part<Store> {
    let failure = api.images.away_for().map(|since| ("they can't be read; the api's log says why".to_owned(), since));
    Part::new(failure, Store { store: api.images.address().to_owned() })
}
