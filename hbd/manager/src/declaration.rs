//! What two managers tell each other, and why that is enough for one owner.
//!
//! Each declares its whole state: of each group what it is here, and how willing this node is to
//! hold it. A declaration has a number, and says which declaration of the other it answers. So
//! nothing depends on the history of messages: one that is lost is sent again, one that is old is
//! recognised.
//!
//! A node starts a group that the other does not hold only if
//!
//! 1. by the willingness of both, as declared, the group is [its own](candidate), and
//! 2. the other's declaration answers the one in which this node said that it does not hold the
//!    group and how willing it is.
//!
//! Both nodes decide by the same function. If both started a group, the later of the two would have
//! decided by a declaration that was made after the first one's willingness reached it, and would
//! have found the group not its own. A node that was declared dead, or declares the other dead,
//! begins anew: of the other only what answers its first declaration since then counts, so that
//! nothing that was under way before is taken for news.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use serde::{Deserialize, Serialize};
use shared::group::{GroupName, GroupState, Willingness};
use shared::names::{Generation, NodeName};
use shared::time::Moment;

use crate::io::Order;

/// One life of one manager. Ordered: a later life is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life {
    /// The generation of its daemon.
    pub generation: Generation,
    /// When it began, on the clock of its node.
    pub began: Moment,
}

/// Which declaration: of which life, and the how manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stand {
    /// The life.
    pub life: Life,
    /// Counts what was declared in it, from 1.
    pub number: u64,
}

/// What a node says of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What it is here.
    pub state: GroupState,
    /// How willing this node is to hold it.
    pub willing: Willingness,
    /// Counts the owners of the group as far as this node knows them, the present one included.
    pub epoch: u64,
}

impl Claim {
    /// What decides: a change of anything else needs no answer.
    pub(crate) fn decisive(&self) -> (bool, Willingness) {
        (self.state.is_held(), self.willing)
    }
}

/// All that a manager says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Which one it is. The same again says the same again.
    pub stand: Stand,
    /// The last one of the other node that its sender read.
    pub heard: Option<Stand>,
    /// The sender does not know yet whether this one was read.
    pub answer: bool,
    /// The sender does not hear the reader, counts it as dead, and decides alone.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub alone: bool,
    /// The sender takes nothing that is held before it was asked to, and has said that it is able.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub waits: bool,
    /// How many ping nodes the sender reaches, if it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pings: Option<u32>,
    /// The groups of its configuration.
    pub claims: BTreeMap<GroupName, Claim>,
    /// What went wrong last with some of them, for those who ask the reader.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<GroupName, String>,
    /// Why some of them are what they are, in words that are right on any node. Not where one of the
    /// failures is the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<GroupName, String>,
    /// What an operator ordered there that concerns the reader too, until it is known to have been
    /// read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Passed>,
    /// Where an order wants some of them: for who interprets for a Heartbeat, and not sent, since any
    /// other manager has read the orders.
    #[serde(skip)]
    pub wanted: BTreeMap<GroupName, NodeName>,
}

/// An order that is passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The first declaration that it was in: whoever read a later one has obeyed it.
    pub number: u64,
    /// It was given before and holds: what was ordered at the reader meanwhile comes first.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub standing: bool,
    /// The order.
    pub order: Order,
}

/// Whose a group is that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    Own,
    Peer,
    Nobody,
}

/// The more willing node; of two that are as willing the preferred one.
pub(crate) fn candidate(own: Willingness, peer: Willingness, own_is_preferred: bool) -> Candidate {
    if own.max(peer) == Willingness::Unable {
        return Candidate::Nobody;
    }
    match own.cmp(&peer) {
        Ordering::Greater => Candidate::Own,
        Ordering::Less => Candidate::Peer,
        Ordering::Equal if own_is_preferred => Candidate::Own,
        Ordering::Equal => Candidate::Peer,
    }
}

/// Whether this node keeps a group that both hold: the one that is better connected, where that is
/// known; who owned it since before the split counted no new owner, and keeps it; of two new owners
/// the preferred node.
pub(crate) fn keeps(connected: Ordering, own: Claim, peer: Claim, own_is_preferred: bool) -> bool {
    match connected.then(peer.epoch.cmp(&own.epoch)) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => own_is_preferred,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Willingness::{Able, Reluctant, Unable};

    const ALL: [Willingness; 3] = [Unable, Reluctant, Able];

    #[test]
    fn two_nodes_never_both_find_a_group_their_own() {
        for own in ALL {
            for peer in ALL {
                for preferred in [true, false] {
                    let here = candidate(own, peer, preferred);
                    let there = candidate(peer, own, !preferred);
                    assert!(!(here == Candidate::Own && there == Candidate::Own));
                    assert_eq!(here == Candidate::Peer, there == Candidate::Own);
                    assert_eq!(here == Candidate::Nobody, own == Unable && peer == Unable);
                }
            }
        }
    }

    #[test]
    fn the_more_willing_node_comes_before_the_preferred_one() {
        assert_eq!(candidate(Able, Reluctant, false), Candidate::Own);
        assert_eq!(candidate(Able, Able, false), Candidate::Peer);
        assert_eq!(candidate(Reluctant, Unable, false), Candidate::Own);
    }

    #[test]
    fn of_two_owners_exactly_one_keeps_the_group() {
        let claim = |epoch| Claim {
            state: GroupState::Started,
            willing: Able,
            epoch,
        };
        use Ordering::{Equal, Greater, Less};
        for (own, peer) in [(1, 2), (2, 1), (3, 3)] {
            for (preferred, connected) in [true, false]
                .into_iter()
                .flat_map(|preferred| [Less, Equal, Greater].map(|c| (preferred, c)))
            {
                let here = keeps(connected, claim(own), claim(peer), preferred);
                let there = keeps(connected.reverse(), claim(peer), claim(own), !preferred);
                assert!(here != there);
            }
        }
        assert!(keeps(Equal, claim(1), claim(2), false));
        assert!(keeps(Greater, claim(2), claim(1), false));
        assert!(!keeps(Less, claim(1), claim(2), true));
    }
}
