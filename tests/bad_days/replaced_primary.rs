//! A replaced primary that is still alive: old connections lead to it, new ones to the standby that was promoted.

use std::time::Duration;

use futures_util::future::join_all;
use harness::load::CODES;
use harness::{Postgres, Program, Proxy, Settings, System};
use tokio::time::{Instant, sleep};

use crate::HEAL_LIMIT;
use crate::day::Day;

/// From the first heartbeat of the new primary until no answer is the old one's: the api looks at the row on a new
/// connection at most once in 250 ms; and what a busy machine needs for that look, for the consumer to follow, and for the
/// request (1.2 s seen at a load of 11, none on a quiet one).
const LOOK_LIMIT: Duration = Duration::from_secs(3);

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
        let system = System::start_on(database, Settings::new()).await;
        let new = old.standby().await;
        Self { old, new, address, system }
    }

    /// The standby takes the primary's place, and has other cities from then on; its worker leads there.
    async fn replace(&self) -> Program {
        // Many at once, so that the pool is full of connections to the old one.
        ask(&self.system, "nobody").await;
        self.new.promote().await;
        self.address.redirect(&format!("127.0.0.1:{}", self.new.port));
        insert(&self.new, "New").await;
        let worker =
            Program::pg_notify_worker([self.system.database.settings(), self.system.topic.settings()].concat());
        worker.wait_log(HEAL_LIMIT, "leads, and").await;
        worker
    }

    /// Looks at the answers from the first heartbeat of the new primary on.
    async fn is_not_believed(&self) {
        let begun = Instant::now();
        while begun.elapsed() < WATCHED {
            let asked = begun.elapsed();
            let old = ask(&self.system, "New").await;
            let is_in_time = asked < LOOK_LIMIT || old.is_empty();
            assert!(is_in_time, "{asked:?} after the first heartbeat the old primary answers for {old:?}");
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

/// The codes whose largest city bears another name.
async fn ask(system: &System, name: &str) -> Vec<&'static str> {
    let answers = join_all(CODES.iter().map(|code| system.get_city(code))).await;
    let is_other = |answer: &harness::Answer| answer.cities().first().is_none_or(|(first, _)| first != name);
    CODES.into_iter().zip(&answers).filter(|(_, answer)| is_other(answer)).map(|(code, _)| code).collect()
}

#[tokio::test]
async fn a_replaced_primary_that_lives_is_not_believed_for_longer_than_a_look() {
    let mut replaced = Replaced::start().await;
    let day = Day::begin_without_writes();
    replaced.system.worker.kill();
    let worker = replaced.replace().await;
    replaced.is_not_believed().await;
    drop(worker);
    replaced.system.worker.restart();
    day.ends_well(&mut replaced.system).await;
}

#[tokio::test]
async fn nor_is_one_whose_worker_goes_on() {
    let mut replaced = Replaced::start().await;
    let day = Day::begin_without_writes();
    let _second = replaced.replace().await;
    replaced.is_not_believed().await;
    replaced.old.kill();
    day.ends_well(&mut replaced.system).await;
}
