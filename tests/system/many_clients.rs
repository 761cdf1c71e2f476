//! Many clients, one cold code.

use futures_util::future::join_all;
use harness::{Http, System, settings};

use crate::HEAL_LIMIT;

/// Debug lines show each read. A busy machine may be slower than the timeout's default, and who gets no answer from Redis
/// asks PostgreSQL.
const SETTINGS: [(&str, &str); 2] = [("LOG_LEVEL", "debug"), ("REDIS_TIMEOUT_MS", "10000")];

#[tokio::test]
async fn five_hundred_clients_cost_one_read() {
    let system = System::start_with(settings(SETTINGS)).await;
    system.ok_within(HEAL_LIMIT).await;

    let clients: Vec<_> = (0..500).map(|_| Http::new(system.http.port)).collect();
    let answers = join_all(clients.iter().map(|client| client.get("/cities/FRA"))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.cities().is_empty()), (200, false));
    }

    let reads = system.api.log_lines("asks PostgreSQL about `FRA`");
    assert!((1..=2).contains(&reads.len()), "{reads:?}");
}
