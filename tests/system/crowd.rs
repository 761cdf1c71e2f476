//! Many clients, one cold code.

use futures_util::future::join_all;
use harness::{Http, System, eventually, holds};

use crate::HEAL_LIMIT;

/// How often table `city` was scanned: once for each statement of the api.
const SCANS: &str =
    "select coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_user_tables where relname = 'city'";

/// Sessions of the api: the last thing that such a process does is to hand in its counts, and then it leaves this list.
const SESSIONS: &str =
    "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'api'";

#[tokio::test]
async fn five_hundred_clients_cost_one_read() {
    let mut system = System::start().await;
    let before = scans_until_the_api_stops(&mut system).await;
    system.api.restart();
    system.cached("BGR", HEAL_LIMIT).await;

    let clients: Vec<_> = (0..500).map(|_| Http::new(system.http.port)).collect();
    let answers = join_all(clients.iter().map(|client| client.get("/cities/FRA"))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.cities().is_empty()), (200, false));
    }

    let scans = scans_until_the_api_stops(&mut system).await - before;
    assert!((1..=2).contains(&scans), "{scans} statements");
}

/// Stops the api, so that every count is complete: its sessions end after it, when the server notices.
async fn scans_until_the_api_stops(system: &mut System) -> i64 {
    system.api.stop(HEAL_LIMIT * 2).await;
    eventually(HEAL_LIMIT, "the api's sessions have ended", async || {
        let sessions = system.database.number(SESSIONS).await;
        holds(sessions == 0, sessions)
    })
    .await;
    system.database.number(SCANS).await
}
