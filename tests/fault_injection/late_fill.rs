//! A reader who is late with what it read: the row changes between its SELECT and its fill.

use harness::load::CODES;
use harness::{Http, Program, Proxy, System, eventually, holds, settings};

use crate::HEAL_LIMIT;

const ROUNDS: usize = 50;

/// What only a fill contains on its way to Redis.
const FILL: &str = r#"{"source":"cache","#;

/// One api by a link to Redis of its own; the other one, and the consumer, go by theirs.
struct Late {
    system: System,
    link: Proxy,
    http: Http,
    _api: Program,
}

impl Late {
    async fn start() -> Self {
        let system = System::start().await;
        let link = Proxy::to(&format!("127.0.0.1:{}", system.redis.port));
        // Longer than a reader is held here: it must be late, and not have given up.
        let by_link = settings([("REDIS_PORT", &link.port.to_string()), ("REDIS_TIMEOUT_MS", "10000")]);
        let (api, http) = Program::api([system.settings(), by_link].concat());
        eventually(HEAL_LIMIT, "the late one answers", async || http.get("/cities/BGR").await).await;
        Self { system, link, http, _api: api }
    }

    /// One change between a SELECT and its fill; `quicker`: another reader fills before the late one.
    async fn round(&self, code: &str, quicker: bool) {
        let old = self.change(code).await;
        self.emptied(code).await;
        self.link.hold(FILL);
        let reader = tokio::spawn({
            let (http, path) = (self.http.clone(), format!("/cities/{code}"));
            async move { http.get(&path).await.unwrap() }
        });
        eventually(HEAL_LIMIT, "the fill is held", async || holds(self.link.kept() > 0, self.link.kept())).await;
        let new = self.change(code).await;
        self.emptied(code).await;
        if quicker {
            assert_eq!(largest(&self.system.http, code).await, new);
        }
        self.link.restore();

        let answer = reader.await.unwrap();
        let read = (answer.source(), answer.cities()[0].1.unwrap());
        assert_eq!(read, ("database".to_owned(), old), "it read before the change");
        for http in [&self.http, &self.system.http] {
            assert_eq!(largest(http, code).await, new, "{code}");
        }
        let place = String::from_utf8_lossy(&self.place(code).await.unwrap_or_default()).into_owned();
        assert!(!place.contains(&format!("\"population\":{old}")), "{place}");
    }

    /// Makes the largest city of a code larger, and returns its population.
    async fn change(&self, code: &str) -> i64 {
        let statement = format!(
            "update city set population = population + 1000003 where id = (select id from city where countrycode = \
             '{code}' order by population desc limit 1) returning population"
        );
        self.system.database.number(&statement).await
    }

    /// Waits until nothing is in a code's place, neither an answer nor a lease.
    async fn emptied(&self, code: &str) {
        eventually(HEAL_LIMIT, "the change has reached the code's place", async || {
            let place = self.place(code).await;
            holds(place.is_none(), place.map(|place| place.len()))
        })
        .await;
    }

    async fn place(&self, code: &str) -> Option<Vec<u8>> {
        let keys: Vec<String> = self.system.redis.command(&format!("KEYS *:code:{code}")).await;
        let key = keys.first()?;
        self.system.redis.command(&format!("GET {key}")).await
    }
}

async fn largest(http: &Http, code: &str) -> i64 {
    let answer = http.get(&format!("/cities/{code}")).await.unwrap();
    answer.cities()[0].1.unwrap()
}

#[tokio::test]
async fn what_was_read_before_a_change_never_lands_after_it() {
    let late = Late::start().await;
    for (round, code) in CODES.iter().cycle().take(ROUNDS).enumerate() {
        late.round(code, round % 2 == 1).await;
    }
}
