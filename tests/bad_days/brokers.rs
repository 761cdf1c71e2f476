//! One of several brokers is lost.
