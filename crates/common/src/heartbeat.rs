//! Heartbeats: the counter in PostgreSQL that travels through the whole pipeline.

use crate::random_name::Name;

/// One heartbeat: number `number` of generation `generation`.
///
/// Numbers of different generations can't be compared (docs/protocol.md, "Generations"), so there is deliberately no order here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Name of one unbroken run of the relay.
    pub generation: Name,
    /// Counts from 1 within the generation.
    pub number: u64,
}
