//! What teller and keeper say to each other: one JSON object a line over a socket pair.
//!
//! Each order has one answer, and the keeper says unasked when an hbd ended.

use std::fmt;
use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::time::Moment;

use super::cast::Node;
use super::ground::Ground;

/// Longest line in bytes.
const LINE_MAX: u64 = 64 * 1024;

/// What the teller wants done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// Start hbd on a node.
    Start(Node),
    /// Tell hbd on a node to leave the cluster.
    Leave(Node),
    /// Kill the core or the manager of a node.
    KillWorker(Node, Worker),
    /// Kill all processes of a node.
    Kill(Node),
    /// The machine of a node loses power: its processes, its network, and what it forgets when it
    /// boots. Starting hbd there boots it.
    Crash(Node),
    /// Stop all processes of a node.
    Freeze(Node),
    /// Let all processes of a node go on.
    Thaw(Node),
    /// The process id of a node's core or manager.
    Find(Node, Worker),
}

/// A process of a node that its supervisor started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Worker {
    Core,
    Manager,
}

impl Worker {
    /// Its name, and the word that makes an hbd one.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Manager => "manager",
        }
    }
}

/// What the keeper says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Its first word: orders can be given.
    Ready {
        /// Where the nodes live.
        ground: Ground,
        /// The serial ports of a pair, in its order.
        serial: Option<[String; 2]>,
    },
    /// The order was carried out, beginning at this moment.
    Done(Moment),
    /// The process that was asked for.
    Found(i32),
    /// It was not, and why.
    Failed(String),
    /// Unasked: hbd on a node ended, and how.
    Ended {
        /// The node.
        node: Node,
        /// How, in words.
        how: String,
    },
}

/// Writes one of them.
pub(super) fn say(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one of them. Nothing: the other side is gone.
pub(super) fn hear<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    io::Read::take(from, LINE_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(node) => write!(f, "starting hbd on {}", node.name()),
            Self::Leave(node) => write!(f, "telling hbd on {} to leave", node.name()),
            Self::KillWorker(node, worker) => {
                write!(f, "killing the {} of {}", worker.word(), node.name())
            }
            Self::Kill(node) => write!(f, "killing {}", node.name()),
            Self::Crash(node) => write!(f, "crashing the machine of {}", node.name()),
            Self::Freeze(node) => write!(f, "freezing {}", node.name()),
            Self::Thaw(node) => write!(f, "thawing {}", node.name()),
            Self::Find(node, worker) => {
                write!(f, "looking for the {} of {}", worker.word(), node.name())
            }
        }
    }
}
