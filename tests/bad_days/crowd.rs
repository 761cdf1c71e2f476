//! More clients than anybody wants.
