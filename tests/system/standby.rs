//! Servers that must not be led, and one that was killed.

use harness::{Postgres, Settings, System, eventually, holds};

use crate::{HEAL_LIMIT, MEND_LIMIT, TRAVEL_LIMIT};

#[tokio::test]
async fn a_standby_is_refused_until_it_is_promoted() {
    let mut primary = Postgres::start(&[]).await;
    let first = System::launch(primary.existing("tutorial"), Settings::new()).await;
    first.whole().await;
    first.database.execute("update city set population = 1 where name = 'Dobric'").await;

    let standby = primary.standby().await;
    let on_standby = standby.existing("tutorial");
    let second = System::launch(on_standby, Settings::new()).await;
    let line = second.worker.wait_log(MEND_LIMIT, "standby").await;
    assert!(line.contains("ERROR"), "{line}");
    eventually(TRAVEL_LIMIT, "/status names it", async || second.http.fails("postgres", "standby").await).await;
    assert!(second.states().await.unwrap().iter().all(Option::is_none), "nothing is filled from a standby");

    // The primary dies, and the standby takes its place.
    primary.kill();
    second.database.execute("select pg_promote()").await;
    second.whole_within(MEND_LIMIT).await;
    second.agree(TRAVEL_LIMIT).await;
    assert_eq!(second.get_city("BGR").await.population("Dobric"), Some(1));
    assert_eq!(second.worker.log_lines("is a standby").len(), 1, "{:#?}", second.worker.log());
    drop(first);
}

#[tokio::test]
async fn a_killed_postgres_comes_back_and_the_cache_is_emptied() {
    let mut postgres = Postgres::start(&[]).await;
    let system = System::launch(postgres.existing("tutorial"), Settings::new()).await;
    system.whole().await;
    system.agree(TRAVEL_LIMIT).await;
    let before = system.states().await.unwrap();
    postgres.kill();
    postgres.restart().await;
    system.whole_within(HEAL_LIMIT * 2).await;
    eventually(HEAL_LIMIT, "every shard is reset", async || {
        let states = system.states().await?;
        let reset =
            before.iter().zip(&states).all(|(old, new)| old.as_ref().unwrap()[..16] != new.as_ref().unwrap()[..16]);
        holds(reset, &states)
    })
    .await;
    system.agree(TRAVEL_LIMIT).await;
}
