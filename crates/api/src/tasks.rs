//! The tasks that run as long as the program does: where one of them ends, nobody would see what it found any more, so
//! the program ends with it, and its supervisor starts it anew.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use common::program::Failure;
use common::shutdown::Shutdown;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

/// Tasks, each with the name that a line about its end bears.
#[derive(Default)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Runs `task`, which ends only when the program is told to stop.
    pub(crate) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Serves until `server` ends, which it does by itself or when `shutdown` tells it to. Where a task ends before that,
    /// the server is told to stop, finishes what it has begun within `drain_limit`, and the task's end is the outcome.
    pub(crate) async fn run_beside(
        mut self,
        server: impl Future<Output = Result<(), Failure>>,
        drain_limit: Duration,
        shutdown: Shutdown,
    ) -> Result<(), Failure> {
        tokio::pin!(server);
        let failure = tokio::select! {
            ended = &mut server => return ended,
            failure = self.end(&shutdown) => failure,
        };
        shutdown.cancel();
        // Half of the limit, at which the whole program ends without a word about why.
        let _ = timeout(drain_limit / 2, server).await;
        Err(failure)
    }

    /// Waits for the end of a task that was not told to stop.
    async fn end(&mut self, shutdown: &Shutdown) -> Failure {
        while let Some(ended) = self.running.join_next_with_id().await {
            let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
            let name = self.names.get(&id).copied().unwrap_or("a task");
            match ended {
                Err(_) => return Failure::software(format!("{name} panicked, so the program ends")),
                Ok(_) if !shutdown.is_cancelled() => {
                    return Failure::software(format!("{name} has ended, so the program does"));
                }
                Ok(_) => {}
            }
        }
        pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use common::program::Failure;
    use common::shutdown::Shutdown;

    use super::Tasks;

    const LONG: Duration = Duration::from_secs(60);

    /// Serves until it is told to stop.
    async fn serve(shutdown: Shutdown) -> Result<(), Failure> {
        shutdown.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn the_panic_of_a_task_ends_the_program_with_its_name_and_70() {
        let (mut tasks, shutdown) = (Tasks::default(), Shutdown::new());
        tasks.spawn("the one that lives", pending());
        tasks.spawn("the one that panics", async { panic!("on purpose") });
        let failure = tasks.run_beside(serve(shutdown.clone()), LONG, shutdown).await.unwrap_err();
        assert_eq!(failure, Failure::software("the one that panics panicked, so the program ends"));
        assert_eq!(failure.code, 70);
    }

    #[tokio::test]
    async fn a_task_that_ends_without_being_told_to_ends_the_program() {
        let (mut tasks, shutdown) = (Tasks::default(), Shutdown::new());
        tasks.spawn("the one that ends", async {});
        let failure = tasks.run_beside(serve(shutdown.clone()), LONG, shutdown).await.unwrap_err();
        assert!(failure.line.starts_with("the one that ends has ended"), "{failure}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_drain_is_not_waited_for() {
        let (mut tasks, shutdown) = (Tasks::default(), Shutdown::new());
        tasks.spawn("the one that ends", async {});
        assert!(tasks.run_beside(pending(), Duration::ZERO, shutdown).await.is_err());
    }

    #[tokio::test]
    async fn when_told_to_stop_the_server_says_how_it_went() {
        let (mut tasks, shutdown) = (Tasks::default(), Shutdown::new());
        tasks.spawn("a task", shutdown.clone().cancelled_owned());
        let server = serve(shutdown.clone());
        shutdown.cancel();
        assert_eq!(tasks.run_beside(server, LONG, shutdown).await, Ok(()));
        let ended = Failure::usage("HTTP_PORT is taken");
        let server = async { Err(ended.clone()) };
        assert_eq!(Tasks::default().run_beside(server, LONG, Shutdown::new()).await, Err(ended.clone()));
    }
}
