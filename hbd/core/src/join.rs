//! The way into the cluster and out of it.
//!
//! - **Listening**: until every configured node was heard or counts as dead, each dead time is
//!   `initdead`, since machines boot at different speeds. A core that replaces one whose node was
//!   active is over it at once.
//! - **Asking**: one living member after the other is asked which nodes the cluster
//!   has, until one answers. The answer changes nothing here; a node that cannot get it is not
//!   heard, and is not active either.
//! - **Member**: active, told at once.
//! - **Leaving**: `shutdone` was sent; beats go on for a moment, so that whoever missed it asks.

use core::time::Duration;

use shared::event::{Cause, Kind, NodeStatus, StatusReason};
use shared::time::Now;
use shared::times;

use crate::deadline::{PeerIndex, Timer};
use crate::io::Output;
use crate::machine::{Core, Stage};
use crate::wire::{membership, status};

/// Longest time between two questions which nodes the cluster has, as Heartbeat 3.0.6 does. A shorter
/// keepalive shortens it: a member that has just begun to hear us missed the first question. Over a
/// slow path it is longer, or questions and answers would keep each other from arriving.
const ASK_EVERY_MAX: Duration = Duration::from_secs(1);

impl Core {
    /// Ends listening when every other node was heard or counts as dead.
    pub(crate) fn check_communication(&mut self, now: Now) {
        let gone = matches!(self.own.stage, Stage::Leaving | Stage::Left);
        if gone || self.own.communication_up {
            return;
        }
        if self
            .others()
            .any(|(_, peer)| peer.status == NodeStatus::Init)
        {
            return;
        }
        self.own.communication_up = true;
        self.deadlines.disarm(Timer::InitDead);
        self.event(Kind::CommunicationUp, None, now);
        self.end_listening(now);
    }

    /// Goes on to ask which nodes the cluster has. A node that was active when its former core
    /// ended does not wait for those of which nothing is known yet, as for one that was added to
    /// the configuration; `initdead` runs for them meanwhile.
    pub(crate) fn end_listening(&mut self, now: Now) {
        if self.own.stage == Stage::Listening {
            self.own.stage = Stage::Asking;
            self.watch_by_deadtime(now);
            self.ask_nodes(now);
        }
    }

    /// From here on each peer's own dead time applies, which is shorter than `initdead`.
    fn watch_by_deadtime(&mut self, now: Now) {
        for index in (0..).map(PeerIndex).take(self.peers.len()) {
            self.deadlines.disarm(Timer::PeerDead(index));
            self.watch(index, now);
        }
    }

    /// Asks the next living member. Where nobody is left to ask, or somebody lives who does not
    /// speak this part of the protocol, there is no answer to wait for.
    pub(crate) fn ask_nodes(&mut self, now: Now) {
        if self.own.stage != Stage::Asking {
            return;
        }
        let mute = self
            .live_others()
            .any(|(_, peer)| peer.life.as_ref().is_some_and(|life| !life.acknowledges));
        let live = self.live_others().count();
        if mute || live == 0 {
            return self.become_member(StatusReason::Alone, now);
        }
        let turn = usize::try_from(self.own.asked).unwrap_or(0) % live;
        self.own.asked = self.own.asked.wrapping_add(1);
        let next = self.live_others().nth(turn).map(|(index, _)| index);
        let mut pause = self.settings.keepalive.min(ASK_EVERY_MAX);
        if let Some(index) = next {
            let question = membership::nodes_request(&self.peer(index).name);
            self.send(question, Some(index), now);
            pause = pause.max(self.asks_slowly(index));
        }
        self.deadlines.arm(Timer::AskNodes, now.boot + pause);
    }

    /// A member told which nodes the cluster has.
    pub(crate) fn admitted(&mut self, by: PeerIndex, now: Now) {
        if self.own.stage == Stage::Asking {
            let by = self.peer(by).name.clone();
            self.become_member(StatusReason::Admitted { by }, now);
        }
    }

    fn become_member(&mut self, reason: StatusReason, now: Now) {
        self.own.stage = Stage::Member;
        self.deadlines.disarm(Timer::AskNodes);
        self.set_own_status(NodeStatus::Active, reason, now);
        self.say_what_waits(now);
    }

    pub(crate) fn leave(&mut self, cause: Option<Cause>, now: Now) {
        if matches!(self.own.stage, Stage::Leaving | Stage::Left) {
            return;
        }
        self.own.stage = Stage::Leaving;
        self.deadlines.disarm(Timer::AskNodes);
        self.deadlines.disarm(Timer::InitDead);
        self.event(Kind::Leaving, cause, now);
        self.leave_sessions(now);
        self.send(status::shutdown_done(), None, now);
        let linger = times::leave_linger(self.settings.keepalive);
        self.deadlines.arm(Timer::Leave, now.boot + linger);
    }

    pub(crate) fn left(&mut self, now: Now) {
        self.own.stage = Stage::Left;
        self.deadlines = crate::deadline::Deadlines::default();
        self.judgements.clear();
        self.event(Kind::Left, None, now);
        self.output(Output::Left);
    }
}
