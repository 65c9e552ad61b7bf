//! What the directives said, each value with the place that said it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::fencing::{Delays, FenceLine, StonithLine};
use super::health::HealthLine;
use super::machine::Mention;
use super::media::MediaDraft;
use super::model::{
    ActionLimits, ApiAccess, AutoFailback, GenerationSource, Ineffective, ManagerKind, StartupRule,
    StopFailureRule, UuidSource,
};
use super::monitor::Watches;
use super::source::Span;
use crate::names::NodeName;

/// A value that may have been given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// No line gave it: the default counts.
    #[default]
    Absent,
    /// A line gave it wrongly, which has been reported. Nothing that depends on it is judged.
    Bad,
    /// A line gave it.
    Set(T, Span),
}

impl<T: Copy> Given<T> {
    /// The value, or the default, or nothing when it was given wrongly.
    pub(super) fn or(self, default: T) -> Option<T> {
        match self {
            Self::Absent => Some(default),
            Self::Bad => None,
            Self::Set(value, _) => Some(value),
        }
    }

    /// The value, if it was given rightly.
    pub(super) fn set(self) -> Option<T> {
        match self {
            Self::Set(value, _) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(super) fn span(self) -> Option<Span> {
        match self {
            Self::Set(_, span) => Some(span),
            Self::Absent | Self::Bad => None,
        }
    }
}

/// What the lines read so far amount to.
#[derive(Default)]
pub(super) struct Draft {
    /// Where each directive stood last.
    pub(super) seen: BTreeMap<&'static str, Span>,
    /// Directives that a line meant which could not be taken, as far as can be guessed.
    pub(super) doubtful: BTreeSet<&'static str>,
    pub(super) nodes: Vec<(NodeName, Span)>,
    pub(super) node_bad: bool,
    pub(super) keepalive: Given<Duration>,
    pub(super) deadtime: Given<Duration>,
    pub(super) warntime: Given<Duration>,
    pub(super) initdead: Given<Duration>,
    pub(super) deadping: Given<Duration>,
    pub(super) max_rexmit_delay: Given<Duration>,
    pub(super) hopfudge: Given<u8>,
    pub(super) media: MediaDraft,
    pub(super) api: ApiAccess,
    pub(super) log_badpack: Given<bool>,
    pub(super) realtime: Given<bool>,
    pub(super) rtprio: Given<u8>,
    pub(super) watchdog: Option<PathBuf>,
    pub(super) self_fence: Vec<String>,
    pub(super) generation: Given<GenerationSource>,
    pub(super) uuid: Given<UuidSource>,
    pub(super) use_logd: Given<bool>,
    pub(super) log_targets: bool,
    pub(super) log_facility: Option<u8>,
    pub(super) log_file: Option<PathBuf>,
    pub(super) debug_file: Option<PathBuf>,
    pub(super) syslog_format: Given<bool>,
    pub(super) manager: Given<ManagerKind>,
    pub(super) manager_program: Vec<String>,
    pub(super) auto_failback: Given<AutoFailback>,
    /// What the line says that wants `ipfail`.
    pub(super) ipfail: Option<(String, Span)>,
    pub(super) startup: Given<StartupRule>,
    pub(super) stop_failure: Given<StopFailureRule>,
    pub(super) unfenced_takeover: Given<bool>,
    pub(super) stonith: Vec<StonithLine>,
    pub(super) fences: Vec<FenceLine>,
    pub(super) fence_delays: Delays,
    pub(super) startup_fence: Given<bool>,
    pub(super) fence_time: Given<Duration>,
    pub(super) watches: Watches,
    pub(super) health: Vec<HealthLine>,
    pub(super) action_limits: ActionLimits,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) action_time_bad: bool,
    pub(super) lease_seconds: Given<u32>,
    /// A line that may name a group could not be read.
    pub(super) haresources_doubtful: bool,
    pub(super) autojoin: Option<Span>,
    pub(super) api_clients: BTreeMap<String, Span>,
    pub(super) ineffective: Vec<Ineffective>,
    pub(super) mentions: Vec<Mention>,
}

impl Draft {
    /// Counts what depends on a doubtful directive as given wrongly, so that nothing is judged by
    /// a default that was not meant.
    pub(super) fn distrust_doubtful(&mut self) {
        for word in std::mem::take(&mut self.doubtful) {
            match word {
                "keepalive" => self.keepalive = Given::Bad,
                "deadtime" => self.deadtime = Given::Bad,
                "warntime" => self.warntime = Given::Bad,
                "initdead" => self.initdead = Given::Bad,
                "deadping" => self.deadping = Given::Bad,
                "manager" => self.manager = Given::Bad,
                "actiontime" => self.action_time_bad = true,
                "node" => self.node_bad = true,
                "bcast" | "mcast" | "mcast6" | "ucast" | "ucast6" | "ether" | "serial" | "udp"
                | "ping" | "ping_group" | "ping6" => {
                    self.media.broken = true;
                }
                "use_logd" => self.use_logd = Given::Bad,
                "logfacility" | "logfile" | "debugfile" => self.log_targets = true,
                "auto_failback" | "nice_failback" => self.auto_failback = Given::Bad,
                _ => {}
            }
        }
    }
}
