//! The fields of the protocol: their names, how their values are written, what they mean.
//!
//! [`FIELDS`] is the one list; the table of hbd-protocol(7) is made from it.

/// What kind of value a field has on the wire. The digit stands in parentheses before the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldKind {
    /// 0: text.
    Text,
    /// 1: any bytes.
    Binary,
    /// 2: a nested message.
    Struct,
    /// 3: a list of texts.
    List,
    /// 4: a compressed nested message.
    Compressed,
}

impl FieldKind {
    /// All kinds, by digit.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Binary,
        Self::Struct,
        Self::List,
        Self::Compressed,
    ];

    pub(super) fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL
            .get(usize::from(digit.wrapping_sub(b'0')))
            .copied()
    }

    pub(super) fn digit(self) -> u8 {
        b'0' + self as u8
    }
}

/// How a field's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Text as it is.
    Text,
    /// A number in lower-case hexadecimal.
    Hex,
    /// A number in decimal.
    Decimal,
    /// Milliseconds in hexadecimal.
    HexMillis,
    /// 16 binary bytes.
    Uuid,
    /// Binary bytes.
    Binary,
    /// Decimal in one message type and hexadecimal in another.
    ByType,
}

impl Encoding {
    /// The words of the manual.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Hex => "hex",
            Self::Decimal => "decimal",
            Self::HexMillis => "hex, ms",
            Self::Uuid => "16 bytes",
            Self::Binary => "bytes",
            Self::ByType => "see text",
        }
    }
}

/// One field of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct FieldEntry {
    /// Its name.
    pub name: &'static str,
    /// How its value is written.
    pub encoding: Encoding,
    /// Which messages carry it.
    pub on: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

macro_rules! fields {
    ($( $(#[$doc:meta])* $constant:ident = $name:literal, $encoding:ident, $on:literal, $meaning:literal; )*) => {
        $( #[doc = concat!("`", $name, "`: ", $meaning, ".")] pub const $constant: &str = $name; )*

        /// Every field hbd reads or writes, in the order of hbd-protocol(7).
        pub const FIELDS: &[FieldEntry] = &[
            $( FieldEntry { name: $name, encoding: Encoding::$encoding, on: $on, meaning: $meaning }, )*
        ];
    };
}

fields! {
    TYPE = "t", Text, "all", "type of the message";
    SRC = "src", Text, "all", "name of the sender in lower case; of a ping node in NS_st";
    SRC_UUID = "srcuuid", Uuid, "all but NS_st", "lasting identity of the sender; may be missing";
    DEST = "dest", Text, "directed messages", "name of the only receiver; missing: for everyone";
    DEST_UUID = "destuuid", Uuid, "directed messages", "identity of the only receiver; decides over dest";
    SEQUENCE = "seq", Hex, "all but NS_ types", "number of the message in its generation, from 1";
    GENERATION = "hg", Hex, "all but NS_st", "generation of the sender";
    WALL = "ts", Hex, "all", "the sender's clock, seconds since 1970; 0 is refused";
    LOAD = "ld", Text, "messages with seq", "first line of /proc/loadavg, or n/a";
    TTL = "ttl", Decimal, "all but NS_st", "hopfudge plus the number of configured nodes; not used";
    AUTH = "auth", Text, "all", "index of a key, a blank, the digest in hexadecimal";
    STATE = "st", Text, "status, NS_st, shutdone", "init, up, active, dead or ping";
    DEAD_TIME = "dt", HexMillis, "status", "dead time to apply to the sender";
    PROTOCOL = "protocol", Decimal, "status", "1: the sender wants its messages acknowledged";
    HBD = "hbd", Text, "status of hbd", "level and features of hbd, as LEVEL.FEATURES";
    HEARD = "hbdheard", Text, "status of hbd", "what was heard from each peer";
    DECLARED = "hbddead", Text, "status of hbd", "which nodes the sender declared dead, and in which life";
    CONFIG = "hbdconf", Text, "status of hbd", "what the configuration amounts to";
    NODE = "node", Text, "stonith", "name of the node that was declared dead or left";
    RESULT = "result", Text, "stonith", "what came of resetting it; unneeded: it left in order";
    INFO = "info", Text, "several", "comment with a meaning, by type";
    RESOURCES_HELD = "rsc_hold", Text, "resource", "what the sender holds: none, local, foreign or all";
    RESOURCES_TYPE = "rtype", Text, "resource", "full: rsc_hold is all that it holds";
    RESOURCES_STABLE = "isstable", Decimal, "resource", "1: what it holds will stay so, 0: it is changing";
    CLAIMS = "hbdclaims", Text, "resource of hbd", "what the sender's manager declares, as JSON; see MANAGERS";
    FROM_PROGRAM = "from_id", Text, "messages of clients of a Heartbeat", "name of the client that sends";
    TO_PROGRAM = "to_id", Text, "messages of clients of a Heartbeat", "name of the client that is to receive";
    PROGRAM_LIFE = "client_gen", Decimal, "messages of clients of a Heartbeat", "which life of the sending client it is; hbd says 0";
    PING_NODES = "num_ping", Decimal, "num_ping_nodes", "how many ping nodes the sender reaches";
    ACK = "ackseq", Hex, "NS_ackmsg", "highest number up to which all messages arrived";
    FIRST = "firstseq", ByType, "NS_rexmit, NS_nak_rexmit", "first number asked for or refused; decimal in NS_rexmit, hex in NS_nak_rexmit";
    LAST = "lastseq", ByType, "NS_rexmit", "last number asked for, in decimal";
    NODE_LIST = "nodelist", Text, "repnodes", "names of all normal nodes, a blank after each";
    REMOVED_LIST = "delnodelist", Text, "repnodes", "names of removed nodes, a blank after each; one blank for none";
    FRAME = "frame", Text, "NS_hbdsess", "open, opened, data, fin, ack, ask, reset or abort";
    STREAM = "stream", Hex, "NS_hbdsess", "the stream, as the node named it that sends in it";
    SESSION = "session", Hex, "NS_hbdsess", "the session, as the receiving core named it";
    FROM_CLIENT = "from", Text, "open", "name of the client that sends";
    TO_CLIENT = "to", Text, "open", "name of the client that is to receive";
    LISTENER = "listener", Hex, "opened", "which life of the receiving client it is";
    NUMBER = "number", Hex, "data, fin, ack", "number of the fragment in its session, from 1; in ack the one waited for";
    MESSAGE = "message", Hex, "data", "number of the message in its stream, from 1";
    CLASS = "class", Text, "data", "control or bulk";
    LAST_FRAGMENT = "last", Decimal, "data", "1 if the message ends with this fragment, else 0";
    BYTES = "bytes", Binary, "data", "at most 1200 bytes of the message; missing for none";
    SEEN = "seen", Hex, "ack", "bit n: number + 1 + n has come";
    WINDOW = "window", Hex, "ack", "so many numbers from the one waited for on are taken";
    ACKNOWLEDGED = "acked", Hex, "ack", "the last message that the receiving client acknowledged, 0 for none";
    REASON = "reason", Text, "reset, abort", "why the session is over, as in hbd-api(7)";
    COMPRESSED_PAYLOAD = "_compressed_payload", Binary, "compressed messages", "a whole message, compressed";
    COMPRESSION_ALGORITHM = "_compression_algorithm", Text, "compressed messages", "bz2 or zlib";
}

/// Names of own additions of hbd begin so.
pub const OWN_PREFIX: &str = "hbd";

/// Fields of which no manager speaks: they say who sends a message, to whom and how.
const OF_THE_CORE: [&str; 17] = [
    TYPE,
    SRC,
    SRC_UUID,
    DEST,
    DEST_UUID,
    SEQUENCE,
    GENERATION,
    WALL,
    LOAD,
    TTL,
    AUTH,
    HBD,
    COMPRESSED_PAYLOAD,
    COMPRESSION_ALGORITHM,
    // A Heartbeat passes a message with one of these to a client.
    FROM_PROGRAM,
    TO_PROGRAM,
    PROGRAM_LIFE,
];

/// Whether a field is the core's in messages of any type.
pub fn is_of_the_core(name: &str) -> bool {
    OF_THE_CORE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn no_field_stands_twice_in_the_table() {
        let names: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
    }

    #[test]
    fn a_kind_is_found_by_its_digit() {
        for kind in FieldKind::ALL {
            assert_eq!(FieldKind::from_digit(kind.digit()), Some(kind));
        }
        assert_eq!(FieldKind::from_digit(b'5'), None);
        assert_eq!(FieldKind::from_digit(b'/'), None);
    }
}
