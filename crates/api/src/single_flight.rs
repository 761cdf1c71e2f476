//! Single flight: those who want the same code at the same time share one read of PostgreSQL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::cities::country_code::CountryCode;
use crate::deadline::Deadline;
use crate::postgres::vouched_query::StatementStart;

/// The reads that are under way; there are no more of them than codes.
pub(crate) struct Flights<T> {
    runtime: Handle,
    under_way: Mutex<HashMap<CountryCode, Flight<T>>>,
}

struct Flight<T> {
    start: Arc<StatementStart>,
    landed: watch::Receiver<Option<T>>,
}

/// Why a flight has no result for whoever waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoResult {
    /// It is still under way at the deadline of the one who waits.
    TooLate,
    /// Its task panicked.
    Lost,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Flights run on `runtime`, not in the task of the client who asked first: it may hang up.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, under_way: Mutex::default() }
    }

    /// Waits for the flight of `code` if its statement has not begun, or no longer than `bound` ago; else begins one. It
    /// goes on if the one who began it stops waiting at its `deadline`: others may have joined it.
    pub(crate) async fn join_or_begin<Work>(
        self: &Arc<Self>,
        code: CountryCode,
        bound: Duration,
        deadline: Deadline,
        work: impl FnOnce(Arc<StatementStart>) -> Work,
    ) -> Result<T, NoResult>
    where
        Work: Future<Output = T> + Send + 'static,
    {
        let mut landed = {
            let mut under_way = self.under_way.lock().expect("nobody panics with it");
            match under_way.get(&code) {
                Some(flight) if flight.may_be_joined(bound) => flight.landed.clone(),
                _ => {
                    let flight = self.begin(code, work);
                    let landed = flight.landed.clone();
                    under_way.insert(code, flight);
                    landed
                }
            }
        };
        let result = deadline.wait(landed.wait_for(Option::is_some)).await.map_err(|_| NoResult::TooLate)?;
        result.ok().and_then(|result| result.clone()).ok_or(NoResult::Lost)
    }

    fn begin<Work>(self: &Arc<Self>, code: CountryCode, work: impl FnOnce(Arc<StatementStart>) -> Work) -> Flight<T>
    where
        Work: Future<Output = T> + Send + 'static,
    {
        let start = Arc::<StatementStart>::default();
        let (land, landed) = watch::channel(None);
        let (flights, work, this) = (Arc::clone(self), work(Arc::clone(&start)), Arc::clone(&start));
        self.runtime.spawn(async move {
            let result = work.await;
            flights.remove(code, &this);
            land.send_replace(Some(result));
        });
        Flight { start, landed }
    }

    /// A later flight of the same code may have taken its place.
    fn remove(&self, code: CountryCode, start: &Arc<StatementStart>) {
        let mut under_way = self.under_way.lock().expect("nobody panics with it");
        if under_way.get(&code).is_some_and(|flight| Arc::ptr_eq(&flight.start, start)) {
            under_way.remove(&code);
        }
    }
}

impl<T> Flight<T> {
    fn may_be_joined(&self, bound: Duration) -> bool {
        // Without a sender its task has panicked.
        let is_under_way = self.landed.has_changed().is_ok();
        is_under_way && self.start.is_within(bound)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::{Flights, NoResult};
    use crate::cities::country_code::CountryCode;
    use crate::deadline::Deadline;
    use crate::postgres::vouched_query::StatementStart;

    const BOUND: Duration = Duration::from_secs(60);

    fn patient() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    fn flights() -> (Arc<Flights<u32>>, CountryCode) {
        (Arc::new(Flights::new(Handle::current())), CountryCode::parse("BGR").unwrap())
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_share_the_result() {
        let (flights, code) = flights();
        let (land, landed) = oneshot::channel();
        let first = flights.join_or_begin(code, BOUND, patient(), |_| async { landed.await.unwrap() });
        let second = flights.join_or_begin(code, BOUND, patient(), |_| async { 2 });
        let (first, second, ()) = tokio::join!(first, second, async { land.send(1).unwrap() });
        assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
        assert_eq!(flights.join_or_begin(code, BOUND, patient(), |_| async { 3 }).await.unwrap(), 3, "it has landed");
    }

    #[tokio::test]
    async fn a_flight_whose_statement_began_longer_ago_than_the_bound_is_not_joined() {
        let (flights, code) = flights();
        let (land, landed) = oneshot::channel();
        let begin = |start: Arc<StatementStart>| async move {
            start.mark();
            landed.await.unwrap()
        };
        let first = flights.join_or_begin(code, BOUND, patient(), begin);
        let later = async {
            sleep(Duration::from_millis(5)).await;
            let joined = flights.join_or_begin(code, Duration::ZERO, patient(), |_| async { 2 }).await.unwrap();
            land.send(1).unwrap();
            joined
        };
        let (first, later) = tokio::join!(first, later);
        assert_eq!((first.unwrap(), later), (1, 2));
    }

    #[tokio::test]
    async fn who_joins_waits_no_longer_than_its_own_deadline_and_the_flight_goes_on() {
        let (flights, code) = flights();
        let (land, landed) = oneshot::channel();
        let first = flights.join_or_begin(code, BOUND, patient(), |_| async { landed.await.unwrap() });
        let hurried = async {
            let deadline = Deadline::after(Duration::ZERO);
            let joined = flights.join_or_begin(code, BOUND, deadline, |_| async { 2 }).await;
            land.send(1).unwrap();
            joined
        };
        let (first, hurried) = tokio::join!(first, hurried);
        assert_eq!((first, hurried), (Ok(1), Err(NoResult::TooLate)));
    }

    #[tokio::test]
    async fn a_flight_that_panics_does_not_keep_others_waiting() {
        let (flights, code) = flights();
        let lost = flights.join_or_begin(code, BOUND, patient(), |_| async { panic!("on purpose") }).await;
        assert_eq!(lost, Err(NoResult::Lost));
        assert_eq!(flights.join_or_begin(code, BOUND, patient(), |_| async { 1 }).await.unwrap(), 1);
    }
}
