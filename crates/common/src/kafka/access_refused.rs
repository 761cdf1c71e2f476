//! Why a Kafka that takes connections doesn't serve us: it wants TLS or a login, or grants no access.
//!
//! To a client all of that looks like a broker that is away: librdkafka connects again and again, and says only in its
//! log in which state a connection was when it ended.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use tokio::task::spawn_blocking;

use super::{Quiet, client_config};
use crate::settings::Kafka;

/// How long a broker is asked. One that refuses does so in milliseconds.
const LIMIT: Duration = Duration::from_secs(1);

/// Between two looks at what the client has said meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Why Kafka refuses us, where that is what is behind `failure`: a line for the operator. `None`: it is away, or slow.
///
/// Where the failure itself doesn't tell, Kafka is asked once more by a client that listens to librdkafka's log, which
/// takes up to a second.
pub async fn refusal(settings: &Kafka, program: &str, failure: &KafkaError) -> Option<String> {
    let servers = &settings.bootstrap_servers;
    if failure.rdkafka_error_code().is_some_and(denies_access) {
        return Some(format!("Kafka at {servers} denies access ({failure})"));
    }
    let mut config = client_config(settings, program);
    config
        .set("allow.auto.create.topics", "false")
        .set("log.connection.close", "true")
        .set_log_level(RDKafkaLogLevel::Info);
    let ask = move || {
        let client: BaseProducer<Listener> = config.create_with_context(Listener::default()).ok()?;
        let end = Instant::now() + LIMIT;
        while Instant::now() < end && client.client().fetch_metadata(None, PAUSE).is_err() {
            client.poll(Duration::ZERO);
            let refusal = client.context().refusal();
            if refusal.is_some() {
                return refusal;
            }
        }
        None
    };
    let refusal = spawn_blocking(ask).await.ok()??;
    Some(format!("Kafka at {servers} {refusal}"))
}

/// The broker knows who is asking, and doesn't allow it.
fn denies_access(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}

/// What kind of listener it is that doesn't serve us.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// It closes the connection at the first request that we make.
    Tls,
    /// It says which requests it knows, and closes the connection when the next one isn't a login.
    Login,
    /// librdkafka says so itself.
    Told(String),
}

impl Refusal {
    /// Reads a line of librdkafka's log. The state of the connection stands at its end: `APIVERSION_QUERY` is its first
    /// request, `UP` comes after the answer to that.
    fn from_log(facility: &str, line: &str) -> Option<Self> {
        let disconnected = facility == "FAIL" && line.contains("Disconnected");
        if disconnected && line.contains("in state APIVERSION_QUERY") {
            Some(Self::Tls)
        } else if disconnected && line.contains("in state UP") {
            Some(Self::Login)
        } else {
            None
        }
    }

    fn from_error(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<Self> {
        matches!(code, Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL))
            .then(|| Self::Told(reason.to_owned()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => f.write_str(
                "closes each connection at its first request, as a listener for TLS does, which isn't supported (or a \
                 proxy whose server is away): KAFKA_BOOTSTRAP_SERVERS must name a listener for PLAINTEXT",
            ),
            Self::Login => f.write_str(
                "wants a login (SASL), which isn't supported: KAFKA_BOOTSTRAP_SERVERS must name a listener for PLAINTEXT",
            ),
            Self::Told(reason) => write!(f, "refuses the connection: {reason}"),
        }
    }
}

/// Keeps the first refusal that librdkafka's log shows.
#[derive(Default)]
struct Listener {
    refusal: Mutex<Option<Refusal>>,
}

impl Listener {
    fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, refusal: Option<Refusal>) {
        let mut kept = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = kept.take().or(refusal);
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        Quiet.log(level, facility, line);
        self.keep(Refusal::from_log(facility, line));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.keep(Refusal::from_error(error.rdkafka_error_code(), reason));
        Quiet.error(error, reason);
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    /// As librdkafka 2.12 writes them; that it still does, the tests with a real broker show.
    const DISCONNECTED: &str =
        "[thrd:h:1/bootstrap]: h:1/bootstrap: Disconnected: connection closed by peer: receive 0";

    fn refusal(facility: &str, state: &str) -> Option<Refusal> {
        Refusal::from_log(facility, &format!("{DISCONNECTED} after POLLIN (after 1ms in state {state})"))
    }

    #[test]
    fn the_state_in_which_a_connection_is_closed_tells_tls_from_a_login() {
        assert_eq!(refusal("FAIL", "APIVERSION_QUERY"), Some(Refusal::Tls));
        assert_eq!(refusal("FAIL", "UP"), Some(Refusal::Login));
    }

    #[test]
    fn a_broker_that_is_away_refuses_nothing() {
        let refused =
            "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(Refusal::from_log("FAIL", refused), None);
        assert_eq!(refusal("FAIL", "CONNECT"), None);
        assert_eq!(refusal("REQTMOUT", "UP"), None);
    }
}
