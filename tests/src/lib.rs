//! Tests of the whole system from outside: nothing here but them.
//!
//! - `system/`: what it does, one test a behaviour.
//! - `fault_injection/`: what it stands on is killed, frozen, cut off, absent, rolled back or full.
//! - `documented/`: the documented commands, in real containers.
