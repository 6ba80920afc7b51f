//! The native side of `platform`.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds from an arbitrary moment that stays the same while the process runs; never goes back.
pub fn now_secs() -> f64 {
    ORIGIN.elapsed().as_secs_f64()
}

/// Seconds since 1970 by the machine's clock, which people set.
pub fn unix_secs() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Lets other work of this thread run; natively there is none to wait for.
pub async fn yield_now() {}
