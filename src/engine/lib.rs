//! The session: requests in, events out.
