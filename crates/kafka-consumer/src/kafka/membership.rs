//! A member of the group: joins when the topic and Redis are ready, applies what comes, leaves when one of them isn't.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::kafka::client::{Client, Rebalance};
use crate::kafka::intake::Intake;
use crate::kafka::interruption::Interruption;
use crate::kafka::partitions::{Partitions, until};
use crate::member_resources::Resources;
use crate::redis::writer::Away;

/// Limit for leaving the group and for closing the client; a member that isn't heard is out when its session times out.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client lives on after it gave up its partitions, so that its farewell gets out.
const FAREWELL: Duration = Duration::from_millis(100);

/// One client of the group.
pub(crate) struct Member<'a> {
    client: Arc<Client>,
    rebalances: mpsc::UnboundedReceiver<Rebalance>,
    intake: Intake,
    resources: &'a mut Resources,
}

/// Why a member has ended.
#[derive(Debug)]
pub(crate) enum MemberEnd {
    /// The program was asked to stop.
    Shutdown,
    /// The client gets nothing any more.
    Silent,
    /// The client is of no use any more.
    Failed(KafkaError),
}

/// Why the group is left.
#[derive(Debug)]
enum LeaveReason {
    Shutdown,
    /// Nothing may be consumed from the topic as it is.
    TopicUnusable,
    /// Redis is away, and others may reach it.
    Away(Away),
    Silent,
    Failed(KafkaError),
}

impl<'a> Member<'a> {
    /// A client that has not joined yet.
    pub(crate) fn new(
        client: Arc<Client>,
        rebalances: mpsc::UnboundedReceiver<Rebalance>,
        resources: &'a mut Resources,
    ) -> Self {
        let redis = Arc::clone(&resources.redis);
        let partitions = Partitions::new(&resources.topic, resources.backlog_limit, Arc::clone(&client), redis);
        let intake = Intake::new(Arc::clone(&client), partitions);
        Self { client, rebalances, intake, resources }
    }

    /// Joins and leaves as things are, until the program stops or the client fails for good.
    pub(crate) async fn run(mut self) -> MemberEnd {
        let ended = loop {
            if let Err(ended) = self.until_ready().await {
                break ended;
            }
            let stop = match self.client.subscribe(&[&self.resources.topic]) {
                Ok(()) => self.consume().await,
                Err(error) => LeaveReason::Failed(error),
            };
            if let LeaveReason::Away(Away(error)) = &stop {
                self.resources.redis.log_unwritable(error, "leaving the group so that another consumer goes on");
            }
            self.leave().await;
            match stop {
                LeaveReason::Shutdown => break MemberEnd::Shutdown,
                LeaveReason::Silent => break MemberEnd::Silent,
                LeaveReason::Failed(error) => break MemberEnd::Failed(error),
                LeaveReason::TopicUnusable | LeaveReason::Away(_) => {}
            }
        };
        self.close().await;
        ended
    }

    /// Waits for the topic and for Redis. The client is polled meanwhile, since its events would pile up.
    async fn until_ready(&mut self) -> Result<(), MemberEnd> {
        let Resources { redis, usable, shutdown, .. } = &mut *self.resources;
        let mut ready = pin!(async {
            // Only at the end of the program nobody watches the topic any more.
            let _ = usable.wait_for(|usable| *usable).await;
            redis.until_writable().await;
        });
        let mut messages = self.client.stream();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(MemberEnd::Shutdown),
                () = &mut ready => return Ok(()),
                Some(rebalance) = self.rebalances.recv() => {
                    self.intake.partitions.decline(rebalance).map_err(MemberEnd::Failed)?;
                }
                Some(received) = messages.next() => {
                    if let Err(error @ KafkaError::MessageConsumptionFatal(_)) = received {
                        return Err(MemberEnd::Failed(error));
                    }
                }
            }
        }
    }

    /// Applies what comes, until there is a reason to leave.
    async fn consume(&mut self) -> LeaveReason {
        let client = Arc::clone(&self.client);
        let mut messages = client.stream();
        loop {
            let silent_at = self.intake.silent_at().map(Into::into);
            let done = tokio::select! {
                biased;
                () = self.resources.shutdown.cancelled() => Err(LeaveReason::Shutdown),
                () = self.resources.usable.wait_for(|usable| !usable).map(drop) => Err(LeaveReason::TopicUnusable),
                Some(rebalance) = self.rebalances.recv() => {
                    self.intake.partitions.rebalance(rebalance).await.map_err(LeaveReason::from)
                }
                () = self.intake.partitions.anew_due() => self.intake.partitions.begin_due().await.map_err(LeaveReason::from),
                Some(first) = messages.next() => self.intake.take(first, &mut messages, self.resources).await.map_err(LeaveReason::from),
                () = until(silent_at) => Err(LeaveReason::Silent),
            };
            if let Err(stop) = done {
                return stop;
            }
        }
    }

    /// Leaves the group, so that others have the partitions at once: closing alone wouldn't tell them.
    async fn leave(&mut self) {
        self.client.unsubscribe();
        self.intake.partitions.clear();
        let client = Arc::clone(&self.client);
        let mut messages = client.stream();
        let given_up = async {
            loop {
                tokio::select! {
                    biased;
                    Some(rebalance) = self.rebalances.recv() => self.intake.partitions.decline(rebalance)?,
                    Some(_) = messages.next() => {}
                    () = sleep(FAREWELL) => {
                        if self.client.assignment()?.count() == 0 {
                            return KafkaResult::Ok(());
                        }
                    }
                }
            }
        };
        match timeout(LEAVE_TIMEOUT, given_up).await {
            Ok(Ok(())) => log::info!("left the group"),
            Ok(Err(error)) => log::warn!("leaving the group failed: {error}"),
            Err(_) => log::warn!("the group did not hear the farewell within {} ms", LEAVE_TIMEOUT.as_millis()),
        }
    }

    /// Closes the client, which blocks.
    async fn close(self) {
        let Self { client, rebalances, intake, .. } = self;
        let closing = tokio::task::spawn_blocking(move || drop((rebalances, intake, client)));
        if timeout(LEAVE_TIMEOUT, closing).await.is_err() {
            log::debug!("the kafka client takes long to close");
        }
    }
}

impl From<Interruption> for LeaveReason {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Away(away) => Self::Away(away),
            Interruption::Kafka(error) => Self::Failed(error),
        }
    }
}
