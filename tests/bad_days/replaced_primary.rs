//! A replaced primary that is still alive.
