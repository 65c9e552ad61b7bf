//! Every bound of the wire. A packet beyond one is refused before anything is stored for it.

/// Longest packet in bytes: a message of Heartbeat 3.0.6 is smaller than 256 KiB.
pub const PACKET_BYTES_MAX: usize = 256 * 1024 - 1;

/// Longest packet that fits a UDP datagram over IPv4, in bytes.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Most fields of one message, nested ones counted for themselves. A status has 12.
pub const FIELDS_MAX: usize = 512;

/// Longest name of a field in bytes.
pub const FIELD_NAME_BYTES_MAX: usize = 127;

/// How deep structs nest. The string form has 16 line ends for nested messages and no more.
pub const NESTING_MAX: usize = 16;

/// Most digits of a length in the netstring form: enough for [`PACKET_BYTES_MAX`].
pub const LENGTH_DIGITS_MAX: usize = 6;

/// Longest text of `index hex`: two digits, a blank and a SHA-256 digest.
pub const AUTH_BYTES_MAX: usize = 2 + 1 + DIGEST_HEX_MAX;

/// Hexadecimal digits of the longest digest, SHA-256.
pub const DIGEST_HEX_MAX: usize = 64;

/// Longest trailer: two digits, a colon, [`AUTH_BYTES_MAX`] and a comma.
pub const TRAILER_BYTES_MAX: usize = 2 + 1 + AUTH_BYTES_MAX + 1;

/// Keys of one ring: indices 0 to 15, as in Heartbeat 3.0.6.
pub const KEYS_MAX: usize = 16;

/// Longest status word in bytes, as in Heartbeat 3.0.6.
pub const STATUS_BYTES_MAX: usize = 31;

/// Most nodes of a cluster, and so most entries of a list of nodes.
pub const NODES_MAX: usize = 100;

/// Longest names and values of one message between managers, in bytes together: a datagram of a
/// dozen Ethernet frames, of which any one lost is all lost.
pub const SAID_BYTES_MAX: usize = 16 * 1024;

/// Most fields of one message between managers.
pub const SAID_FIELDS_MAX: usize = 64;
