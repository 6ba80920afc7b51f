//! The native tests; see `suite/`.
