//! The consumer as a process between a real Kafka and a real Redis; the tests play relay, api and users.

mod setup;

mod messages; // What messages do to the cache.
mod recovery; // What was lost, rolled back or restarted.
mod undecodable; // What is no message.

mod membership; // Several consumers, and Redis' absence.
mod topics;
