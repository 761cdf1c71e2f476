//! Restarts and stops, with readers and a writer at work.

use std::time::Duration;

use harness::load::CODES;
use harness::process::Signal;
use harness::{Load, Program, System, eventually, holds};
use tokio::time::sleep;

use crate::TRAVEL_LIMIT;

/// The default of `DRAIN_LIMIT_MS`, and what a busy machine needs to end a process.
const STOP_LIMIT: Duration = Duration::from_secs(9);

/// Between two restarts: long enough for a program to do some work.
const RESTART_PAUSE: Duration = Duration::from_millis(700);

/// Statuses that a reader may see while servers and programs come and go.
const GOOD: &[u16] = &[200];

/// Restarts one program again and again as `supervisorctl restart` does, under load; every answer is right at the end.
async fn restarts_under_load(program: fn(&mut System) -> &mut Program) {
    let mut system = System::start().await;
    let (reads, writes) = (Load::reads(&system.http, 4, GOOD), Load::writes(&system.database).await);
    for _ in 0..4 {
        sleep(RESTART_PAUSE).await;
        let program = program(&mut system);
        program.stop(STOP_LIMIT).await;
        program.restart();
    }
    sleep(RESTART_PAUSE).await;
    writes.stop().await;
    reads.stop().await;
    system.whole().await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn every_answer_is_right_after_restarts_of_the_api() {
    restarts_under_load(|system| &mut system.api).await;
}

#[tokio::test]
async fn every_answer_is_right_after_restarts_of_the_consumer() {
    restarts_under_load(|system| &mut system.consumer).await;
}

#[tokio::test]
async fn every_answer_is_right_after_restarts_of_the_worker() {
    restarts_under_load(|system| &mut system.worker).await;
}

/// Sources of the answers to one request for each of these codes.
async fn sources(system: &System, codes: &[String]) -> Vec<String> {
    let mut sources = Vec::new();
    for code in codes {
        sources.push(system.get_city(code).await.source());
    }
    sources
}

#[tokio::test]
async fn a_restart_of_api_or_consumer_leaves_the_cache_warm() {
    let mut system = System::start().await;
    let codes: Vec<_> = system.warm().await.into_iter().take(50).collect();
    let programs: [fn(&mut System) -> &mut Program; 2] = [|system| &mut system.api, |system| &mut system.consumer];
    for program in programs {
        program(&mut system).stop(STOP_LIMIT).await;
        program(&mut system).restart();
        // Its first answer from the cache, for a code that isn't counted.
        system.whole().await;
        let sources = sources(&system, &codes).await;
        assert!(sources.iter().all(|source| source == "cache"), "{sources:?}");
    }
}

#[tokio::test]
async fn a_restart_of_the_worker_empties_the_cache_once_and_each_code_costs_one_read() {
    let mut system = System::start().await;
    let codes: Vec<_> = system.warm().await.into_iter().take(50).collect();
    system.worker.stop(STOP_LIMIT).await;
    system.worker.restart();
    let before = system.states().await.unwrap();
    eventually(TRAVEL_LIMIT, "every shard is reset", async || {
        let states = system.states().await?;
        let reset =
            |(old, new): (&Option<String>, &Option<String>)| old.as_ref().unwrap()[..16] != new.as_ref().unwrap()[..16];
        holds(before.iter().zip(&states).all(reset), &states)
    })
    .await;
    system.whole().await;

    let first: Vec<_> = sources(&system, &codes).await;
    // `whole` has asked for one code already.
    let read = first.iter().filter(|source| *source == "database").count();
    assert!(read >= codes.len() - 1, "{read} of {} codes were read anew", codes.len());
    let second = sources(&system, &codes).await;
    assert!(second.iter().all(|source| source == "cache"), "{second:?}");
}

#[tokio::test]
async fn an_api_that_stops_cuts_no_answer_off() {
    let mut system = System::start().await;
    for _ in 0..3 {
        let reads = Load::reads(&system.http, 8, GOOD);
        eventually(TRAVEL_LIMIT, "the readers are at work", async || holds(reads.done() > 100, reads.done())).await;
        system.api.stop(STOP_LIMIT).await;
        reads.stop().await;
        system.api.restart();
        system.whole().await;
    }
}

#[tokio::test]
async fn a_request_that_waits_for_postgres_is_answered_before_the_api_ends() {
    let mut system = System::start().await;
    let locker = system.database.client().await;
    locker.batch_execute("begin; lock table city").await.unwrap();
    let (http, request) = (system.http.clone(), "/cities/FRA");
    let waiting = tokio::spawn(async move { http.get(request).await });
    waits_for_lock(&system).await;
    system.api.signal(Signal::TERM);
    system.api.wait_log(TRAVEL_LIMIT, "SIGTERM").await;
    locker.batch_execute("rollback").await.unwrap();

    let answer = waiting.await.unwrap().unwrap();
    assert_eq!((answer.status, answer.cities().is_empty()), (200, false));
    assert_eq!(system.api.process().wait_exit(STOP_LIMIT).await.code(), Some(0));
}

#[tokio::test]
async fn a_second_sigterm_ends_a_program_at_once() {
    let mut system = System::start_with(harness::settings([("DRAIN_LIMIT_MS", "9500")])).await;
    let locker = system.database.client().await;
    locker.batch_execute("begin; lock table city").await.unwrap();
    let http = system.http.clone();
    let waiting = tokio::spawn(async move { http.get("/cities/FRA").await });
    waits_for_lock(&system).await;
    for program in [&mut system.api, &mut system.consumer, &mut system.worker] {
        program.signal(Signal::TERM);
        // Two that come at the same time count as one.
        program.wait_log(TRAVEL_LIMIT, "SIGTERM").await;
        program.signal(Signal::TERM);
        // Long before what it may take to finish.
        let status = program.process().wait_exit(STOP_LIMIT).await;
        // One that had nothing left to do may have been quicker than the second signal.
        assert!(matches!(status.code(), Some(0 | 143)), "{status}");
    }
    assert!(waiting.await.unwrap().is_err());
}

/// Waits until the api stands in the queue for table `city`.
async fn waits_for_lock(system: &System) {
    let waits = "select count(*) from pg_stat_activity
                 where datname = current_database() and application_name = 'api' and wait_event_type = 'Lock'";
    eventually(TRAVEL_LIMIT, "the api waits for the lock", async || {
        let waiting = system.database.number(waits).await;
        holds(waiting > 0, waiting)
    })
    .await;
}

#[tokio::test]
async fn worker_and_consumer_that_stop_under_load_lose_nothing() {
    let mut system = System::start().await;
    let writes = Load::writes(&system.database).await;
    let written = writes.done();
    for _ in 0..3 {
        sleep(RESTART_PAUSE).await;
        system.consumer.stop(STOP_LIMIT).await;
        system.worker.stop(STOP_LIMIT).await;
        system.worker.restart();
        system.consumer.restart();
    }
    assert!(writes.done() - written > CODES.len());
    writes.stop().await;
    system.whole().await;
    system.agree(TRAVEL_LIMIT).await;
    eventually(TRAVEL_LIMIT, "the outbox is empty", async || {
        let rows = system.database.number("select count(*) from cities_cache.outbox").await;
        holds(rows == 0, rows)
    })
    .await;
}

#[tokio::test]
async fn programs_that_are_killed_again_and_again_leave_every_answer_right() {
    let mut system = System::start().await;
    // A killed api cuts its answers off; the writer and the oracle are what counts here.
    let writes = Load::writes(&system.database).await;
    for round in 0..6 {
        sleep(RESTART_PAUSE).await;
        match round % 3 {
            0 => system.worker.restart(),
            1 => system.consumer.restart(),
            _ => system.api.restart(),
        }
    }
    writes.stop().await;
    system.whole().await;
    system.agree(TRAVEL_LIMIT).await;
}
