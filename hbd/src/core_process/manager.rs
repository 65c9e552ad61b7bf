//! Whether the manager answers.
//!
//! Once a second the core asks, and the manager answers; that is all. The core is who asks because
//! it is the process that is never held up. Only ticks at which the core itself ran count: after a
//! stall of the whole machine nobody is accused.

use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use shared::time::Moment;

use crate::channel::Channel;
use crate::manager_process::{Answer, Question};

/// Time between two questions.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// After so many ticks without the answer the manager hangs.
const UNANSWERED_MAX: u32 = 3;

/// The way to the manager.
#[derive(Default)]
pub(super) struct Manager {
    channel: Option<Channel<Question, Answer>>,
    ticked: Moment,
    /// When the question was asked that is not answered.
    asked: Option<Moment>,
    unanswered: u32,
}

impl Manager {
    /// A manager is at the other end of the descriptor that came.
    pub(super) fn meet(&mut self, descriptors: Vec<OwnedFd>) {
        let channel = descriptors
            .into_iter()
            .next()
            .and_then(|socket| Channel::new(socket).ok());
        *self = Self {
            channel,
            ..Self::default()
        };
    }

    /// Asks, if it is time. Returns how long the manager has been silent when that is too long,
    /// once.
    pub(super) fn ask(&mut self, now: Moment) -> Option<Duration> {
        let channel = self.channel.as_mut()?;
        if now.since(self.ticked) < ASK_EVERY {
            return None;
        }
        self.ticked = now;
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            // One that is gone is found so when its answer is waited for.
            let _ = channel.queue(&Question, Vec::new());
            return None;
        };
        self.unanswered += 1;
        (self.unanswered == UNANSWERED_MAX).then(|| now.since(asked))
    }

    /// Ready when the manager answered, or went: the supervisor knows and sends another.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(channel) = &mut self.channel else {
            return Poll::Pending;
        };
        match ready!(channel.poll_next(context)) {
            Ok(Some((Answer, _))) => {
                self.asked = None;
                self.unanswered = 0;
            }
            Ok(None) | Err(_) => self.channel = None,
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    fn run(test: impl AsyncFnOnce(Manager, Channel<Answer, Question>)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut manager = Manager::default();
            manager.meet(vec![ours.into()]);
            test(manager, Channel::new(theirs.into()).unwrap()).await;
        });
    }

    #[test]
    fn a_manager_that_answers_is_asked_every_second() {
        run(async |mut manager, mut other| {
            for second in 1..10 {
                assert_eq!(manager.ask(at(second)), None);
                tokio::select! {
                    biased;
                    question = other.next() => assert!(question.unwrap().is_some()),
                    () = poll_fn(|context| manager.poll_answer(context)) => panic!("no answer"),
                }
                other.queue(&Answer, Vec::new()).unwrap();
                other.flush().await.unwrap();
                poll_fn(|context| manager.poll_answer(context)).await;
            }
        });
    }

    #[test]
    fn a_manager_that_is_silent_is_told_once_after_three_seconds() {
        run(async |mut manager, _other| {
            let told: Vec<_> = (1..10).map(|second| manager.ask(at(second))).collect();
            let mut expected = vec![None; 9];
            expected[3] = Some(Duration::from_secs(3));
            assert_eq!(told, expected);
        });
    }

    #[test]
    fn a_core_that_did_not_run_accuses_nobody() {
        run(async |mut manager, _other| {
            assert_eq!(manager.ask(at(1)), None);
            assert_eq!(manager.ask(at(100)), None);
        });
    }
}
