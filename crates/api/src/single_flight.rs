//! Single flight: those who want the same code at the same time share one read of PostgreSQL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::cities::country_code::CountryCode;
use crate::postgres::database::Begun;

/// The reads that are under way; there are no more of them than codes.
pub(crate) struct Flights<T> {
    runtime: Handle,
    aloft: Mutex<HashMap<CountryCode, Flight<T>>>,
}

struct Flight<T> {
    begun: Arc<Begun>,
    landed: watch::Receiver<Option<T>>,
}

/// The flight ended without a result, so its task panicked.
#[derive(Debug)]
pub(crate) struct FlightLost;

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Flights run on `runtime`, not in the task of the client who asked first: it may hang up.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, aloft: Mutex::default() }
    }

    /// Waits for the flight of `code` if its statement has not begun, or no longer than `bound` ago; else begins one.
    pub(crate) async fn join_or_begin<Work>(
        self: &Arc<Self>,
        code: CountryCode,
        bound: Duration,
        work: impl FnOnce(Arc<Begun>) -> Work,
    ) -> Result<T, FlightLost>
    where
        Work: Future<Output = T> + Send + 'static,
    {
        let mut landed = {
            let mut aloft = self.aloft.lock().expect("nobody panics with it");
            match aloft.get(&code) {
                Some(flight) if flight.may_be_joined(bound) => flight.landed.clone(),
                _ => {
                    let flight = self.begin(code, work);
                    let landed = flight.landed.clone();
                    aloft.insert(code, flight);
                    landed
                }
            }
        };
        landed.wait_for(Option::is_some).await.ok().and_then(|result| result.clone()).ok_or(FlightLost)
    }

    fn begin<Work>(self: &Arc<Self>, code: CountryCode, work: impl FnOnce(Arc<Begun>) -> Work) -> Flight<T>
    where
        Work: Future<Output = T> + Send + 'static,
    {
        let begun = Arc::<Begun>::default();
        let (land, landed) = watch::channel(None);
        let (flights, work, this) = (Arc::clone(self), work(Arc::clone(&begun)), Arc::clone(&begun));
        self.runtime.spawn(async move {
            let result = work.await;
            flights.remove(code, &this);
            land.send_replace(Some(result));
        });
        Flight { begun, landed }
    }

    /// A later flight of the same code may have taken its place.
    fn remove(&self, code: CountryCode, begun: &Arc<Begun>) {
        let mut aloft = self.aloft.lock().expect("nobody panics with it");
        if aloft.get(&code).is_some_and(|flight| Arc::ptr_eq(&flight.begun, begun)) {
            aloft.remove(&code);
        }
    }
}

impl<T> Flight<T> {
    fn may_be_joined(&self, bound: Duration) -> bool {
        let is_aloft = self.landed.has_changed().is_ok();
        is_aloft && self.begun.is_within(bound)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::Flights;
    use crate::cities::country_code::CountryCode;
    use crate::postgres::database::Begun;

    const BOUND: Duration = Duration::from_secs(60);

    fn flights() -> (Arc<Flights<u32>>, CountryCode) {
        (Arc::new(Flights::new(Handle::current())), CountryCode::parse("BGR").unwrap())
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_share_the_result() {
        let (flights, code) = flights();
        let (land, landed) = oneshot::channel();
        let first = flights.join_or_begin(code, BOUND, |_| async { landed.await.unwrap() });
        let second = flights.join_or_begin(code, BOUND, |_| async { 2 });
        let (first, second, ()) = tokio::join!(first, second, async { land.send(1).unwrap() });
        assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
        assert_eq!(flights.join_or_begin(code, BOUND, |_| async { 3 }).await.unwrap(), 3, "it has landed");
    }

    #[tokio::test]
    async fn a_flight_whose_statement_began_longer_ago_than_the_bound_is_not_joined() {
        let (flights, code) = flights();
        let (land, landed) = oneshot::channel();
        let begin = |begun: Arc<Begun>| async move {
            begun.mark();
            landed.await.unwrap()
        };
        let first = flights.join_or_begin(code, BOUND, begin);
        let later = async {
            sleep(Duration::from_millis(5)).await;
            let joined = flights.join_or_begin(code, Duration::ZERO, |_| async { 2 }).await.unwrap();
            land.send(1).unwrap();
            joined
        };
        let (first, later) = tokio::join!(first, later);
        assert_eq!((first.unwrap(), later), (1, 2));
    }

    #[tokio::test]
    async fn a_flight_that_panics_does_not_keep_others_waiting() {
        let (flights, code) = flights();
        assert!(flights.join_or_begin(code, BOUND, |_| async { panic!("on purpose") }).await.is_err());
        assert_eq!(flights.join_or_begin(code, BOUND, |_| async { 1 }).await.unwrap(), 1);
    }
}
