//! Kafka: killed, frozen, cut off, absent, or put back to what it was before.
