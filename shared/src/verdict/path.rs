//! What a link is good for: its status together with its medium, its other end and what is heard.
//!
//! Every screen counts links by this one judgement, so that no two of them disagree.

use std::fmt;
use std::time::Duration;

use crate::api::Snapshot;
use crate::event::{LinkStatus, MediumStatus};
use crate::names::{LinkName, MediumName, NodeName};
use crate::view::{ClusterView, LinkView};

/// What a link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Packets flow, as far as is known both ways.
    Up,
    /// The peer is heard over it and does not hear us over it.
    OneWay,
    /// Its medium is not open, so that nothing can flow, whatever its status says yet.
    NoMedium,
    /// Nothing was heard over it yet.
    Init,
    /// It died and packets arrive again; it counts as up when they have done so for two keepalives.
    Returning,
    /// Nothing arrives over it.
    Dead,
}

impl Path {
    /// All, the best first.
    pub const ALL: [Self; 6] = [
        Self::Up,
        Self::OneWay,
        Self::NoMedium,
        Self::Init,
        Self::Returning,
        Self::Dead,
    ];

    /// Its word, as tables show it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::OneWay => "one-way",
            Self::NoMedium => "no-medium",
            Self::Init => "init",
            Self::Returning => "returning",
            Self::Dead => "dead",
        }
    }

    /// What the link to `peer` over `medium` is good for. A single packet makes a dead link return
    /// for at most a dead time.
    #[must_use]
    pub fn of(snapshot: &Snapshot, peer: &NodeName, medium: &MediumName, link: &LinkView) -> Self {
        match link.status {
            _ if is_shut(&snapshot.view, medium) => Self::NoMedium,
            LinkStatus::Up if link.one_way => Self::OneWay,
            LinkStatus::Up => Self::Up,
            LinkStatus::Init => Self::Init,
            LinkStatus::Dead if returns(snapshot, peer, medium, link) => Self::Returning,
            LinkStatus::Dead => Self::Dead,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

fn is_shut(view: &ClusterView, medium: &MediumName) -> bool {
    let status = view.media.get(medium).and_then(|m| m.status.as_ref());
    matches!(
        status,
        Some(MediumStatus::Missing { .. } | MediumStatus::Failed { .. })
    )
}

fn returns(snapshot: &Snapshot, peer: &NodeName, medium: &MediumName, link: &LinkView) -> bool {
    let is = |name: &LinkName| name.peer == *peer && name.medium == *medium;
    let sample = snapshot.sample.as_ref();
    let heard = sample
        .and_then(|sample| sample.links.iter().find(|sample| is(&sample.link)))
        .and_then(|sample| sample.heard);
    let started = snapshot.view.started.as_ref();
    let recent = started.map_or(Duration::ZERO, |started| started.deadtime);
    heard.is_some_and(|heard| heard > link.since.boot && snapshot.at.boot.since(heard) < recent)
}
