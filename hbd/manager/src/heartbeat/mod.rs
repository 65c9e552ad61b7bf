//! Beside a Heartbeat: what it says becomes declarations, and declarations become what it understands.
//!
//! A Heartbeat 3.0.6 declares nothing. An [`Interpreter`] stands between the manager of this node and such a peer:
//!
//! ```text
//! manager --declaration--> interpreter --words--> Heartbeat
//! manager <--declaration-- interpreter <--words--
//! ```
//!
//! To the manager the peer looks like any other. It has always heard what was said to it, for it takes nothing by
//! itself but what is its own when it begins, and what a dead node held.
//!
//! How a Heartbeat hands groups over depends on its `auto_failback`: in [standbys](standby), or
//! [one by one](request) with `legacy`. Where both compare how many ping nodes they reach, hbd is an [ipfail](ipfail) to
//! that of the Heartbeat.

mod booth;
mod ipfail;
mod request;
mod standby;
mod word;

use alloc::boxed::Box;

use shared::event::{Event, Kind};
use shared::names::Sequence;
use shared::time::Moment;
use shared::view::ClusterView;

use crate::declaration::Declaration;
use crate::io::Settings;
use booth::Booth;
use request::Requests;
use standby::Standbys;
pub use word::{Count, Heaps, Info, Step, WORD_TYPES, Word};

/// What comes of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spoken {
    /// To the Heartbeat.
    Say(Word),
    /// To the manager, as from the peer.
    Declare(Declaration),
    /// To everybody.
    Tell(Kind),
}

/// Stands between a manager and a Heartbeat.
pub(crate) trait Interpreter {
    /// Where it sits.
    fn booth(&mut self) -> &mut Booth;
    /// The peer is another, or gone: nothing that it said counts.
    fn forget(&mut self);
    /// What the peer said has to be asked for again, but what it does goes on.
    fn interrupt(&mut self, _: Moment) {
        self.forget();
    }
    /// A former manager of this node saw this at last: what it began goes on.
    fn resume(&mut self, _: &ClusterView, _: Moment) {}
    /// This node leaves.
    fn leave(&mut self);
    /// What this node's manager declares.
    fn declare(&mut self, own: Declaration, now: Moment);
    /// The peer said this, in the message of this number.
    fn hear(&mut self, number: Sequence, word: Word, now: Moment);
    /// The manager has nothing more to do for now: what follows for the peer.
    fn settle(&mut self, now: Moment);
    /// When [`Interpreter::settle`] is to be called.
    fn deadline(&self) -> Option<Moment>;
}

impl dyn Interpreter + '_ {
    /// What this node's core tells.
    pub(crate) fn handle_event(&mut self, event: &Event) {
        if self.booth().follow(event) {
            self.begin_anew();
        }
    }

    /// This node has another core, and that is what it knows: what was said meanwhile is lost, but to a core that takes
    /// the place of one that knew the same life of the peer.
    pub(crate) fn handle_view(&mut self, view: &ClusterView, now: Moment) {
        self.booth().forget();
        match self.booth().knows(view) {
            true => self.interrupt(now),
            false => self.forget(),
        }
        self.booth().look(view);
    }

    /// What is to be said next.
    pub(crate) fn poll(&mut self) -> Option<Spoken> {
        self.booth().poll()
    }

    fn begin_anew(&mut self) {
        self.booth().forget();
        self.forget();
    }
}

/// The interpreter for a peer.
#[derive(Clone, Debug)]
pub(crate) enum Tongue {
    Standbys(Box<Standbys>),
    Requests(Box<Requests>),
}

impl Tongue {
    /// The one that these settings ask for, where this node sees that.
    pub(crate) fn new(settings: &Settings, view: &ClusterView, now: Moment) -> Self {
        let mut tongue = match settings.legacy {
            true => Self::Requests(Box::new(Requests::new(settings))),
            false => Self::Standbys(Box::new(Standbys::new(settings))),
        };
        tongue.get_mut().booth().look(view);
        tongue.get_mut().resume(view, now);
        tongue
    }

    pub(crate) fn get(&self) -> &dyn Interpreter {
        match self {
            Self::Standbys(standbys) => &**standbys,
            Self::Requests(requests) => &**requests,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut dyn Interpreter {
        match self {
            Self::Standbys(standbys) => &mut **standbys,
            Self::Requests(requests) => &mut **requests,
        }
    }
}

#[cfg(test)]
mod tests;
