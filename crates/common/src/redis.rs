//! How the programs reach Redis: by a connection that reconnects by itself, or by one that its holder gives up.

use std::time::Duration;

use deadpool_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use deadpool_redis::redis::{AsyncConnectionConfig, Client, RedisResult};

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
    ConnectionManager::new_lazy_with_config(client(settings)?, config)
}

/// One connection, which many tasks share by cloning until one of them finds it broken.
///
/// For callers that must not stay with a demoted server: it keeps answering on the connections that it has.
///
/// # Errors
/// If the host name can't be an address, or there is no connection within `REDIS_TIMEOUT_MS`.
pub async fn connect(settings: &Redis) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(settings.timeout))
        .set_connection_timeout(Some(settings.timeout));
    client(settings)?.get_multiplexed_async_connection_with_config(&config).await
}

fn client(settings: &Redis) -> RedisResult<Client> {
    Client::open((settings.host.as_str(), settings.port))
}
