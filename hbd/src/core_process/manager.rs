//! The way to the manager: whether it answers, what it is told, what it says to those of others.
//!
//! Once a second the core asks, and the manager answers. The core is who asks because it is the
//! process that is never held up. Only ticks at which the core itself ran count: after a stall of
//! the whole machine nobody is accused.
//!
//! A manager is told what the core knows, and from then on what happens and what other managers say,
//! in order. Of this nothing is left out: one that does not take it in time is lost as a whole, and
//! the supervisor puts another in its place, which begins anew.

use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hbd_core::Said;
use shared::event::{Event, Kind};
use shared::names::{NodeName, Sequence};
use shared::time::Moment;
use shared::view::ClusterView;

use crate::channel::Channel;
use crate::manager_process::{CoreToManager, ManagerToCore};

/// Time between two questions.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// After so many ticks without the answer the manager hangs.
const UNANSWERED_MAX: u32 = 3;
/// So many bytes may wait for the manager, behind the view that it begins with.
const WAITING_MAX: usize = 256 * 1024;
/// Longest frame of a manager in bytes: more than JSON makes of the longest message, and little enough
/// to be recorded.
const FRAME_MAX: usize = 128 * 1024;

/// Whether a manager decides by events of this kind.
pub(crate) fn decides(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Started(_)
            | Kind::Leaving
            | Kind::CommunicationUp
            | Kind::NodeStatus { .. }
            | Kind::NodeHeard { .. }
            | Kind::NodeRestarted { .. }
            | Kind::PartitionHealed { .. }
            | Kind::DeclaredDead { .. }
            | Kind::DeclaredDeadOver { .. }
            | Kind::HeardAgain { .. }
            | Kind::Unauthenticated { .. }
            | Kind::AuthenticatedAgain { .. }
            | Kind::UnauthenticatedGone { .. }
            | Kind::UnauthHoldOver { .. }
    )
}

/// The way to the manager.
#[derive(Default)]
pub(super) struct Manager {
    channel: Option<Channel<CoreToManager, ManagerToCore>>,
    /// So many bytes may wait in it.
    waiting_max: usize,
    ticked: Moment,
    /// When the question was asked that is not answered.
    asked: Option<Moment>,
    unanswered: u32,
}

/// What comes of a manager.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It lives.
    Answer {
        /// Something is held.
        holds: bool,
    },
    /// To the managers of all other nodes.
    Say(Said),
    /// What it said cannot be read: it is lost.
    Nonsense,
    /// It is gone. The supervisor knows and sends another.
    Gone,
}

impl Manager {
    /// A manager is at the other end of the descriptor that came. It begins with `view`.
    pub(super) fn meet(&mut self, descriptors: Vec<OwnedFd>, view: ClusterView) {
        let channel = descriptors
            .into_iter()
            .next()
            .and_then(|socket| Channel::new(socket).ok())
            .map(|channel| channel.taking_at_most(FRAME_MAX));
        *self = Self {
            channel,
            ..Self::default()
        };
        if let Some(channel) = &mut self.channel {
            let queued = channel.queue(&CoreToManager::View(Box::new(view)), Vec::new());
            self.waiting_max = channel.waiting() + WAITING_MAX;
            if queued.is_err() {
                self.channel = None;
            }
        }
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
            let _ = channel.queue(&CoreToManager::Question, Vec::new());
            return None;
        };
        self.unanswered += 1;
        (self.unanswered == UNANSWERED_MAX).then(|| now.since(asked))
    }

    /// Something happened. Returns, as the next one does, how long the manager has been silent, when
    /// it is lost for not taking what it is told.
    pub(super) fn happened(&mut self, event: &Event, now: Moment) -> Option<Duration> {
        if self.channel.is_none() || !decides(&event.kind) {
            return None;
        }
        self.tell(&CoreToManager::Event(Box::new(event.clone())), now)
    }

    /// The manager of another node says something.
    pub(super) fn heard(
        &mut self,
        from: NodeName,
        (number, said): (Sequence, Said),
        now: Moment,
    ) -> Option<Duration> {
        self.tell(&CoreToManager::Heard { from, number, said }, now)
    }

    fn tell(&mut self, message: &CoreToManager, now: Moment) -> Option<Duration> {
        let channel = self.channel.as_mut()?;
        let queued = channel.queue(message, Vec::new());
        if queued.is_ok() && channel.waiting() <= self.waiting_max {
            return None;
        }
        Some(self.lose(now))
    }

    /// Nothing more is told to this manager and nothing heard of it. Returns how long it has been silent.
    pub(super) fn lose(&mut self, now: Moment) -> Duration {
        self.channel = None;
        now.since(self.asked.unwrap_or(self.ticked))
    }

    /// Ready when there is word of the manager.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Word> {
        let Some(channel) = &mut self.channel else {
            return Poll::Pending;
        };
        Poll::Ready(match ready!(channel.poll_next(context)) {
            Ok(Some((ManagerToCore::Answer { holds }, _))) => {
                self.asked = None;
                self.unanswered = 0;
                Word::Answer { holds }
            }
            Ok(Some((ManagerToCore::Say(said), _))) => Word::Say(said),
            Ok(None) => {
                self.channel = None;
                Word::Gone
            }
            Err(_) => Word::Nonsense,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::poll_fn;
    use std::os::unix::net::UnixStream;

    use super::*;

    type Other = Channel<ManagerToCore, CoreToManager>;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    fn said(text: &str) -> Said {
        Said {
            message_type: "resource".into(),
            fields: BTreeMap::from([("info".into(), text.into())]),
        }
    }

    fn bob() -> NodeName {
        NodeName::new("bob").unwrap()
    }

    /// A manager which has taken the view.
    fn run(test: impl AsyncFnOnce(Manager, Other)) {
        run_from_the_start(async |mut manager, mut other| {
            let view = receive(&mut manager, &mut other).await;
            assert!(matches!(view, CoreToManager::View(_)), "{view:?}");
            test(manager, other).await;
        });
    }

    fn run_from_the_start(test: impl AsyncFnOnce(Manager, Other)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut manager = Manager::default();
            manager.meet(vec![ours.into()], ClusterView::default());
            test(manager, Channel::new(theirs.into()).unwrap()).await;
        });
    }

    /// What the manager's process is told next.
    async fn receive(manager: &mut Manager, other: &mut Other) -> CoreToManager {
        tokio::select! {
            biased;
            message = other.next() => message.unwrap().unwrap().0,
            word = next(manager) => panic!("{word:?}"),
        }
    }

    async fn next(manager: &mut Manager) -> Word {
        poll_fn(|context| manager.poll_next(context)).await
    }

    async fn send(other: &mut Other, message: ManagerToCore) {
        other.queue(&message, Vec::new()).unwrap();
        other.flush().await.unwrap();
    }

    #[test]
    fn a_manager_that_answers_is_asked_every_second() {
        run(async |mut manager, mut other| {
            for second in 1..10 {
                assert_eq!(manager.ask(at(second)), None);
                let question = receive(&mut manager, &mut other).await;
                assert!(matches!(question, CoreToManager::Question));
                let holds = second % 2 == 0;
                send(&mut other, ManagerToCore::Answer { holds }).await;
                assert_eq!(next(&mut manager).await, Word::Answer { holds });
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

    #[test]
    fn what_other_managers_say_comes_in_order_after_the_view() {
        run_from_the_start(async |mut manager, mut other| {
            for text in ["one", "two"] {
                let said = (Sequence(7), said(text));
                assert_eq!(manager.heard(bob(), said, at(1)), None);
            }
            let first = receive(&mut manager, &mut other).await;
            assert!(matches!(first, CoreToManager::View(_)));
            for text in ["one", "two"] {
                let CoreToManager::Heard {
                    from,
                    number,
                    said: heard,
                } = receive(&mut manager, &mut other).await
                else {
                    panic!("something else was told");
                };
                assert_eq!((from, number, heard), (bob(), Sequence(7), said(text)));
            }
        });
    }

    #[test]
    fn what_the_manager_says_is_passed_on() {
        run(async |mut manager, mut other| {
            send(&mut other, ManagerToCore::Say(said("one"))).await;
            assert_eq!(next(&mut manager).await, Word::Say(said("one")));
        });
    }

    #[test]
    fn a_manager_that_says_too_much_at_once_is_lost() {
        run(async |mut manager, mut other| {
            assert_eq!(manager.ask(at(1)), None);
            let long = said(&"x".repeat(FRAME_MAX));
            other.queue(&ManagerToCore::Say(long), Vec::new()).unwrap();
            let word = tokio::select! {
                word = next(&mut manager) => word,
                Err(error) = other.flush() => panic!("{error}"),
            };
            assert_eq!(word, Word::Nonsense);
            assert_eq!(manager.lose(at(3)), Duration::from_secs(2));
            assert_eq!(manager.ask(at(4)), None);
        });
    }

    #[test]
    fn a_manager_that_takes_nothing_is_lost_and_told_once() {
        run(async |mut manager, _other| {
            assert_eq!(manager.ask(at(1)), None);
            let long = said(&"x".repeat(WAITING_MAX / 8));
            let told: Vec<_> = (0..20)
                .map(|_| manager.heard(bob(), (Sequence(7), long.clone()), at(2)))
                .collect();
            let told: Vec<_> = told.into_iter().flatten().collect();
            assert_eq!(told, [Duration::from_secs(1)]);
            assert_eq!(manager.ask(at(3)), None);
        });
    }
}
