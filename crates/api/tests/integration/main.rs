//! The api alone, against real PostgreSQL and Redis; what the other two programs would do, the tests do by hand.

mod setup; // a database, a Redis, the api between them, and hands for what worker and consumer do

mod answers; // what is answered to whom, and what is refused
mod connections; // requests that are none, many at once, HEAD
mod fills; // when a value is filled, and when it must not be
mod flights; // how many statements many clients cost
mod images; // pictures from a folder
mod limits; // a request is answered in time, whatever it waits for
mod numbers; // any number, and data that can't be read
mod outbox; // how many changes wait, counted at little cost
mod primary; // which PostgreSQL is believed
mod servers; // PostgreSQL, Redis: away, slow, full, wrong, and back
mod status; // what an operator and a load balancer see
mod stop; // SIGTERM under load
