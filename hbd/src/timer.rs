//! A timer for one moment of `CLOCK_BOOTTIME` (`timerfd_create(2)`). The timers of tokio are always
//! a millisecond or two late, and wake their process twice for each expiry.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use shared::time::Moment;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A timer that is set to at most one moment.
pub(crate) struct Timer {
    timer: TimerFd,
    ready: AsyncFd<OwnedFd>,
    set_to: Option<Moment>,
}

impl Timer {
    /// A timer that is not set.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        let ready = timer.as_fd().try_clone_to_owned()?;
        Ok(Self {
            timer,
            ready: sys::watch(ready, Interest::READABLE)?,
            set_to: None,
        })
    }

    /// Sets the timer to `moment`, or to none. A moment that has passed expires at once.
    pub(crate) fn set(&mut self, moment: Option<Moment>) -> io::Result<()> {
        if self.set_to == moment {
            return Ok(());
        }
        match moment {
            // Zero would switch it off.
            Some(Moment(nanos)) => {
                let at = std::time::Duration::from_nanos(nanos.max(1));
                let once = Expiration::OneShot(TimeSpec::from_duration(at));
                self.timer.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => self.timer.unset()?,
        }
        self.set_to = moment;
        Ok(())
    }

    /// Ready when the moment has come.
    pub(crate) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ready.poll_read_ready(context) {
            Poll::Ready(Ok(mut ready)) => {
                // Nothing is read: readiness is told once an expiry (`EPOLLET`, `epoll(7)`), and
                // setting the timer anew takes it back.
                ready.clear_ready();
                self.set_to = None;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn the_timer_expires_at_its_moment_and_not_before() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut timer = Timer::new().unwrap();
            for wait in [20, 0, 5] {
                let at = clock::boot() + Duration::from_millis(wait);
                timer.set(Some(at)).unwrap();
                poll_fn(|context| timer.poll_expired(context))
                    .await
                    .unwrap();
                assert!(clock::boot() >= at);
            }
        });
    }
}
