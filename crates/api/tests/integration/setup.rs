//! One test's setup: tables and a heartbeat row as the worker makes them, states as the consumer writes them.

use std::path::PathBuf;
use std::time::Duration;

use common::keys::Keys;
use common::protocol::state::State;
use common::protocol::value_or_lease::{Entry, Lease};
use common::random_name::Name;
use deadpool_redis::redis::cmd;
use harness::{Answer, Database, Http, Program, Redis, Settings, eventually, holds, settings};

/// For what takes milliseconds when all is well.
pub(crate) const SOON: Duration = Duration::from_secs(5);

const MIGRATIONS: [&str; 3] = [
    include_str!("../../../../migrations/V1__cities_and_countries.sql"),
    include_str!("../../../../migrations/V2__outbox_and_heartbeat.sql"),
    // What the worker does once the cities are in them; tables that were there before are adopted.
    "alter table if exists cities_cache.country set schema public; alter table if exists cities_cache.city set schema public;",
];

const CITIES: &str = "
    insert into country (code, name) values ('BGR', 'Bulgaria'), ('FRA', 'France'), ('ATA', 'Antarctica');
    insert into city (name, countrycode, population) values
        ('Dobric', 'BGR', 83584), ('Sofija', 'BGR', 1122302), ('Varna', 'BGR', 299801), ('Aaa', 'BGR', 83584),
        ('Paris', 'FRA', 2125246), ('Lyon', 'FRA', 445452), ('Nowhere', 'XXA', 1);";

/// The api and what it stands on.
pub(crate) struct Setup {
    pub(crate) api: Program,
    pub(crate) http: Http,
    pub(crate) redis: Redis,
    pub(crate) database: Database,
    /// What the heartbeat row says.
    pub(crate) generation: Name,
    keys: Keys,
}

impl Setup {
    /// All is well: a row, and a state of its generation in each shard.
    pub(crate) async fn new() -> Self {
        Self::with(Settings::new()).await
    }

    /// The same, with settings on top.
    pub(crate) async fn with(settings: Settings) -> Self {
        let database = Database::new().await;
        prepare(&database, CITIES).await;
        Self::on(database, settings).await
    }

    /// The same, on tables that are there already.
    pub(crate) async fn on(database: Database, settings: Settings) -> Self {
        let generation = beat(&database).await;
        let redis = Redis::start().await;
        let (api, http) = Program::api([database.settings(), redis.settings(), settings].concat());
        let setup = Self { api, http, redis, database, generation, keys: Keys::new("cities-cache", 8) };
        setup.write_states(generation).await;
        eventually(SOON, "the api has seen the heartbeat row", async || {
            let answer = setup.http.get("/status").await?;
            holds(answer.text().contains(&setup.generation.to_string()), answer.text())
        })
        .await;
        setup
    }

    /// Gives each shard a new epoch, as the consumer does when it resets.
    pub(crate) async fn write_states(&self, generation: Name) {
        for shard in 0..self.keys.shards() {
            let state = State { epoch: Name::random(), generation, sequence: 1, number: Some(1), offset: 1 };
            self.set(&self.keys.state(shard), state.to_string().as_bytes(), None).await;
        }
    }

    /// The state of a code's shard.
    pub(crate) async fn state(&self, code: &str) -> State {
        let text: String = self.redis.command(&format!("GET {}", self.keys.state(self.keys.shard_of(code)))).await;
        State::parse(&text).unwrap()
    }

    /// What the consumer does with a change of `code`.
    pub(crate) async fn invalidate(&self, code: &str) {
        let _: i64 = self.redis.command(&format!("DEL {}", self.keys.code(code))).await;
    }

    /// Takes the states away.
    pub(crate) async fn remove_states(&self) {
        for shard in 0..self.keys.shards() {
            let _: i64 = self.redis.command(&format!("DEL {}", self.keys.state(shard))).await;
        }
    }

    /// Puts something in a code's place.
    pub(crate) async fn put(&self, code: &str, entry: &[u8], life: Option<Duration>) {
        self.set(&self.keys.code(code), entry, life).await;
    }

    /// What is in a code's place.
    pub(crate) async fn entry(&self, code: &str) -> Option<Vec<u8>> {
        self.redis.command(&format!("GET {}", self.keys.code(code))).await
    }

    /// Whether a value is in a code's place, and not a lease or nothing.
    pub(crate) async fn is_filled(&self, code: &str) -> bool {
        self.entry(code).await.is_some_and(|entry| matches!(Entry::parse(&entry), Some(Entry::Value(_))))
    }

    /// Milliseconds that a code's place has to live.
    pub(crate) async fn life_ms(&self, code: &str) -> i64 {
        self.redis.command(&format!("PTTL {}", self.keys.code(code))).await
    }

    /// A lease in the code's shard as it is now.
    pub(crate) async fn lease(&self, code: &str) -> Lease {
        Lease::new(self.state(code).await.epoch)
    }

    /// The answer for a code.
    pub(crate) async fn get(&self, code: &str) -> Answer {
        self.http.get(&format!("/cities/{code}")).await.unwrap()
    }

    /// Asks until the answer comes from `source`.
    pub(crate) async fn answered_from(&self, code: &str, source: &str) -> Answer {
        eventually(SOON, &format!("{code} is answered from the {source}"), async || {
            let answer = self.http.get(&format!("/cities/{code}")).await?;
            if answer.source() == source { Ok(answer) } else { Err(answer.text()) }
        })
        .await
    }

    async fn set(&self, key: &str, value: &[u8], life: Option<Duration>) {
        let mut command = cmd("SET");
        command.arg(key).arg(value);
        if let Some(life) = life {
            command.arg("PX").arg(u64::try_from(life.as_millis()).unwrap());
        }
        command.exec_async(&mut self.redis.connection().await).await.unwrap();
    }
}

/// Our schema and tables, and `rows`; tables of the user's that are there already are adopted.
pub(crate) async fn prepare(database: &Database, rows: &str) {
    let migrations = MIGRATIONS.join(";");
    database.execute(&format!("create schema cities_cache; {migrations}; {rows}")).await;
}

/// Puts a new generation in the heartbeat row, as a leader does when it begins.
pub(crate) async fn beat(database: &Database) -> Name {
    let generation = Name::random();
    let row = format!(
        "delete from cities_cache.heartbeat;
         insert into cities_cache.heartbeat (generation, number, topic, table_oid)
         values ('{generation}', 1, 'city_updates', 'cities_cache.heartbeat'::regclass::oid)"
    );
    database.execute(&row).await;
    generation
}

/// A folder of the test's own, below that of `tests/with-servers` where that runs.
pub(crate) fn new_folder(what: &str) -> PathBuf {
    let parent = std::env::var_os("TEST_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("api-{}-{what}", Name::random()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// One setting.
pub(crate) fn setting(name: &str, value: &str) -> Settings {
    settings([(name, value)])
}
