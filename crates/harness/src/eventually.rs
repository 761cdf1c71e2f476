//! Waiting for a condition with a deadline, instead of sleeping and hoping.

use std::fmt::{Debug, Display};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks: far below what any test waits for, far above what a look costs.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `look` until it succeeds, and returns what it found.
///
/// # Panics
/// When `limit` has passed, with `what` was awaited and what the last look saw instead.
pub async fn eventually<T, E: Display>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + limit;
    let mut seen = String::from("nothing yet");
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(other)) => seen = other.to_string(),
            Err(_) => seen.push_str(" (and the last look did not end)"),
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}; last seen: {seen}");
        sleep(PAUSE).await;
    }
}

/// A condition as [`eventually`] wants it: `seen` is what is shown where it never comes true.
///
/// # Errors
/// With `seen`, if the condition doesn't hold.
pub fn holds(condition: bool, seen: impl Debug) -> Result<(), String> {
    if condition { Ok(()) } else { Err(format!("{seen:?}")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{eventually, holds};

    #[tokio::test]
    async fn what_comes_true_is_returned() {
        let mut looks = 0;
        eventually(Duration::from_secs(5), "three looks", async || {
            looks += 1;
            holds(looks == 3, looks)
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "last seen: \"cold\"")]
    async fn what_never_comes_true_shows_the_last_state() {
        eventually(Duration::from_millis(50), "warmth", async || holds(false, "cold")).await;
    }
}
