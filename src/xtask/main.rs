//! What a developer or newcomer runs: serve, test, bench, pkg, setup.

fn main() {}
