//! One sentence about a cluster, and what it rests on.
//!
//! A [`Verdict`] is a pure function of a [`Snapshot`]: everything that is not as it should be is a
//! [`Finding`] with its severity, its object and, where there is one, a remedy; the sentence says
//! the worst of it in one line. `hactl status`, the console and whoever asks for health show the
//! same verdict, so that two screens never disagree.
//!
//! What belongs to an ordinary day (a node that left in order, a directive without effect) is a
//! finding of severity notice: it is listed and does not spoil the sentence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::Snapshot;
use crate::config::load::DIRECTORY;
use crate::event::{
    ConfigDifference, LinkStatus, MediumStatus, NodeKind, NodeStatus, OWN_USER, Object, Role,
    Severity, Span, StatusReason, Unverified, checked, ping_nodes, ping_nodes_counted,
};
use crate::health::{CheckName, HealthState};
use crate::names::{LinkName, MediumName, NodeName};
use crate::view::{
    ClusterView, Death, DeclaredDead, Healed, HealthView, Lack, LinkView, NodeView, PingNodes,
    STRANGER_SHOWN, SelfFence, Stamp, Stranger,
};

mod groups;
mod path;
mod sentence;

pub use groups::{blocked_remedy, failed_remedy, thaw};
pub use path::Path;

/// Counters older than this say that the core is not heard: it sends them once a second.
pub const SAMPLE_AGE_MAX: Duration = Duration::from_secs(3);
/// How long a healed partition is shown: nothing shows by itself that the harm was repaired.
pub const PARTITION_SHOWN: Duration = Duration::from_secs(3600);

/// What a cluster is like, as one node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The severity of the worst finding.
    pub level: Level,
    /// For people, in one line, the node's name first.
    pub sentence: String,
    /// What is not as it should be, worst first.
    pub findings: Vec<Finding>,
}

/// How a cluster is. Ordered: later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing to say.
    Ok,
    /// Something is worth knowing, nothing is wrong.
    Notice,
    /// Something is weaker than it was configured to be.
    Warning,
    /// Something failed.
    Error,
    /// A promise of hbd may not hold; act.
    Critical,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How much to care.
    pub severity: Severity,
    /// What it is about.
    pub object: Object,
    /// What is the matter, and why.
    pub what: String,
    /// What to do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Stamp>,
}

impl Level {
    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Ok,
            Severity::Notice => Self::Notice,
            Severity::Warning => Self::Warning,
            Severity::Error => Self::Error,
            Severity::Critical => Self::Critical,
        }
    }
}

impl Finding {
    fn new(severity: Severity, object: Object, what: impl Into<String>) -> Self {
        Self {
            severity,
            object,
            what: what.into(),
            remedy: None,
            since: None,
        }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn since(mut self, since: Stamp) -> Self {
        self.since = Some(since);
        self
    }
}

impl Verdict {
    /// Judges `snapshot`, which `node` took.
    #[must_use]
    pub fn of(node: &NodeName, snapshot: &Snapshot) -> Self {
        let view = &snapshot.view;
        let mut others = daemon(snapshot);
        others.extend(faults(view));
        others.extend(strangers(snapshot));
        others.extend(stalls(snapshot));
        others.extend(supervisor_stalls(view));
        others.extend(lacks(view));
        others.extend(view.health.iter().filter_map(health));
        let mut findings = identity(view);
        findings.extend(nodes(snapshot));
        findings.extend(media(view));
        findings.extend(groups::findings(snapshot));
        let sentence = sentence::of(node, snapshot, &findings, &others);
        findings.extend(others);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let level = findings
            .iter()
            .map(|finding| Level::from(finding.severity))
            .max()
            .unwrap_or(Level::Ok);
        Self {
            level,
            sentence,
            findings,
        }
    }
}

/// What the daemon itself is doing.
fn daemon(snapshot: &Snapshot) -> Vec<Finding> {
    let view = &snapshot.view;
    let mut findings = Vec::new();
    if view.started.is_none() {
        let what = "the core has not started yet";
        let remedy = "if this lasts, hactl events says why";
        findings.push(Finding::new(Severity::Error, Object::Daemon, what).remedy(remedy));
        return findings;
    }
    if let Some(reason) = &view.sick {
        let what = format!("this node is sick: {reason}");
        let remedy = "its peers take over; hactl links and hactl events say what is wrong";
        findings.push(Finding::new(Severity::Critical, Object::Daemon, what).remedy(remedy));
    }
    findings.extend(view.self_fence.as_ref().map(self_fence));
    if view.leaving {
        let what = "this node is leaving the cluster";
        findings.push(Finding::new(Severity::Notice, Object::Daemon, what));
    } else if !view.communication_up {
        let what = "communication is not up: not every node was heard or counts as dead yet";
        findings.push(Finding::new(Severity::Notice, Object::Daemon, what));
    }
    if let Some(text) = &view.times_changing {
        let remedy = "this ends by itself when every living node has heard of it; if it lasts, \
                      hactl links says who does not hear this node";
        findings.push(Finding::new(Severity::Notice, Object::Daemon, text).remedy(remedy));
    }
    let age = snapshot
        .sample
        .as_ref()
        .map(|sample| snapshot.at.boot.since(sample.at));
    if let Some(age) = age.filter(|age| *age > SAMPLE_AGE_MAX) {
        let what = format!("the core has sent no counters for {}", Span(age));
        let remedy = "what follows is as old; hactl events says whether the core died";
        findings.push(Finding::new(Severity::Error, Object::Daemon, what).remedy(remedy));
    }
    findings.extend(ping_nodes_compared(snapshot));
    findings.extend(ended_unasked(snapshot));
    findings.extend(deaths(view));
    findings
}

/// Which node reaches more ping nodes, and whether groups go there already.
fn ping_nodes_compared(snapshot: &Snapshot) -> Option<Finding> {
    let compared = snapshot.view.ping_nodes.as_ref()?;
    let PingNodes {
        node, here, there, ..
    } = compared;
    let counts = format!("this node reaches {}, {node} {there}", ping_nodes(*here));
    let left = compared.counts_at.map(|at| at.since(snapshot.at.boot));
    let what = match (&compared.better, left) {
        (None, None) => return None,
        (Some(to), None) => format!("{counts}: groups go to {to}"),
        (Some(to), Some(left)) if left.is_zero() => {
            format!("{counts}: groups go to {to} when none is being started or stopped")
        }
        (Some(to), Some(left)) => {
            format!(
                "{counts}: groups go to {to} if that lasts for another {}",
                Span(left)
            )
        }
        (None, Some(left)) => {
            format!(
                "{counts}: neither is the better one if that lasts for another {}",
                Span(left)
            )
        }
    };
    let remedy = format!("hactl nodes shows which of them answer; ask on {node}, too");
    let finding = Finding::new(Severity::Notice, Object::Daemon, what);
    Some(finding.remedy(remedy).since(compared.since))
}

/// A node that takes itself away, and is still there.
fn self_fence(fence: &SelfFence) -> Finding {
    let why = &fence.why;
    let (what, remedy) = match &fence.failed {
        None => (
            format!("this node fences itself: {why}"),
            "it goes down by itself; what it holds is served by its peers afterwards",
        ),
        Some(failed) => (
            format!("this node could not fence itself ({why}): {failed}"),
            "switch it off, or stop by hand what hactl groups shows as blocked, then hactl cleanup; \
             until then nobody else may serve that",
        ),
    };
    Finding::new(Severity::Critical, Object::Daemon, what).remedy(remedy)
}

/// The end of the life before this one, as long as a healed partition is shown.
fn ended_unasked(snapshot: &Snapshot) -> Option<Finding> {
    let ended = snapshot.view.ended_unasked?;
    if snapshot.at.boot.since(ended.at.boot) >= PARTITION_SHOWN {
        return None;
    }
    let alive = ended.alive;
    let (and, remedy) = match ended.rebooted {
        true => (
            ", and the machine was started again since",
            "see why the machine went down",
        ),
        false => (
            "",
            "see who killed hbd, or whether the machine went down; hactl events shows what came before",
        ),
    };
    let what =
        format!("the last life of hbd did not end in order: it lived until {alive} at least{and}");
    Some(Finding::new(Severity::Notice, Object::Daemon, what).remedy(remedy))
}

/// Processes of hbd that died and were replaced: how often, and of the last time when and how.
fn deaths(view: &ClusterView) -> Vec<Finding> {
    let finding = |(role, count, after, kind)| {
        if count == 0 {
            return None;
        }
        let mut what = format!("the {role} died {} and {after}", times(count));
        if let Some(Death { at, how }) = view.last_deaths.get(&role) {
            what += &match count {
                1 => format!(", at {}", at.wall),
                _ => format!(", the last time at {}", at.wall),
            };
            what.extend(how.iter().map(|how| format!(": {how}")));
        }
        let remedy = format!("hactl events --kind {kind} tells of each");
        Some(Finding::new(Severity::Notice, Object::Daemon, what).remedy(remedy))
    };
    let again = "was started again";
    let all = [
        (Role::Core, view.core_deaths, again, "core-died"),
        (Role::Manager, view.manager_deaths, again, "manager-died"),
        (
            Role::Supervisor,
            view.supervisor_deaths,
            "another one went on",
            "adopted",
        ),
    ];
    all.into_iter().filter_map(finding).collect()
}

/// Who pretends to be somebody else.
fn identity(view: &ClusterView) -> Vec<Finding> {
    let impostor = view
        .impostor
        .iter()
        .map(|text| Finding::new(Severity::Critical, Object::Daemon, text));
    let clones = view
        .clones
        .iter()
        .map(|(node, text)| Finding::new(Severity::Critical, Object::Node(node.clone()), text));
    impostor.chain(clones).collect()
}

fn nodes(snapshot: &Snapshot) -> Vec<Finding> {
    let view = &snapshot.view;
    let mut findings = Vec::new();
    for (name, node) in &view.nodes {
        let own = view.own() == Some(name);
        findings.extend(node_status(view, name, node, own));
        if own {
            continue;
        }
        findings.extend(healed(snapshot, name, node));
        findings.extend(declared_dead(snapshot, name, node));
        findings.extend(silence(snapshot, name, node));
        findings.extend(node_hearing(name, node));
        if node.status.is_alive() {
            let differences = node.config_differs.iter();
            findings.extend(differences.map(|d| node_config(snapshot, name, d)));
            findings.extend(links(snapshot, name, node));
        }
    }
    findings
}

fn node_status(view: &ClusterView, name: &NodeName, node: &NodeView, own: bool) -> Option<Finding> {
    let object = Object::Node(name.clone());
    let finding = match (node.status, own) {
        (NodeStatus::Active | NodeStatus::Ping, _) => return None,
        // What is wrong with its packets says more than its status.
        _ if node.unauthenticated.is_some() || node.behind.is_some() => return None,
        (NodeStatus::Dead, _) if node.reason == StatusReason::Left.to_string() => Finding::new(
            Severity::Notice,
            object,
            format!("node {name} left in order"),
        ),
        (NodeStatus::Dead, _) if let Some(fenced) = view.fenced.get(name) => {
            let what = format!(
                "node {name} is dead ({}), and off: {}",
                node.reason,
                fenced.by()
            );
            Finding::new(Severity::Warning, object, what)
                .remedy(format!("switch {name} on when what ailed it is repaired"))
        }
        (NodeStatus::Dead, _) if node.kind == NodeKind::Ping => {
            let what = format!("ping node {name} is dead ({})", node.reason);
            Finding::new(Severity::Warning, object, what).remedy(
                "see whether what it pings runs, can be reached from here and answers ping(8)",
            )
        }
        (NodeStatus::Dead, _) => {
            let what = format!("node {name} is dead ({})", node.reason);
            Finding::new(Severity::Warning, object, what).remedy(format!(
                "see whether hbd or heartbeat runs on {name}, and whether its media are connected"
            ))
        }
        (_, true) => Finding::new(
            Severity::Notice,
            object,
            "this node has not joined the cluster yet",
        ),
        (NodeStatus::Init, _) => {
            let what = format!("node {name} was not heard yet");
            let finding = Finding::new(Severity::Notice, object, what);
            match &view.started {
                Some(started) => finding.remedy(format!(
                    "it counts as dead when initdead ({}) is over",
                    Span(started.initdead)
                )),
                None => finding,
            }
        }
        (NodeStatus::Up, _) => Finding::new(
            Severity::Notice,
            object,
            format!("node {name} runs and has not joined yet"),
        ),
    };
    Some(finding.since(node.since))
}

/// A node that lived on or stood still while it counted as dead, until it restarts or [`PARTITION_SHOWN`] is over.
fn healed(snapshot: &Snapshot, name: &NodeName, node: &NodeView) -> Option<Finding> {
    let healed = healed_lately(snapshot, node)?;
    let silent = Span(healed.silent);
    let (what, remedy) = match healed.stood_still {
        true => (
            format!("node {name} returned after it stood still for {silent}"),
            format!(
                "see what stopped {name}, and whether what it held ran on while another node took \
                 over"
            ),
        ),
        false => (
            format!("node {name} returned after a partition: it lived on, unheard for {silent}"),
            "both sides thought they were alone: see whether both used what only one may; hactl \
             events says which links failed"
                .into(),
        ),
    };
    let finding = Finding::new(Severity::Critical, Object::Node(name.clone()), what);
    Some(finding.remedy(remedy).since(healed.at))
}

fn healed_lately(snapshot: &Snapshot, node: &NodeView) -> Option<Healed> {
    let lately = |healed: &Healed| snapshot.at.boot.since(healed.at.boot) < PARTITION_SHOWN;
    node.healed.filter(lately)
}

/// A node that declared this one dead while it lived: as long as it counts it as dead, and as long as
/// a healed partition is shown, unless that partition is.
fn declared_dead(snapshot: &Snapshot, name: &NodeName, node: &NodeView) -> Option<Finding> {
    let declared = declared_lately(snapshot, node)?;
    let parted = healed_lately(snapshot, node).is_some_and(|healed| !healed.stood_still);
    if parted && declared.over.is_some() && !stood_still(&snapshot.view) {
        return None;
    }
    let (what, remedy) = match declared.over {
        None => (
            format!("node {name} counts this node as dead, and may take over what it holds"),
            "hactl links shows whether packets of this node arrive there",
        ),
        Some(_) if stood_still(&snapshot.view) => (
            format!("node {name} declared this node dead while it stood still, and took it back"),
            "see what stopped this node, and whether what it held ran on while another node took over",
        ),
        Some(_) => (
            format!("node {name} declared this node dead while it lived, and took it back"),
            "both may have used what only one may; hactl events says whether this node stood still \
             or which links failed",
        ),
    };
    let finding = Finding::new(Severity::Critical, Object::Node(name.clone()), what);
    Some(finding.remedy(remedy).since(declared.at))
}

/// True where this node was taken for dead because it did not run, or could have been.
fn stood_still(view: &ClusterView) -> bool {
    let started = view.started.as_ref();
    started.is_some_and(|started| view.worst_stall >= started.deadtime)
}

fn declared_lately(snapshot: &Snapshot, node: &NodeView) -> Option<DeclaredDead> {
    node.declared_dead.filter(|declared| {
        let lately = |over: Stamp| snapshot.at.boot.since(over.boot) < PARTITION_SHOWN;
        declared.over.is_none_or(lately)
    })
}

/// A living node whose next beat is later than warntime.
fn silence(snapshot: &Snapshot, name: &NodeName, node: &NodeView) -> Option<Finding> {
    if !is_normal(node) || !node.status.is_alive() {
        return None;
    }
    let warntime = snapshot.view.started.as_ref()?.warntime;
    let sample = snapshot.sample.as_ref()?;
    let of_node = sample.nodes.iter().find(|sample| sample.node == *name)?;
    let silent = sample.at.since(of_node.heard?);
    if silent <= warntime {
        return None;
    }
    let mut what = format!("node {name} silent for {}", Span(silent));
    if let Some(dead_at) = of_node.dead_at {
        what += &format!(", dead in {}", Span(dead_at.since(sample.at)));
    }
    Some(Finding::new(
        Severity::Warning,
        Object::Node(name.clone()),
        what,
    ))
}

/// A node that is configured otherwise, and what shows the difference.
fn node_config(snapshot: &Snapshot, name: &NodeName, difference: &ConfigDifference) -> Finding {
    let directory = snapshot.config.as_deref().unwrap_or(DIRECTORY);
    let give = |key| {
        format!(
            "give both nodes the same key {key} (authkeys or hbd.keys), then run hactl reload on both"
        )
    };
    let (what, remedy) = match difference {
        ConfigDifference::File { file } => (
            format!("config differs: {file} of {name} (in what must be the same on all nodes)"),
            format!("ssh {name} cat {directory}/{file} | diff {directory}/{file} -"),
        ),
        ConfigDifference::PingNodes { here, there } => (
            format!("config differs: {}", ping_nodes_counted(name, *there, *here)),
            "give both nodes the respawn line with ipfail and the same ping lines (ha.cf), then run \
             hactl reload on both"
                .to_owned(),
        ),
        ConfigDifference::Key { key } => (
            format!("config differs: key {key} of {name} is another one"),
            give(key),
        ),
        ConfigDifference::KeyOnlyHere { key } => (
            format!("config differs: {name} lacks key {key} of this node"),
            give(key),
        ),
        ConfigDifference::KeyOnlyThere { key } => (
            format!("config differs: this node lacks key {key} of {name}"),
            give(key),
        ),
    };
    Finding::new(Severity::Warning, Object::Node(name.clone()), what).remedy(remedy)
}

/// Whether a node hears us, and whether we may believe it.
fn node_hearing(name: &NodeName, node: &NodeView) -> Vec<Finding> {
    let mut findings = Vec::new();
    let object = Object::Node(name.clone());
    if let Some(reason) = &node.unauthenticated {
        let what = match node.status {
            NodeStatus::Dead => format!(
                "node {name} counts as dead, though packets in its name arrive, which do not verify: \
                 {reason}"
            ),
            _ => format!("node {name} is alive but not authenticated: {reason}"),
        };
        let remedy = match reason {
            Unverified::Mismatch { .. } | Unverified::UnknownKey { .. } => {
                "make authkeys the same on both nodes (mode 0600), then run hactl reload where it changed"
            }
            Unverified::InactiveCrc { .. } => {
                "sign with md5 or sha1 on both nodes: the auth line and its key in authkeys"
            }
        };
        findings.push(Finding::new(Severity::Error, object.clone(), what).remedy(remedy));
    }
    if let Some((generation, known)) = node.behind {
        let what = format!(
            "node {name} lives, but all it says counts as old: it sends in generation {generation}, \
             and {known} was heard (a disk restored from a backup?)"
        );
        let remedy = format!(
            "on {name} stop hbd or heartbeat, write {known} into its hb_generation, start it again"
        );
        findings.push(Finding::new(Severity::Error, object.clone(), what).remedy(remedy));
    }
    if node.not_heard {
        let what = format!("node {name} does not hear this one");
        let remedy = format!("look at the way from here to {name}: its packet filter first");
        findings.push(Finding::new(Severity::Error, object.clone(), what).remedy(remedy));
    }
    if let Some(left) = &node.jeopardy {
        let what = format!("node {name} is in jeopardy (only {left} left)");
        let lost: Vec<&str> = links_that(node, LinkStatus::Up, false);
        let finding = Finding::new(Severity::Warning, object, what);
        findings.push(match lost.is_empty() {
            true => finding,
            false => finding.remedy(format!(
                "repair {} before {left} fails too",
                lost.join(", ")
            )),
        });
    }
    findings
}

fn links(snapshot: &Snapshot, name: &NodeName, node: &NodeView) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (medium, link) in &node.links {
        let link_name = LinkName {
            peer: name.clone(),
            medium: medium.clone(),
        };
        let object = Object::Link(link_name.clone());
        let finding = match Path::of(snapshot, name, medium, link) {
            // What its medium lacks is a finding of its own.
            Path::Up | Path::NoMedium => continue,
            Path::Init if is_young(snapshot, node, link) => continue,
            Path::Returning => {
                let what = format!(
                    "link {link_name} is returning: it counts as up when packets have come over it \
                     for two keepalives"
                );
                Finding::new(Severity::Notice, object, what)
            }
            Path::Dead => {
                let what = format!("link {link_name} is dead: nothing of {name} arrives over it");
                let at = match word_of(snapshot, medium) {
                    "serial" => "cable: hbd-serial(7)".to_owned(),
                    _ => format!("cable and the switch port of {medium}"),
                };
                let remedy = format!("look at the {at}, and at hactl links on {name}");
                Finding::new(Severity::Warning, object, what).remedy(remedy)
            }
            Path::Init => {
                let what = format!("link {link_name}: nothing was heard over it yet");
                let remedy = match word_of(snapshot, medium) {
                    "serial" => format!(
                        "is there a port at the other end on {name}, of the same speed, and is the cable \
                         a null modem cable? hbd-serial(7)"
                    ),
                    "ether" => format!(
                        "is {medium} configured on {name} too, with the same type and group?"
                    ),
                    _ => format!("is {medium} configured on {name} too, and the same port?"),
                };
                Finding::new(Severity::Warning, object, what).remedy(remedy)
            }
            Path::OneWay => {
                findings.push(one_way(snapshot, link_name));
                continue;
            }
        };
        findings.push(finding.since(link.since));
    }
    findings
}

/// True while the next beat may be the first that could have come over it.
fn is_young(snapshot: &Snapshot, node: &NodeView, link: &LinkView) -> bool {
    let since = link.since.boot.max(node.since.boot);
    let started = snapshot.view.started.as_ref();
    started.is_some_and(|started| {
        snapshot.at.boot.since(since) <= started.keepalive + started.warntime
    })
}

/// The word of the line that configures a medium.
fn word_of<'a>(snapshot: &'a Snapshot, medium: &MediumName) -> &'a str {
    let view = snapshot.view.media.get(medium);
    let mut words = view.map_or("", |view| &view.description).split(' ');
    words.next().unwrap_or_default()
}

fn one_way(snapshot: &Snapshot, link: LinkName) -> Finding {
    let LinkName { peer, medium } = &link;
    let what = format!("link {link} is one-way: {peer} is heard over it and does not hear us");
    let remedy = match word_of(snapshot, medium) {
        "serial" => format!("the wire from TxD here to RxD of {peer} is broken: hbd-serial(7)"),
        _ => format!("look at the packet filter of {peer} for {medium}"),
    };
    Finding::new(Severity::Warning, Object::Link(link), what).remedy(remedy)
}

/// The media over which `node` is (or is not) linked with `status`.
fn links_that(node: &NodeView, status: LinkStatus, is: bool) -> Vec<&str> {
    node.links
        .iter()
        .filter(|(_, link)| (link.status == status) == is)
        .map(|(medium, _)| medium.as_str())
        .collect()
}

fn media(view: &ClusterView) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, medium) in &view.media {
        let object = Object::Medium(name.clone());
        let finding = match &medium.status {
            Some(MediumStatus::Open) => continue,
            None => Finding::new(
                Severity::Notice,
                object,
                format!("medium {name} was not opened yet"),
            ),
            Some(MediumStatus::Missing { reason }) => {
                let (why, remedy) = cause_and_remedy(reason);
                let what = format!("medium {name} unavailable: {why}");
                let remedy = remedy.unwrap_or("it is opened as soon as it appears");
                Finding::new(Severity::Warning, object, what).remedy(remedy)
            }
            Some(MediumStatus::Failed { reason }) => failed(name, reason),
        };
        findings.push(finding.since(medium.since));
    }
    findings
}

/// The reason says what is wrong, and after a semicolon what to do.
fn cause_and_remedy(reason: &str) -> (&str, Option<&str>) {
    match reason.split_once("; ") {
        Some((why, remedy)) => (why, Some(remedy)),
        None => (reason, None),
    }
}

fn failed(medium: &MediumName, reason: &str) -> Finding {
    let (why, remedy) = cause_and_remedy(reason);
    let what = format!("medium {medium} failed: {why}");
    let finding = Finding::new(Severity::Error, Object::Medium(medium.clone()), what);
    match remedy {
        Some(remedy) => finding.remedy(remedy),
        None => finding,
    }
}

fn faults(view: &ClusterView) -> impl Iterator<Item = Finding> {
    let fault = |(name, fault): (&MediumName, &String)| fault_on(name, fault);
    view.faults.iter().map(fault)
}

/// Nodes that the configuration does not name and that send all the same.
fn strangers(snapshot: &Snapshot) -> Vec<Finding> {
    let here = |stranger: &Stranger| snapshot.at.boot.since(stranger.last.boot) < STRANGER_SHOWN;
    let strangers = snapshot.view.strangers.iter();
    strangers
        .filter(|(_, stranger)| here(stranger))
        .map(|(name, stranger)| {
            let medium = &stranger.medium;
            let what = format!("{name} sends over {medium} and is no node of ha.cf");
            let finding = Finding::new(Severity::Warning, Object::Medium(medium.clone()), what);
            let remedy = format!(
                "stop hbd or heartbeat on {name}; or name it in a node line on every node, then run \
                 hactl reload there"
            );
            finding.remedy(remedy).since(stranger.since)
        })
        .collect()
}

fn fault_on(medium: &MediumName, fault: &str) -> Finding {
    Finding::new(
        Severity::Warning,
        Object::Medium(medium.clone()),
        format!("a fault is injected on {medium}: {fault}"),
    )
}

/// Time in which this node did not run, which is time in which it could not have sent a beat. One
/// short stall may have had any reason, such as a debugger; more of them endanger this node's life, and
/// one of deadtime may have ended it.
fn stalls(snapshot: &Snapshot) -> Option<Finding> {
    let view = &snapshot.view;
    if view.stalls == 0 {
        return None;
    }
    let worst = Span(view.worst_stall);
    let what = match view.stalls {
        1 => format!("this node stalled once, for {worst}"),
        n => format!("this node stalled {}, at worst for {worst}", times(n)),
    };
    let deadtime = view.started.as_ref().map(|started| started.deadtime);
    let severity = match view.stalls {
        1 if !stood_still(view) => Severity::Notice,
        _ => Severity::Warning,
    };
    let finding = match deadtime.filter(|deadtime| view.worst_stall * 2 >= *deadtime) {
        Some(deadtime) => {
            let lacks_realtime = view
                .degraded
                .iter()
                .any(|lack| lack.contains("realtime scheduling"));
            let first = match lacks_realtime {
                true => "give hbd CAP_SYS_NICE so that it runs in realtime",
                false => {
                    "see what stopped the machine or hbd (a suspended virtual machine, SIGSTOP, \
                     `realtime off` under load)"
                }
            };
            Finding::new(severity, Object::Daemon, what).remedy(format!(
                "{first}, or raise deadtime ({}) above twice that",
                Span(deadtime)
            ))
        }
        None => Finding::new(Severity::Notice, Object::Daemon, what),
    };
    Some(finding)
}

/// Time in which the supervisor did not run. Beats do not depend on it.
fn supervisor_stalls(view: &ClusterView) -> Option<Finding> {
    if view.supervisor_stalls == 0 {
        return None;
    }
    let worst = Span(view.worst_supervisor_stall);
    let what = match view.supervisor_stalls {
        1 => format!("the supervisor stalled once, for {worst}"),
        n => format!("the supervisor stalled {}, at worst for {worst}", times(n)),
    };
    let remedy = "see what stopped it (SIGSTOP, a suspended machine, a disk, load); beats do not \
                  depend on it";
    Some(Finding::new(Severity::Notice, Object::Daemon, what).remedy(remedy))
}

/// What the machine and the configuration lack.
fn lacks(view: &ClusterView) -> Vec<Finding> {
    let degraded = view.lacks.iter().map(lack);
    let config = view
        .config_warnings
        .iter()
        .map(|text| Finding::new(Severity::Notice, Object::Daemon, text));
    let refused = (!view.config_refused.is_empty()).then(|| {
        let what = format!(
            "the configuration on disk is not the one in use: {}",
            view.config_refused.join("; ")
        );
        Finding::new(Severity::Warning, Object::Daemon, what).remedy(
            "hactl reload --dry-run tells all of it and what to do first; then run hactl reload",
        )
    });
    degraded.chain(refused).chain(config).collect()
}

fn lack(lack: &Lack) -> Finding {
    let severity = match lack.what.as_str() {
        OWN_USER => Severity::Notice,
        _ => Severity::Warning,
    };
    let what = format!("{}: {}", lack.what, lack.why);
    Finding::new(severity, Object::Daemon, what).remedy(&lack.remedy)
}

/// What a health check says, if it is not that all is well.
fn health((name, health): (&CheckName, &HealthView)) -> Option<Finding> {
    let (severity, says, remedy) = match health.state {
        HealthState::Ok => return None,
        HealthState::Warning => (Severity::Warning, "warns", ""),
        HealthState::Failed => (Severity::Error, "fails", ""),
        HealthState::Unknown => (
            Severity::Warning,
            "cannot find out",
            "; run what its line in hbd.cf runs",
        ),
    };
    let object = match &health.group {
        Some(group) => Object::Group(group.clone()),
        None => Object::Node(health.node.clone()),
    };
    let mut what = checked(name, &health.node, health.group.as_ref());
    what += &format!(" {says}");
    if !health.summary.is_empty() {
        what += &format!(": {}", health.summary);
    }
    let remedy = format!("hactl events --kind health --json has all that it said{remedy}");
    let finding = Finding::new(severity, object, what).remedy(remedy);
    Some(finding.since(health.since))
}

/// "once", "twice", "3 times".
fn times(n: u64) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// True where `node` is dead because it left in order.
fn has_left(node: &NodeView) -> bool {
    node.status == NodeStatus::Dead && node.reason == StatusReason::Left.to_string()
}

/// True where `node` counts among those that may be active.
fn is_normal(node: &NodeView) -> bool {
    node.kind != NodeKind::Ping
}

#[cfg(test)]
mod tests;
