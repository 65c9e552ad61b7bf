//! Proof for the kernel that the core does not run wild.
//!
//! A core that never waits is ended by the kernel (`RLIMIT_RTTIME`, see `rights`). Under a flood of
//! packets it never waits and does all it should; so with each of its signs of life it waits for an
//! instant, unless it has waited since the last one.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// Far below any keepalive, and enough for the kernel to begin its count anew.
const INSTANT: Duration = Duration::from_micros(1);

/// Remembers how often the thread had waited.
#[derive(Default)]
pub(super) struct Rest {
    waits: i64,
}

impl Rest {
    /// Waits for an instant where the thread has not waited since the last call.
    pub(super) fn take(&mut self) {
        let before = waits();
        if before != Some(self.waits) {
            self.waits = before.unwrap_or_default();
            return;
        }
        std::thread::sleep(INSTANT);
        self.waits = waits().unwrap_or_default();
    }
}

/// How often the thread gave its processor away of itself.
fn waits() -> Option<i64> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    Some(usage.voluntary_context_switches())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_never_waits_is_made_to() {
        let mut rest = Rest::default();
        rest.take();
        for _ in 0..3 {
            let before = waits().expect("counted");
            rest.take();
            assert!(waits().expect("counted") > before);
        }
    }
}
