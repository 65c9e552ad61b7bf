//! What is logged.

use shared::event::{Cause, Event, Kind, Object, Severity};
use shared::time::Wall;

/// An event, or a line that is none.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// When, for people.
    pub(super) wall: Wall,
    /// How much to care.
    pub(super) severity: Severity,
    /// For people, in one line.
    pub(super) text: String,
    /// The event, where it is one.
    pub(super) event: Option<Box<Event>>,
}

impl Record {
    /// An event.
    pub(super) fn of(event: &Event) -> Self {
        Self {
            event: Some(Box::new(event.clone())),
            ..Self::line(event.wall, event.severity, &event.text)
        }
    }

    /// A line that is no event.
    pub(super) fn line(wall: Wall, severity: Severity, text: &str) -> Self {
        Self {
            wall,
            severity,
            text: text.replace('\n', " "),
            event: None,
        }
    }

    /// True for a packet that does not count and whose sender is not known for certain.
    pub(super) fn is_bad_packet(&self) -> bool {
        let kind = self.event.as_ref().map(|event| &event.kind);
        matches!(
            kind,
            Some(Kind::PacketRefused { .. } | Kind::UnknownNode { .. })
        )
    }

    /// The priority of `syslog(3)`.
    pub(super) fn priority(&self) -> u8 {
        match self.severity {
            Severity::Info => 6,
            Severity::Notice => 5,
            Severity::Warning => 4,
            Severity::Error => 3,
            Severity::Critical => 2,
        }
    }

    /// What of the event is worth a field of its own in the journal, as hbd(8) lists it.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let Some(event) = &self.event else {
            return Vec::new();
        };
        let mut fields = vec![
            ("HBD_EVENT", event.id.to_string()),
            ("HBD_KIND", event.kind.word()),
            ("HBD_NODE", event.id.node.to_string()),
            ("HBD_OBJECT", event.object.to_string()),
        ];
        match &event.object {
            Object::Daemon => {}
            Object::Node(node) => fields.push(("HBD_PEER", node.to_string())),
            Object::Link(link) => {
                fields.push(("HBD_PEER", link.peer.to_string()));
                fields.push(("HBD_LINK", link.to_string()));
                fields.push(("HBD_MEDIUM", link.medium.to_string()));
            }
            Object::Medium(medium) => fields.push(("HBD_MEDIUM", medium.to_string())),
            Object::Group(group) => fields.push(("HBD_GROUP", group.to_string())),
        }
        match &event.cause {
            None => {}
            Some(Cause::Event(id)) => fields.push(("HBD_CAUSE", id.to_string())),
            Some(Cause::Order(order)) => fields.push(("HBD_CAUSE", order.clone())),
        }
        fields
    }
}
