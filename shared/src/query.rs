//! Which events are asked for: the daemon evaluates an [`EventQuery`] over its journal, a client
//! the same one over what happens afterwards.

use serde::{Deserialize, Serialize};

use crate::event::{Event, EventId, Severity};
use crate::names::NodeName;
use crate::time::Wall;

/// Events in a reply at most.
pub const PAGE_EVENTS: usize = 1000;
/// Bytes of events above which a reply holds no further one.
pub const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which events are asked for. What is left out lets every event through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventQuery {
    /// The last so many.
    pub limit: usize,
    /// From here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Bound>,
    /// Up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Bound>,
    /// Only what came before this event: the page before the one that begins with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<EventId>,
    /// Only what concerns one of these nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeName>,
    /// Only these kinds, by their words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Only what is about one of these: `bob/eth0`, or with its sort, `link bob/eth0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// Only what is at least so severe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Only an event with what led to it, or with what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
}

/// An end of a stretch of events. What stands there belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// By the wall clock of the node as it was then.
    Time(Wall),
    /// In the order in which they were recorded.
    Event(EventId),
}

/// Events that hang together by their causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Related {
    /// This event, its cause, the cause of that, and so on.
    CausesOf(EventId),
    /// This event, whatever names it as its cause, whatever names that, and so on.
    EffectsOf(EventId),
}

impl EventQuery {
    /// The last `limit` events.
    #[must_use]
    pub fn last(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// True where every event is let through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let Self { limit, .. } = *self;
        *self == Self::last(limit)
    }

    /// Whether the event is let through, as far as it alone can tell: bounds that name an event, and
    /// relations, need the others.
    #[must_use]
    pub fn lets_through(&self, event: &Event) -> bool {
        let after = |bound: &Option<Bound>| match bound {
            Some(Bound::Time(wall)) => event.wall >= *wall,
            _ => true,
        };
        let not_after = |bound: &Option<Bound>| match bound {
            Some(Bound::Time(wall)) => event.wall <= *wall,
            _ => true,
        };
        after(&self.since)
            && not_after(&self.until)
            && self.severity.is_none_or(|least| event.severity >= least)
            && (self.nodes.is_empty()
                || event
                    .concerns()
                    .is_some_and(|node| self.nodes.contains(node)))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind.word()))
            && (self.objects.is_empty()
                || self.objects.iter().any(|name| event.object.is_called(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventSource, Kind, LinkStatus, Role};
    use crate::names::{Generation, LinkName};
    use crate::time::{Moment, Now};

    #[test]
    fn a_query_of_the_first_release_still_reads() {
        let query: EventQuery = serde_json::from_str("{\"limit\":3}").unwrap();
        assert_eq!(query, EventQuery::last(3));
        assert!(query.is_open());
        assert_eq!(serde_json::to_string(&query).unwrap(), "{\"limit\":3}");
    }

    #[test]
    fn every_condition_of_a_query_must_hold() {
        let link = event();
        let lets = |change: fn(&mut EventQuery)| {
            let mut query = EventQuery::last(1);
            change(&mut query);
            assert!(!query.is_open());
            query.lets_through(&link)
        };
        assert!(lets(|q| q.nodes = vec![node("bob")]));
        assert!(!lets(|q| q.nodes = vec![node("alice")]));
        assert!(lets(|q| q.kinds = vec!["left".into(), "link-status".into()]));
        assert!(!lets(|q| q.kinds = vec!["left".into()]));
        assert!(lets(|q| q.objects = vec!["bob/eth0".into()]));
        assert!(lets(|q| q.objects = vec!["link bob/eth0".into()]));
        assert!(!lets(|q| q.objects = vec!["bob".into()]));
        assert!(lets(|q| q.severity = Some(Severity::Info)));
        assert!(!lets(|q| q.severity = Some(Severity::Error)));
        assert!(lets(|q| q.since = Some(Bound::Time(Wall(7)))));
        assert!(!lets(|q| q.since = Some(Bound::Time(Wall(8)))));
        assert!(lets(|q| q.until = Some(Bound::Time(Wall(7)))));
        assert!(!lets(|q| q.until = Some(Bound::Time(Wall(6)))));
        assert!(!lets(|q| {
            q.nodes = vec![node("bob")];
            q.kinds = vec!["left".into()];
        }));
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn event() -> Event {
        let kind = Kind::LinkStatus {
            link: LinkName {
                peer: node("bob"),
                medium: "eth0".parse().unwrap(),
            },
            from: LinkStatus::Init,
            to: LinkStatus::Up,
            silent: None,
        };
        let now = Now {
            boot: Moment(1),
            wall: Wall(7),
        };
        EventSource::new(node("alice"), Role::Core, Generation(1)).event(kind, None, now)
    }
}
