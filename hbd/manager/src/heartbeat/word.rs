//! What the manager of a Heartbeat says, as far as a manager of two nodes needs it.
//!
//! | type | what |
//! |---|---|
//! | `starting` | it begins, and holds nothing |
//! | `resource` | what it holds, and whether that is about to change |
//! | `ask_resources` | a step of a [standby](Step) |
//! | `hb_takeover` | the other node is asked for a standby |
//! | `ip-request` | the other node is asked for a group, with `auto_failback legacy` |
//! | `ip-request-resp` | that node does not have it, or not any more |
//! | `hbapi-clstat` | its `ipfail` begins, or ends |
//! | `num_ping_nodes` | how many ping nodes its `ipfail` finds; a [question](Count) |
//! | `you_are_dead`, `abort_giveup` | the answers |
//!
//! It holds resources in two heaps: those of its own lines in `haresources`, `local`, and those of
//! the other node's, `foreign`. All words are the sender's: but in a standby they are the giver's.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use shared::group::GroupName;
use shared::names::NodeName;

/// The heaps, as one of the nodes sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heaps {
    /// The groups that should be on it.
    pub local: bool,
    /// The groups that should be on the other one.
    pub foreign: bool,
}

/// A step of a standby: who gives something up says `me`, the other one `other`, then the giver
/// stops it and says `done`, then the taker starts it and says `done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// I want to give these up.
    Me,
    /// I shall take them.
    Other,
    /// They are stopped; or they are started.
    Done,
}

/// Why something is said of what is held, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Info {
    /// The sender stops what it gives up.
    Standby,
    /// The sender stops all it has, and ends.
    Shutdown,
    /// The sender took over from a dead node: what is held more.
    TakenOver,
}

/// What an `ipfail` says of the ping nodes that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// I find so many.
    This(u32),
    /// I find more than you said.
    More,
    /// I do not.
    NoMore,
}

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The sender begins.
    Starting,
    /// What the sender holds.
    Resource {
        /// This.
        holds: Heaps,
        /// All of it; else what comes to it.
        full: bool,
        /// Nothing is under way there; nothing where it does not say.
        stable: Option<bool>,
        /// Why it says so.
        info: Option<Info>,
    },
    /// A standby.
    Standby {
        /// What is given up, in the giver's words.
        gives: Heaps,
        /// How far it is.
        step: Step,
        /// It was begun by the `ipfail` of the sender.
        by_ipfail: bool,
    },
    /// The sender wants a standby of the reader, and these for itself.
    Takeover {
        /// In the sender's words.
        takes: Heaps,
    },
    /// The sender wants a group.
    Request {
        /// Its name, which is its first resource.
        key: GroupName,
    },
    /// The sender does not have a group, or not any more.
    Answer {
        /// Its name.
        key: GroupName,
        /// Who may start it.
        to: NodeName,
    },
    /// The sender has an `ipfail`, which wants to be told a number.
    Counting {
        /// Else it had one.
        begins: bool,
    },
    /// The `ipfail` of the sender says this.
    Count {
        /// To this node.
        to: NodeName,
        /// This.
        says: Count,
    },
}

/// The types of messages that are words.
pub const WORD_TYPES: [&str; 10] = [
    STARTING, RESOURCE, STANDBY, TAKEOVER, REQUEST, ANSWER, CLIENT, COUNT, MORE, NO_MORE,
];

const STARTING: &str = "starting";
const RESOURCE: &str = "resource";
const STANDBY: &str = "ask_resources";
const TAKEOVER: &str = "hb_takeover";
const REQUEST: &str = "ip-request";
const ANSWER: &str = "ip-request-resp";
const CLIENT: &str = "hbapi-clstat";
const COUNT: &str = "num_ping_nodes";
const MORE: &str = "you_are_dead";
const NO_MORE: &str = "abort_giveup";
const HOLDS: &str = "rsc_hold";
const KIND: &str = "rtype";
const STABLE: &str = "isstable";
const INFO: &str = "info";
const FAILBACK: &str = "failback";
const FULL: &str = "full";
const KEY: &str = "ipaddr";
const TO: &str = "dest";
const OWNED: &str = "weown";
const RESULT: &str = "ok";
const OK: &str = "OK";
const REACHED: &str = "num_ping";
const STATE: &str = "st";
const JOIN: &str = "join";
const LEAVE: &str = "leave";
const SIGNON: &str = "signon";
/// Who says it, where that is a client; the core sets it.
const FROM: &str = "from_id";
const IPFAIL: &str = "ipfail";

impl Heaps {
    /// Neither.
    pub const NONE: Self = Self {
        local: false,
        foreign: false,
    };

    /// The one of the groups that should be on the node that says so.
    pub(crate) const LOCAL: Self = Self {
        local: true,
        foreign: false,
    };
    /// Both.
    pub(crate) const BOTH: Self = Self {
        local: true,
        foreign: true,
    };
    /// Every combination.
    pub(super) const ALL: [Self; 4] = [
        Self::NONE,
        Self::LOCAL,
        Self {
            local: false,
            foreign: true,
        },
        Self::BOTH,
    ];

    /// Those for which that holds, which is asked of the local one with true.
    pub(super) fn that(mut are: impl FnMut(bool) -> bool) -> Self {
        Self {
            local: are(true),
            foreign: are(false),
        }
    }

    /// As the other node sees them.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self::that(|local| self.has(!local))
    }

    /// Those of either.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self::that(|local| self.has(local) || more.has(local))
    }

    /// These without those.
    #[must_use]
    pub fn without(self, less: Self) -> Self {
        Self::that(|local| self.has(local) && !less.has(local))
    }

    /// Those of both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self::that(|local| self.has(local) && other.has(local))
    }

    /// The heap of the groups that should be on this node, or that of the others.
    #[must_use]
    pub fn has(self, local: bool) -> bool {
        if local { self.local } else { self.foreign }
    }

    fn word(self) -> &'static str {
        match (self.local, self.foreign) {
            (false, false) => "none",
            (true, false) => "local",
            (false, true) => "foreign",
            (true, true) => "all",
        }
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|heaps| heaps.word() == word)
    }
}

impl Step {
    pub(super) const ALL: [Self; 3] = [Self::Me, Self::Other, Self::Done];

    fn word(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Other => "other",
            Self::Done => "done",
        }
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }
}

impl Info {
    pub(super) const ALL: [Self; 3] = [Self::Standby, Self::Shutdown, Self::TakenOver];

    fn word(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Shutdown => "shutdown",
            Self::TakenOver => "mach_down",
        }
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|info| info.word() == word)
    }
}

impl Word {
    /// The word in a message, if it is one. What a Heartbeat does not say either is none.
    #[must_use]
    pub fn read(message_type: &str, fields: &BTreeMap<String, String>) -> Option<Self> {
        let text = |name: &str| fields.get(name).map(String::as_str);
        let heaps = || text(HOLDS).and_then(Heaps::read);
        let by_ipfail = text(FROM) == Some(IPFAIL);
        match message_type {
            STARTING => Some(Self::Starting),
            RESOURCE => Some(Self::Resource {
                holds: heaps()?,
                full: text(KIND) == Some(FULL),
                stable: text(STABLE).map(|word| word == "1"),
                info: text(INFO).and_then(Info::read),
            }),
            STANDBY => Some(Self::Standby {
                gives: heaps()?,
                step: Step::read(text(INFO)?)?,
                by_ipfail,
            }),
            TAKEOVER => Some(Self::Takeover {
                takes: takes(text(HOLDS)?)?,
            }),
            REQUEST => Some(Self::Request {
                key: GroupName::new(text(KEY)?).ok()?,
            }),
            ANSWER if text(RESULT) == Some(OK) => Some(Self::Answer {
                key: GroupName::new(text(KEY)?).ok()?,
                to: NodeName::new(text(TO)?).ok()?,
            }),
            CLIENT if by_ipfail => Some(Self::Counting {
                begins: match text(STATE)? {
                    JOIN => true,
                    LEAVE => false,
                    _ => return None,
                },
            }),
            COUNT | MORE | NO_MORE if by_ipfail => Some(Self::Count {
                to: NodeName::new(text(TO)?).ok()?,
                says: match message_type {
                    COUNT => Count::This(text(REACHED)?.parse().ok()?),
                    MORE => Count::More,
                    _ => Count::NoMore,
                },
            }),
            _ => None,
        }
    }

    /// As a message: its type, and its fields.
    #[must_use]
    pub fn write(&self) -> (&'static str, BTreeMap<String, String>) {
        let mut fields = BTreeMap::new();
        let mut set = |name: &str, value: &str| fields.insert(name.to_owned(), value.to_owned());
        let message_type = match self {
            Self::Starting => STARTING,
            Self::Resource {
                holds,
                full,
                stable,
                info,
            } => {
                set(HOLDS, holds.word());
                if *full {
                    set(KIND, FULL);
                }
                if let Some(stable) = stable {
                    set(STABLE, if *stable { "1" } else { "0" });
                }
                if let Some(info) = info {
                    set(INFO, info.word());
                }
                RESOURCE
            }
            Self::Standby { gives, step, .. } => {
                set(HOLDS, gives.word());
                set(INFO, step.word());
                STANDBY
            }
            Self::Takeover { takes } => {
                set(HOLDS, takes.word());
                TAKEOVER
            }
            Self::Request { key } => {
                set(KEY, key.as_str());
                REQUEST
            }
            Self::Answer { key, to } => {
                set(TO, to.as_str());
                set(KEY, key.as_str());
                set(OWNED, "yes");
                set(RESULT, OK);
                ANSWER
            }
            Self::Counting { begins } => {
                set(STATE, if *begins { JOIN } else { LEAVE });
                set(INFO, SIGNON);
                CLIENT
            }
            Self::Count { to, says } => {
                set(TO, to.as_str());
                match says {
                    Count::This(reached) => {
                        set(REACHED, &reached.to_string());
                        COUNT
                    }
                    Count::More => MORE,
                    Count::NoMore => NO_MORE,
                }
            }
        };
        (message_type, fields)
    }
}

/// What a takeover takes: `failback` is what should be on the sender.
fn takes(word: &str) -> Option<Heaps> {
    match word {
        FAILBACK => Some(Heaps::LOCAL),
        word => Heaps::read(word),
    }
}
