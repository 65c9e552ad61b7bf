//! Which of the two nodes is the better connected one, as Heartbeat's `ipfail` finds out: it reaches
//! more ping nodes.
//!
//! Each node declares how many it reaches. What both say is compared at each change, [damped](Comparison); from then on
//! the node that reaches fewer is reluctant.
//!
//! While one of them says nothing, nothing is compared, and what counts goes on. A dead node is
//! compared with nobody.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use shared::event::{Cause, NodeStatus};
use shared::names::NodeName;
use shared::time::Moment;
use shared::view::ClusterView;

use crate::comparison::Comparison;

/// What this node reaches, and what the other one does.
#[derive(Clone, Debug)]
pub(super) struct Connectivity {
    /// The ping nodes that are counted, and whether each answers this node.
    answers: BTreeMap<NodeName, bool>,
    /// The event that last said that one does not.
    pub(super) because: Option<Cause>,
    /// This node against the other one.
    compared: Comparison,
    /// What was told of it.
    told: Option<Compared>,
}

/// What both nodes reach, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) here: u32,
    pub(super) there: Option<u32>,
    pub(super) is: Ordering,
    pub(super) counts: bool,
}

impl Connectivity {
    /// Of a node that counts these; none: it compares nothing.
    pub(super) fn new(ping_nodes: &[NodeName], view: &ClusterView) -> Self {
        let nodes = ping_nodes.iter().map(|node| (node.clone(), false));
        let mut connectivity = Self {
            answers: nodes.collect(),
            because: None,
            compared: Comparison::new(),
            told: None,
        };
        connectivity.see(view);
        connectivity
    }

    /// How many this node reaches, if it counts them.
    pub(super) fn reached(&self) -> Option<u32> {
        let reached = self.answers.values().filter(|answers| **answers).count();
        (!self.answers.is_empty()).then(|| u32::try_from(reached).unwrap_or(u32::MAX))
    }

    /// Those that do not answer this node.
    pub(super) fn silent(&self) -> Vec<NodeName> {
        let silent = self.answers.iter().filter(|(_, answers)| !**answers);
        silent.map(|(node, _)| node.clone()).collect()
    }

    /// What this node's core knows.
    pub(super) fn see(&mut self, view: &ClusterView) {
        for (name, answers) in &mut self.answers {
            let node = view.nodes.get(name);
            *answers = node.is_some_and(|node| node.status == NodeStatus::Ping);
        }
    }

    /// The status of a node changed. Whether that is one of those.
    pub(super) fn follow(&mut self, node: &NodeName, to: NodeStatus, cause: &Cause) -> bool {
        let Some(answers) = self.answers.get_mut(node) else {
            return false;
        };
        let did = core::mem::replace(answers, to == NodeStatus::Ping);
        if did && !*answers {
            self.because = Some(cause.clone());
        }
        true
    }

    /// The other node is dead.
    pub(super) fn forget(&mut self) {
        self.compared.forget();
    }

    /// The other node says that it reaches so many, if it counts them; something else counts from here on
    /// only if all is `quiet`.
    pub(super) fn compare(&mut self, theirs: Option<u32>, quiet: bool, now: Moment) {
        match self.against(theirs) {
            Some(is) => self.compared.compare(is, quiet, now),
            None => self.forget(),
        }
    }

    /// The moment has come after which something else may count.
    pub(super) fn expire(&mut self, now: Moment) {
        self.compared.expire(now);
    }

    /// When that is.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.compared.deadline()
    }

    /// What this node reaches against what the other one does.
    pub(super) fn against(&self, theirs: Option<u32>) -> Option<Ordering> {
        Some(self.reached()?.cmp(&theirs?))
    }

    /// What is to be told of it, if that is something else than was told last.
    pub(super) fn news(&mut self, theirs: Option<u32>) -> Option<Compared> {
        let pending = self.compared.pending();
        let compared = Compared {
            here: self.reached()?,
            there: theirs,
            is: pending.unwrap_or(self.compared.counts()),
            counts: pending.is_none(),
        };
        if self.told.is_none() && theirs.is_none() || self.told == Some(compared) {
            return None;
        }
        self.told = Some(compared);
        self.told
    }

    /// This node has reached fewer for some time.
    pub(super) fn is_behind(&self) -> bool {
        self.compared.counts() == Ordering::Less
    }

    /// The other node reaches fewer, or did until a moment ago.
    pub(super) fn is_ahead(&self, theirs: Option<u32>) -> bool {
        let ahead = Ordering::Greater;
        self.compared.counts() == ahead || self.against(theirs) == Some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::{EventSource, Kind, Role};
    use shared::names::Generation;
    use shared::time::Now;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    fn cause() -> Cause {
        let mut source = EventSource::new(name("alice"), Role::Core, Generation(1));
        let event = source.event(Kind::CommunicationUp, None, Now::default());
        Cause::Event(event.id)
    }

    /// It reaches so many of two.
    fn reaching(count: usize) -> Connectivity {
        let nodes = [name("router"), name("switch")];
        let mut connectivity = Connectivity::new(&nodes, &ClusterView::default());
        for node in &nodes[..count] {
            assert!(connectivity.follow(node, NodeStatus::Ping, &cause()));
        }
        connectivity
    }

    fn lose(connectivity: &mut Connectivity) {
        connectivity.follow(&name("router"), NodeStatus::Dead, &cause());
    }

    /// Compares, as the manager does at each input.
    fn compare(connectivity: &mut Connectivity, theirs: u32, quiet: bool, seconds: u64) {
        connectivity.expire(at(seconds));
        connectivity.compare(Some(theirs), quiet, at(seconds));
    }

    #[test]
    fn a_node_is_behind_when_it_has_reached_fewer_for_ten_seconds() {
        let mut alice = reaching(2);
        compare(&mut alice, 2, true, 1);
        assert_eq!(alice.deadline(), None);
        lose(&mut alice);
        compare(&mut alice, 2, true, 2);
        assert_eq!(alice.deadline(), Some(at(12)));
        compare(&mut alice, 2, true, 11);
        assert!(!alice.is_behind());
        compare(&mut alice, 2, true, 12);
        assert!(alice.is_behind());
        assert_eq!(alice.deadline(), None);
        assert_eq!(alice.because, Some(cause()));
        assert_eq!(alice.silent(), [name("router")]);
    }

    #[test]
    fn what_is_over_before_that_changes_nothing_and_is_waited_for_anew() {
        let mut alice = reaching(1);
        compare(&mut alice, 2, true, 1);
        compare(&mut alice, 1, true, 9);
        assert_eq!(alice.deadline(), None);
        compare(&mut alice, 2, true, 10);
        assert_eq!(alice.deadline(), Some(at(20)));
        compare(&mut alice, 2, true, 12);
        assert!(!alice.is_behind());
    }

    #[test]
    fn while_something_moves_nothing_else_counts_and_no_deadline_is_left_behind() {
        let mut alice = reaching(1);
        compare(&mut alice, 2, true, 1);
        compare(&mut alice, 2, false, 11);
        assert!(!alice.is_behind());
        assert_eq!(alice.deadline(), None);
        compare(&mut alice, 2, true, 13);
        assert!(alice.is_behind());
    }

    #[test]
    fn it_goes_on_being_behind_for_as_long_when_the_counts_are_equal_again_and_not_when_it_leads() {
        let mut alice = reaching(1);
        compare(&mut alice, 2, true, 1);
        compare(&mut alice, 2, true, 11);
        compare(&mut alice, 1, true, 12);
        assert!(alice.is_behind());
        compare(&mut alice, 1, true, 22);
        assert!(!alice.is_behind());
        compare(&mut alice, 2, true, 23);
        compare(&mut alice, 2, true, 33);
        assert!(alice.is_behind());
        compare(&mut alice, 0, true, 34);
        assert!(!alice.is_behind());
    }

    #[test]
    fn who_leads_does_so_at_once_and_a_while_longer() {
        let mut alice = reaching(2);
        assert!(alice.is_ahead(Some(1)));
        assert!(!alice.is_ahead(Some(2)));
        compare(&mut alice, 1, true, 1);
        compare(&mut alice, 1, true, 11);
        compare(&mut alice, 2, true, 12);
        assert!(alice.is_ahead(Some(2)));
        compare(&mut alice, 2, true, 22);
        assert!(!alice.is_ahead(Some(2)));
    }

    #[test]
    fn a_node_that_counts_nothing_is_compared_with_nobody() {
        let mut alice = reaching(1);
        alice.compare(None, true, at(1));
        assert_eq!(alice.deadline(), None);
        let mut nobody = Connectivity::new(&[], &ClusterView::default());
        nobody.compare(Some(2), true, at(1));
        assert_eq!((nobody.reached(), nobody.deadline()), (None, None));
        assert!(!nobody.follow(&name("router"), NodeStatus::Ping, &cause()));
    }

    #[test]
    fn when_the_other_node_stops_counting_or_dies_nobody_is_behind() {
        for dies in [true, false] {
            let mut alice = reaching(0);
            compare(&mut alice, 2, true, 1);
            compare(&mut alice, 2, true, 11);
            match dies {
                true => alice.forget(),
                false => alice.compare(None, true, at(12)),
            }
            assert!(!alice.is_behind());
        }
    }
}
