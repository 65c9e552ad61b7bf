//! Who decides: the manager of two nodes, or a [program](super::external) of somebody else.

use std::io;

use hbd_core::Said;
use hbd_manager::{ActionId, ClusterManager, Kept, Life, Order, Pair, Refusal};
use shared::event::Event;
use shared::group::{GroupName, Outcome};
use shared::names::{NodeName, Sequence};
use shared::order::Change;
use shared::time::{Moment, Now};
use shared::view::ClusterView;

use super::duty::Duty;
use super::external::{Beginning, External, Failure, Step, Word};
use super::said;

/// What decides.
pub(super) enum Policy {
    TwoNode(Box<Pair>),
    External(Box<External>),
}

impl Policy {
    /// That of this duty, if it has one. Needs a runtime.
    pub(super) fn begin(
        duty: &Duty,
        (life, events): (Life, u64),
        kept: &Kept,
        view: &ClusterView,
        now: Now,
    ) -> Option<io::Result<Self>> {
        if let Some(errand) = &duty.program {
            let node = &duty.node;
            let beginning = Beginning {
                node,
                life,
                events,
                kept,
                view,
            };
            let started = External::start(errand, beginning, now);
            return Some(started.map(|external| Self::External(Box::new(external))));
        }
        let mut settings = duty.policy.clone()?;
        (settings.life, settings.events) = (life, events);
        let two_node = Pair::new(settings, kept.clone(), view, now);
        Some(Ok(Self::TwoNode(Box::new(two_node))))
    }

    pub(super) fn handle_view(&mut self, view: &ClusterView, now: Now) {
        match self {
            Self::TwoNode(policy) => policy.handle_view(view, now),
            Self::External(policy) => policy.with(|mind| mind.see(view)),
        }
    }

    pub(super) fn handle_event(&mut self, event: &Event, now: Now) {
        match self {
            Self::TwoNode(policy) => policy.handle_event(event, now),
            Self::External(policy) => policy.with(|mind| mind.note(event, now)),
        }
    }

    /// What is not understood is said again.
    pub(super) fn handle_message(
        &mut self,
        from: &NodeName,
        number: Sequence,
        said: &Said,
        now: Now,
    ) {
        match self {
            Self::TwoNode(policy) => {
                if let Some(declaration) = said::read(said) {
                    policy.handle_message(from, declaration, now);
                } else if let Some(word) = said::read_word(said) {
                    policy.handle_word(from, number, word, now);
                }
            }
            Self::External(policy) => policy.with(|mind| mind.hear(from, said)),
        }
    }

    pub(super) fn handle_result(&mut self, action: ActionId, outcome: Outcome, now: Now) {
        match self {
            Self::TwoNode(policy) => policy.handle_result(action, outcome, now),
            Self::External(policy) => policy.with(|mind| mind.end(action, &outcome, now)),
        }
    }

    pub(super) fn handle_loss(
        &mut self,
        group: &GroupName,
        resource: usize,
        why: String,
        now: Now,
    ) {
        match self {
            Self::TwoNode(policy) => policy.handle_loss(group, resource, why, now),
            Self::External(policy) => policy.with(|mind| mind.lose(group, resource, &why, now)),
        }
    }

    /// The answer, if it is there at once.
    pub(super) fn obey(
        &mut self,
        id: u64,
        order: Order,
        dry_run: bool,
        now: Now,
    ) -> Option<Result<Vec<Change>, Refusal>> {
        match self {
            Self::TwoNode(policy) if dry_run => Some(policy.plan(order, now)),
            Self::TwoNode(policy) => Some(policy.handle_order(order, now)),
            Self::External(policy) => {
                policy.with(|mind| mind.obey(id, &order, dry_run));
                None
            }
        }
    }

    pub(super) fn leave(&mut self, now: Now) {
        match self {
            Self::TwoNode(policy) => policy.leave(now),
            Self::External(policy) => policy.with(|mind| mind.leave(now)),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        match self {
            Self::TwoNode(policy) => policy.handle_timeout(now),
            Self::External(policy) => policy.with(|mind| mind.wake(now)),
        }
    }

    pub(super) fn poll_deadline(&self) -> Option<Moment> {
        match self {
            Self::TwoNode(policy) => policy.poll_deadline(),
            Self::External(policy) => policy.mind().deadline(),
        }
    }

    pub(super) fn poll_step(&mut self) -> Option<Step> {
        match self {
            Self::TwoNode(policy) => policy.poll_output().map(Step::Do),
            Self::External(policy) => policy.poll_step(),
        }
    }

    /// What comes of the program; never where there is none. May be given up and called again.
    pub(super) async fn word(&mut self) -> Word {
        match self {
            Self::TwoNode(_) => std::future::pending().await,
            Self::External(policy) => policy.next().await,
        }
    }

    pub(super) fn take(&mut self, word: Word, now: Now) {
        if let Self::External(policy) = self {
            policy.with(|mind| mind.take(word, now));
        }
    }

    /// Why it is of no use, if it is not.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::TwoNode(_) => None,
            Self::External(policy) => policy.mind().failure(),
        }
    }

    /// Whether it is known to work.
    pub(super) fn answers(&self) -> bool {
        match self {
            Self::TwoNode(_) => true,
            Self::External(policy) => policy.mind().answers(),
        }
    }
}
