//! A reader who is late with what it read.
