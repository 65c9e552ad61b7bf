//! The message types of the protocol.
//!
//! [`TYPES`] is the one list; the table of hbd-protocol(7) is made from it.

/// Types that begin so carry no sequence number and are neither acknowledged nor retransmitted.
pub const UNSEQUENCED_PREFIX: &str = "NS_";

/// One message type.
#[derive(Clone, Copy, Debug)]
pub struct TypeEntry {
    /// The value of `t`.
    pub name: &'static str,
    /// Whom it is for.
    pub to: &'static str,
    /// When it is sent.
    pub when: &'static str,
    /// The fields it has besides those that every message has.
    pub fields: &'static str,
    /// What a receiver does with it.
    pub effect: &'static str,
    /// Who speaks in it.
    pub between: Between,
}

/// Whose words a type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Those of the cores themselves.
    Cores,
    /// Those of managers. A core carries them and gives them no meaning.
    Managers,
    /// Those of Heartbeat's `ipfail`, and of managers that do the same. A core carries them, and says on
    /// its own whose they are.
    Ipfail,
}

macro_rules! types {
    ($( $between:ident $constant:ident = $name:literal, $to:literal, $when:literal, $fields:literal, $effect:literal; )*) => {
        $( #[doc = concat!("`", $name, "`, sent ", $when, ".")] pub const $constant: &str = $name; )*

        /// Every type the core of hbd knows, in the order of hbd-protocol(7).
        pub const TYPES: &[TypeEntry] = &[
            $( TypeEntry {
                name: $name,
                to: $to,
                when: $when,
                fields: $fields,
                effect: $effect,
                between: Between::$between,
            }, )*
        ];
    };
}

types! {
    Cores STATUS = "status", "all", "every keepalive and at each change of state", "st dt protocol hbd hbdheard hbddead hbdconf", "the sender is alive";
    Cores PING = "NS_st", "a ping node", "with each status, as the payload of an echo request", "st info src ts", "the ping node is alive";
    Cores ACK = "NS_ackmsg", "node", "after several accepted messages", "ackseq", "the sender's window moves on";
    Cores REQUEST = "NS_rexmit", "node", "when numbers are missing", "firstseq lastseq", "the messages are sent again";
    Cores REFUSAL = "NS_nak_rexmit", "node", "when a requested message is no longer kept", "firstseq info", "the number is given up";
    Cores SESSION = "NS_hbdsess", "node", "while clients of both nodes have a session", "frame stream session and others, by frame", "see SESSIONS";
    Cores NODES_REQUEST = "reqnodes", "node", "once all nodes were heard or declared dead", "", "repnodes is sent back";
    Cores NODES_REPLY = "repnodes", "node", "in answer to reqnodes", "nodelist delnodelist", "the requester becomes active";
    Cores SHUTDOWN_DONE = "shutdone", "all", "when all resources are released at shutdown", "st", "resources may be taken over at once";
    Cores STONITH = "stonith", "all", "by a Heartbeat, when a node was declared dead or left", "node result", "the named node knows that it was declared dead, until the sender acknowledges something newer";
    Managers RESOURCE = "resource", "all", "at each change of what the node holds", "rsc_hold rtype isstable info hbdclaims", "see MANAGERS";
    Managers STARTING = "starting", "all", "by a manager that begins", "", "what is held is said again";
    Managers STANDBY = "ask_resources", "all", "at each step of a standby", "rsc_hold info", "see MANAGERS";
    Managers TAKEOVER = "hb_takeover", "all", "where an operator wants resources on the sender", "rsc_hold", "a standby of the reader begins";
    Managers GROUP_REQUEST = "ip-request", "all", "with auto_failback legacy, by a node that wants a group", "ipaddr", "who has the group stops it and answers";
    Managers GROUP_REPLY = "ip-request-resp", "node", "in answer to ip-request", "ipaddr weown ok", "the group may be started";
    Ipfail CLIENT = "hbapi-clstat", "all", "by a Heartbeat, when a client of it joins or leaves; by hbd as ipfail, to be told a number", "st info from_id to_id client_gen", "ipfail says num_ping_nodes";
    Ipfail PING_COUNT = "num_ping_nodes", "node", "at each change of how many ping nodes the sender reaches", "num_ping from_id to_id client_gen", "see MANAGERS";
    Ipfail MORE_PING_NODES = "you_are_dead", "node", "in answer to num_ping_nodes, where the sender reaches more", "from_id to_id client_gen", "a standby of the reader begins";
    Ipfail NO_MORE_PING_NODES = "abort_giveup", "node", "in answer to num_ping_nodes, where the sender reaches as many", "from_id to_id client_gen", "a standby that has not begun does not";
}

/// Whether messages of this type carry a sequence number.
pub fn is_sequenced(message_type: &str) -> bool {
    !message_type.starts_with(UNSEQUENCED_PREFIX)
}

/// Whether messages of this type carry what managers say.
pub fn is_of_managers(message_type: &str) -> bool {
    TYPES
        .iter()
        .any(|entry| entry.name == message_type && entry.between != Between::Cores)
}

/// Whether messages of this type are those of `ipfail`.
pub fn is_of_ipfail(message_type: &str) -> bool {
    TYPES
        .iter()
        .any(|entry| entry.name == message_type && entry.between == Between::Ipfail)
}

/// Whether messages of this type are for one node.
pub fn is_directed(message_type: &str) -> bool {
    TYPES
        .iter()
        .any(|entry| entry.name == message_type && entry.to == "node")
}
