//! One budget for a request: whatever it waits for, it waits no longer than is left.

use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// When a request must be answered (`HTTP_REQUEST_LIMIT_MS` after it came).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// `limit` from now on.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left of it, and no more than `limit`.
    pub(crate) fn at_most(self, limit: Duration) -> Duration {
        limit.min(self.0.saturating_duration_since(Instant::now()))
    }

    /// Waits for `work` until the deadline.
    ///
    /// # Errors
    /// If it isn't done by then.
    pub(crate) async fn wait<Work: Future>(self, work: Work) -> Result<Work::Output, Elapsed> {
        timeout_at(self.0, work).await
    }

    /// Waits for `work` for at most `limit`, and not beyond the deadline.
    ///
    /// # Errors
    /// If it isn't done by then.
    pub(crate) async fn wait_at_most<Work: Future>(self, limit: Duration, work: Work) -> Result<Work::Output, Elapsed> {
        timeout_at(self.0.min(Instant::now() + limit), work).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::Deadline;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn when_the_budget_is_spent_no_wait_begins() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.wait_at_most(LONG, pending::<()>()).await.is_err());
        assert!(deadline.wait(pending::<()>()).await.is_err());
        assert_eq!(deadline.at_most(LONG), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_wait_ends_with_its_own_limit_where_the_budget_is_larger() {
        assert!(Deadline::after(LONG).wait_at_most(Duration::ZERO, pending::<()>()).await.is_err());
        assert_eq!(Deadline::after(LONG).at_most(Duration::ZERO), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_is_done_in_time_is_had() {
        assert_eq!(Deadline::after(LONG).wait_at_most(LONG, async { 1 }).await.unwrap(), 1);
    }
}
