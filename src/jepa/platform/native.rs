//! The native side of `platform`.

use std::sync::LazyLock;
use std::time::Instant;

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds from an arbitrary moment that stays the same while the process runs; never goes back.
pub fn now_secs() -> f64 {
    ORIGIN.elapsed().as_secs_f64()
}

/// Lets other work of this thread run; natively there is none to wait for.
pub async fn yield_now() {}
