//! What is kept for the next core, and what of it for the next daemon and the next supervisor.

use std::collections::BTreeMap;

use hbd_core::PeerMemory;
use shared::event::{Kind, Severity};

use shared::config::Files;
use shared::names::NodeName;

use super::Supervisor;
use super::flight::Flight;
use crate::accepted::{self, Addresses};
use crate::channel::Lack;
use crate::journal::{RETRY, Report};
use crate::log::{self, News};
use crate::pulse::PulseWatch;
use crate::state::{Job, Peers, StateError};

/// What is missing where state cannot be written.
const LACK: &str = "memory across a restart of hbd";

/// What is missing where `peers.json` could not be read, until each peer stands in it again.
pub(super) const PEERS: &str = "memory of peers";

const COPIES: &str = "copies of the configuration in use";
/// Until hbd takes the files that are there.
pub(super) const BAD_FILES: &str = "the configuration on the disk";

impl Supervisor {
    pub(super) fn remember(&mut self, memory: PeerMemory) {
        let former = self.memory.get(&memory.node);
        let identity = |memory: &PeerMemory| (memory.uuid, memory.generation);
        if former.map(identity) != Some(identity(&memory)) {
            self.peers_changed = true;
        }
        self.memory.insert(memory.node.clone(), memory);
        self.keep_peers();
    }

    /// What is known of each peer at this moment.
    pub(super) fn present_memory(&self) -> BTreeMap<NodeName, PeerMemory> {
        let mut memory = self.memory.clone();
        let present = self.pulse.iter().flat_map(PulseWatch::memories);
        memory.extend(present.map(|peer| (peer.node.clone(), peer)));
        memory
    }

    /// Takes what a core that is gone knew last, and returns its flight recorder.
    pub(super) fn read_slate(&mut self) -> Option<Flight> {
        let pulse = self.pulse.take()?;
        for memory in pulse.memories() {
            self.remember(memory);
        }
        Some(pulse.remains().flight())
    }

    /// Hands the disk what it should know, without what only a quick restart may.
    pub(super) fn keep_peers(&mut self) {
        if !self.peers_changed {
            return;
        }
        let peers = self
            .memory
            .values()
            .map(|memory| PeerMemory {
                live: None,
                ..memory.clone()
            })
            .collect();
        self.peers = Peers { peers };
        self.peers_changed = !self.writer.submit(Job::Peers(self.peers.clone()));
    }

    /// Keeps copies of the configuration that runs, for a supervisor that finds its workers alive
    /// and a configuration that has errors.
    pub(super) fn keep_accepted(&mut self, files: &Files, addresses: &Addresses) {
        self.lacks_no_more(BAD_FILES);
        match accepted::save(self.run.path(), files, addresses) {
            Ok(()) => self.lacks_no_more(COPIES),
            Err(error) => self.lack(Lack {
                what: COPIES.into(),
                why: error.to_string(),
                remedy: "none is needed; they are made again at the next reload".into(),
            }),
        }
    }

    /// Reserves generations before they run out.
    pub(super) fn reserve(&mut self) {
        if let Some(to) = self.generations.short_of()
            && !self.reserving
        {
            self.reserving = self.writer.submit(Job::Generation(to));
        }
    }

    pub(super) fn kept(&mut self, result: Result<Job, StateError>) {
        match result {
            Ok(Job::Generation(to)) => {
                self.generations.reserved_to(to);
                self.reserving = false;
                self.lacks_no_more(LACK);
            }
            Ok(Job::Peers(written)) => {
                self.lacks_no_more(LACK);
                if self.are_all_in(&written) {
                    self.lacks_no_more(PEERS);
                }
            }
            Err(error) => {
                self.reserving = false;
                self.peers_changed = true;
                self.lack(Lack {
                    what: LACK.into(),
                    why: error.to_string(),
                    remedy: "hbd goes on and tries again every 5 s".into(),
                });
            }
        }
    }

    /// True where every peer of the configuration is known.
    fn are_all_in(&self, known: &Peers) -> bool {
        let others = self.configured.config.nodes.iter();
        let mut others = others.filter(|name| **name != self.settings.node);
        others.all(|name| known.peers.iter().any(|peer| peer.node == *name))
    }

    /// What a log does.
    pub(super) fn log_changed(&mut self, news: News) {
        let log = |target| format!("the log in {target}");
        match news {
            News::Fails { target, error } => self.lack(Lack {
                what: log(target),
                why: error.to_string(),
                remedy: format!(
                    "{}; hbd goes on, counts what is missing there, and tries again every {} s",
                    remedy(&error),
                    log::RETRY.as_secs()
                ),
            }),
            News::Works { target, lost } => {
                let what = log(target);
                let text = format!("{what} is written again; lines that are missing: {lost}");
                self.lacks_no_more(&what);
                self.recorder.say(Severity::Notice, &text);
            }
        }
    }

    /// What the journal's disk does.
    pub(super) fn journalled(&mut self, report: Report) {
        match report {
            Report::Fails { directory, error } => self.lack(Lack {
                what: JOURNAL.into(),
                why: format!("cannot write in {}: {error}", directory.display()),
                remedy: format!(
                    "{}; hbd goes on, keeps the last events in memory, and tries again every {} s",
                    remedy(&error),
                    RETRY.as_secs()
                ),
            }),
            Report::Works => self.lacks_no_more(JOURNAL),
            Report::Lost(0) => {}
            Report::Lost(count) => {
                self.recorder.note(Kind::EventsDropped { count }, None);
            }
        }
    }
}

/// What a disk that fails degrades.
const JOURNAL: &str = "the journal of events";

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "make room on that file system"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => "mount that file system for writing",
        std::io::ErrorKind::PermissionDenied => "let the user hbd runs as write there",
        _ => "look at that directory and its disk",
    }
}
