//! A replaced primary that is still alive: old connections lead to it, new ones to the standby that was promoted.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use harness::load::CODES;
use harness::system::SHARDS;
use harness::{Answer, Postgres, Program, Proxy, System, eventually, holds, settings};
use tokio::time::{Instant, sleep};

use crate::HEAL_LIMIT;
use crate::trial::Trial;

/// The api looks at the row on a new connection at most once in this time. Who asks later waits for a look, however long a
/// busy machine needs for it, so there is no limit in time beyond this one.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(250);

/// How long answers are looked at: many heartbeats of both primaries.
const WATCHED: Duration = Duration::from_secs(6);

/// Between two questions for all codes.
const PAUSE: Duration = Duration::from_millis(5);

/// A primary and its standby, and a system that reaches the primary by an address.
struct Replaced {
    old: Postgres,
    new: Postgres,
    address: Proxy,
    system: System,
}

impl Replaced {
    async fn start() -> Self {
        let mut old = Postgres::start(&[]).await;
        let address = Proxy::to(&format!("127.0.0.1:{}", old.port));
        let database = Postgres::at("127.0.0.1", address.port).existing("tutorial");
        // Where no look succeeds, nothing is found out: a busy machine may take a second to connect.
        let system = System::start_on(database, settings([("DB_CONNECT_TIMEOUT_MS", "10000")])).await;
        let new = old.standby().await;
        Self { old, new, address, system }
    }

    /// The standby takes the primary's place, and has other cities from then on; its worker leads there.
    async fn replace(&self) -> Program {
        // Many at once, so that the pool is full of connections to the old one.
        assert_eq!(old_answers(&self.system).await, CODES, "all are the old one's");
        self.new.promote().await;
        self.address.redirect(&format!("127.0.0.1:{}", self.new.port));
        insert(&self.new, "New").await;
        let worker =
            Program::pg_notify_worker([self.system.database.settings(), self.system.topic.settings()].concat());
        worker.wait_log(HEAL_LIMIT, "leads, and").await;
        worker
    }

    /// Waits until every shard has shown the new generation for longer than the api may believe an earlier look.
    ///
    /// Nobody asks meanwhile, so nothing is in the cache then that was read before, and no read is under way.
    async fn is_shown(&self) {
        let row = "select generation from cities_cache.heartbeat";
        let new = self.new.existing("tutorial").text(row).await.expect("its worker leads");
        for shard in 0..SHARDS {
            eventually(HEAL_LIMIT, "the new generation has reset the shard", async || {
                let changes = self.changes(shard).await;
                holds(changes.iter().any(|cause| cause.starts_with(&format!("generation {new}"))), changes)
            })
            .await;
        }
        sleep(LOOK_AGAIN_PAUSE).await;
    }

    /// Why something was dropped in a shard.
    async fn changes(&self, shard: u32) -> Vec<String> {
        let key = format!("cities-cache:1:{SHARDS}:{{{shard}}}:changes");
        let changes: Vec<(String, HashMap<String, String>)> =
            self.system.redis.command(&format!("XRANGE {key} - +")).await;
        changes.into_iter().filter_map(|(_, mut fields)| fields.remove("cause")).collect()
    }

    /// Waits until the old generation is all that a reader sees: its heartbeat came last in every shard.
    async fn has_the_last_word(&self) {
        let row = "select generation from cities_cache.heartbeat";
        let old = self.old.existing("tutorial").text(row).await.expect("its worker goes on");
        eventually(HEAL_LIMIT, "every shard shows the old generation", async || {
            let states = self.system.states().await?;
            holds(states.iter().flatten().filter(|state| state.contains(&old)).count() == states.len(), states)
        })
        .await;
    }

    /// No answer is the old one's any more.
    async fn is_not_believed(&self) {
        let begun = Instant::now();
        while begun.elapsed() < WATCHED {
            let old = old_answers(&self.system).await;
            assert!(old.is_empty(), "{:?} later the old primary answers for {old:?}", begun.elapsed());
            // Its worker goes on as well.
            insert(&self.old, "Old").await;
            sleep(PAUSE).await;
        }
    }
}

/// A largest city for every code that is asked for.
async fn insert(server: &Postgres, name: &str) {
    let codes = CODES.join("'), ('");
    let insert = format!(
        "insert into city (name, countrycode, population)
         select '{name}', code, 99999999 from (values ('{codes}')) as codes (code)"
    );
    server.existing("tutorial").execute(&insert).await;
}

/// The codes that are answered with another largest city than the new primary's. Who is told to come again has no answer.
async fn old_answers(system: &System) -> Vec<&'static str> {
    let answers = join_all(CODES.iter().map(|code| system.get_city(code))).await;
    let is_old =
        |answer: &Answer| answer.status == 200 && answer.cities().first().is_none_or(|(first, _)| first != "New");
    CODES.into_iter().zip(&answers).filter(|(_, answer)| is_old(answer)).map(|(code, _)| code).collect()
}

#[tokio::test]
async fn a_replaced_primary_that_lives_is_not_believed_for_longer_than_a_look() {
    let mut replaced = Replaced::start().await;
    let trial = Trial::begin_without_writes();
    replaced.system.worker.kill();
    let worker = replaced.replace().await;
    replaced.is_shown().await;
    replaced.is_not_believed().await;
    drop(worker);
    replaced.system.worker.restart();
    trial.ends_well(&mut replaced.system).await;
}

#[tokio::test]
async fn nor_is_one_whose_worker_goes_on() {
    let mut replaced = Replaced::start().await;
    let trial = Trial::begin_without_writes();
    let _second = replaced.replace().await;
    replaced.is_shown().await;
    replaced.has_the_last_word().await;
    replaced.is_not_believed().await;
    replaced.old.kill();
    trial.ends_well(&mut replaced.system).await;
}
