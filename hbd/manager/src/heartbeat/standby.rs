//! With `auto_failback on` or `off`: a Heartbeat says which of the two [heaps](Heaps) of groups it holds, and hands a
//! heap over in the four steps of a [standby](Step).
//!
//! | the Heartbeat | its declaration |
//! |---|---|
//! | holds a heap | it holds each group of it |
//! | was offered or handed a free heap, or stops one that it gives up | the same: nobody else may start it |
//! | has given a heap up in a standby | free, and it is reluctant until this node has it |
//! | did not say yet that it takes what this node holds | reluctant |
//! | ends in order | unable; it holds what it held until it says that it is gone |
//! | else | able |
//!
//! Heaps move as a whole: if one group of a heap is to go, all do.
//!
//! What a Heartbeat's operator orders is an order here as soon as it is done, where `auto_failback on` would undo it.
//!
//! A Heartbeat that has taken an offer waits for an hour for what it was offered, ignores everything else meanwhile, and
//! does not end. So what a manager or core here had offered before it was replaced is given up, where the next offer is
//! not answered; and what was given up without an answer is offered on until the Heartbeat answers, or has it.
//!
//! A Heartbeat brings back by itself what is this node's when this node returns, and later nothing: it is asked for what
//! an order wants here and for what `auto_failback on` brings back, again and again until it is here.
//!
//! Nothing goes back to the node that reaches fewer ping nodes. A standby that the [`ipfail`](super::ipfail) of the Heartbeat
//! begins is no order. What both hold after a split is not decided by ping nodes: a Heartbeat that meets another owner
//! starts anew.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use shared::event::Kind;
use shared::group::{GroupName, GroupReason, GroupState, Willingness};
use shared::names::{NodeName, Sequence};
use shared::order::{Choice, GroupVerb};
use shared::time::Moment;
use shared::view::ClusterView;

use super::Interpreter;
use super::booth::Booth;
use super::ipfail::Ipfail;
use super::word::{Heaps, Info, Step, Word};
use crate::declaration::{Candidate, Claim, Declaration, Passed, candidate};
use crate::io::Settings;

/// How long a standby that was offered, or asked for, waits for an answer, as in Heartbeat 3.0.6.
const ANSWER: Duration = Duration::from_secs(10);
/// The same, where the peer may wait for what nobody serves.
const ANSWER_FOR_NOTHING: Duration = Duration::from_secs(1);
/// How long what is this node's stays with the peer before that is asked for it: it may offer it.
const OFFERS: Duration = Duration::from_secs(1);
/// How long an offer of what is this node's may come because this node has come, and not by an order.
const WELCOME: Duration = Duration::from_secs(10);
/// How long a heap stays wanted on the node that asked for it: until it is there.
const WANTED: Duration = Duration::from_secs(60);
/// What is held is said once more after this time: a Heartbeat that missed a message reads it after later ones, and
/// takes the older for the newer.
const AGAIN: Duration = Duration::from_secs(3);
/// How long the end of a standby is waited for that may have been said while nobody here listened.
const UNHEARD: Duration = Duration::from_secs(60);
/// How long a Heartbeat may start what it was handed before that is told.
const STARTS: Duration = Duration::from_secs(60);
/// Time between two questions to a Heartbeat that has not said anything.
const ASK: Duration = Duration::from_secs(1);

/// Stands between a manager and a Heartbeat that hands over in standbys.
#[derive(Clone, Debug)]
pub(crate) struct Standbys {
    pub(super) booth: Booth,
    /// What the peer said since it lives; nothing before it said anything.
    theirs: Option<Theirs>,
    /// The newest message in which it said what it is.
    newest: Sequence,
    standby: Standby,
    /// The peer may wait for what this node offered it, and nobody here knows.
    unsure: bool,
    /// It was told that the peer does not answer.
    stalled: bool,
    /// No standby is offered and none asked for before.
    not_before: Option<Moment>,
    /// How many ping nodes each of the two reaches.
    ipfail: Ipfail,
    /// The peer's `ipfail` began the standby under way, and why.
    because: Option<String>,
    /// When the peer is asked for what should be here.
    ask_at: Option<Moment>,
    /// What the peer was asked for, and until when it may give that up for this reason.
    asked: Heaps,
    asked_until: Option<Moment>,
    /// What was last said of what is held.
    said: Option<(Heaps, bool)>,
    /// When that is said once more.
    again_at: Option<Moment>,
    asked_at: Option<Moment>,
    /// Heaps that the peer asked for.
    demanded: Heaps,
    /// What the manager was told to give up, and would have kept, in the standby under way.
    evicted: Vec<GroupName>,
    /// Until when one node is new to the other, once the peer has said something.
    welcome_until: Option<Moment>,
    /// Groups go back to their preferred node when it returns.
    failback: bool,
    leaving: bool,
}

/// What the peer is.
#[derive(Clone, Copy, Debug, Default)]
struct Theirs {
    /// In this node's words, as all heaps here.
    holds: Heaps,
    stable: bool,
    leaving: bool,
}

/// A standby under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standby {
    None,
    /// This node wants to give these up.
    Offered {
        heaps: Heaps,
        until: Moment,
    },
    /// The peer waits for them, and this node stops them.
    Giving(Heaps),
    /// The peer starts them.
    Handed {
        heaps: Heaps,
        /// When they are offered once more, if it is not known to have waited for them: while it starts them it does
        /// not answer.
        again: Option<Moment>,
        /// When it starts them for too long.
        overdue: Option<Moment>,
    },
    /// The peer was told that this node takes them, and has not begun to stop them.
    Promised {
        heaps: Heaps,
        until: Moment,
    },
    /// The peer stops them; until then at most, as above.
    Awaited {
        heaps: Heaps,
        until: Option<Moment>,
    },
    /// They are this node's, which starts them.
    Taking(Heaps),
}

impl Standby {
    /// The peer was told that it may start these; it may not have waited for that.
    fn handed(heaps: Heaps, unsure: bool, now: Moment) -> Self {
        Self::Handed {
            heaps,
            again: unsure.then_some(now + ANSWER),
            overdue: Some(now + STARTS),
        }
    }

    /// How willing the peer is to hold a heap, where this node holds `held`.
    fn peer_willing(self, theirs: Theirs, held: Heaps, local: bool) -> Willingness {
        let takes = matches!(self, Self::Giving(heaps) if heaps.has(local));
        let keeps = held.has(local) && !takes;
        let has_given = matches!(self, Self::Taking(heaps) if heaps.has(local));
        match theirs {
            Theirs { leaving: true, .. } => Willingness::Unable,
            _ if takes => Willingness::Able,
            _ if keeps || has_given => Willingness::Reluctant,
            _ => Willingness::Able,
        }
    }

    /// What a group of a heap is on the peer, where this node holds `held`, and the group or not.
    fn peer_state(self, theirs: Theirs, held: Heaps, (local, is_held): (bool, bool)) -> GroupState {
        match self {
            Self::Offered { heaps, .. } if heaps.has(local) && !held.has(local) => {
                GroupState::Starting
            }
            // The peer waits for it, whatever this node would rather do by now.
            Self::Giving(heaps) if heaps.has(local) && !is_held => GroupState::Starting,
            Self::Handed { heaps, .. } if heaps.has(local) => GroupState::Starting,
            // It may give up what it does not have: nobody else is to have it then, but this node may.
            Self::Promised { heaps, .. } | Self::Awaited { heaps, .. }
                if heaps.has(local) && (theirs.holds.has(local) || !held.has(local)) =>
            {
                GroupState::Stopping
            }
            _ if theirs.holds.has(local) => GroupState::Started,
            _ => GroupState::Stopped,
        }
    }
}

impl Standbys {
    /// For a manager with these settings.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            booth: Booth::new(settings),
            ipfail: Ipfail::new(settings.peer.clone()),
            because: None,
            theirs: None,
            newest: Sequence::default(),
            standby: Standby::None,
            unsure: false,
            stalled: false,
            not_before: None,
            ask_at: None,
            asked: Heaps::NONE,
            asked_until: None,
            said: None,
            again_at: None,
            asked_at: None,
            demanded: Heaps::NONE,
            evicted: Vec::new(),
            welcome_until: None,
            failback: settings.failback,
            leaving: false,
        }
    }
}

impl Interpreter for Standbys {
    fn booth(&mut self) -> &mut Booth {
        &mut self.booth
    }

    fn forget(&mut self) {
        self.ipfail.forget();
        self.forget_said();
    }

    /// The peer goes on with the standby under way.
    fn interrupt(&mut self, now: Moment) {
        let (standby, unsure) = match self.standby {
            Standby::Awaited { heaps, .. } => {
                let until = Some(now + UNHEARD);
                (Standby::Awaited { heaps, until }, self.unsure)
            }
            Standby::Handed { heaps, .. } => (Standby::handed(heaps, true, now), self.unsure),
            Standby::Offered { .. } => (Standby::None, true),
            standby => (standby, self.unsure),
        };
        self.ipfail.ask_again();
        self.forget_said();
        self.standby = standby;
        self.unsure = unsure;
    }

    /// What groups are on both nodes shows what standby a former manager here was in.
    fn resume(&mut self, view: &ClusterView, now: Moment) {
        self.unsure = self.booth.active;
        let booth = &self.booth;
        let are = |node: &NodeName, state: GroupState| {
            let is = |name| {
                let group = view.groups.get(name);
                let on = group.and_then(|group| group.nodes.get(node));
                on.is_some_and(|on| on.state == state)
            };
            let of = |local| booth.groups.iter().filter(move |group| group.1 == local);
            Heaps::that(|local| of(local).any(|(name, _)| is(name)))
        };
        let (here, there) = (&booth.node, &booth.peer);
        let awaited = are(there, GroupState::Stopping);
        let handed = are(there, GroupState::Starting);
        let taken = are(here, GroupState::Starting);
        let given = are(here, GroupState::Stopping);
        self.standby = if awaited != Heaps::NONE {
            Standby::Awaited {
                heaps: awaited,
                until: Some(now + UNHEARD),
            }
        } else if given == Heaps::NONE && handed != Heaps::NONE {
            Standby::handed(handed, true, now)
        } else if taken != Heaps::NONE {
            Standby::Taking(taken)
        } else {
            Standby::None
        };
    }

    fn leave(&mut self) {
        if !core::mem::replace(&mut self.leaving, true) {
            self.say_resource(Heaps::NONE, false, Some(Info::Shutdown));
        }
    }

    fn declare(&mut self, own: Declaration, now: Moment) {
        // What an order wants here, and did not before, the peer is asked for at once.
        let newly = |(name, there): (&GroupName, &NodeName)| {
            *there == self.booth.node && !self.booth.is_wanted(name, there)
        };
        if own.wanted.iter().any(newly) {
            self.ask_at = Some(now);
        }
        // What somebody orders meanwhile does not end with the standby.
        self.evicted
            .retain(|name| !own.orders.iter().any(|passed| moves(passed, name)));
        self.ipfail.count(own.pings);
        self.booth.own = Some(own);
        if self.theirs.is_some() {
            self.speak_for_peer();
        } else if self.booth.active && self.asked_at.is_none_or(|at| now.since(at) >= ASK) {
            self.asked_at = Some(now);
            self.booth.say(Word::Starting);
        }
    }

    fn hear(&mut self, number: Sequence, word: Word, now: Moment) {
        let says_what_is = matches!(word, Word::Starting | Word::Resource { .. });
        // What was lost at first and sent again comes late, and says what was.
        if says_what_is && number < self.newest {
            return;
        }
        match word {
            // What it holds it says next: after a quick restart it holds what it held.
            Word::Starting => {
                self.forget();
                self.say_holds(now);
            }
            Word::Resource {
                holds,
                full,
                stable,
                info,
            } => self.hear_holds(holds.mirrored(), full, stable, info, now),
            Word::Standby {
                gives,
                step,
                by_ipfail,
            } => self.hear_standby(gives, step, by_ipfail, now),
            Word::Takeover { takes } => self.demanded = takes.mirrored(),
            Word::Counting { begins } => self.ipfail.hear_counting(begins),
            Word::Count { to, says } if to == self.booth.node => self.ipfail.hear(says),
            Word::Count { .. } => return,
            // That is said with auto_failback legacy, which it does not have.
            Word::Request { .. } | Word::Answer { .. } => return,
        }
        if says_what_is {
            self.newest = number;
        }
        self.speak_for_peer();
    }

    fn settle(&mut self, now: Moment) {
        if !self.speaks() {
            return;
        }
        self.welcome_until.take_if(|until| *until <= now);
        self.not_before.take_if(|at| *at <= now);
        if self.asked_until.take_if(|at| *at <= now).is_some() {
            self.asked = Heaps::NONE;
        }
        self.compare(now);
        self.go_on(now);
        self.ask(now);
    }

    fn deadline(&self) -> Option<Moment> {
        if !self.speaks() {
            return None;
        }
        let standby = match self.standby {
            Standby::Offered { until, .. } | Standby::Promised { until, .. } => Some(until),
            Standby::Awaited { until, .. } => until,
            Standby::Handed { again, overdue, .. } => again.into_iter().chain(overdue).min(),
            _ => None,
        };
        let again = self.again_at.filter(|_| self.standby == Standby::None);
        let compared = self.ipfail.deadline();
        let asking = [self.ask_at, self.asked_until, self.not_before, compared];
        let deadlines = asking
            .into_iter()
            .chain([standby, self.welcome_until, again]);
        deadlines.flatten().min()
    }
}

/// Somebody ordered a group to be somewhere, or nowhere.
fn moves(passed: &Passed, group: &GroupName) -> bool {
    match &passed.order.verb {
        GroupVerb::Move {
            groups: Choice::Named(names),
            ..
        }
        | GroupVerb::Unmove {
            groups: Choice::Named(names),
        } => names.contains(group),
        _ => false,
    }
}

impl Standbys {
    /// What it said of what it holds, and what was said of that here.
    fn forget_said(&mut self) {
        self.theirs = None;
        self.because = None;
        self.newest = Sequence::default();
        self.standby = Standby::None;
        self.unsure = false;
        self.stalled = false;
        self.not_before = None;
        self.ask_at = None;
        self.asked = Heaps::NONE;
        self.asked_until = None;
        self.said = None;
        self.again_at = None;
        self.asked_at = None;
        self.demanded = Heaps::NONE;
        self.evicted.clear();
        self.welcome_until = None;
    }

    /// There is something to decide: before the peer has said something there is not, and not at the end.
    fn speaks(&self) -> bool {
        !self.leaving && self.booth.own.is_some() && self.theirs.is_some()
    }

    /// Says what follows of how many ping nodes each of the two reaches.
    fn compare(&mut self, now: Moment) {
        let quiet = self.standby == Standby::None && !self.is_moving();
        let takes = self.wants(Heaps::BOTH) && !self.is_ordered_there();
        while let Some(word) = self.ipfail.next(quiet, takes, now) {
            self.booth.say(word);
        }
    }

    /// What follows in the standby under way, or what is to be said and offered where there is none.
    fn go_on(&mut self, now: Moment) {
        match self.standby {
            Standby::Taking(heaps) if !self.is_moving() => {
                self.standby = Standby::None;
                // A Heartbeat that hears first that it is done misses an owner.
                self.say_holds(now);
                self.say_step(heaps.mirrored(), Step::Done);
                self.speak_for_peer();
            }
            Standby::Giving(heaps) if self.held().common(heaps) == Heaps::NONE => {
                self.standby = Standby::handed(heaps, self.unsure, now);
                self.say_step(heaps, Step::Done);
                self.speak_for_peer();
            }
            // It answers if it waits for nothing.
            Standby::Handed {
                heaps,
                again: Some(again),
                overdue,
            } if again <= now => {
                let again = Some(now + ANSWER);
                self.standby = Standby::Handed {
                    heaps,
                    again,
                    overdue,
                };
                self.say_holds(now);
                self.say_step(heaps, Step::Me);
            }
            Standby::Handed {
                heaps,
                again,
                overdue: Some(overdue),
            } if overdue <= now => {
                self.standby = Standby::Handed {
                    heaps,
                    again,
                    overdue: None,
                };
                self.tell_stalled(heaps, STARTS, true);
            }
            // It has given up waiting for the answer, or takes it for none.
            Standby::Promised { until, .. } if until <= now => {
                self.standby = Standby::None;
                self.speak_for_peer();
            }
            // It was done before: this node holds them.
            Standby::Awaited {
                heaps,
                until: Some(_),
            } if heaps.without(self.held()) == Heaps::NONE => {
                self.standby = Standby::None;
                self.speak_for_peer();
            }
            // It was not heard to be done, and must be. What it still says it holds it never gave up.
            Standby::Awaited {
                heaps,
                until: Some(until),
            } if until <= now => {
                self.standby = match self.theirs {
                    Some(theirs) if theirs.holds.common(heaps) == Heaps::NONE => {
                        Standby::Taking(heaps)
                    }
                    _ => Standby::None,
                };
                self.speak_for_peer();
            }
            Standby::Offered { heaps, until } if until <= now => {
                if !core::mem::replace(&mut self.stalled, true) {
                    self.tell_stalled(heaps, self.patience(heaps), false);
                }
                if self.held().common(heaps) == Heaps::NONE {
                    self.standby = Standby::handed(heaps, true, now);
                    self.say_step(heaps, Step::Done);
                } else if self.unsure {
                    self.give(heaps);
                } else {
                    self.standby = Standby::None;
                    self.not_before = Some(now + ANSWER);
                }
                self.speak_for_peer();
            }
            _ => {}
        }
        // In a standby a Heartbeat says what it holds at its steps alone.
        if self.standby != Standby::None {
            return;
        }
        let moving = self.is_moving();
        if self.said != Some((self.held(), !moving)) {
            self.say_holds(now);
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.say_holds(now);
            self.again_at = None;
        }
        if !moving {
            self.offer(now);
        }
    }

    fn hear_holds(
        &mut self,
        holds: Heaps,
        full: bool,
        stable: Option<bool>,
        info: Option<Info>,
        now: Moment,
    ) {
        let known = self.theirs.is_some();
        let theirs = self.theirs.get_or_insert_default();
        match info {
            // It says none, and stops it only now.
            Some(Info::Shutdown) => theirs.leaving = true,
            // What it gives up it has until it says that it is done.
            Some(Info::Standby) => match self.standby {
                Standby::Promised { heaps, .. } | Standby::Awaited { heaps, .. } => {
                    self.standby = Standby::Awaited { heaps, until: None };
                }
                // The answer was taken for lost here, and was not.
                Standby::None if known && theirs.holds.without(holds) != Heaps::NONE => {
                    let heaps = theirs.holds.without(holds);
                    self.standby = Standby::Awaited { heaps, until: None };
                }
                _ => {}
            },
            _ if full || holds == Heaps::NONE => theirs.holds = holds,
            _ => theirs.holds = theirs.holds.and(holds),
        }
        let was_stable = theirs.stable;
        theirs.stable = stable.unwrap_or(was_stable);
        match self.standby {
            // It has begun to stop them, and said so while nobody here listened.
            Standby::Promised { heaps, .. }
                if !known && theirs.holds.common(heaps) == Heaps::NONE =>
            {
                let until = Some(now + UNHEARD);
                self.standby = Standby::Awaited { heaps, until };
            }
            // The same, at the end.
            Standby::Handed {
                heaps,
                again: Some(_),
                ..
            } if heaps.without(theirs.holds) == Heaps::NONE => {
                self.standby = Standby::None;
            }
            // It can answer again.
            Standby::Handed {
                heaps,
                again: Some(_),
                overdue,
            } if theirs.stable && !was_stable => {
                let again = Some(now);
                self.standby = Standby::Handed {
                    heaps,
                    again,
                    overdue,
                };
            }
            _ => {}
        }
        if !known {
            self.welcome_until = Some(now + WELCOME);
        }
        if !known || (theirs.stable && !was_stable) {
            self.said = None;
        }
    }

    fn hear_standby(&mut self, gives: Heaps, step: Step, by_ipfail: bool, now: Moment) {
        let idle = !self.is_moving() && !self.leaving;
        let may_wait = self.unsure && idle && self.can_give(gives);
        let Some(theirs) = &mut self.theirs else {
            return;
        };
        match (step, self.standby) {
            // It says so again where it did not hear the answer, or could not use it.
            (
                Step::Me,
                Standby::None | Standby::Promised { .. } | Standby::Awaited { until: Some(_), .. },
            ) if idle && theirs.stable => {
                let heaps = gives.mirrored();
                if self.wants(heaps) && !self.keeps_there(heaps) {
                    let until = now + ANSWER;
                    self.standby = Standby::Promised { heaps, until };
                    self.say_step(gives, Step::Other);
                    self.because = None;
                    match by_ipfail {
                        true => self.because = self.why_given(),
                        false => self.follow_order(heaps.without(self.asked)),
                    }
                }
            }
            (
                Step::Other,
                Standby::Offered { heaps, .. }
                | Standby::Handed {
                    heaps,
                    again: Some(_),
                    ..
                },
            ) if heaps == gives => {
                self.unsure = false;
                self.give(heaps);
            }
            // A former manager or core here had offered that.
            (Step::Other, Standby::None) if may_wait => {
                self.unsure = false;
                self.give(gives);
            }
            (Step::Done, Standby::Promised { heaps, .. } | Standby::Awaited { heaps, .. })
                if heaps.without(gives.mirrored()) == Heaps::NONE =>
            {
                theirs.holds = theirs.holds.without(heaps);
                self.asked = self.asked.without(heaps);
                self.standby = Standby::Taking(heaps);
            }
            (Step::Done, Standby::Handed { heaps, .. }) if heaps == gives => {
                theirs.holds = theirs.holds.and(heaps);
                self.standby = Standby::None;
                self.unsure = false;
                self.said = None;
                let evicted = core::mem::take(&mut self.evicted);
                self.order_unmove(evicted, "the standby is over");
            }
            // As in Heartbeat 3.0.6: whoever asked gives up after a while.
            _ => {}
        }
        if step != Step::Me {
            self.stalled = false;
        }
    }

    /// The peer waits for these, as far as this node knows.
    fn give(&mut self, heaps: Heaps) {
        self.standby = Standby::Giving(heaps);
        self.say_resource(self.held().without(heaps), false, Some(Info::Standby));
        self.evict(heaps);
    }

    /// Offers the peer what should be its, and asks for what should be this node's.
    fn offer(&mut self, now: Moment) {
        let Some(theirs) = self
            .theirs
            .filter(|theirs| theirs.stable && !theirs.leaving)
        else {
            return;
        };
        // After a split both may hold something, and a Heartbeat only complains: it is asked for it.
        let both = theirs.holds.common(self.held());
        if both != Heaps::NONE {
            let wanted = Heaps::that(|local| both.has(local) && self.gives(local));
            if self.not_before.is_none() && wanted != Heaps::NONE {
                self.not_before = Some(now + ANSWER);
                self.take_over(wanted, now);
            }
            return;
        }
        if self.not_before.is_some() {
            return;
        }
        let demanded = core::mem::take(&mut self.demanded);
        let is_due = |local| match (self.held().has(local), theirs.holds.has(local)) {
            (true, _) if !self.gives(local) => false,
            (true, _) => self.is_peers(local) || self.returns(local) || demanded.has(local),
            (false, holds) => !holds && self.is_peers(local),
        };
        let heaps = Heaps::that(is_due);
        if heaps != Heaps::NONE {
            self.demanded = demanded.common(heaps);
            let until = now + self.patience(heaps);
            self.standby = Standby::Offered { heaps, until };
            self.say_step(heaps, Step::Me);
            self.speak_for_peer();
        }
    }

    /// How long an offer of these waits for an answer.
    fn patience(&self, heaps: Heaps) -> Duration {
        match self.unsure && self.held().common(heaps) == Heaps::NONE {
            true => ANSWER_FOR_NOTHING,
            false => ANSWER,
        }
    }

    /// Asks the peer for what should be here.
    fn ask(&mut self, now: Moment) {
        let due = self.due();
        if due == Heaps::NONE {
            self.ask_at = None;
            return;
        }
        let at = self.ask_at.get_or_insert(now + OFFERS);
        if *at <= now {
            *at = now + ANSWER;
            self.take_over(due, now);
        }
    }

    /// What the peer holds, this node would keep, and an order or `auto_failback on` brings here; nothing while
    /// anything moves.
    fn due(&self) -> Heaps {
        let idle = self.standby == Standby::None && !self.is_moving();
        let Some(theirs) = self
            .theirs
            .filter(|theirs| idle && theirs.stable && !theirs.leaving)
        else {
            return Heaps::NONE;
        };
        // What both hold comes first.
        if theirs.holds.common(self.held()) != Heaps::NONE {
            return Heaps::NONE;
        }
        let is_able = |claim: &Claim| claim.willing == Willingness::Able;
        Heaps::that(|local| {
            let returns = self.failback && local && !self.ipfail.is_behind();
            let comes = self.is_wanted(local, &self.booth.node) || returns;
            let has_groups = self.claims(local).next().is_some();
            comes && has_groups && theirs.holds.has(local) && self.claims(local).all(is_able)
        })
    }

    /// A heap goes back to the peer when that is there.
    fn returns(&self, local: bool) -> bool {
        let returns = self.failback && !local && !self.ipfail.is_ahead();
        returns && !self.is_wanted(local, &self.booth.node)
    }

    /// What this node holds of a heap it would give up: in a freeze it does not, and what is blocked it cannot.
    fn gives(&self, local: bool) -> bool {
        let mut held = self.claims(local).filter(|claim| claim.state.is_held());
        held.all(|claim| claim.state != GroupState::Blocked && claim.willing > Willingness::Unable)
    }

    /// The peer does not have any of these, and this node would give up what it has of them.
    fn can_give(&self, heaps: Heaps) -> bool {
        let has = |local| self.theirs.is_some_and(|theirs| theirs.holds.has(local));
        let mut these = [true, false].into_iter().filter(|local| heaps.has(*local));
        these.all(|local| !has(local) && self.gives(local))
    }

    /// The peer offers just what it does when one of the two has come, and an order wants that there.
    fn keeps_there(&self, heaps: Heaps) -> bool {
        let welcome = self.failback && self.welcome_until.is_some();
        welcome && heaps == Heaps::LOCAL && self.is_wanted(true, &self.booth.peer)
    }

    /// Asks the peer for a standby.
    fn take_over(&mut self, takes: Heaps, now: Moment) {
        self.asked = takes;
        self.asked_until = Some(now + ANSWER);
        self.booth.say(Word::Takeover { takes });
    }

    /// A group of the heap should be the peer's: it is free and not this node's, or this node is not
    /// willing to keep it.
    fn is_peers(&self, local: bool) -> bool {
        let claims = self.claims(local);
        let mut claims = claims.map(|claim| match claim.state.is_held() {
            true => claim.willing < Willingness::Able,
            false => candidate(claim.willing, Willingness::Able, local) == Candidate::Peer,
        });
        claims.any(|is_peers| is_peers)
    }

    /// What this node declares of the groups of a heap.
    fn claims(&self, local: bool) -> impl Iterator<Item = &Claim> {
        let groups = self
            .booth
            .groups
            .iter()
            .filter(move |group| group.1 == local);
        let own = self.booth.own.iter();
        own.flat_map(move |own| groups.clone().filter_map(|(name, _)| own.claims.get(name)))
    }

    /// This node gives up all of these heaps for the peer: what it would keep it is told to.
    fn evict(&mut self, heaps: Heaps) {
        let demanded = core::mem::take(&mut self.demanded);
        let stays = |name: &GroupName, local: bool| {
            let claim = self.booth.claim(name);
            let able = claim.is_some_and(|claim| claim.willing == Willingness::Able);
            heaps.has(local) && able && !self.returns(local)
        };
        // What was asked for there stays there, and does not come back at once.
        let is_order = |local| self.failback && local && demanded.has(local);
        let ordered = self.named(|name, local| stays(name, local) && is_order(local));
        let evicted = self.named(|name, local| stays(name, local) && !is_order(local));
        let peer = self.booth.peer.clone();
        self.order_move(ordered, peer.clone(), None, "a takeover was ordered there");
        let together = "in a standby all groups of a node move together";
        self.order_move(evicted.clone(), peer, Some(WANTED), together);
        self.evicted = evicted;
    }

    fn order_move(
        &mut self,
        groups: Vec<GroupName>,
        to: NodeName,
        lasts: Option<Duration>,
        reason: &str,
    ) {
        if groups.is_empty() {
            return;
        }
        let verb = GroupVerb::Move {
            groups: Choice::Named(groups),
            to: Some(to),
            lasts,
            together: true,
        };
        self.booth.order(verb, reason);
    }

    /// What was ordered at the peer comes after what was ordered here: that gives up these heaps. What would go back to
    /// it is wanted here from now on.
    fn follow_order(&mut self, heaps: Heaps) {
        let behind = self.ipfail.is_behind();
        let stays = |local: bool| behind || self.failback && !local;
        let stay = self.named(|_, local| heaps.has(local) && stays(local));
        let others = self.named(|_, local| heaps.has(local) && !stays(local));
        let node = self.booth.node.clone();
        self.order_move(stay, node, None, "a standby was ordered there");
        self.order_unmove(others, "a standby was ordered there");
    }

    fn order_unmove(&mut self, groups: Vec<GroupName>, reason: &str) {
        if !groups.is_empty() {
            let groups = Choice::Named(groups);
            self.booth.order(GroupVerb::Unmove { groups }, reason);
        }
    }

    /// Why the peer's `ipfail` gives something up.
    fn why_given(&self) -> Option<String> {
        let reason = GroupReason::PeerBetterConnected {
            node: self.booth.node.clone(),
            here: self.ipfail.theirs()?,
            there: self.booth.own.as_ref()?.pings?,
            silent: Vec::new(),
        };
        reason.told_by(&self.booth.peer)
    }

    /// An order wants a group on the peer.
    fn is_ordered_there(&self) -> bool {
        [true, false]
            .iter()
            .any(|local| self.is_wanted(*local, &self.booth.peer))
    }

    /// An order wants a group of the heap on that node.
    fn is_wanted(&self, local: bool, there: &NodeName) -> bool {
        let mut groups = self.booth.groups.iter();
        groups.any(|(name, of)| *of == local && self.booth.is_wanted(name, there))
    }

    /// The groups for which that holds, which is asked with the heap that they are in.
    fn named(&self, are: impl Fn(&GroupName, bool) -> bool) -> Vec<GroupName> {
        let groups = self.booth.groups.iter();
        let groups = groups.filter(|(name, local)| are(name, *local));
        groups.map(|(name, _)| name.clone()).collect()
    }

    /// This node would start all of it.
    fn wants(&self, heaps: Heaps) -> bool {
        if self.booth.own.is_none() {
            return false;
        }
        let mut groups = self.booth.groups.iter();
        groups.all(|(name, local)| {
            let claim = self.booth.claim(name);
            !heaps.has(*local) || claim.is_some_and(|claim| claim.willing > Willingness::Unable)
        })
    }

    /// What this node holds, in part or whole.
    fn held(&self) -> Heaps {
        Heaps::that(|local| self.claims(local).any(|claim| claim.state.is_held()))
    }

    /// A group is started or stopped here.
    fn is_moving(&self) -> bool {
        let mut claims = self.booth.own.iter().flat_map(|own| own.claims.values());
        claims.any(|claim| {
            matches!(
                claim.state,
                GroupState::Starting | GroupState::Stopping | GroupState::Checking
            )
        })
    }

    fn say_step(&mut self, gives: Heaps, step: Step) {
        self.booth.say(Word::Standby {
            gives,
            step,
            by_ipfail: false,
        });
    }

    fn say_resource(&mut self, holds: Heaps, stable: bool, info: Option<Info>) {
        self.booth.say(Word::Resource {
            holds,
            full: true,
            stable: Some(stable),
            info,
        });
    }

    /// Tells that the peer does not do what it was offered, or given.
    fn tell_stalled(&mut self, heaps: Heaps, waited: Duration, given: bool) {
        for group in self.named(|_, local| heaps.has(local)) {
            self.booth.tell(Kind::HandoverStalled {
                group,
                node: self.booth.peer.clone(),
                waited,
                given,
            });
        }
    }

    /// Says what is held, outside of a standby.
    fn say_holds(&mut self, now: Moment) {
        if self.leaving {
            return;
        }
        let (holds, stable) = (self.held(), !self.is_moving());
        self.said = Some((holds, stable));
        self.again_at = Some(now + AGAIN);
        self.say_resource(holds, stable, None);
    }

    /// Why the peer gives up what it does, where that is known.
    fn reasons(&self) -> BTreeMap<GroupName, String> {
        let (Some(because), Standby::Promised { heaps, .. } | Standby::Awaited { heaps, .. }) =
            (&self.because, self.standby)
        else {
            return BTreeMap::new();
        };
        let given = self.named(|_, local| heaps.has(local)).into_iter();
        given.map(|name| (name, because.clone())).collect()
    }

    /// Declares what the peer is.
    fn speak_for_peer(&mut self) {
        if let Some(theirs) = self.theirs {
            let (held, standby) = (self.held(), self.standby);
            let both_hold = theirs.holds.common(held) != Heaps::NONE;
            self.booth.pings = self.ipfail.theirs().filter(|_| !both_hold);
            self.booth.reasons = self.reasons();
            // Nothing is stopped for a peer that has not said yet that it takes it.
            let waits = !matches!(standby, Standby::Giving(_));
            let states = self.booth.groups.iter().map(|(name, local)| {
                let state = standby.peer_state(theirs, held, (*local, self.booth.is_held(name)));
                (state, standby.peer_willing(theirs, held, *local))
            });
            let states = states.collect();
            self.booth.declare(waits, states);
        }
    }
}
