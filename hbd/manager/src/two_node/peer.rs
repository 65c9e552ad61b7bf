//! The other node, as far as it decides who holds what.

use alloc::collections::BTreeMap;

use shared::event::{Cause, NodeStatus};
use shared::group::{GroupName, GroupState, Hold};
use shared::time::Moment;

use crate::declaration::{Declaration, Stand};
use crate::io::Startup;

/// What is known of the other node.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) status: NodeStatus,
    /// The event that said so.
    pub(super) because: Option<Cause>,
    /// It was heard since this node started.
    pub(super) heard: bool,
    /// It left in order, having given up everything.
    pub(super) left: bool,
    /// Until when it counts that it may live and sign with another key.
    pub(super) unauthenticated: Option<Moment>,
    /// Somebody made sure that it is off, since it died.
    pub(super) fenced: bool,
    /// It may have held something when it died.
    pub(super) may_hold: bool,
    /// The last that it said.
    pub(super) latest: Option<Declaration>,
    /// The last that was read of what it said, ever.
    pub(super) obeyed: Option<Stand>,
    /// The last that it said since both hear each other: what counts.
    pub(super) declaration: Option<Declaration>,
    /// What the groups are there, as was told.
    pub(super) states: BTreeMap<GroupName, GroupState>,
    /// What holds its takeover back, as was told.
    pub(super) told: Option<Hold>,
}

/// What the other node is to decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody knows yet whether it lives.
    Unknown,
    /// It lives: only what it declares counts.
    Alive,
    /// It is dead, and not to be succeeded yet.
    Held(Hold),
    /// It is dead: what it held is free.
    Gone,
}

impl Peer {
    pub(super) fn new(status: NodeStatus) -> Self {
        Self {
            status,
            because: None,
            heard: status.is_alive(),
            left: false,
            unauthenticated: None,
            fenced: false,
            may_hold: true,
            latest: None,
            obeyed: None,
            declaration: None,
            states: BTreeMap::new(),
            told: None,
        }
    }

    pub(super) fn standing(&self, startup: Startup, unfenced_takeover: bool) -> Standing {
        match self.status {
            NodeStatus::Init => Standing::Unknown,
            NodeStatus::Up | NodeStatus::Active | NodeStatus::Ping => Standing::Alive,
            NodeStatus::Dead if self.left || self.fenced => Standing::Gone,
            NodeStatus::Dead if self.unauthenticated.is_some() => {
                Standing::Held(Hold::Unauthenticated)
            }
            NodeStatus::Dead if !self.heard && startup == Startup::WaitForPeer => {
                Standing::Held(Hold::NeverHeard)
            }
            NodeStatus::Dead if self.may_hold && !unfenced_takeover => {
                Standing::Held(Hold::Unfenced)
            }
            NodeStatus::Dead => Standing::Gone,
        }
    }

    /// It is dead, or alive again: what was known of its end does not count.
    pub(super) fn begin(&mut self, status: NodeStatus, because: Option<Cause>) {
        self.status = status;
        self.because = because;
        self.left = false;
        self.fenced = false;
        if status.is_alive() {
            self.heard = true;
        }
    }
}
