//! Which PostgreSQL is believed: connections to a replaced primary are found out and closed (docs/protocol.md, "Read").

use std::time::Duration;

use futures_util::future::join_all;
use harness::{Database, Postgres, Program, Proxy, Redis, eventually, holds, settings};
use tokio::time::sleep;

use crate::setup::{SOON, Setup, beat, prepare};

/// What the api has just seen on a new connection it believes for 250 ms.
const BELIEVED: Duration = Duration::from_millis(300);

/// A database that every server has from the start.
const DATABASE: &str = "tutorial";

/// Two servers that hold different cities, under one address after the other.
struct Replaced {
    setup: Setup,
    new: Database,
    _address: Proxy,
    _servers: [Postgres; 2],
}

impl Replaced {
    /// The api's pool is full of connections to the old one, where they stay; new ones lead to the new one.
    async fn start() -> Self {
        let servers = [Postgres::start(&[]).await, Postgres::start(&[]).await];
        let [old, new] = servers.each_ref().map(|server| server.existing(DATABASE));
        prepare(&old, "insert into city (name, countrycode, population) values ('Old', 'BGR', 1)").await;
        prepare(&new, "insert into city (name, countrycode, population) values ('New', 'BGR', 1)").await;
        let address = Proxy::to(&format!("{}:{}", old.host, old.port));
        let setup = Setup::on(old, settings([("DB_PORT", &address.port.to_string())])).await;
        // Several at once, so that the pool has several connections.
        let codes = ["BGR", "FRA", "DEU", "ITA", "ESP", "PRT"];
        let before = join_all(codes.iter().map(|code| setup.get(code))).await;
        assert_eq!(before[0].population("Old"), Some(1));
        sleep(BELIEVED).await;
        // As with a name service or a load balancer.
        address.redirect(&format!("{}:{}", new.host, new.port));
        Self { setup, new, _address: address, _servers: servers }
    }

    /// The very first answer in the new epoch is the new primary's, over a pool that is full of the old one's.
    async fn is_found_out(&self) {
        let answer = self.setup.get("BGR").await;
        assert_eq!((answer.source().as_str(), answer.population("New")), ("database", Some(1)));
    }
}

#[tokio::test]
async fn connections_to_a_replaced_primary_are_closed_as_soon_as_the_state_shows_another_generation() {
    let replaced = Replaced::start().await;
    let setup = &replaced.setup;
    setup.write_states(beat(&replaced.new).await).await;
    replaced.is_found_out().await;
    assert_eq!(setup.get("BGR").await.source(), "cache");
    assert_eq!(setup.get("FRA").await.status, 404);
}

#[tokio::test]
async fn they_are_closed_as_well_where_the_old_relay_goes_on_and_its_generation_is_all_that_is_seen() {
    let replaced = Replaced::start().await;
    let setup = &replaced.setup;
    // Each relay's heartbeat resets every shard; who asks just before the other's next one sees the old one's alone.
    setup.write_states(beat(&replaced.new).await).await;
    setup.write_states(setup.generation).await;
    replaced.is_found_out().await;
    // What that generation's relay vouches for isn't filled with another's.
    assert_eq!(setup.get("BGR").await.source(), "database");
}

#[tokio::test]
async fn they_are_closed_within_the_bound_where_redis_shows_nothing_and_the_old_server_lives() {
    let mut replaced = Replaced::start().await;
    beat(&replaced.new).await;
    replaced.setup.redis.kill();
    eventually(SOON, "the new primary is read", async || {
        let answer = replaced.setup.http.get("/cities/BGR").await?;
        holds(answer.population("New") == Some(1), answer.text())
    })
    .await;
}

#[tokio::test]
async fn a_generation_that_begins_right_after_a_look_is_seen_by_the_first_who_asks() {
    let setup = Setup::new().await;
    for _ in 0..5 {
        setup.write_states(beat(&setup.database).await).await;
        let sources = [setup.get("BGR").await.source(), setup.get("BGR").await.source()];
        assert_eq!(sources, ["database", "cache"], "the first one fills");
    }
}

#[tokio::test]
async fn a_standby_is_not_read_and_said_to_be_one() {
    let mut primary = Postgres::start(&[]).await;
    let database = primary.existing(DATABASE);
    prepare(&database, "insert into city (name, countrycode, population) values ('Sofija', 'BGR', 1)").await;
    beat(&database).await;
    let standby = primary.standby().await;
    for without_our_schema in [false, true] {
        if without_our_schema {
            database.execute("drop schema cities_cache cascade").await;
        }
        let redis = Redis::start().await;
        let settings = [standby.existing(DATABASE).settings(), redis.settings()].concat();
        let (api, http) = Program::api(settings);
        api.wait_log(SOON, "PostgreSQL is a standby; the api reads the primary only").await;
        eventually(SOON, "it is refused", async || {
            let answer = http.get("/cities/BGR").await?;
            holds(answer.status == 503, answer.text())
        })
        .await;
        http.fails("postgres", "it is a standby").await.unwrap();
        let ready = http.get("/readyz").await.unwrap();
        assert_eq!(ready.status, 503, "it can be answered neither from there nor from an empty cache");
    }
}
