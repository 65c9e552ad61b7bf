//! What can be waited for: from words to a condition, and whether a state meets it.

use std::fmt;

use shared::api::Snapshot;
use shared::config::suggest;
use shared::event::{Event, Kind, NodeStatus};
use shared::group::GroupState;
use shared::names::{LinkName, MediumName, NodeName};
use shared::verdict::Path;

use crate::error::Error;
use crate::verbs::{known_group, known_node};

/// What can be waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// hbd answers.
    Up,
    /// Every node was heard or counts as dead.
    CommunicationUp,
    /// Nothing will change by itself.
    Settled,
    /// A node has a status.
    Node(String, NodeStatus),
    /// A link, as `NODE/MEDIUM`, is good for something.
    Link(String, Path),
    /// A group is started on one node and on no other: on any, or on this.
    Group(String, Option<String>),
    /// Something happens, of any node or of one.
    Event(String, Option<String>),
}

/// Whether a state meets a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It does.
    Holds,
    /// It does not, and this is how it is.
    Lacks(String),
}

/// The first words of conditions, with what follows each.
const FORMS: [(&str, &str); 7] = [
    ("up", ""),
    ("communication-up", ""),
    ("settled", ""),
    ("node", "NODE STATUS"),
    ("link", "NODE/MEDIUM STATUS"),
    ("group", "GROUP started, or GROUP on NODE"),
    ("event", "KIND [NODE]"),
];

/// The first words of conditions.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    FORMS.iter().map(|(word, _)| *word)
}

impl Condition {
    pub(super) fn parse(words: &[&str]) -> Result<Self, Error> {
        match *words {
            ["up"] => Ok(Self::Up),
            ["communication-up"] => Ok(Self::CommunicationUp),
            ["settled"] => Ok(Self::Settled),
            ["node", node, status] => {
                let all = NodeStatus::ALL.map(|status| (status.word(), status));
                Ok(Self::Node(node.into(), choose("status", status, &all)?))
            }
            ["link", link, status] => {
                let all = Path::ALL.map(|path| (path.word(), path));
                Ok(Self::Link(link.into(), choose("status", status, &all)?))
            }
            ["group", group, "started"] => Ok(Self::Group(group.into(), None)),
            ["group", group, "on", node] => Ok(Self::Group(group.into(), Some(node.into()))),
            ["event", kind] => Ok(Self::Event(known_kind(kind)?, None)),
            ["event", kind, node] => Ok(Self::Event(known_kind(kind)?, Some(node.into()))),
            _ => Err(unknown(words)),
        }
    }

    /// True where it is this event that is waited for.
    pub(super) fn is_met_by(&self, event: &Event) -> bool {
        let Self::Event(kind, node) = self else {
            return false;
        };
        let concerned = event.concerns().map(NodeName::as_str);
        event.kind.word() == *kind && (node.is_none() || concerned == node.as_deref())
    }

    /// Whether it is so in `snapshot`. What does not exist there is an error: it would be waited for
    /// in vain.
    pub(super) fn judge(&self, snapshot: &Snapshot) -> Result<Judgement, Error> {
        let view = &snapshot.view;
        if view.started.is_none() {
            return Ok(Judgement::Lacks("the core has not started yet".into()));
        }
        match self {
            Self::Up => Ok(Judgement::Holds),
            Self::CommunicationUp => Ok(match view.communication_up {
                true => Judgement::Holds,
                false => Judgement::Lacks("not every node was heard or counts as dead".into()),
            }),
            Self::Settled => Ok(settled(snapshot)),
            Self::Node(typed, wanted) => {
                let name = known_node(view, typed)?;
                let status = view.nodes[&name].status;
                Ok(compare(status == *wanted, format!("{name} is {status}")))
            }
            Self::Link(typed, wanted) => {
                let (name, path) = link(snapshot, typed)?;
                Ok(compare(path == *wanted, format!("{name} is {path}")))
            }
            Self::Group(typed, node) => group(snapshot, typed, node.as_deref()),
            Self::Event(_, node) => {
                if let Some(typed) = node {
                    known_node(view, typed)?;
                }
                Ok(Judgement::Lacks("it did not happen".into()))
            }
        }
    }
}

fn compare(holds: bool, state: String) -> Judgement {
    match holds {
        true => Judgement::Holds,
        false => Judgement::Lacks(state),
    }
}

fn group(snapshot: &Snapshot, typed: &str, on: Option<&str>) -> Result<Judgement, Error> {
    let view = &snapshot.view;
    let group = known_group(snapshot, typed)?;
    let wanted = match on {
        Some(typed) => Some(known_node(view, typed)?),
        None => None,
    };
    let nodes = view.groups.get(&group).map(|group| &group.nodes);
    let held: Vec<_> = nodes.into_iter().flatten().collect();
    let holds = match held[..] {
        [(node, there)] => {
            there.state == GroupState::Started && wanted.as_ref().is_none_or(|w| w == node)
        }
        _ => false,
    };
    let is = held
        .iter()
        .map(|(node, on)| format!("{} on {node}", on.state));
    let is: Vec<String> = is.collect();
    let is = match is.is_empty() {
        true => "stopped everywhere".into(),
        false => is.join(" and "),
    };
    Ok(compare(holds, format!("{group} is {is}")))
}

fn settled(snapshot: &Snapshot) -> Judgement {
    let view = &snapshot.view;
    let own = view.own();
    if view.leaving {
        return Judgement::Lacks("this node is leaving".into());
    }
    for (name, node) in &view.nodes {
        let rests = match own == Some(name) {
            true => node.status == NodeStatus::Active,
            false => !matches!(node.status, NodeStatus::Init | NodeStatus::Up),
        };
        if !rests {
            return Judgement::Lacks(format!("{name} is {}", node.status));
        }
        for (medium, link) in &node.links {
            if Path::of(snapshot, name, medium, link) == Path::Returning {
                return Judgement::Lacks(format!("link {name}/{medium} is returning"));
            }
        }
    }
    Judgement::Holds
}

/// The link that a person typed as `NODE/MEDIUM`, and what it is good for.
fn link(snapshot: &Snapshot, typed: &str) -> Result<(LinkName, Path), Error> {
    let view = &snapshot.view;
    let (peer, medium) = typed.split_once('/').unwrap_or((typed, ""));
    let peer = known_node(view, peer)?;
    let links = &view.nodes[&peer].links;
    let medium = MediumName::new(medium).ok();
    let found = medium.and_then(|medium| links.get_key_value(&medium));
    let Some((medium, link)) = found else {
        let known: Vec<String> = links.keys().map(|m| format!("{peer}/{m}")).collect();
        let known = match known.is_empty() {
            true => format!("{peer} has none, since it is the asked node"),
            false => format!("to {peer} there are {}", known.join(", ")),
        };
        return Err(Error::NotFound(format!("{typed} is no link; {known}")));
    };
    let path = Path::of(snapshot, &peer, medium, link);
    let medium = medium.clone();
    Ok((LinkName { peer, medium }, path))
}

/// The value that `typed` names.
fn choose<T: Copy>(what: &str, typed: &str, all: &[(&'static str, T)]) -> Result<T, Error> {
    if let Some((_, value)) = all.iter().find(|(word, _)| *word == typed) {
        return Ok(*value);
    }
    let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
    Err(Error::Usage(format!(
        "{typed} is no {what}; {}",
        meant(typed, &words)
    )))
}

fn known_kind(typed: &str) -> Result<String, Error> {
    if Kind::WORDS.contains(&typed) {
        return Ok(typed.into());
    }
    let hint = match suggest::nearest(typed, Kind::WORDS) {
        Some(near) => format!("did you mean {near}?"),
        None => "hactl(1) lists them".into(),
    };
    Err(Error::Usage(format!("{typed} is no kind of event; {hint}")))
}

/// What was meant, or what there is.
fn meant(typed: &str, words: &[&'static str]) -> String {
    match suggest::nearest(typed, words.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", words.join(", ")),
    }
}

fn unknown(words: &[&str]) -> Error {
    let first = words.first().copied().unwrap_or_default();
    if let Some((word, rest)) = FORMS.iter().find(|(word, _)| *word == first) {
        let form = format!("{word} {rest}");
        return Error::Usage(format!(
            "{} is no condition; write {}",
            words.join(" "),
            form.trim_end()
        ));
    }
    let all: Vec<&str> = self::words().collect();
    Error::Usage(format!("{first} is no condition; {}", meant(first, &all)))
}

impl fmt::Display for Condition {
    /// As it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::CommunicationUp => f.write_str("communication-up"),
            Self::Settled => f.write_str("settled"),
            Self::Node(node, status) => write!(f, "node {node} {status}"),
            Self::Link(link, path) => write!(f, "link {link} {path}"),
            Self::Group(group, None) => write!(f, "group {group} started"),
            Self::Group(group, Some(node)) => write!(f, "group {group} on {node}"),
            Self::Event(kind, None) => write!(f, "event {kind}"),
            Self::Event(kind, Some(node)) => write!(f, "event {kind} {node}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> String {
        match Condition::parse(words) {
            Err(Error::Usage(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_form_reads_back_as_it_was_typed() {
        for text in [
            "up",
            "communication-up",
            "settled",
            "node bob dead",
            "link bob/eth0 one-way",
            "group web started",
            "group web on bob",
            "event node-status",
            "event node-status bob",
        ] {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(Condition::parse(&words).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_misspelt_is_answered_with_what_was_meant() {
        assert_eq!(
            refusal(&["setled"]),
            "setled is no condition; did you mean settled?"
        );
        assert_eq!(
            refusal(&["node", "bob", "daed"]),
            "daed is no status; did you mean dead?"
        );
        assert_eq!(
            refusal(&["event", "jepardy"]),
            "jepardy is no kind of event; did you mean jeopardy?"
        );
        assert_eq!(
            refusal(&["node", "bob"]),
            "node bob is no condition; write node NODE STATUS"
        );
    }
}
