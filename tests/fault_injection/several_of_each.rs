//! Several of each program at once, some of which die.

use std::time::Duration;

use futures_util::future::join_all;
use harness::process::Signal;
use harness::{Http, Program, Proxy, System, eventually, holds, oracle, settings};

use crate::HEAL_LIMIT;
use crate::shards::epochs;
use crate::trial::Trial;

/// From the end of a leader until another one has begun a generation: the promise is 5 s, twice that for a busy machine.
/// One that never lets go is frozen for longer.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(10);

/// `idle_session_timeout` of a leader is 2 s; PostgreSQL, and whoever looks, may be busy with other tests. Nothing else
/// would take the lock from a frozen one.
const SILENCE_LIMIT: Duration = Duration::from_secs(6);

/// Until the shards of a consumer that stops, or is killed and comes back, go on: the promise is 2 s, more than twice that
/// for a busy machine. One whose end nobody is told of has them until its session times out, after 6 s.
const GO_ON_LIMIT: Duration = Duration::from_secs(5);

/// Longer than whatever a worker waits for before it lets go.
const LONG_FROZEN: Duration = Duration::from_secs(30);

/// Who holds the lock that makes writers notify: the backend of a relay that is parked.
const PARKED: &str = "select pid from pg_locks where locktype = 'advisory' and objid = 7231003 and granted
                      and mode = 'ExclusiveLock'
                      and database = (select oid from pg_database where datname = current_database())";

/// Two workers, three consumers and three apis.
struct Copies {
    system: System,
    apis: Vec<Http>,
}

impl Copies {
    async fn start() -> Self {
        let mut system = System::start().await;
        let all = system.settings();
        let named = |name| [all.clone(), settings([("KAFKA_GROUP_INSTANCE_ID", name)])].concat();
        system.consumer.restart_with(named("first"));
        let (second, second_http) = Program::api(all.clone());
        let (third, third_http) = Program::api(all.clone());
        system.others = vec![
            Program::pg_notify_worker(all.clone()),
            Program::kafka_consumer(named("second")),
            Program::kafka_consumer(named("third")),
            second,
            third,
        ];
        let apis = vec![system.http.clone(), second_http, third_http];
        let copies = Self { system, apis };
        copies.system.others[0].wait_log(HEAL_LIMIT, "stands by: another worker leads").await;
        for consumer in copies.consumers() {
            consumer.wait_log(HEAL_LIMIT, "are this consumer's").await;
        }
        copies.system.whole().await;
        copies
    }

    fn workers(&mut self) -> [&mut Program; 2] {
        [&mut self.system.worker, &mut self.system.others[0]]
    }

    fn consumers(&self) -> [&Program; 3] {
        [&self.system.consumer, &self.system.others[1], &self.system.others[2]]
    }

    /// The worker that leads.
    async fn leader(&mut self) -> &mut Program {
        let generation = self.system.generation().await.expect("one of them leads");
        let line = format!("publishes as generation {generation}");
        self.workers().into_iter().find(|worker| worker.log_contains(&line)).expect("it says so")
    }

    /// Waits until another generation than `old` is begun.
    async fn another_leads(&self, old: &str) -> String {
        eventually(TAKEOVER_LIMIT, "another worker leads", async || {
            let generation = self.system.generation().await.ok_or("no heartbeat")?;
            holds(generation != old, &generation)?;
            Ok::<_, String>(generation)
        })
        .await
    }

    /// Waits until the relay is parked, and returns the backend that holds the lock.
    async fn parked(&self) -> i64 {
        eventually(HEAL_LIMIT, "the relay parks", async || {
            let backend = self.system.database.text(PARKED).await.ok_or("nobody holds the lock")?;
            backend.parse::<i64>().map_err(|error| error.to_string())
        })
        .await
    }

    /// Waits until each shard has heard a heartbeat from now on.
    async fn shards_go_on(&self, limit: Duration) {
        let before = self.system.states().await.unwrap();
        eventually(limit, "every shard goes on", async || {
            let states = self.system.states().await?;
            holds(before.iter().zip(&states).all(|(before, state)| before != state), (&before, &states))
        })
        .await;
    }

    /// The epoch of each shard.
    async fn epochs(&self) -> Vec<Option<String>> {
        epochs(&self.system, &[0, 1, 2, 3, 4, 5, 6, 7]).await
    }

    /// It ends well, at each api.
    async fn end_well(&mut self, trial: Trial) {
        trial.ends_well(&mut self.system).await;
        for api in &self.apis[1..] {
            oracle::agrees(HEAL_LIMIT, &self.system.database, api).await;
        }
    }
}

#[tokio::test]
async fn a_takeover_costs_one_read_a_code() {
    let mut copies = Copies::start().await;
    let codes = copies.system.warm().await;
    let old = copies.system.generation().await.unwrap();
    copies.leader().await.kill();
    copies.another_leads(&old).await;
    copies.system.whole_within(HEAL_LIMIT).await;

    let mut read = 0;
    for code in &codes {
        let path = format!("/cities/{code}");
        let answers = join_all(copies.apis.iter().map(|api| api.get(&path))).await;
        let reads = answers.iter().filter(|answer| answer.as_ref().unwrap().source() == "database").count();
        assert!(reads <= 1, "{code} was read {reads} times");
        read += reads;
    }
    // `whole` has asked for one code already.
    assert!(read >= codes.len() - 1, "{read} of {} codes were read anew", codes.len());
}

#[tokio::test]
async fn writers_need_not_notify_for_long_after_a_leader_was_killed_or_frozen_while_parked() {
    let mut copies = Copies::start().await;
    for signal in [Signal::KILL, Signal::STOP] {
        let backend = copies.parked().await;
        let old = copies.system.generation().await.unwrap();
        copies.leader().await.signal(signal);
        let trial = Trial::begin(&copies.system).await;
        let holds_it = format!("select count(*) from pg_locks where objid = 7231003 and pid = {backend}");
        eventually(SILENCE_LIMIT, "its lock is gone", async || {
            let locks = copies.system.database.number(&holds_it).await;
            holds(locks == 0, locks)
        })
        .await;
        copies.another_leads(&old).await;
        trial.lasts(&mut copies.system, Duration::from_secs(1)).await;
        for worker in copies.workers() {
            // Only the frozen one notices.
            worker.signal(Signal::CONT);
            if worker.process().exit_status().is_some() {
                worker.restart();
            }
        }
        copies.end_well(trial).await;
    }
}

#[tokio::test]
async fn a_leader_that_was_frozen_for_half_a_minute_wakes_and_stands_by() {
    let mut copies = Copies::start().await;
    let trial = Trial::begin(&copies.system).await;
    let old = copies.system.generation().await.unwrap();
    copies.system.worker.signal(Signal::STOP);
    let new = copies.another_leads(&old).await;
    trial.lasts(&mut copies.system, LONG_FROZEN).await;
    copies.system.worker.signal(Signal::CONT);
    copies.system.worker.wait_log(HEAL_LIMIT, "stands by: another worker leads").await;
    copies.end_well(trial).await;
    assert_eq!(copies.system.generation().await.unwrap(), new, "the woken one has disturbed the other");
}

#[tokio::test]
async fn the_shards_of_a_consumer_that_is_killed_and_comes_back_go_on() {
    let mut copies = Copies::start().await;
    let trial = Trial::begin(&copies.system).await;
    let epochs = copies.epochs().await;
    copies.system.consumer.restart();
    copies.shards_go_on(GO_ON_LIMIT).await;
    assert_eq!(copies.epochs().await, epochs, "nothing was missed");
    copies.end_well(trial).await;
}

#[tokio::test]
async fn a_consumer_may_be_stopped_and_killed_in_the_middle_of_a_batch() {
    let mut copies = Copies::start().await;
    let link = Proxy::to(&format!("127.0.0.1:{}", copies.system.redis.port));
    copies.system.consumer.restart_with(settings([("REDIS_PORT", &link.port.to_string())]));
    copies.system.consumer.wait_log(HEAL_LIMIT, "are this consumer's").await;
    for end in [Signal::TERM, Signal::KILL] {
        let trial = Trial::begin(&copies.system).await;
        let epochs = copies.epochs().await;
        // With this delay and a writer, a batch of its is on its way to Redis or back at any moment.
        link.slow(Duration::from_millis(50));
        copies.shards_go_on(HEAL_LIMIT).await;
        copies.system.consumer.signal(end);
        copies.system.consumer.process().wait_exit(HEAL_LIMIT).await;
        link.restore();
        if end == Signal::KILL {
            // It has them again when it is back; what was stopped has left them to the others.
            copies.system.consumer.restart();
        }
        copies.shards_go_on(GO_ON_LIMIT).await;
        copies.system.consumer.restart();
        assert_eq!(copies.epochs().await, epochs, "nothing was missed");
        copies.end_well(trial).await;
    }
}
