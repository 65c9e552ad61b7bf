//! Asking for the list of nodes and answering: `reqnodes` and `repnodes`.

use alloc::string::String;

use shared::names::NodeName;

use super::limits::NODES_MAX;
use super::message::Message;
use super::{fields, types};

/// An empty list; Heartbeat 3.0.6 cannot read an empty value.
const NO_NODES: &str = " ";

/// `reqnodes`: asks `to` for its nodes.
pub fn nodes_request(to: &NodeName) -> Message {
    let mut message = Message::new(types::NODES_REQUEST);
    message.set_text(fields::DEST, to.as_str());
    message
}

/// `repnodes`: all normal nodes of this cluster, ourselves included. A Heartbeat removes those of its
/// dead nodes that are not listed. Names beyond [`NODES_MAX`] are left out.
pub fn nodes_reply<'a>(to: &NodeName, nodes: impl IntoIterator<Item = &'a NodeName>) -> Message {
    let mut list = String::new();
    for node in nodes.into_iter().take(NODES_MAX) {
        list.push_str(node.as_str());
        list.push(' ');
    }
    let list = if list.is_empty() { NO_NODES } else { &list };
    let mut message = Message::new(types::NODES_REPLY);
    message
        .set_text(fields::DEST, to.as_str())
        .set_text(fields::NODE_LIST, list)
        .set_text(fields::REMOVED_LIST, NO_NODES);
    message
}

/// The names in a `repnodes`, as written, at most [`NODES_MAX`].
pub fn read_nodes(message: &Message) -> impl Iterator<Item = &str> {
    message
        .text(fields::NODE_LIST)
        .unwrap_or_default()
        .split_ascii_whitespace()
        .take(NODES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn each_name_is_followed_by_a_blank() {
        let nodes = ["alice", "bob"].map(|name| NodeName::new(name).unwrap());
        let message = nodes_reply(&nodes[0], &nodes);
        assert_eq!(message.text("nodelist"), Some("alice bob "));
        assert_eq!(message.text("delnodelist"), Some(" "));
        assert_eq!(read_nodes(&message).collect::<Vec<_>>(), ["alice", "bob"]);
    }

    #[test]
    fn an_empty_list_is_one_blank() {
        let alice = NodeName::new("alice").unwrap();
        let message = nodes_reply(&alice, &[]);
        assert_eq!(message.text("nodelist"), Some(" "));
        assert_eq!(read_nodes(&message).count(), 0);
    }

    #[test]
    fn a_list_longer_than_allowed_is_cut() {
        let mut message = Message::new(types::NODES_REPLY);
        message.set_text("nodelist", &"x ".repeat(1000));
        assert_eq!(read_nodes(&message).count(), NODES_MAX);
    }
}
