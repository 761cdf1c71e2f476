//! Kafka: the shared broker, and brokers of a test's own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::Semaphore;

use crate::process::Signal;
use crate::server::{Server, script};
use crate::tool::feed;
use crate::{Proxy, Topic, free_port, given};

/// A start takes what the machine has, for some seconds.
static STARTING: Semaphore = Semaphore::const_new(1);

/// A broker.
pub struct Kafka {
    /// `127.0.0.1:port`.
    pub address: String,
    server: Option<Server>,
}

/// Addresses (`host:port`) at which a broker wants what our programs don't have.
pub struct GuardedListeners {
    /// TLS.
    pub tls: String,
    /// A login, in plain text.
    pub login: String,
}

impl Kafka {
    /// The broker that all tests share (`TEST_KAFKA`).
    ///
    /// # Panics
    /// If the tests weren't started by `tests/with-servers`.
    pub fn shared() -> Self {
        Self { address: given("TEST_KAFKA"), server: None }
    }

    /// A broker of the test's own (some 6 s).
    pub async fn start() -> Self {
        let server = Server::new("kafka", &[]);
        let mut kafka = Self { address: format!("127.0.0.1:{}", server.port), server: Some(server) };
        kafka.restart().await;
        kafka
    }

    /// A broker of the test's own, and a link to it that breaks on command: who begins there is sent there again. By
    /// [`Kafka::address`] it is reached in any case.
    pub async fn start_with_link() -> (Self, Proxy) {
        let mut kafka = Self::stopped();
        let (main, listener) = (kafka.own().port, free_port());
        let link = Proxy::to(&format!("127.0.0.1:{listener}"));
        // As in `local/kafka`, with one listener more.
        kafka.own().add_arguments(&[
            format!(
                "listeners=BROKER://127.0.0.1:{main},LINK://127.0.0.1:{listener},CONTROLLER://{}",
                controller(main)
            ),
            format!("advertised.listeners=BROKER://127.0.0.1:{main},LINK://127.0.0.1:{}", link.port),
            "listener.security.protocol.map=BROKER:PLAINTEXT,LINK:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ]);
        kafka.restart().await;
        (kafka, link)
    }

    /// A broker of the test's own with two listeners more, by which our programs can't talk to it. It knows access lists,
    /// and allows whatever none of them is about.
    ///
    /// # Panics
    /// If no key can be made for it.
    pub async fn start_guarded() -> (Self, GuardedListeners) {
        let mut kafka = Self::stopped();
        let listeners =
            GuardedListeners { tls: format!("127.0.0.1:{}", free_port()), login: format!("127.0.0.1:{}", free_port()) };
        let GuardedListeners { tls, login } = &listeners;
        let main = kafka.own().port;
        let keys = kafka.own().folder().join("keys.p12").display().to_string();
        let keytool = ["tool", "keytool", "-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost"];
        let store = ["-storetype", "PKCS12", "-storepass", "secret", "-keystore", &keys];
        feed(Command::new(script("kafka")).args(keytool).args(store), b"");
        kafka.own().add_arguments(&[
            format!(
                "listeners=BROKER://127.0.0.1:{main},TLS://{tls},LOGIN://{login},CONTROLLER://{}",
                controller(main)
            ),
            format!("advertised.listeners=BROKER://127.0.0.1:{main},TLS://{tls},LOGIN://{login}"),
            "listener.security.protocol.map=BROKER:PLAINTEXT,TLS:SSL,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
                .to_owned(),
            format!("listener.name.tls.ssl.keystore.location={keys}"),
            "listener.name.tls.ssl.keystore.password=secret".to_owned(),
            "listener.name.login.sasl.enabled.mechanisms=PLAIN".to_owned(),
            "listener.name.login.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required user_app=\"secret\";"
                .to_owned(),
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
            "allow.everyone.if.no.acl.found=true".to_owned(),
        ]);
        kafka.restart().await;
        (kafka, listeners)
    }

    /// Brokers of one cluster, with ids from 1. The first is its controller as well; each has all of Kafka's own topics,
    /// so that any other one may be lost.
    pub async fn cluster<const BROKERS: usize>() -> [Self; BROKERS] {
        let mut brokers = [(); BROKERS].map(|()| Self::stopped());
        let controller = controller(brokers[0].own().port);
        for (id, broker) in (1..).zip(&mut brokers) {
            let port = broker.own().port;
            let mut arguments = vec![format!("node.id={id}"), format!("offsets.topic.replication.factor={BROKERS}")];
            if id > 1 {
                arguments.extend([
                    "process.roles=broker".to_owned(),
                    format!("listeners=BROKER://127.0.0.1:{port}"),
                    format!("controller.quorum.voters=1@{controller}"),
                ]);
            }
            broker.own().add_arguments(&arguments);
            broker.restart().await;
        }
        brokers
    }

    /// A broker of the test's own that doesn't run yet: [`Kafka::restart`] starts it.
    pub fn stopped() -> Self {
        let server = Server::new("kafka", &[]);
        Self { address: format!("127.0.0.1:{}", server.port), server: Some(server) }
    }

    /// Starts it where it doesn't run, with its data, on its port.
    pub async fn restart(&mut self) {
        let address = self.address.clone();
        let ready = async || {
            let address = address.clone();
            // The client blocks while it asks.
            tokio::task::spawn_blocking(move || {
                let consumer: BaseConsumer = client_config(&address).create().map_err(|error| error.to_string())?;
                let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
                metadata.map(drop).map_err(|error| error.to_string())
            })
            .await
            .map_err(|error| error.to_string())?
        };
        // Side by side on few processors, none would be ready in time.
        let _alone = STARTING.acquire().await.expect("it is never closed");
        self.own().start(ready).await;
    }

    /// Stops it in an orderly way.
    pub async fn stop(&mut self) {
        self.own().stop(Signal::TERM).await;
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.own().kill();
    }

    /// Copies its data as they are now; it doesn't run.
    pub fn copy_data(&mut self) {
        self.own().copy_data();
    }

    /// Puts its data back to the copy; it doesn't run.
    pub fn put_data_back(&mut self) {
        self.own().put_data_back();
    }

    /// Removes its data; it doesn't run, and begins from nothing.
    pub fn erase_data(&mut self) {
        self.own().erase_data();
    }

    /// Freezes it: it takes connections and answers nothing.
    pub fn pause(&mut self) {
        self.own().signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.own().signal(Signal::CONT);
    }

    /// A topic name that no other test has; nothing is created.
    pub fn topic(&self) -> Topic {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Topic { broker: self.address.clone(), name }
    }

    fn own(&mut self) -> &mut Server {
        self.server.as_mut().expect("the shared broker is not this test's to stop")
    }
}

/// Where the controller of the broker on `port` listens, as `local/kafka` has it.
fn controller(port: u16) -> String {
    format!("{}:{}", if cfg!(target_os = "linux") { "127.0.0.2" } else { "127.0.0.1" }, port + 1)
}

/// What every client of the tests sets.
pub(crate) fn client_config(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("client.id", "test").set("log_level", "0");
    config
}
