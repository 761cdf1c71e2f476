//! A pooler in transaction mode, which gives a session now to one client, now to another.

use std::path::PathBuf;

use harness::tool::tool;
use harness::{Database, Kafka, Process, Proxy, Redis, System, eventually, free_port, settings};

use crate::{MEND_LIMIT, TRAVEL_LIMIT};

/// A pooler in front of a database.
struct Pooler {
    port: u16,
    folder: PathBuf,
    mode: &'static str,
    ignore: &'static str,
    process: Option<Process>,
}

impl Pooler {
    fn start(database: &Database, mode: &'static str, ignore: &'static str) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("cities-cache-pooler-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut pooler = Self { port, folder, mode, ignore, process: None };
        pooler.run(database);
        pooler
    }

    fn run(&mut self, database: &Database) {
        let (mode, ignore, port) = (self.mode, self.ignore, self.port);
        let (host, server, name) = (&database.host, database.port, &database.name);
        let file = self.folder.join("pgbouncer.ini");
        let users = self.folder.join("users.txt");
        std::fs::write(&users, "\"postgres\" \"postgres\"\n").unwrap();
        let users = users.display();
        let configuration = format!(
            "[databases]\n{name} = host={host} port={server} dbname={name}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n\
             pool_mode = {mode}\nignore_startup_parameters = {ignore}\n"
        );
        std::fs::write(&file, configuration).unwrap();
        let mut command = tool("pgbouncer");
        // It refuses to run as root.
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        self.process = None;
        self.process = Some(Process::spawn("pgbouncer", command.arg(file)));
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// In front of all three programs stands a pooler that shares sessions; it is refused, and all is well once it
/// gives each client its own.
async fn is_refused(ignore: &'static str) {
    let (database, redis, topic) = (Database::new().await, Redis::start().await, Kafka::shared().topic());
    let mut pooler = Pooler::start(&database, "transaction", ignore);
    let port = pooler.port.to_string();
    let system = System::launch_with(database, redis, topic, settings([("DB_PORT", &port)]));
    let line = system.worker.wait_log(MEND_LIMIT, "pooler").await;
    assert!(line.contains("ERROR") || line.contains("WARN"), "{line}");
    eventually(TRAVEL_LIMIT, "/status names it", async || system.http.fails("postgres", "refuses the api").await).await;
    assert_eq!(system.http.get("/health").await.unwrap().status, 200);
    assert_eq!(system.worker.log_lines("pooler").len(), 1, "{:#?}", system.worker.log());
    drop(pooler.process.take());

    // Without it: the same address leads to PostgreSQL itself.
    let target = format!("{}:{}", system.database.host, system.database.port);
    let _link = Proxy::listening_on(pooler.port, &target);
    system.whole_within(MEND_LIMIT).await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn a_pooler_that_refuses_our_parameters_is_refused() {
    is_refused("extra_float_digits").await;
}

#[tokio::test]
async fn a_pooler_that_drops_our_parameters_is_refused() {
    is_refused("extra_float_digits, options").await;
}
