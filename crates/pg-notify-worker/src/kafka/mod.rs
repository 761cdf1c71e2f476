//! Kafka: what is published, and where.

pub(crate) mod publisher; // The producer of one generation, and its reports.
pub(crate) mod topics; // Created where they are missing, looked at now and then.
