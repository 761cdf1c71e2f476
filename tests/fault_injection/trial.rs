//! One trial, with a fault: a user writes all through it, the programs keep calm, and in the end every answer is right.

use std::time::Duration;

use harness::load::CODES;
use harness::{Http, Load, Program, System, eventually, holds};
use tokio::time::{Instant, sleep};

use crate::HEAL_LIMIT;

/// A writer's statement takes a few milliseconds, and up to 2.2 s where dozens wait for two processors (seen). One that
/// waited for something of ours would wait as long as the fault lasts: 10 s and more.
const WAIT_LIMIT: Duration = Duration::from_secs(6);

/// For a change of each code.
const CHANGES_LIMIT: Duration = Duration::from_secs(10);

/// Share of a core above which a program spins. Builds without optimisation use up to a fifth under the writer.
const SPIN_LIMIT: f64 = 0.5;

/// In any so many seconds …
const LOG_WINDOW: usize = 5;

/// … a program may write so many lines: a few a second, and a start with its dozen. Each of the eight shards has a line
/// for what happens to it, and some tests have two faults within these seconds.
const LOG_LINES: usize = 50;

/// Between two writes of a user: builds without optimisation use half a core for two hundred of them a second, and several
/// faults share two.
const WRITE_PAUSE: Duration = Duration::from_millis(20);

/// Between two reads of a user.
const READ_PAUSE: Duration = Duration::from_millis(20);

/// A fault, under load.
pub(crate) struct Trial {
    writes: Option<Load>,
    reads: Option<Load>,
}

impl Trial {
    /// A user writes all the time, straight to the database.
    pub(crate) async fn begin(system: &System) -> Self {
        let writes = Load::writes_with_pause(&system.database, WRITE_PAUSE).await;
        eventually(WAIT_LIMIT, "the user writes", async || holds(writes.done() > 0, writes.done())).await;
        Self { writes: Some(writes), reads: None }
    }

    /// Nobody can write: the fault is PostgreSQL's own.
    pub(crate) fn begin_without_writes() -> Self {
        Self { writes: None, reads: None }
    }

    /// A user reads all the time as well, and is answered with one of these statuses.
    pub(crate) fn with_reads(self, http: &Http, allowed: &'static [u16]) -> Self {
        Self { reads: Some(Load::reads_with_pause(http, 1, READ_PAUSE, allowed)), ..self }
    }

    /// Waits until the user has changed every code once more.
    ///
    /// # Panics
    /// If he can't, or nobody writes.
    pub(crate) async fn changes_every_code(&self) {
        let writes = self.writes.as_ref().expect("somebody writes");
        let target = writes.done() + CODES.len() + 1;
        eventually(CHANGES_LIMIT, "every code changes", async || holds(writes.done() >= target, writes.done())).await;
    }

    /// The fault lasts so long, and no program gives up or spins meanwhile.
    ///
    /// # Panics
    /// If one does.
    pub(crate) async fn lasts(&self, system: &mut System, time: Duration) {
        let used = |system: &mut System| -> Vec<_> {
            programs(system).into_iter().map(|program| program.process().processor_time()).collect()
        };
        let (before, begun) = (used(system), Instant::now());
        sleep(time).await;
        let (after, elapsed) = (used(system), begun.elapsed());
        for (program, (before, after)) in programs(system).into_iter().zip(before.into_iter().zip(after)) {
            // A program that the test killed has used nothing.
            let share = after.saturating_sub(before).as_secs_f64() / elapsed.as_secs_f64();
            assert!(share < SPIN_LIMIT, "{} used {share:.2} of a core in {elapsed:?}", program.name());
        }
    }

    /// The fault is over: soon every answer is right, and the cache answers again; no write failed or waited, every
    /// program runs, and none has filled the log.
    ///
    /// # Panics
    /// If that isn't so.
    pub(crate) async fn ends_well(self, system: &mut System) {
        if let Some(writes) = self.writes {
            let slowest = writes.stop().await;
            assert!(slowest < WAIT_LIMIT, "a write took {slowest:?}");
        }
        if let Some(reads) = self.reads {
            reads.stop().await;
        }
        let over = Instant::now();
        system.agree(HEAL_LIMIT).await;
        let agreed = over.elapsed();
        system.whole_within(HEAL_LIMIT).await;
        #[expect(clippy::print_stdout, reason = "a passed test shows it where it is asked to, with --show-output")]
        {
            println!("every answer is right after {agreed:.1?}, and all is whole after {:.1?}", over.elapsed());
        }
        for program in programs(system) {
            let status = program.process().exit_status();
            assert!(status.is_none(), "{} ended by itself: {status:?}", program.name());
            assert!(busiest(&program.log()) <= LOG_LINES, "{} says too much: {:#?}", program.name(), program.log());
        }
    }
}

fn programs(system: &mut System) -> Vec<&mut Program> {
    let of_its_own = [&mut system.worker, &mut system.consumer, &mut system.api];
    of_its_own.into_iter().chain(&mut system.others).collect()
}

/// The most lines within [`LOG_WINDOW`]; a line begins with its time, as in `[2026-11-24T10:07:16Z`.
fn busiest(log: &[String]) -> usize {
    let second = |line: &String| {
        let mut fields = line.get(12..20)?.split(':').map(str::parse::<usize>);
        Some((fields.next()?.ok()? * 60 + fields.next()?.ok()?) * 60 + fields.next()?.ok()?)
    };
    let seconds: Vec<usize> = log.iter().filter_map(second).collect();
    let within = |from: &usize| seconds.iter().filter(|at| (*from..from + LOG_WINDOW).contains(at)).count();
    seconds.iter().map(within).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::busiest;

    #[test]
    fn the_busiest_five_seconds_count() {
        let line = |second| format!("[2026-11-24T10:59:{second:02}Z INFO  api] a line");
        let log: Vec<_> = [1, 1, 5, 6, 30, 34, 34, 34].map(line).into_iter().chain(["no time".to_owned()]).collect();
        assert_eq!(busiest(&log), 4);
    }
}
