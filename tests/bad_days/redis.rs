//! Redis: killed, frozen, cut off, absent, full, or put back to what it was before.
