//! Several of each program at once, some of which die.
