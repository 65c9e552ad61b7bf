//! Where an order wants groups, and what keeps them from there.

use shared::api::Snapshot;
use shared::client::Client;
use shared::event::NodeKind;
use shared::group::GroupState;
use shared::names::NodeName;
use shared::order::{Change, GroupVerb};
use shared::verdict;

use crate::error::Error;

/// Where groups were ordered to.
pub(super) struct Destination {
    node: NodeName,
    /// As it was before the order.
    snapshot: Snapshot,
}

impl Destination {
    /// Nothing where the order names no node, and does not say which one it is otherwise.
    pub(super) fn of(verb: &GroupVerb, client: &mut Client) -> Result<Option<Self>, Error> {
        let GroupVerb::Move { to, .. } = verb else {
            return Ok(None);
        };
        let snapshot = client.snapshot()?;
        let node = to
            .clone()
            .or_else(|| only_other(&snapshot, &client.hello().node));
        Ok(node.map(|node| Self { node, snapshot }))
    }

    /// The change that was ordered, where `forecast` is the one to be expected.
    pub(super) fn wanted(&self, forecast: &Change) -> Change {
        Change {
            to: Some(self.node.clone()),
            ..forecast.clone()
        }
    }

    /// What speaks against its going there: clients that this node reaches may not reach that one.
    pub(super) fn warning(&self, forecast: &Change) -> Option<String> {
        let goes = forecast.from != forecast.to && forecast.to.as_ref() == Some(&self.node);
        let reach = self.snapshot.view.ping_nodes.as_ref().filter(|_| goes)?;
        let (there, elsewhere) = match reach.node == self.node {
            true => (reach.there, reach.here),
            false => (reach.here, reach.there),
        };
        let node = &self.node;
        (there == 0 && elsewhere > 0)
            .then(|| format!("{node} reaches no ping node, and may not be reached by clients"))
    }

    /// Why a group does not go there, where that is known.
    pub(super) fn obstacle(&self, forecast: &Change) -> Option<String> {
        if forecast.to.as_ref() == Some(&self.node) {
            return None;
        }
        let (view, group) = (&self.snapshot.view, &forecast.group);
        let on = view.groups.get(group);
        let mut nodes = on.into_iter().flat_map(|on| &on.nodes);
        if let Some((node, _)) = nodes.find(|(_, on)| on.state == GroupState::Blocked) {
            let remedy = verdict::blocked_remedy(group, node);
            return Some(format!("it is blocked on {node}; {remedy}"));
        }
        if let (None, Some((dead, hold))) = (&forecast.from, &view.takeover_held) {
            return Some(format!("nothing is taken over from {dead}: {hold}"));
        }
        let failed = on.and_then(|on| on.failure_on(&self.node));
        failed.map(|text| format!("{text}; {}", verdict::failed_remedy(group)))
    }
}

/// The node that is not `own`, where there is one.
fn only_other(snapshot: &Snapshot, own: &NodeName) -> Option<NodeName> {
    let nodes = snapshot.view.nodes.iter();
    let mut others = nodes.filter(|(name, node)| node.kind == NodeKind::Normal && *name != own);
    match (others.next(), others.next()) {
        (Some((other, _)), None) => Some(other.clone()),
        _ => None,
    }
}
