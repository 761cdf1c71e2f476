//! A synchronous standby that is away.
