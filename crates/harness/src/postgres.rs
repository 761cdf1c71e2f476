//! PostgreSQL: the shared server, a database for each test, and servers of a test's own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, SimpleQueryMessage};

use crate::background::{block_on, spawn};
use crate::eventually::{eventually, holds};
use crate::process::Signal;
use crate::server::{Server, script};
use crate::{Settings, given};

/// User and password of every test server.
const SUPERUSER: &str = "postgres";

/// Until a standby does as it is told: it looks a few times a second.
const STANDBY_LIMIT: Duration = Duration::from_secs(20);

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A PostgreSQL server.
pub struct Postgres {
    /// `127.0.0.1`.
    pub host: String,
    /// TCP port.
    pub port: u16,
    server: Option<Server>,
}

impl Postgres {
    /// The server that all tests share (`TEST_POSTGRES`); `wal_level` is `logical`.
    ///
    /// # Panics
    /// If the tests weren't started by `tests/with-servers`.
    pub fn shared() -> Self {
        let address = given("TEST_POSTGRES");
        let (host, port) = address.rsplit_once(':').expect("TEST_POSTGRES is host:port");
        Self { host: host.to_owned(), port: port.parse().expect("TEST_POSTGRES is host:port"), server: None }
    }

    /// A server that runs elsewhere, in a container for instance.
    pub fn at(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, server: None }
    }

    /// A server of the test's own, `arguments` for it as in `["-c", "fsync=off"]`.
    pub async fn start(arguments: &[&str]) -> Self {
        let server = Server::new("postgres", arguments);
        let mut postgres = Self { host: "127.0.0.1".to_owned(), port: server.port, server: Some(server) };
        postgres.restart().await;
        postgres
    }

    /// Starts it where it doesn't run, with its data, on its port.
    pub async fn restart(&mut self) {
        let config = self.config(SUPERUSER);
        let ready = async || config.connect(NoTls).await.map(drop).map_err(|error| error.to_string());
        self.own().start(ready).await;
    }

    /// Stops it in an orderly way: clients are disconnected.
    pub async fn stop(&mut self) {
        self.own().stop(Signal::INT).await;
    }

    /// Kills it as a loss of power would.
    pub fn kill(&mut self) {
        self.own().kill();
    }

    /// Freezes it with all its processes: it takes connections and answers nothing.
    pub fn pause(&mut self) {
        self.own().signal_all(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.own().signal_all(Signal::CONT);
    }

    /// A standby of this server, which streams from it: a copy of its files, taken while it runs.
    ///
    /// # Panics
    /// If the copy fails.
    pub async fn standby(&mut self) -> Self {
        let primary = self.existing(SUPERUSER);
        let client = primary.client().await;
        client.batch_execute("select pg_backup_start('standby', true)").await.expect("a superuser may");
        let server = Server::new("postgres", &[]);
        let (from, to) = (self.folder().join("data"), server.folder().join("data"));
        // With owner and rights: as root, PostgreSQL runs as another user. Files may vanish meanwhile.
        let _ = Command::new("cp").arg("-a").arg(&from).arg(&to).stderr(Stdio::null()).status();
        let label = client.query_one("select labelfile from pg_backup_stop(false)", &[]).await.expect("it was begun");
        std::fs::write(to.join("backup_label"), label.get::<_, &str>(0)).expect("the copy is there");
        std::fs::write(to.join("standby.signal"), "").expect("the copy is there");
        std::fs::remove_file(to.join("postmaster.pid")).expect("the copy is there");
        let (host, port) = (&self.host, self.port);
        let link = format!("primary_conninfo = 'host={host} port={port} user={SUPERUSER} password={SUPERUSER}'\n");
        std::fs::write(to.join("postgresql.auto.conf"), link).expect("the copy is there");
        let mut standby = Self { host: self.host.clone(), port: server.port, server: Some(server) };
        standby.restart().await;
        standby
    }

    /// A standby gets nothing any more from its primary, and stays where it is.
    pub async fn stop_following(&self) {
        let database = self.existing(SUPERUSER);
        database.execute("alter system set primary_conninfo = ''").await;
        database.execute("select pg_reload_conf()").await;
        eventually(STANDBY_LIMIT, "the standby follows nobody", async || {
            let receivers = database.number("select count(*) from pg_stat_wal_receiver").await;
            holds(receivers == 0, receivers)
        })
        .await;
    }

    /// Makes a primary of a standby.
    pub async fn promote(&self) {
        self.existing(SUPERUSER).execute("select pg_promote()").await;
    }

    /// Copies its data as they are now; it doesn't run.
    pub fn copy_data(&mut self) {
        self.own().copy_data();
    }

    /// Puts its data back to the copy; it doesn't run.
    pub fn put_data_back(&mut self) {
        self.own().put_data_back();
    }

    /// Where its files are (`data` is the data directory).
    pub fn folder(&mut self) -> &Path {
        self.own().folder()
    }

    /// A fresh database.
    pub async fn database(&self) -> Database {
        self.database_with("").await
    }

    /// The same, with options of `create database`, such as a locale.
    pub async fn database_with(&self, options: &str) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.existing(SUPERUSER).execute(&format!("create database {name} template template0 {options}")).await;
        let mut database = self.existing(&name);
        database.dropped = true;
        database
    }

    /// A database that is there already, and stays.
    pub fn existing(&self, name: &str) -> Database {
        Database { name: name.to_owned(), host: self.host.clone(), port: self.port, dropped: false }
    }

    fn own(&mut self) -> &mut Server {
        self.server.as_mut().expect("the shared server is not this test's to stop")
    }

    fn config(&self, database: &str) -> Config {
        self.existing(database).config()
    }
}

/// A database; one that a test made is dropped at the end.
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its server's address.
    pub host: String,
    /// Its server's port.
    pub port: u16,
    dropped: bool,
}

impl Database {
    /// A fresh database on the shared server.
    pub async fn new() -> Self {
        Postgres::shared().database().await
    }

    /// The same, with another encoding than UTF8; its locale is C, which goes with each of them.
    pub async fn with_encoding(encoding: &str) -> Self {
        Postgres::shared().database_with(&format!("encoding '{encoding}' locale 'C'")).await
    }

    /// What our programs are told about it.
    pub fn settings(&self) -> Settings {
        crate::settings([
            ("DB_HOST", &self.host),
            ("DB_PORT", &self.port.to_string()),
            ("DB_NAME", &self.name),
            ("DB_USER", SUPERUSER),
            ("DB_PASSWORD", SUPERUSER),
        ])
    }

    /// A connection, as the superuser, with the server's own defaults.
    ///
    /// # Panics
    /// If there is none to be had.
    pub async fn client(&self) -> Client {
        let client = self.connect().await;
        client.unwrap_or_else(|error| panic!("database {} on port {}: {error:?}", self.name, self.port))
    }

    /// A connection, if there is one to be had.
    ///
    /// # Errors
    /// As the server or the network reports it.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config().connect(NoTls).await?;
        spawn(async {
            // What breaks it shows in the client's calls.
            let _ = connection.await;
        });
        Ok(client)
    }

    /// Runs one or more statements.
    ///
    /// # Panics
    /// If one fails.
    pub async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// A command that runs a client on it: `psql`, `pgbench` or `pg_dump`.
    pub fn command(&self, client: &str) -> Command {
        let mut command = Command::new(script("postgres"));
        // Not as arguments, which each client names in another way.
        command.env("PGHOST", &self.host).env("PGPORT", self.port.to_string()).env("PGDATABASE", &self.name);
        command.arg(client).env("PGUSER", SUPERUSER).env("PGPASSWORD", SUPERUSER);
        command
    }

    /// Gives a command to `psql`, as a user types it, and returns what it prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn psql(&self, command: &str) -> String {
        let mut psql = self.command("psql");
        let output =
            psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-c", command]).output().expect("local/postgres is there");
        assert!(output.status.success(), "psql: {command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Rows of a query.
    ///
    /// # Panics
    /// If it fails.
    pub async fn query(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.client().await.query(statement, parameters).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"))
    }

    /// First column of the first row, as text; `None` for null or no row.
    ///
    /// # Panics
    /// If the query fails.
    pub async fn text(&self, statement: &str) -> Option<String> {
        let messages = self.client().await.simple_query(statement).await;
        messages.unwrap_or_else(|error| panic!("{statement}: {error:?}")).iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    }

    /// First column of the first row, as a number.
    ///
    /// # Panics
    /// If the query fails or finds none.
    pub async fn number(&self, statement: &str) -> i64 {
        let text = self.text(statement).await.unwrap_or_else(|| panic!("{statement}: no value"));
        text.parse().unwrap_or_else(|_| panic!("{statement}: `{text}` is no number"))
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(SUPERUSER)
            .password(SUPERUSER)
            .dbname(&self.name)
            .application_name("test")
            .connect_timeout(CONNECT_LIMIT);
        config
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.dropped {
            return;
        }
        let mut config = self.config();
        config.dbname(SUPERUSER);
        let statement = format!("drop database if exists {} with (force)", self.name);
        block_on(async move {
            // A server of the test's own may be gone, and the database with it.
            let Ok((client, connection)) = config.connect(NoTls).await else { return };
            spawn(async {
                let _ = connection.await;
            });
            let _ = client.batch_execute(&statement).await;
        });
    }
}
