//! When a value is filled, and when it must not be (docs/protocol.md, "Fill").

use std::time::Duration;

use common::protocol::value_or_lease::{Entry, Lease};
use common::random_name::Name;
use harness::{Database, eventually, holds};

use crate::setup::{SOON, Setup, beat};

const TAG: &str = "0123456789abcdef";

#[tokio::test]
async fn a_value_lives_for_its_time_and_bears_the_epoch_of_its_shard() {
    let setup = Setup::new().await;
    setup.get("BGR").await;
    let entry = setup.entry("BGR").await.unwrap();
    assert_eq!(Entry::parse(&entry).unwrap().epoch(), setup.state("BGR").await.epoch);
    let life = setup.life_ms("BGR").await;
    assert!((280_000..=352_000).contains(&life), "{life}");
}

#[tokio::test]
async fn without_a_state_nothing_is_filled() {
    let setup = Setup::new().await;
    setup.remove_states().await;
    for _ in 0..3 {
        assert_eq!(setup.get("BGR").await.source(), "database");
    }
    assert_eq!(setup.entry("BGR").await, None);
}

#[tokio::test]
async fn beside_a_state_of_another_generation_nothing_is_filled() {
    let setup = Setup::new().await;
    setup.write_states(Name::random()).await;
    for _ in 0..3 {
        assert_eq!(setup.get("BGR").await.source(), "database");
    }
    assert_eq!(setup.entry("BGR").await, None);
    setup.write_states(setup.generation).await;
    setup.answered_from("BGR", "cache").await;
}

#[tokio::test]
async fn a_new_generation_is_noticed_at_the_next_miss() {
    let setup = Setup::new().await;
    setup.get("BGR").await;
    let generation = beat(&setup.database).await;
    setup.write_states(generation).await;
    assert_eq!(setup.get("BGR").await.source(), "database");
    setup.answered_from("BGR", "cache").await;
}

#[tokio::test]
async fn without_a_heartbeat_row_or_its_table_answers_go_on_and_nothing_is_filled() {
    let setup = Setup::new().await;
    for damage in ["delete from cities_cache.heartbeat", "drop schema cities_cache cascade"] {
        setup.database.execute(damage).await;
        // What the state claims is compared with a fresh look.
        for _ in 0..3 {
            assert_eq!(setup.get("FRA").await.source(), "database", "{damage}");
        }
        assert_eq!(setup.entry("FRA").await, None, "{damage}");
    }
}

#[tokio::test]
async fn a_row_that_came_with_a_restored_dump_vouches_for_nothing() {
    let setup = Setup::new().await;
    setup.database.execute("update cities_cache.heartbeat set table_oid = 1").await;
    assert_eq!(setup.get("BGR").await.source(), "database");
    assert_eq!(setup.entry("BGR").await, None);
}

#[tokio::test]
async fn what_bears_another_epoch_is_not_served_and_replaced() {
    let setup = Setup::new().await;
    let dead = Lease::new(Name::random());
    for entry in [dead.value(TAG, br#"{"source":"cache","data":"old"}"#), dead.encode(), b"what nobody knows".to_vec()]
    {
        setup.put("BGR", &entry, None).await;
        assert_eq!(setup.get("BGR").await.source(), "database");
        assert_eq!(setup.get("BGR").await.source(), "cache");
    }
}

#[tokio::test]
async fn a_read_that_began_before_a_change_does_not_land_after_it() {
    let setup = Setup::new().await;
    let mut client = setup.database.client().await;
    let change = client.transaction().await.unwrap();
    // The read waits behind this lock, with its lease taken.
    change.batch_execute("lock table city in access exclusive mode").await.unwrap();
    let (answer, ()) = tokio::join!(setup.get("BGR"), async {
        eventually(SOON, "the lease is taken", async || holds(setup.entry("BGR").await.is_some(), "no lease")).await;
        setup.invalidate("BGR").await;
        change.rollback().await.unwrap();
    });
    assert_eq!(answer.source(), "database");
    assert_eq!(setup.entry("BGR").await, None);
}

#[tokio::test]
async fn a_read_that_began_before_a_reset_lands_dead() {
    let setup = Setup::new().await;
    let mut client = setup.database.client().await;
    let change = client.transaction().await.unwrap();
    change.batch_execute("lock table city in access exclusive mode").await.unwrap();
    let (answer, ()) = tokio::join!(setup.get("BGR"), async {
        eventually(SOON, "the lease is taken", async || holds(setup.entry("BGR").await.is_some(), "no lease")).await;
        setup.write_states(setup.generation).await;
        change.rollback().await.unwrap();
    });
    assert_eq!(answer.source(), "database");
    assert_eq!(setup.get("BGR").await.source(), "database");
}

#[tokio::test]
async fn what_a_later_generation_vouches_for_is_not_filled_under_the_earlier_ones_state() {
    let setup = Setup::new().await;
    let mut client = setup.database.client().await;
    let change = client.transaction().await.unwrap();
    change.batch_execute("lock table city in access exclusive mode").await.unwrap();
    let (answer, ()) = tokio::join!(setup.get("BGR"), async {
        eventually(SOON, "the lease is taken", async || holds(setup.entry("BGR").await.is_some(), "no lease")).await;
        beat(&setup.database).await;
        change.rollback().await.unwrap();
    });
    assert_eq!(answer.source(), "database");
    assert_eq!(setup.entry("BGR").await, None);
}

#[tokio::test]
async fn another_holders_value_is_waited_for() {
    let setup = Setup::new().await;
    let lease = setup.lease("BGR").await;
    setup.put("BGR", &lease.encode(), None).await;
    let body = br#"{"source":"cache","data":[{"name":"of the other holder","population":1}]}"#;
    let (answer, ()) = tokio::join!(setup.get("BGR"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        setup.put("BGR", &lease.value(TAG, body), None).await;
    });
    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn a_holder_that_never_fills_delays_an_answer_briefly() {
    let setup = Setup::new().await;
    let lease = setup.lease("BGR").await.encode();
    setup.put("BGR", &lease, None).await;
    let begun = std::time::Instant::now();
    assert_eq!(setup.get("BGR").await.source(), "database");
    let took = begun.elapsed();
    // This lease never dies, so who waited for that would wait longer than the client.
    assert!(took > Duration::from_millis(200) && took < SOON, "{took:?}");
    assert_eq!(setup.entry("BGR").await, Some(lease), "another's lease is left alone");
}

#[tokio::test]
async fn a_holder_that_could_not_read_frees_its_lease() {
    let setup = Setup::new().await;
    setup.database.execute("alter table city rename population to inhabitants").await;
    assert_eq!(setup.get("BGR").await.status, 503);
    assert_eq!(setup.entry("BGR").await, None);
}

#[tokio::test]
async fn a_lease_dies_by_itself() {
    let setup = Setup::new().await;
    let mut client = setup.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("lock table city in access exclusive mode").await.unwrap();
    let http = setup.http.clone();
    let reader = tokio::spawn(async move { http.get("/cities/BGR").await });
    eventually(SOON, "the lease is taken", async || holds(setup.entry("BGR").await.is_some(), "no lease")).await;
    let life = setup.life_ms("BGR").await;
    assert!(life > 1_500 && life <= 3_000, "longer than a statement may take, and not for ever: {life}");
    lock.rollback().await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap().source(), "database");
}

#[tokio::test]
async fn two_installations_share_a_redis() {
    let (setup, database) = (Setup::new().await, Database::new().await);
    crate::setup::prepare(&database, "insert into country (code, name) values ('BGR', 'Another')").await;
    beat(&database).await;
    let settings = [database.settings(), setup.redis.settings(), crate::setup::setting("REDIS_KEY_PREFIX", "other")];
    let (_other, http) = harness::Program::api(settings.concat());
    setup.answered_from("BGR", "cache").await;
    let answer = eventually(SOON, "the other one answers", async || http.get("/cities/BGR").await).await;
    assert_eq!(answer.text(), r#"{"source":"database","data":[]}"#);
}
