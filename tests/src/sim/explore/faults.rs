//! What goes wrong, and when it is right again.
//!
//! Every fault that lasts carries its own end; at the end of a run everything is healed at once.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use hbd_core::Command;
use shared::time::Moment;

use super::cluster::{Cluster, KEEPALIVE, uuid, wrong_key};
use super::rules::Rules;
use crate::sim::machine::Life;
use crate::sim::random::{Chance, Random};
use crate::sim::{NodeIndex, Quality, SegmentIndex};

/// Packets of a node that are kept to be replayed.
const KEPT_MAX: usize = 24;

/// The longest time a supervisor takes to start another core.
const CORE_PAUSE_MAX: Duration = Duration::from_secs(3);

/// The shortest `deadtime` that a reload brings, in seconds.
const DEADTIME_MIN: u64 = 4;

/// A node that was told to leave has ended after so long.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);

/// Something to be done later.
#[derive(Clone, Debug)]
enum Later {
    Heal(SegmentIndex, Vec<(NodeIndex, NodeIndex)>),
    Improve(SegmentIndex, Quality),
    Start(NodeIndex, How),
    RightKeys(NodeIndex),
    Unclone(NodeIndex),
    Replay(NodeIndex, u64),
    Answer(SegmentIndex),
}

/// How a daemon comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Restart,
    Reboot,
    WithoutDisk,
}

/// The dice and the agenda of a run.
pub struct Faults {
    random: Random,
    gap: (Duration, Duration),
    next: Moment,
    agenda: Vec<(Moment, Later)>,
    kept: Vec<VecDeque<(SegmentIndex, Rc<[u8]>)>>,
    clones: bool,
    cloned: Vec<NodeIndex>,
    /// What was done, for a trace.
    pub log: Vec<String>,
}

impl Faults {
    /// Faults for a cluster of so many nodes.
    #[must_use]
    pub fn new(seed: u64, nodes: usize) -> Self {
        let mut random = Random::new(seed ^ 0xFA17);
        let longest = *random.pick(&[6, 20, 60, 150]);
        let clones = random.below(8) == 0;
        Self {
            gap: (Duration::from_millis(200), Duration::from_secs(longest)),
            next: Moment(0) + Duration::from_secs(random.between(0, 40)),
            random,
            agenda: Vec::new(),
            kept: vec![VecDeque::new(); nodes],
            clones,
            cloned: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Starts all nodes, at once or over some seconds.
    pub fn begin(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let spread = *self.random.pick(&[0, 1, 10]);
        for node in cluster.world.nodes() {
            let at = Moment(0)
                + self
                    .random
                    .span(Duration::ZERO, Duration::from_secs(spread));
            self.agenda.push((at, Later::Start(node, How::Restart)));
        }
        self.due(cluster, rules);
    }

    /// When something is to be done.
    #[must_use]
    pub fn next(&self) -> Moment {
        let agenda = self.agenda.iter().map(|(at, _)| *at);
        agenda.chain([self.next]).min().unwrap_or(self.next)
    }

    /// Remembers a packet that was sent.
    pub fn keep(&mut self, node: NodeIndex, segment: SegmentIndex, bytes: &Rc<[u8]>) {
        if self.random.below(16) != 0 {
            return;
        }
        let kept = &mut self.kept[node.0];
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((segment, Rc::clone(bytes)));
    }

    /// Does everything that is due.
    pub fn due(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let now = cluster.world.now();
        while let Some(place) = self.agenda.iter().position(|(at, _)| *at <= now) {
            let (_, later) = self.agenda.swap_remove(place);
            self.carry_out(later, cluster, rules);
        }
        if self.next <= now {
            self.next = now + self.random.span(self.gap.0, self.gap.1);
            self.strike(cluster, rules);
        }
    }

    /// The first part of [`heal`](Self::heal): every machine goes on, with the keys it has. What they
    /// do at once is to be looked at before anything else changes.
    pub fn thaw(&mut self, cluster: &mut Cluster) {
        self.next = Moment(u64::MAX);
        self.note("everything heals");
        for node in cluster.world.nodes() {
            cluster.world.thaw(node);
        }
    }

    /// Heals everything at once; no fault happens from here on.
    pub fn heal(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let mut agenda = std::mem::take(&mut self.agenda);
        // Keys first, so that what is started signs with them.
        agenda.sort_by_key(|(at, later)| (!matches!(later, Later::RightKeys(_)), *at));
        for (_, later) in agenda {
            if !matches!(later, Later::Replay(..)) {
                self.carry_out(later, cluster, rules);
            }
        }
        for node in cluster.world.nodes() {
            self.start(node, How::Restart, cluster, rules);
            // One that is just leaving comes back.
            let again = cluster.world.now() + LEAVES_WITHIN;
            self.agenda.push((again, Later::Start(node, How::Restart)));
        }
        rules.healed(&cluster.world);
    }

    fn note(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    fn later(&mut self, after: Duration, cluster: &Cluster, later: Later) {
        self.agenda.push((cluster.world.now() + after, later));
    }

    fn carry_out(&mut self, later: Later, cluster: &mut Cluster, rules: &mut Rules) {
        if !matches!(later, Later::Replay(..)) {
            self.note(format!("later: {later:?}"));
        }
        match later {
            Later::Heal(segment, paths) => {
                let which = |from, to| paths.contains(&(from, to));
                cluster.world.segments_mut()[segment.0].change(which, |path| path.cut = false);
            }
            Later::Improve(segment, good) => {
                cluster.world.segments_mut()[segment.0].change(
                    |from, to| from != to,
                    |path| {
                        let cut = path.cut;
                        path.clone_from(&good);
                        path.cut = cut;
                    },
                );
                rules.lossy(segment, false);
            }
            Later::Start(node, how) => self.start(node, how, cluster, rules),
            Later::RightKeys(node) if waits(cluster, node) => {
                self.later(Duration::from_secs(1), cluster, later);
            }
            Later::RightKeys(node) => self.set_keys(node, true, cluster, rules),
            Later::Unclone(node) => self.unclone(node, cluster, rules),
            Later::Replay(node, left) => self.replay(node, left, cluster),
            Later::Answer(segment) => cluster.world.segments_mut()[segment.0].answers = true,
        }
        rules.disturb(cluster.world.now());
    }

    fn start(&mut self, node: NodeIndex, how: How, cluster: &mut Cluster, rules: &mut Rules) {
        let world = &mut cluster.world;
        if world.machine(node).life != Life::Off {
            return;
        }
        if world.machine(node).frozen {
            return self.later(Duration::from_secs(1), cluster, Later::Start(node, how));
        }
        match how {
            How::Restart => {}
            How::Reboot => world.reboot(node),
            How::WithoutDisk => {
                let identity = uuid(&mut self.random);
                let now = world.now();
                world.machine_mut(node).lose_disk(identity, now);
                rules.disk_lost(node);
            }
        }
        if let Err(refused) = world.start(node) {
            unreachable!("the settings of a seed are refused: {refused}");
        }
    }

    fn set_keys(&mut self, node: NodeIndex, right: bool, cluster: &mut Cluster, rules: &mut Rules) {
        let keys = vec![match right {
            true => cluster.key.clone(),
            false => wrong_key(),
        }];
        let settings = &mut cluster.world.machine_mut(node).settings;
        settings.keys.clone_from(&keys);
        let active = settings.active_key;
        rules.keys_changed(node, right);
        cluster.world.command(node, Command::Keys { active, keys });
    }

    fn unclone(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        self.cloned.retain(|cloned| *cloned != node);
        cluster.world.kill(node);
        let identity = cluster.world.machine(node).settings.uuid;
        cluster.world.machine_mut(node).disk.uuid = identity;
        self.start(node, How::Restart, cluster, rules);
    }

    fn replay(&mut self, node: NodeIndex, left: u64, cluster: &mut Cluster) {
        let kept: Vec<_> = self.kept[node.0].iter().cloned().collect();
        if kept.is_empty() {
            return;
        }
        let (segment, bytes) = self.random.pick(&kept).clone();
        cluster.world.inject(node, segment, &bytes);
        if left > 0 {
            let after = self
                .random
                .span(Duration::from_millis(50), Duration::from_millis(1500));
            self.later(after, cluster, Later::Replay(node, left - 1));
        }
    }

    // The faults themselves.

    fn strike(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let nodes: Vec<NodeIndex> = cluster.world.nodes().collect();
        let node = *self.random.pick(&nodes);
        match self.random.below(20) {
            0 | 1 => self.cut_segment(cluster),
            2 | 3 => self.partition(cluster),
            4 | 5 => self.one_way(cluster),
            6 | 7 => self.spoil(cluster, rules),
            8 | 9 => self.freeze(node, cluster),
            10 => self.restart_core(node, cluster),
            11 | 12 => self.kill(node, cluster),
            13 => self.leave(node, cluster),
            14 => self.wrong_keys(node, cluster, rules),
            15 => self.other(node, cluster, rules),
            16 => self.change_times(node, cluster),
            17 => self.change_files(node, cluster),
            18 => self.pause(node, cluster),
            _ => {
                let many = self.random.between(1, 40);
                self.note(format!("replay {node:?} {many} times"));
                self.replay(node, many, cluster);
            }
        }
        rules.disturb(cluster.world.now());
    }

    /// A reload with other times, none of them beyond what [`Cluster`] says of the longest.
    fn change_times(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        if !cluster.world.machine(node).runs() {
            return;
        }
        let keepalive = *self.random.pick(&[KEEPALIVE / 2, KEEPALIVE]);
        let longest = cluster.deadtime.as_secs();
        let deadtime = Duration::from_secs(self.random.between(DEADTIME_MIN, longest));
        self.note(format!(
            "{node:?} beats every {keepalive:?}, dead after {deadtime:?}"
        ));
        let settings = &mut cluster.world.machine_mut(node).settings;
        settings.keepalive = keepalive;
        settings.deadtime = deadtime;
        settings.warntime = deadtime / 2;
        let times = settings.times();
        cluster.world.command(node, Command::Times(times));
    }

    /// A reload with other lines that should be the same everywhere. They stay.
    fn change_files(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        if !cluster.world.machine(node).runs() {
            return;
        }
        let digest = format!("{:x}", self.random.below(3));
        self.note(format!("the files of {node:?} amount to {digest}"));
        let settings = &mut cluster.world.machine_mut(node).settings;
        settings.files.insert("ha.cf".into(), digest);
        let files = settings.files.clone();
        cluster.world.command(node, Command::Files(files));
    }

    fn other(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        match self.random.below(3) {
            0 => {
                let seconds = self.random.between(1, 7200);
                let step = i64::try_from(seconds).unwrap_or(0) * 1_000_000_000;
                self.note(format!("wall clock of {node:?} steps {seconds} s"));
                cluster.world.machine_mut(node).wall_offset += step;
            }
            1 if self.clones => self.clone_disk(node, cluster, rules),
            _ => self.silence_ping(cluster),
        }
    }

    fn span(&mut self) -> Duration {
        let longest = *self.random.pick(&[2, 10, 40, 90]);
        self.random
            .span(Duration::from_millis(300), Duration::from_secs(longest))
    }

    fn any_segment(&mut self, cluster: &Cluster) -> SegmentIndex {
        let pings = usize::from(cluster.ping.is_some());
        SegmentIndex(self.random.place(cluster.world.segments().len() - pings))
    }

    fn cut(
        &mut self,
        cluster: &mut Cluster,
        segment: SegmentIndex,
        which: impl Fn(NodeIndex, NodeIndex) -> bool,
        span: Duration,
    ) {
        let mut paths = Vec::new();
        for from in cluster.world.nodes() {
            for to in cluster.world.nodes() {
                let whole = cluster.world.segments()[segment.0]
                    .path(from, to)
                    .is_some_and(|path| !path.cut);
                if from != to && whole && which(from, to) {
                    paths.push((from, to));
                }
            }
        }
        let chosen = |from, to| paths.contains(&(from, to));
        cluster.world.segments_mut()[segment.0].change(chosen, |path| path.cut = true);
        self.note(format!("cut {segment:?} {paths:?} for {span:?}"));
        self.later(span, cluster, Later::Heal(segment, paths));
    }

    fn cut_segment(&mut self, cluster: &mut Cluster) {
        let (segment, span) = (self.any_segment(cluster), self.span());
        self.cut(cluster, segment, |_, _| true, span);
    }

    /// Some nodes on one side, the rest on the other, over every segment.
    fn partition(&mut self, cluster: &mut Cluster) {
        let (side, span) = (self.random.number(), self.span());
        let on = |node: NodeIndex| side >> node.0 & 1 == 1;
        for segment in 0..cluster.world.segments().len() {
            let across = |from, to| on(from) != on(to);
            self.cut(cluster, SegmentIndex(segment), across, span);
        }
    }

    /// One direction between two nodes, over one segment or all.
    fn one_way(&mut self, cluster: &mut Cluster) {
        let nodes: Vec<NodeIndex> = cluster.world.nodes().collect();
        let (a, b) = (*self.random.pick(&nodes), *self.random.pick(&nodes));
        let span = self.span();
        let one = self.any_segment(cluster);
        let (all, from_all) = (self.random.below(2) == 0, self.random.below(2) == 0);
        for segment in 0..cluster.world.segments().len() {
            if all || segment == one.0 {
                let which = |from, to| from == a && (from_all || to == b);
                self.cut(cluster, SegmentIndex(segment), which, span);
            }
        }
    }

    fn spoil(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let (segment, span) = (self.any_segment(cluster), self.span());
        let (a, b) = (NodeIndex(0), NodeIndex(1));
        let Some(path) = cluster.world.segments()[segment.0].path(a, b) else {
            return;
        };
        if path.loss.0 + path.duplicate.0 + path.corrupt.0 > 0 {
            return;
        }
        let good = Quality {
            cut: false,
            ..path.clone()
        };
        let percent = |random: &mut Random, max| {
            Chance::percent(u32::try_from(random.below(max)).unwrap_or(0))
        };
        let bad = Quality {
            cut: false,
            latency: good.latency + self.random.span(Duration::ZERO, Duration::from_millis(300)),
            jitter: self.random.span(Duration::ZERO, Duration::from_millis(700)),
            loss: percent(&mut self.random, 60),
            duplicate: percent(&mut self.random, 30),
            corrupt: percent(&mut self.random, 10),
        };
        self.note(format!("{segment:?} gets worse for {span:?}: {bad:?}"));
        cluster.world.segments_mut()[segment.0].change(
            |from, to| from != to,
            |path| {
                let cut = path.cut;
                path.clone_from(&bad);
                path.cut = cut;
            },
        );
        rules.lossy(segment, true);
        self.later(span, cluster, Later::Improve(segment, good));
    }

    fn freeze(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        if cluster.world.machine(node).frozen {
            return;
        }
        let span = self.span();
        self.note(format!("freeze {node:?} for {span:?}"));
        cluster.world.freeze_for(node, span);
    }

    /// The machine is a virtual one and paused: it does not know for how long.
    fn pause(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        if cluster.world.machine(node).frozen {
            return;
        }
        let span = self.span();
        self.note(format!("pause {node:?} for {span:?}"));
        cluster.world.pause_for(node, span);
    }

    fn restart_core(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        let second = Duration::from_secs(1);
        let longest = *self.random.pick(&[second, second, CORE_PAUSE_MAX]);
        let pause = self.random.span(Duration::from_millis(5), longest);
        self.note(format!("restart core of {node:?} after {pause:?}"));
        cluster.world.restart_core(node, pause);
    }

    fn kill(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        let span = self.span();
        let how = *self
            .random
            .pick(&[How::Restart, How::Restart, How::Reboot, How::WithoutDisk]);
        self.note(format!("kill {node:?}, {how:?} after {span:?}"));
        cluster.world.kill(node);
        self.later(span, cluster, Later::Start(node, how));
        if self.random.below(2) == 0 {
            let many = self.random.between(20, 60);
            self.note(format!("and replay it {many} times"));
            self.replay(node, many, cluster);
        }
    }

    fn leave(&mut self, node: NodeIndex, cluster: &mut Cluster) {
        let span = self.span();
        self.note(format!("{node:?} leaves for {span:?}"));
        cluster.world.leave(node);
        let span = span.max(LEAVES_WITHIN);
        self.later(span, cluster, Later::Start(node, How::Restart));
    }

    fn wrong_keys(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        if waits(cluster, node) {
            return;
        }
        let span = self.span();
        self.note(format!("wrong keys on {node:?} for {span:?}"));
        self.set_keys(node, false, cluster, rules);
        self.later(span, cluster, Later::RightKeys(node));
    }

    fn clone_disk(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        let nodes: Vec<NodeIndex> = cluster.world.nodes().collect();
        let source = *self.random.pick(&nodes);
        if source == node || !self.cloned.is_empty() {
            return;
        }
        let span = self.span();
        self.note(format!(
            "{node:?} runs from a copy of the disk of {source:?} for {span:?}"
        ));
        self.cloned.push(node);
        cluster.world.kill(node);
        let identity = cluster.world.machine(source).disk.uuid;
        cluster.world.machine_mut(node).disk.uuid = identity;
        rules.cloned();
        self.start(node, How::Restart, cluster, rules);
        self.later(span, cluster, Later::Unclone(node));
    }

    fn silence_ping(&mut self, cluster: &mut Cluster) {
        let Some((_, segment)) = cluster.ping else {
            return;
        };
        let span = self.span();
        self.note(format!("the pinged host is silent for {span:?}"));
        cluster.world.segments_mut()[segment.0].answers = false;
        self.later(span, cluster, Later::Answer(segment));
    }
}

/// Whether packets wait that a core will handle later: with the keys it has then.
fn waits(cluster: &Cluster, node: NodeIndex) -> bool {
    let machine = cluster.world.machine(node);
    machine.frozen || machine.life == Life::BetweenCores
}
