//! Plain data that crosses a boundary: configs, requests, events, tables.
