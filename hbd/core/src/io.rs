//! What goes into a core besides packets and time, and what comes out.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shared::event::{Cause, Event};
use shared::names::{KeyIndex, NodeName, Sequence};
use shared::sample::Sample;

use crate::session::{SessionNews, SessionOrder};
use crate::settings::{KeySpec, MediumIndex, PeerMemory, Times};

/// What a manager says to those of all nodes. The core carries it and gives it no meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// One of the managers' [types](crate::wire::types::TYPES).
    pub message_type: String,
    /// Its fields, without those that every message has.
    pub fields: BTreeMap<String, String>,
}

/// Something the core is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Leave the cluster in order. Ends in [`Output::Left`].
    Leave {
        /// Who wants it.
        cause: Option<Cause>,
    },
    /// The answer to [`Output::Drain`]: everything that had arrived was handed in.
    Drained,
    /// The machine's load average, for peers to show. At most 63 bytes, no newline.
    LoadAverage(String),
    /// Something about sessions, from the office.
    Session(SessionOrder),
    /// To the managers of all other nodes, from the one of this node. Before this node is a member it
    /// waits, and of each type the last one is sent.
    Say(Said),
    /// Verify and sign with these keys from here on.
    Keys {
        /// The index of the key that signs.
        active: KeyIndex,
        /// All keys.
        keys: Vec<KeySpec>,
    },
    /// Other digests of files from here on, as in [`Settings::files`](crate::Settings::files).
    Files(BTreeMap<String, String>),
    /// Other times from here on. Where peers have to learn of them first, they are in use when
    /// [`Kind::TimersChanged`](shared::event::Kind::TimersChanged) says so.
    Times(Times),
    /// Whether what is to go over a medium goes: what does not is not counted as sent. It does until
    /// this says otherwise.
    Sends {
        /// Which.
        medium: MediumIndex,
        /// Whether it does.
        sends: bool,
    },
}

/// Something the core wants done or known.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this over that medium. If the medium is closed, do not.
    Transmit {
        /// Where.
        medium: MediumIndex,
        /// What.
        packet: Vec<u8>,
        /// It is the beat of this moment: where packets wait for each other it goes first.
        beat: bool,
    },
    /// Something happened.
    Event(Box<Event>),
    /// The counters of a second.
    Sample(Box<Sample>),
    /// Something about sessions, for the office.
    Session(SessionNews),
    /// For the manager of this node, from the one of another. Each message comes once; one that had to
    /// be sent again comes after later ones.
    Heard {
        /// Which node.
        from: NodeName,
        /// Its number among all that this life of the node says.
        number: Sequence,
        /// What it says.
        said: Said,
    },
    /// Keep this for the next core. Comes with every beat of the peer and every change of what is in
    /// it, so that the next core counts no silence that there was not; `generation` and `uuid` go to
    /// the disk where they changed.
    Remember(Box<PeerMemory>),
    /// This node did not run for a while. Hand in every packet that has arrived meanwhile, then
    /// [`Command::Drained`]; nobody is judged before.
    Drain,
    /// The cluster was left in order; end.
    Left,
}
