//! The three programs: each is killed, frozen and cut off from its servers while users go on.
