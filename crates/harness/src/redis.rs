//! Redis: a server for each test, since it starts in milliseconds.

use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, FromRedisValue, RedisResult, cmd};

use crate::process::Signal;
use crate::server::Server;
use crate::{Proxy, Settings, eventually, holds};

/// Until a replica has copied everything: a few megabytes.
const SYNC_LIMIT: Duration = Duration::from_secs(20);

/// A Redis server of the test's own.
pub struct Redis {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    server: Server,
}

impl Redis {
    /// A new one, empty, that saves nothing.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new one with `arguments` as in `["--maxmemory", "10mb"]`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let server = Server::new("redis", arguments);
        let mut redis = Self { port: server.port, server };
        redis.restart().await;
        redis
    }

    /// Starts it where it doesn't run, on its port (empty, unless arguments had it save).
    pub async fn restart(&mut self) {
        let client = client(self.port);
        let ready = async || {
            let mut connection = client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
            cmd("PING").exec_async(&mut connection).await.map_err(|error| error.to_string())
        };
        self.server.start(ready).await;
    }

    /// Stops it in an orderly way.
    pub async fn stop(&mut self) {
        self.server.stop(Signal::TERM).await;
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Freezes it: it takes connections and answers nothing.
    pub fn pause(&mut self) {
        self.server.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.server.signal(Signal::CONT);
    }

    /// A replica of this server, which has all that it has, and follows it through `link`.
    ///
    /// # Panics
    /// If it doesn't within 20 s.
    pub async fn replica(&self, link: &Proxy) -> Self {
        // By default it waits 5 s for further replicas.
        self.command::<()>("CONFIG SET repl-diskless-sync-delay 0").await;
        let replica = Self::start_with(&["--replicaof", &format!("127.0.0.1 {}", link.port)]).await;
        eventually(SYNC_LIMIT, "the replica follows", async || {
            let info: String = replica.command("INFO replication").await;
            holds(info.contains("master_link_status:up"), info)
        })
        .await;
        replica
    }

    /// What our programs are told about it.
    pub fn settings(&self) -> Settings {
        crate::settings([("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &self.port.to_string())])
    }

    /// A connection.
    ///
    /// # Panics
    /// If there is none to be had.
    pub async fn connection(&self) -> MultiplexedConnection {
        self.try_connection().await.expect("the test's Redis takes a connection")
    }

    /// A connection, if there is one to be had.
    ///
    /// # Errors
    /// If Redis is away.
    pub async fn try_connection(&self) -> RedisResult<MultiplexedConnection> {
        client(self.port).get_multiplexed_async_connection().await
    }

    /// Runs one command, its words separated by blanks, as in `redis-cli`.
    ///
    /// # Panics
    /// If it fails, or answers something else than `T`.
    pub async fn command<T: FromRedisValue>(&self, words: &str) -> T {
        let mut words_iterator = words.split(' ');
        let mut command = cmd(words_iterator.next().unwrap_or_default());
        for word in words_iterator {
            command.arg(word);
        }
        let answer = command.query_async(&mut self.connection().await).await;
        answer.unwrap_or_else(|error| panic!("redis: {words}: {error}"))
    }
}

fn client(port: u16) -> Client {
    Client::open(("127.0.0.1", port)).expect("it is an address")
}
