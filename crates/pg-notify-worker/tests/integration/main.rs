//! The worker as a process between a real PostgreSQL and a real Kafka; the tests play users, operators and bad luck.

mod setup;

mod capture; // What a statement leaves in the outbox.
mod hostile_writer; // What stands in a writer's way of names is not called.
mod partitioned_tables; // What of a partitioned table its partitions have as clones.
mod relaying; // From the outbox to the topic.
mod unreadable; // Rows that nobody can read.
mod waking; // Parked and woken.

mod generations; // What may have lost something begins a new generation.
mod leadership; // One leader, and who comes after it.

mod kafka; // Kafka away, and topics that are not as they must be.
mod refusals; // Servers and tables that the worker can't stand on.
mod upgrades; // Schemas of other releases.
