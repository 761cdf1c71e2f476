//! A synchronous standby that is away: users' own commits wait for it, and nobody else does because of us.

use std::time::Duration;

use harness::{Postgres, Program, Settings, System, eventually, holds};
use tokio::time::{sleep, timeout};

use crate::trial::Trial;
use crate::{FROZEN, HEAL_LIMIT};

/// An idle relay parks after some dozen milliseconds.
const REST: Duration = Duration::from_secs(1);

/// A system on a primary whose synchronous standby is there.
async fn start() -> (Postgres, Postgres, System) {
    let mut primary = Postgres::start(&[]).await;
    let database = primary.existing("tutorial");
    // What users want who don't wait for the standby.
    database.execute("alter database tutorial set synchronous_commit = local").await;
    let system = System::start_on(database, Settings::new()).await;
    let standby = primary.standby().await;
    system.database.execute("alter system set synchronous_standby_names = '*'").await;
    system.database.execute("select pg_reload_conf()").await;
    eventually(HEAL_LIMIT, "the standby is synchronous", async || {
        let state = system.database.text("select max(sync_state) from pg_stat_replication").await;
        holds(state.as_deref() == Some("sync"), state)
    })
    .await;
    (primary, standby, system)
}

/// The population of a code's largest city, as the api tells it.
async fn is_seen(system: &System, code: &str, population: i64) {
    eventually(HEAL_LIMIT, &format!("{population} is seen in {code}"), async || {
        let answer = system.http.get(&format!("/cities/{code}")).await?;
        let largest = answer.cities().first().and_then(|(_, population)| *population);
        holds(largest == Some(population), largest)
    })
    .await;
}

fn update(code: &str, population: i64) -> String {
    format!(
        "update city set population = {population} where id = (select id from city where countrycode = '{code}'
         order by population desc limit 1)"
    )
}

#[tokio::test]
async fn without_the_synchronous_standby_only_users_that_want_it_wait() {
    let (_primary, mut standby, mut system) = start().await;
    standby.stop().await;
    // A relay that parked here would have the next commit notify, and so lock out all others that do.
    sleep(REST).await;
    let user = system.database.client().await;
    user.batch_execute("set synchronous_commit = on").await.unwrap();
    let waiting = tokio::spawn(async move { user.batch_execute(&update("ITA", 50_000_001)).await });
    waits_for_standby(&system).await;

    // Neither a commit nor a notification of anybody else waits, and the relay goes on. Who did wait for the standby
    // would wait until it is back, much later, so the limits say nothing about the machine.
    timeout(HEAL_LIMIT, system.database.execute("notify somebody")).await.expect("nobody holds the lock of notify");
    timeout(HEAL_LIMIT, system.database.execute(&update("ESP", 50_000_002))).await.expect("it wants no standby");
    is_seen(&system, "ESP", 50_000_002).await;

    // Nor does a worker that stands by, when it has to lead.
    let trial = Trial::begin(&system).await;
    let settings = [system.database.settings(), system.topic.settings()].concat();
    let second = Program::pg_notify_worker(settings);
    second.wait_log(HEAL_LIMIT, "stands by").await;
    system.worker.kill();
    second.wait_log(HEAL_LIMIT, "leads, and").await;
    system.database.execute(&update("ESP", 50_000_003)).await;
    is_seen(&system, "ESP", 50_000_003).await;
    system.worker.restart();

    trial.lasts(&mut system, FROZEN).await;
    assert!(!waiting.is_finished(), "nobody waited for the standby");
    standby.restart().await;
    waiting.await.unwrap().unwrap();
    is_seen(&system, "ITA", 50_000_001).await;
    trial.ends_well(&mut system).await;
}

async fn waits_for_standby(system: &System) {
    eventually(HEAL_LIMIT, "a user waits for the standby", async || {
        let waiting =
            system.database.number("select count(*) from pg_stat_activity where wait_event = 'SyncRep'").await;
        holds(waiting == 1, waiting)
    })
    .await;
}
