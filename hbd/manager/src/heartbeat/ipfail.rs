//! To the `ipfail` of a Heartbeat hbd is another one: which of the two nodes reaches more ping nodes.
//!
//! An `ipfail` says how many it finds when that changes, and when another one joins; whoever finds more answers that, and
//! who finds fewer gives all up in a standby, a moment later.
//!
//! | said there | said here |
//! |---|---|
//! | it begins | this one joins: so it says how many it finds |
//! | it finds fewer than this node | that this node finds more, once that counts ([`Comparison`]) |
//! | it finds as many, or more | that this node does not find more |
//!
//! That this node finds fewer it is told when it counts, as a word of explanation: this node gives up by itself what it
//! has. Never is it told a number that is as high as its own: with `auto_failback on` it would give something up.

use core::cmp::Ordering;

use shared::names::NodeName;
use shared::time::Moment;

use super::word::{Count, Word};
use crate::comparison::Comparison;

/// This node's `ipfail`.
#[derive(Clone, Debug)]
pub(super) struct Ipfail {
    peer: NodeName,
    /// How many ping nodes this node reaches, if it counts them.
    own: Option<u32>,
    /// How many the peer said that it finds; nothing before it said so.
    theirs: Option<u32>,
    /// This node against the peer.
    compared: Comparison,
    /// The peer was told that there is an `ipfail` here, and says how many it finds.
    joined: bool,
    /// It said how many it finds, and was not answered.
    asked: bool,
    /// It was told that this node finds more, and nothing else since.
    told_more: bool,
    /// The number that it was told, while that is fewer.
    told: Option<u32>,
}

impl Ipfail {
    /// To that peer, which has said nothing yet.
    pub(super) fn new(peer: NodeName) -> Self {
        Self {
            peer,
            own: None,
            theirs: None,
            compared: Comparison::new(),
            joined: false,
            asked: false,
            told_more: false,
            told: None,
        }
    }

    /// The peer is another, or gone.
    pub(super) fn forget(&mut self) {
        let own = self.own;
        *self = Self::new(self.peer.clone());
        self.own = own;
    }

    /// What the peer said was lost.
    pub(super) fn ask_again(&mut self) {
        self.joined = false;
    }

    /// This node reaches so many.
    pub(super) fn count(&mut self, own: Option<u32>) {
        self.own = own;
    }

    /// An `ipfail` begins at the peer, or ends.
    pub(super) fn hear_counting(&mut self, begins: bool) {
        self.joined = false;
        if !begins {
            self.joined = true;
            self.theirs = None;
            self.asked = false;
        }
    }

    /// It says this.
    pub(super) fn hear(&mut self, says: Count) {
        let expected = match says {
            Count::This(theirs) => {
                self.theirs = Some(theirs);
                self.asked = true;
                return;
            }
            Count::More => Ordering::Less,
            Count::NoMore => Ordering::Equal,
        };
        if self.against() != Some(expected) {
            // One of the two has found something else meanwhile, or it was not heard.
            self.joined = false;
        }
    }

    /// How many the peer finds, where both count them.
    pub(super) fn theirs(&self) -> Option<u32> {
        self.theirs.filter(|_| self.own.is_some())
    }

    /// What is to be said next; something else counts from here on only if all is `quiet`. That this node finds more is
    /// said only if it `takes` what the peer gives up then.
    pub(super) fn next(&mut self, quiet: bool, takes: bool, now: Moment) -> Option<Word> {
        self.own?;
        if !core::mem::replace(&mut self.joined, true) {
            return Some(Word::Counting { begins: true });
        }
        let Some(is) = self.against() else {
            self.compared.forget();
            return None;
        };
        self.compared.expire(now);
        self.compared.compare(is, quiet, now);
        let counts = self.compared.counts() == is;
        if is != Ordering::Less {
            self.told = None;
        }
        match is {
            Ordering::Greater if counts && takes && (self.asked || !self.told_more) => {
                self.asked = false;
                self.told_more = true;
                Some(self.say(Count::More))
            }
            Ordering::Greater => None,
            _ if self.asked || self.told_more => {
                self.asked = false;
                self.told_more = false;
                Some(self.say(Count::NoMore))
            }
            Ordering::Less if counts && self.told != self.own => {
                self.told = self.own;
                self.own.map(|own| self.say(Count::This(own)))
            }
            _ => None,
        }
    }

    /// When that is to be asked.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.compared.deadline()
    }

    /// This node finds fewer, or did until a moment ago.
    pub(super) fn is_behind(&self) -> bool {
        self.is(Ordering::Less)
    }

    /// The peer finds fewer, or did until a moment ago.
    pub(super) fn is_ahead(&self) -> bool {
        self.is(Ordering::Greater)
    }

    fn is(&self, what: Ordering) -> bool {
        self.compared.counts() == what || self.against() == Some(what)
    }

    fn against(&self) -> Option<Ordering> {
        Some(self.own?.cmp(&self.theirs?))
    }

    fn say(&self, says: Count) -> Word {
        Word::Count {
            to: self.peer.clone(),
            says,
        }
    }
}
