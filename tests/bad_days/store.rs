//! The object store: killed, frozen, cut off, absent.
