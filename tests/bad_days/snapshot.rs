//! A snapshot that is held open beside many writers.
