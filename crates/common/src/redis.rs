//! How the programs reach Redis: by a connection that reconnects by itself, or by a pool whose connections their holder
//! gives up himself.

use std::time::Duration;

use deadpool_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use deadpool_redis::redis::{Client, RedisResult};
use deadpool_redis::{Pool, PoolConfig, Runtime, Timeouts};

use crate::settings::Redis;

/// Longest pause between two tries to connect: the system is whole within 5 s of Redis' return.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// A connection that many tasks share by cloning, and that reconnects by itself.
///
/// Requests are pipelined on one socket: several times faster than a pool, which sends a PING before each use.
/// Nothing is connected before the first command.
///
/// # Errors
/// If the host name can't be an address.
pub fn shared_connection(settings: &Redis) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(settings.timeout))
        .set_connection_timeout(Some(settings.timeout))
        .set_max_delay(RECONNECT_PAUSE_MAX)
        // A request doesn't wait for a second try: PostgreSQL answers meanwhile.
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(Client::open(address(settings))?, config)
}

/// A pool of at most `size` connections. Each has one holder, who may put it back, or keep it and share it.
///
/// # Errors
/// If the host name can't be an address.
pub fn pool(settings: &Redis, size: usize) -> Result<Pool, deadpool_redis::CreatePoolError> {
    let mut config = deadpool_redis::Config::from_connection_info(deadpool_redis::ConnectionInfo {
        addr: deadpool_redis::ConnectionAddr::Tcp(settings.host.clone(), settings.port),
        ..Default::default()
    });
    let mut pool = PoolConfig::new(size);
    pool.timeouts =
        Timeouts { wait: Some(settings.timeout), create: Some(settings.timeout), recycle: Some(settings.timeout) };
    config.pool = Some(pool);
    config.create_pool(Some(Runtime::Tokio1))
}

fn address(settings: &Redis) -> (&str, u16) {
    (settings.host.as_str(), settings.port)
}
