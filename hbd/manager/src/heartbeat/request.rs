//! With `auto_failback legacy`: a Heartbeat says nothing of what it holds. It takes its own groups when it begins, and
//! asks for each; who is asked stops the group if it has it, and answers; whoever is answered starts it.
//!
//! | the group | the declaration of the Heartbeat |
//! |---|---|
//! | this node holds it | free, and it is reluctant |
//! | this node holds it and it asked for it, or it is handed to it | free, and it is able |
//! | its own, and this node does not hold it | it holds it: it takes it when it begins |
//! | this node's, and this node has asked for it and was answered | free, and it is reluctant |
//! | this node's, and this node was not answered yet | it holds it |
//! | handed to it | it holds it |
//!
//! An answer to what nobody asked is an offer that is always taken: so a group goes to a Heartbeat that did not ask.

use alloc::collections::BTreeMap;
use core::time::Duration;

use shared::group::{GroupName, GroupState, Willingness};
use shared::names::Sequence;
use shared::order::{Choice, GroupVerb};
use shared::time::Moment;

use super::Interpreter;
use super::booth::Booth;
use super::word::Word;
use crate::declaration::{Candidate, Declaration, candidate};
use crate::io::Settings;

/// Time between two requests for the same group.
const ASK: Duration = Duration::from_secs(10);

/// Stands between a manager and a Heartbeat that asks for its groups one by one.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    booth: Booth,
    /// Where each group is with the peer, those left out being where they are at its beginning.
    places: BTreeMap<GroupName, Place>,
    /// The last order of this node's that was read.
    read: u64,
    /// Groups go back to their preferred node.
    failback: bool,
    leaving: bool,
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The peer may have it, and was asked for it then.
    Asked(Moment),
    /// The peer wants it, and waits for the answer.
    Wanted,
    /// The peer does not have it.
    Free,
    /// The peer has it.
    There,
}

impl Requests {
    /// For a manager with these settings.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            booth: Booth::new(settings),
            places: BTreeMap::new(),
            read: 0,
            failback: settings.failback,
            leaving: false,
        }
    }

    /// There is something to decide.
    fn speaks(&self) -> bool {
        !self.leaving && self.booth.is_open() && self.booth.own.is_some()
    }

    fn is_known(&self, group: &GroupName) -> bool {
        self.booth.groups.iter().any(|(name, _)| name == group)
    }

    fn willing(&self, group: &GroupName) -> Willingness {
        let claim = self.booth.claim(group);
        claim.map_or(Willingness::Unable, |claim| claim.willing)
    }

    /// The peer declares what it is; before it is a member it declares nothing.
    fn speak_for_peer(&mut self) {
        if !self.booth.is_open() {
            return;
        }
        let groups = self.booth.groups.iter().map(|(group, _)| group);
        let states =
            groups.map(
                |group| match (self.places.get(group), self.booth.is_held(group)) {
                    (Some(Place::Wanted), _) => (GroupState::Stopped, Willingness::Able),
                    // What this node does not want to keep the other takes.
                    (_, true) if self.willing(group) < Willingness::Able => {
                        (GroupState::Stopped, Willingness::Able)
                    }
                    (_, true) | (Some(Place::Free), false) => {
                        (GroupState::Stopped, Willingness::Reluctant)
                    }
                    // At its beginning a Heartbeat takes its own, and may have what is this node's.
                    (Some(Place::There | Place::Asked(_)) | None, false) => {
                        (GroupState::Started, Willingness::Able)
                    }
                },
            );
        let states = states.collect();
        self.booth.declare(false, states);
    }

    /// Asks the peer for a group.
    fn ask(&mut self, group: &GroupName, now: Moment) {
        self.places.insert(group.clone(), Place::Asked(now));
        self.booth.say(Word::Request { key: group.clone() });
    }

    /// Says that a group is the peer's now.
    fn hand(&mut self, group: &GroupName) {
        self.places.insert(group.clone(), Place::There);
        self.booth.say(Word::Answer {
            key: group.clone(),
            to: self.booth.peer.clone(),
        });
    }

    /// What was ordered here and is with the peer: it is asked for it.
    fn note_orders(&mut self, own: &Declaration, now: Moment) {
        let read = self.read;
        for passed in own.orders.iter().filter(|passed| passed.number > read) {
            if let GroupVerb::Move {
                groups: Choice::Named(names),
                to: Some(to),
                ..
            } = &passed.order.verb
                && *to == self.booth.node
            {
                for group in names {
                    if !self.booth.is_held(group) {
                        self.ask(group, now);
                    }
                }
            }
        }
        let last = own.orders.iter().map(|passed| passed.number).max();
        self.read = self.read.max(last.unwrap_or(0));
    }
}

impl Interpreter for Requests {
    fn booth(&mut self) -> &mut Booth {
        &mut self.booth
    }

    fn forget(&mut self) {
        self.places.clear();
    }

    fn leave(&mut self) {
        self.leaving = true;
    }

    fn declare(&mut self, own: Declaration, now: Moment) {
        self.booth.own = Some(own.clone());
        if self.booth.is_open() {
            self.note_orders(&own, now);
        }
        self.speak_for_peer();
    }

    fn hear(&mut self, _: Sequence, word: Word, _: Moment) {
        match word {
            Word::Request { key } if self.is_known(&key) => {
                self.places.insert(key, Place::Wanted);
            }
            Word::Answer { key, to } if to == self.booth.node => {
                if let Some(place @ Place::Asked(_)) = self.places.get_mut(&key) {
                    *place = Place::Free;
                }
            }
            _ => return,
        }
        self.speak_for_peer();
    }

    fn settle(&mut self, now: Moment) {
        if !self.speaks() {
            return;
        }
        let mut changed = false;
        for (group, local) in self.booth.groups.clone() {
            let place = self.places.get(&group).copied();
            let willing = self.willing(&group);
            if self.booth.is_held(&group) {
                if place != Some(Place::Wanted) {
                    self.places.insert(group, Place::Free);
                }
                continue;
            }
            match place {
                Some(Place::Wanted) => self.hand(&group),
                // Where this node would take it, it has had its turn.
                Some(Place::Free)
                    if candidate(willing, Willingness::Able, local) == Candidate::Peer =>
                {
                    self.hand(&group);
                }
                None if local && willing > Willingness::Unable => self.ask(&group, now),
                // It is there because this node could not have it, or gave it up.
                Some(Place::There) if local && self.failback && willing == Willingness::Able => {
                    self.ask(&group, now);
                }
                Some(Place::Asked(at)) if at + ASK <= now => self.ask(&group, now),
                _ => continue,
            }
            changed = true;
        }
        if changed {
            self.speak_for_peer();
        }
    }

    fn deadline(&self) -> Option<Moment> {
        if !self.speaks() {
            return None;
        }
        let asked = self.places.values().filter_map(|place| match place {
            Place::Asked(at) => Some(*at + ASK),
            _ => None,
        });
        asked.min()
    }
}
