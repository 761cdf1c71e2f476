//! Runs the program: one member of the group after the other, nearly always the first one for ever.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use common::keys::Keys;
use common::program::Failure;
use common::random_name::Name;
use common::settings::Settings;
use common::shutdown::Shutdown;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::kafka::client;
use crate::kafka::dead_letter::DeadLetters;
use crate::kafka::membership::{Member, MemberEnd};
use crate::kafka::topic_watch::TopicWatch;
use crate::member_resources::Resources;
use crate::redis::writer::RedisWriter;
use crate::reset_log::ResetLog;

/// Pause before a client that failed for good is replaced.
const ANEW_PAUSE: Duration = Duration::from_secs(1);

/// Consumes until `shutdown`; returns when the batch in hand is applied, the group is left, and what couldn't be
/// decoded is parked.
///
/// # Errors
/// Whatever ends the consumer by itself.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let keys = Keys::new(&settings.redis.key_prefix, settings.kafka.shards);
    let topic = made("the topic's client", || TopicWatch::new(&settings.kafka)).await;
    let (usable, is_usable) = watch::channel(false);
    let mut resources = Resources {
        topic: settings.kafka.topic.clone(),
        backlog_limit: settings.kafka.backlog_limit,
        redis: Arc::new(RedisWriter::new(&settings.redis, keys)),
        dead_letters: DeadLetters::new(&settings.kafka),
        resets: ResetLog::new(),
        usable: is_usable,
        shutdown,
    };
    tokio::select! {
        () = topic.watch(usable) => {}
        () = consume(&settings, &mut resources) => {}
    }
    resources.dead_letters.flush().await;
    Ok(())
}

async fn consume(settings: &Settings, resources: &mut Resources) {
    // A member with a name is recognised when it comes back from a broken link. One without has lost the id that the
    // broker gave it, and waits until its own former session has timed out.
    let mut instance = settings.kafka.group_instance_id.clone().unwrap_or_else(random_name);
    loop {
        let create = || client::create(&settings.kafka, &instance);
        let (client, rebalances) = made("the kafka client", create).await;
        match Member::new(client, rebalances, resources).run().await {
            MemberEnd::Shutdown => return,
            MemberEnd::Silent => log::info!("nothing has come since kafka was lost: going on with a new client"),
            MemberEnd::Failed(KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId)) => {
                log::warn!("another consumer has the name {instance} (KAFKA_GROUP_INSTANCE_ID): going on with another");
                instance = random_name();
            }
            MemberEnd::Failed(error) => {
                log::error!("the kafka client failed ({error}): making a new one");
                sleep(ANEW_PAUSE).await;
            }
        }
    }
}

/// For this life of the program.
fn random_name() -> String {
    Name::random().to_string()
}

/// Makes a client, again and again if need be: the settings are checked, so that only the machine can refuse it.
async fn made<T, E: Display>(what: &str, make: impl Fn() -> Result<T, E>) -> T {
    loop {
        match make() {
            Ok(made) => return made,
            Err(error) => log::error!("{what} can't be made ({error}): trying again"),
        }
        sleep(ANEW_PAUSE).await;
    }
}
