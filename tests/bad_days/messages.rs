//! What lies in the topic that shouldn't.
