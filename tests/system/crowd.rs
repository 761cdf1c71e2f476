//! Many clients, one cold code.

use futures_util::future::join_all;
use harness::{Http, System};

use crate::HEAL_LIMIT;

/// How often table `city` was scanned: once for each statement of the api.
const SCANS: &str =
    "select coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_user_tables where relname = 'city'";

#[tokio::test]
async fn five_hundred_clients_cost_one_read() {
    let mut system = System::start().await;
    // A process hands in its counts when it ends at the latest; the api's end with its connections.
    system.api.stop(HEAL_LIMIT * 2).await;
    let before = system.database.number(SCANS).await;
    system.api.restart();
    system.cached("BGR", HEAL_LIMIT).await;

    let clients: Vec<_> = (0..500).map(|_| Http::new(system.http.port)).collect();
    let answers = join_all(clients.iter().map(|client| client.get("/cities/FRA"))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.cities().is_empty()), (200, false));
    }

    system.api.stop(HEAL_LIMIT * 2).await;
    let scans = system.database.number(SCANS).await - before;
    assert!((1..=2).contains(&scans), "{scans} statements");
}
