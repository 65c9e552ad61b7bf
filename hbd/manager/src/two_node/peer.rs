//! The other node, as far as it decides who holds what.

use alloc::collections::BTreeMap;
use core::time::Duration;

use shared::event::{Cause, NodeStatus};
use shared::group::{GroupName, GroupState, Hold};
use shared::names::Generation;
use shared::time::Moment;
use shared::view::NodeView;

use crate::declaration::{Declaration, Stand};
use crate::io::{Fencing, Settings, Startup};

/// Whoever still says so long after the first time that it decides alone does not hear this node.
const DENIAL_LASTS: Duration = Duration::from_millis(500);

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
    /// Its life, as far as its packets were heard.
    generation: Option<Generation>,
    /// Counts what it was: alive or dead, and which life.
    pub(super) turn: u64,
    /// The turn in which it was made sure that it is off.
    pub(super) fenced: Option<u64>,
    /// When it was switched off though it counts as alive.
    pub(super) struck: Option<Moment>,
    /// It may have held something when it died.
    pub(super) may_hold: bool,
    /// The last that it said.
    pub(super) latest: Option<Declaration>,
    /// The last that was read of what it said, ever.
    pub(super) obeyed: Option<Stand>,
    /// The last that it said since both hear each other: what counts.
    pub(super) declaration: Option<Declaration>,
    /// Since when it is dead.
    pub(super) dead_since: Option<Moment>,
    /// It does not hear this node.
    pub(super) denial: Option<Denial>,
    /// What the groups are there, as was told.
    pub(super) states: BTreeMap<GroupName, GroupState>,
    /// What holds its takeover back, as was told.
    pub(super) told: Option<Hold>,
}

/// The other node says that it decides alone: it does not hear this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// It said so then. What it said before it heard this node may come late.
    Said(Moment),
    /// It goes on saying so: what this node sends does not arrive.
    Lasting,
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
    /// What this node's core knows of it, where the manager before this one kept `freed`.
    pub(super) fn new(node: Option<&NodeView>, freed: Option<Moment>) -> Self {
        let status = node.map_or(NodeStatus::Init, |node| node.status);
        let mut peer = Self {
            status,
            because: None,
            heard: node.is_some_and(|node| node.generation.is_some()),
            left: false,
            unauthenticated: None,
            generation: None,
            turn: 0,
            fenced: None,
            struck: None,
            may_hold: true,
            latest: None,
            obeyed: None,
            declaration: None,
            dead_since: None,
            denial: None,
            states: BTreeMap::new(),
            told: None,
        };
        peer.see(node);
        peer.may_hold = freed.is_none() || freed != peer.dead_since;
        peer
    }

    /// It was heard in this life: another one is of what follows a fencing, not of what was fenced.
    /// What is dead stays what it is until its status says that it is back.
    pub(super) fn lives(&mut self, generation: Generation) {
        let before = self.generation.replace(generation);
        if self.status.is_alive() && before.is_some_and(|before| before != generation) {
            self.turn += 1;
            self.struck = None;
        }
    }

    /// What a core knows that is another than before.
    pub(super) fn see(&mut self, node: Option<&NodeView>) {
        if let Some(generation) = node.and_then(|node| node.generation) {
            self.lives(generation);
        }
        let dead = node.filter(|node| node.status == NodeStatus::Dead);
        self.dead_since = dead.map(|node| node.since.boot);
    }

    /// It is dead, and known to hold nothing since this moment.
    pub(super) fn freed(&self) -> Option<Moment> {
        let holds_nothing = self.left || self.is_fenced() || !self.may_hold;
        self.dead_since.filter(|_| holds_nothing)
    }

    /// It takes nothing that is held here before it was asked to.
    pub(super) fn waits(&self) -> bool {
        let declaration = self.declaration.as_ref();
        declaration.is_some_and(|declaration| declaration.waits)
    }

    /// It said something: that it decides alone, or that it hears this node.
    pub(super) fn note_alone(&mut self, alone: bool, now: Moment) {
        self.denial = match self.denial {
            _ if !alone => None,
            None => Some(Denial::Said(now)),
            Some(Denial::Said(since)) if now.since(since) >= DENIAL_LASTS => Some(Denial::Lasting),
            denial => denial,
        };
    }

    /// It counts as dead, and may live and hear this node all the same: one that left or was switched
    /// off may have been started since.
    pub(super) fn may_live(&self) -> bool {
        self.status == NodeStatus::Dead
    }

    /// It may live and sign with another key: whatever freed it came before.
    pub(super) fn doubt(&mut self) {
        self.unauthenticated = Some(super::NEVER);
        self.left = false;
        self.turn += 1;
        self.struck = None;
        self.may_hold = true;
    }

    /// What counts of what it said is of the manager that speaks.
    pub(super) fn is_present(&self) -> bool {
        let life = |declaration: &Declaration| declaration.stand.life;
        self.declaration.is_some()
            && self.declaration.as_ref().map(life) == self.latest.as_ref().map(life)
    }

    /// It holds the group, and decided so alone.
    pub(super) fn supersedes(&self, group: &GroupName) -> bool {
        let latest = self.latest.as_ref().filter(|latest| latest.alone);
        let claim = latest.and_then(|latest| latest.claims.get(group));
        self.denial == Some(Denial::Lasting) && claim.is_some_and(|claim| claim.state.is_held())
    }

    pub(super) fn standing(&self, settings: &Settings) -> Standing {
        match self.status {
            NodeStatus::Init => Standing::Unknown,
            NodeStatus::Up | NodeStatus::Active | NodeStatus::Ping => Standing::Alive,
            NodeStatus::Dead => self.hold(settings).map_or(Standing::Gone, Standing::Held),
        }
    }

    /// What holds its takeover back, when it is dead.
    fn hold(&self, settings: &Settings) -> Option<Hold> {
        let Fencing {
            devices,
            manual,
            startup,
            ..
        } = &settings.fencing;
        if self.left || self.is_fenced() {
            None
        } else if self.unauthenticated.is_some() {
            Some(Hold::Unauthenticated)
        } else if !self.heard && settings.startup == Startup::WaitForPeer {
            Some(Hold::NeverHeard)
        } else if !self.may_hold {
            None
        } else if !devices.is_empty() {
            Some(match self.heard || *startup {
                true => Hold::Fencing,
                false => Hold::StartupFence,
            })
        } else if *manual {
            Some(Hold::Manual)
        } else {
            (!settings.unfenced_takeover).then_some(Hold::Unfenced)
        }
    }

    /// It was made sure that it is off, since it is what it is.
    pub(super) fn is_fenced(&self) -> bool {
        self.fenced == Some(self.turn)
    }

    /// It is dead, or alive again: what was known of its end does not count.
    pub(super) fn begin(&mut self, status: NodeStatus, because: Option<Cause>) {
        self.status = status;
        self.because = because;
        self.left = false;
        self.dead_since = None;
        self.denial = None;
        self.turn += 1;
        if status.is_alive() {
            self.heard = true;
        }
    }
}
