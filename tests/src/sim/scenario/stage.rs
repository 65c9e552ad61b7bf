//! Plays the orders of a scenario and writes down what can be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use hbd_core::wire::{Form, Message, decode_packet};
use hbd_core::{Command, KeySpec, MediumForm, MediumSettings, Settings};
use shared::event::{ConfiguredNode, LinkStatus, NodeKind};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Sequence};
use shared::time::Moment;
use shared::view::{ClusterView, NodeView};

use super::order::{Link, Order, Paths, Setting, Shown, Speech, Start, Until};
use super::puppet::{Puppet, ring, uuid_of};
use crate::sim::machine::Life;
use crate::sim::{Machine, NodeIndex, Notice, Quality, Segment, SegmentIndex, World};

/// `run until quiet` gives up after this: something goes on for ever.
const QUIET_MAX: Duration = Duration::from_secs(600);

/// What a scenario's world is like unless it says otherwise: the timing of the captures.
const KEEPALIVE: Duration = Duration::from_secs(1);
const WARNTIME: Duration = Duration::from_secs(3);
const DEADTIME: Duration = Duration::from_secs(6);
const INITDEAD: Duration = Duration::from_secs(12);
const MAX_REXMIT_DELAY: Duration = Duration::from_millis(250);

/// Most lines a scenario may print; beyond it the scenario is at fault.
const LINES_MAX: usize = 2000;

/// A scenario being played.
pub struct Stage {
    world: World,
    built: bool,
    nodes: Vec<Cast>,
    pings: Vec<(NodeName, Vec<NodeName>)>,
    links: Vec<Link>,
    views: BTreeMap<NodeIndex, ClusterView>,
    kept: BTreeMap<String, (NodeIndex, Rc<[u8]>)>,
    last_sent: BTreeMap<(NodeIndex, String), Rc<[u8]>>,
    active: KeyIndex,
    keys: Vec<KeySpec>,
    last_event: Moment,
    silent: bool,
    times: bool,
    packets: BTreeSet<String>,
    hidden: BTreeSet<String>,
    lines: Vec<String>,
    notices: Vec<Notice>,
}

/// One who takes part: a node, a puppet or a stranger.
struct Cast {
    settings: Settings,
    configured: bool,
    puppet: Option<Puppet>,
    next_beat: Moment,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            world: World::new(1),
            built: false,
            nodes: Vec::new(),
            pings: Vec::new(),
            links: Vec::new(),
            views: BTreeMap::new(),
            kept: BTreeMap::new(),
            last_sent: BTreeMap::new(),
            active: KeyIndex(1),
            keys: vec![KeySpec {
                index: KeyIndex(1),
                method: "sha1".into(),
                secret: b"secret".to_vec(),
            }],
            last_event: Moment(0),
            silent: false,
            times: false,
            packets: BTreeSet::new(),
            hidden: BTreeSet::new(),
            lines: Vec::new(),
            notices: Vec::new(),
        }
    }
}

impl Stage {
    /// What was seen, one line each.
    #[must_use]
    pub fn into_text(self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Does what one line orders.
    ///
    /// # Errors
    /// Why that cannot be done here.
    pub fn play(&mut self, order: &Order) -> Result<(), String> {
        match order {
            Order::Nodes(names) => self.cast_nodes(names),
            Order::Puppet(name, generation) => self.cast_puppet(name, *generation),
            Order::Stranger(name, generation) => self.cast_stranger(name, *generation),
            Order::Ping(host, nodes) => self.before_building(|stage| {
                stage.pings.push((host.clone(), nodes.clone()));
                Ok(())
            }),
            Order::Link(link) => self.before_building(|stage| {
                stage.links.push(link.clone());
                Ok(())
            }),
            Order::Set(node, settings) => self.set(node.as_ref(), settings),
            Order::Keys(node, active, keys) => self.set_keys(node.as_ref(), *active, keys),
            Order::Boot => self.boot(),
            Order::Start(nodes, how) => self.each(nodes, |stage, node| stage.start(node, *how)),
            Order::Kill(nodes) => self.each(nodes, |stage, node| {
                stage.world.kill(node);
                Ok(())
            }),
            Order::RestartCore(node, pause) => self.one(node, |stage, node| {
                stage.world.restart_core(node, *pause);
                Ok(())
            }),
            Order::Freeze(node, span) => self.one(node, |stage, node| {
                match span {
                    Some(span) => stage.world.freeze_for(node, *span),
                    None => stage.world.freeze(node),
                }
                Ok(())
            }),
            Order::Thaw(node) => self.one(node, |stage, node| {
                stage.world.thaw(node);
                Ok(())
            }),
            Order::Leave(nodes) => self.each(nodes, |stage, node| {
                stage.world.command(node, Command::Leave { cause: None });
                Ok(())
            }),
            Order::Clock(node, size, back) => self.one(node, |stage, node| {
                let nanos = i64::try_from(size.as_nanos()).map_err(|_| "too far")?;
                stage.world.machine_mut(node).wall_offset += if *back { -nanos } else { nanos };
                Ok(())
            }),
            Order::Clone(from, to) => {
                self.build()?;
                let (from, to) = (self.index(from)?, self.index(to)?);
                let uuid = self.world.machine(from).disk.uuid;
                self.world.machine_mut(to).disk.uuid = uuid;
                Ok(())
            }
            Order::Cut(paths) => self.change(paths, |quality| quality.cut = true),
            Order::Heal(paths) => self.change(paths, |quality| quality.cut = false),
            Order::Quality(paths, changes) => self.change(paths, |quality| changes.apply(quality)),
            Order::Answer(host, answers) => self.answer(host, *answers),
            Order::Send(who, speech) => self.one(who, |stage, node| stage.say(node, speech)),
            Order::Beats(who, speech) => self.one(who, |stage, node| stage.beats(node, speech)),
            Order::Hush(who) => self.one(who, |stage, node| {
                stage.puppet(node)?.beats = None;
                Ok(())
            }),
            Order::Keep(node, kept, message_type) => self.keep(node, kept, message_type.as_deref()),
            Order::Replay(kept, over) => self.replay(kept, over.as_deref()),
            Order::Raw(link, bytes) => self.raw(link, bytes),
            Order::Run(until) => self.run(*until),
            Order::Look(nodes) => self.look(nodes),
            Order::Note(text) => self.print(format!("-- {text}")),
            Order::Show(shown) => {
                self.show(shown);
                Ok(())
            }
            Order::Hide(kinds) => {
                self.hidden.extend(kinds.iter().cloned());
                Ok(())
            }
        }?;
        self.look_around()
    }

    // Who takes part.

    fn before_building(
        &mut self,
        then: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.built {
            return Err("comes too late: the nodes run already; move it up".into());
        }
        then(self)
    }

    fn cast(&mut self, name: &NodeName, configured: bool) {
        let settings = Settings {
            version: "0".into(),
            node: name.clone(),
            uuid: uuid_of(name.as_str()),
            nodes: Vec::new(),
            media: Vec::new(),
            keepalive: KEEPALIVE,
            warntime: WARNTIME,
            deadtime: DEADTIME,
            initdead: INITDEAD,
            deadping: DEADTIME,
            link_up_delay: Duration::ZERO,
            link_down_delay: Duration::ZERO,
            max_rexmit_delay: MAX_REXMIT_DELAY,
            unauth_hold: DEADTIME * 10,
            hopfudge: 1,
            active_key: self.active,
            keys: self.keys.clone(),
        };
        self.nodes.push(Cast {
            settings,
            configured,
            puppet: None,
            next_beat: Moment(0),
        });
    }

    fn cast_nodes(&mut self, names: &[NodeName]) -> Result<(), String> {
        self.before_building(|stage| {
            for name in names {
                stage.cast(name, true);
            }
            Ok(())
        })
    }

    fn cast_puppet(&mut self, name: &NodeName, generation: Generation) -> Result<(), String> {
        self.before_building(|stage| {
            let node = stage.index(name)?;
            stage.nodes[node.0].puppet = Some(Puppet {
                name: name.clone(),
                node,
                generation,
                sequence: Sequence(0),
                beats: None,
            });
            Ok(())
        })
    }

    fn cast_stranger(&mut self, name: &NodeName, generation: Generation) -> Result<(), String> {
        self.before_building(|stage| {
            stage.cast(name, false);
            stage.cast_puppet(name, generation)
        })
    }

    fn index(&self, name: &NodeName) -> Result<NodeIndex, String> {
        let place = self
            .nodes
            .iter()
            .position(|cast| cast.settings.node == *name);
        place.map(NodeIndex).ok_or_else(|| {
            format!("there is no `{name}`; name it in `nodes` or `stranger` further up")
        })
    }

    fn puppet(&mut self, node: NodeIndex) -> Result<&mut Puppet, String> {
        let cast = &mut self.nodes[node.0];
        let name = &cast.settings.node;
        let missing = format!("`{name}` speaks for itself; add `puppet {name}` further up");
        cast.puppet.as_mut().ok_or(missing)
    }

    fn one(
        &mut self,
        name: &NodeName,
        then: impl FnOnce(&mut Self, NodeIndex) -> Result<(), String>,
    ) -> Result<(), String> {
        self.build()?;
        let node = self.index(name)?;
        then(self, node)
    }

    fn each(
        &mut self,
        names: &[NodeName],
        then: impl Fn(&mut Self, NodeIndex) -> Result<(), String>,
    ) -> Result<(), String> {
        self.build()?;
        for name in names {
            let node = self.index(name)?;
            then(self, node)?;
        }
        Ok(())
    }

    // Building the world, once everybody and everything is named.

    fn build(&mut self) -> Result<(), String> {
        if self.built {
            return Ok(());
        }
        self.built = true;
        let mut nodes: Vec<ConfiguredNode> = self
            .nodes
            .iter()
            .filter(|cast| cast.configured)
            .map(|cast| ConfiguredNode {
                name: cast.settings.node.clone(),
                kind: NodeKind::Normal,
            })
            .collect();
        nodes.extend(self.pings.iter().map(|(host, _)| ConfiguredNode {
            name: host.clone(),
            kind: NodeKind::Ping,
        }));
        self.build_segments()?;
        for place in 0..self.nodes.len() {
            let node = NodeIndex(place);
            let cast = &mut self.nodes[place];
            let mut media = Vec::new();
            for (place, segment) in self.world.segments().iter().enumerate() {
                if segment.members.contains(&node) {
                    media.push(SegmentIndex(place));
                    cast.settings.media.push(MediumSettings {
                        name: segment.name.clone(),
                        description: segment.name.to_string(),
                        form: segment.form.clone(),
                        rate: segment.baud,
                    });
                }
            }
            cast.settings.nodes.clone_from(&nodes);
            let machine = Machine::new(cast.settings.clone(), Generation(0));
            self.world.add_machine(machine, media);
        }
        Ok(())
    }

    fn build_segments(&mut self) -> Result<(), String> {
        for link in std::mem::take(&mut self.links) {
            let members = self.indices(&link.members)?;
            let mut quality = Quality::default();
            link.quality.apply(&mut quality);
            let form = match link.baud {
                Some(_) => MediumForm::Stream,
                None => MediumForm::Datagram,
            };
            let mut segment = Segment::new(medium(&link.name)?, form, &members, &quality);
            segment.baud = link.baud;
            segment.echo = link.echo;
            self.world.add_segment(segment);
        }
        for (host, nodes) in self.pings.clone() {
            let members = self.indices(&nodes)?;
            let form = MediumForm::Ping(host.clone());
            let name = medium(host.as_str())?;
            let segment = Segment::new(name, form, &members, &Quality::default());
            self.world.add_segment(segment);
        }
        Ok(())
    }

    fn indices(&self, names: &[NodeName]) -> Result<Vec<NodeIndex>, String> {
        names.iter().map(|name| self.index(name)).collect()
    }

    // Settings, before the start or for the next one.

    fn set(
        &mut self,
        node: Option<&NodeName>,
        settings: &[(Setting, Duration)],
    ) -> Result<(), String> {
        let only = node.map(|name| self.index(name)).transpose()?;
        for place in 0..self.nodes.len() {
            if only.is_some_and(|only| only.0 != place) {
                continue;
            }
            change_settings(&mut self.nodes[place].settings, settings);
            if self.built {
                let machine = self.world.machine_mut(NodeIndex(place));
                change_settings(&mut machine.settings, settings);
            }
        }
        Ok(())
    }

    fn set_keys(
        &mut self,
        node: Option<&NodeName>,
        active: KeyIndex,
        keys: &[KeySpec],
    ) -> Result<(), String> {
        ring(active, keys)?;
        let only = node.map(|name| self.index(name)).transpose()?;
        if only.is_none() {
            self.active = active;
            self.keys = keys.to_vec();
        }
        for place in 0..self.nodes.len() {
            if only.is_some_and(|only| only.0 != place) {
                continue;
            }
            let settings = &mut self.nodes[place].settings;
            settings.active_key = active;
            settings.keys = keys.to_vec();
            if self.built {
                let settings = &mut self.world.machine_mut(NodeIndex(place)).settings;
                settings.active_key = active;
                settings.keys = keys.to_vec();
                let keys = keys.to_vec();
                let command = Command::Keys { active, keys };
                self.world.command(NodeIndex(place), command);
            }
        }
        Ok(())
    }

    // What happens to nodes and links.

    fn boot(&mut self) -> Result<(), String> {
        self.build()?;
        self.silent = true;
        for node in self.world.nodes() {
            let cast = &self.nodes[node.0];
            if cast.puppet.is_none() && self.world.machine(node).life == Life::Off {
                self.start(node, Start::default())?;
            }
        }
        self.run(Until::Quiet)?;
        self.look_around()?;
        self.silent = false;
        Ok(())
    }

    fn start(&mut self, node: NodeIndex, how: Start) -> Result<(), String> {
        let name = &self.nodes[node.0].settings.node;
        if self.nodes[node.0].puppet.is_some() {
            return Err(format!("{name} is a puppet and has no daemon"));
        }
        if how.after_reboot {
            self.world.reboot(node);
        }
        if self.world.machine(node).life != Life::Off {
            return Err(format!("hbd runs on {name} already; `kill` it first"));
        }
        if how.without_disk {
            let at = self.world.now();
            let uuid = uuid_of(&format!("{name} {}", at.0));
            self.world.machine_mut(node).lose_disk(uuid, at);
        }
        self.views.insert(node, ClusterView::default());
        self.world.start(node)
    }

    fn change(
        &mut self,
        paths: &Paths,
        change: impl Fn(&mut Quality) + std::marker::Copy,
    ) -> Result<(), String> {
        self.build()?;
        let mut paths = paths.clone();
        let known = |stage: &Self, word: &str| {
            let segments = stage.world.segments();
            segments.iter().any(|s| s.name.as_str() == word)
        };
        if let Some(word) = paths.link.clone().filter(|word| !known(self, word)) {
            let node = NodeName::new(&word).map_err(|bad| bad.to_string())?;
            self.index(&node)
                .map_err(|_| format!("`{word}` is neither a link nor a node"))?;
            paths.link = None;
            paths.either = Some(node);
        }
        let end = |name: &Option<NodeName>| name.as_ref().map(|name| self.index(name)).transpose();
        let (from, to, either) = (end(&paths.from)?, end(&paths.to)?, end(&paths.either)?);
        for segment in self.world.segments_mut() {
            let pings = matches!(segment.form, MediumForm::Ping(_));
            if paths
                .link
                .as_deref()
                .is_some_and(|link| link != segment.name.as_str())
            {
                continue;
            }
            let which = |sender, receiver| {
                (pings || sender != receiver)
                    && from.is_none_or(|from| from == sender)
                    && to.is_none_or(|to| to == receiver)
                    && either.is_none_or(|either| either == sender || either == receiver)
            };
            segment.change(which, change);
        }
        Ok(())
    }

    fn answer(&mut self, host: &NodeName, answers: bool) -> Result<(), String> {
        self.build()?;
        let mut segments = self.world.segments_mut().iter_mut();
        let of_host = |segment: &&mut Segment| segment.form == MediumForm::Ping(host.clone());
        let segment = segments.find(of_host).ok_or_else(|| {
            format!("nobody pings `{host}`; add `ping {host} NODE...` further up")
        })?;
        segment.answers = answers;
        Ok(())
    }

    fn segment(&self, link: &str) -> Result<SegmentIndex, String> {
        let mut segments = self.world.segments().iter();
        let place = segments.position(|segment| segment.name.as_str() == link);
        place
            .map(SegmentIndex)
            .ok_or_else(|| format!("there is no link `{link}`; name it in `link` further up"))
    }

    // What puppets say.

    fn say(&mut self, node: NodeIndex, speech: &Speech) -> Result<(), String> {
        let keys = ring(speech.key.unwrap_or(self.active), &self.keys)?;
        let wall = self.world.machine(node).clocks(self.world.now()).wall;
        let over = speech.over.as_deref().map(|link| self.segment(link));
        let over = over.transpose()?;
        let all = self.world.machine(node).media.clone();
        let before = self.puppet(node)?.sequence;
        for segment in all {
            if over.is_some_and(|over| over != segment) {
                continue;
            }
            let form = match self.world.segments()[segment.0].form {
                MediumForm::Stream => Form::String,
                _ => Form::Netstring,
            };
            let puppet = self.puppet(node)?;
            puppet.sequence = before;
            let packet: Rc<[u8]> = puppet.say(speech, form, &keys, wall.seconds())?.into();
            let kind = (node, speech.message_type.clone());
            self.last_sent.insert(kind, Rc::clone(&packet));
            self.world.inject(node, segment, &packet);
        }
        Ok(())
    }

    fn beats(&mut self, node: NodeIndex, speech: &Speech) -> Result<(), String> {
        self.puppet(node)?.beats = Some(speech.clone());
        self.nodes[node.0].next_beat = self.world.now();
        self.speak_up()
    }

    /// Lets each puppet send the beat that is due.
    fn speak_up(&mut self) -> Result<(), String> {
        for place in 0..self.nodes.len() {
            let cast = &mut self.nodes[place];
            let beats = cast.puppet.as_ref().and_then(|puppet| puppet.beats.clone());
            let Some(speech) = beats.filter(|_| cast.next_beat <= self.world.now()) else {
                continue;
            };
            cast.next_beat = self.world.now() + cast.settings.keepalive;
            self.say(NodeIndex(place), &speech)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        node: &NodeName,
        kept: &str,
        message_type: Option<&str>,
    ) -> Result<(), String> {
        let message_type = message_type.unwrap_or("status");
        let from = self.index(node)?;
        let sent = self.last_sent.get(&(from, message_type.to_owned()));
        let packet = sent.ok_or_else(|| format!("{node} has sent no {message_type} yet"))?;
        self.kept.insert(kept.to_owned(), (from, Rc::clone(packet)));
        Ok(())
    }

    fn replay(&mut self, kept: &str, over: Option<&str>) -> Result<(), String> {
        let packet = self.kept.get(kept);
        let missing = || format!("no packet was kept as `{kept}`; add `keep NODE as {kept}`");
        let (from, bytes) = packet.ok_or_else(missing)?.clone();
        let over = over.map(|link| self.segment(link)).transpose()?;
        for segment in self.world.machine(from).media.clone() {
            if over.is_none_or(|over| over == segment) {
                self.world.inject(from, segment, &bytes);
            }
        }
        Ok(())
    }

    fn raw(&mut self, link: &str, bytes: &[u8]) -> Result<(), String> {
        self.build()?;
        let segment = self.segment(link)?;
        let from = self.world.segments()[segment.0].members[0];
        self.world.inject(from, segment, &bytes.into());
        Ok(())
    }

    // Time.

    fn run(&mut self, until: Until) -> Result<(), String> {
        self.build()?;
        match until {
            Until::Span(span) => self.run_to(self.world.now() + span),
            Until::Deadtime => self.run_to(self.world.now() + self.longest(|s| s.deadtime)),
            Until::Initdead => self.run_to(self.world.now() + self.longest(|s| s.initdead)),
            Until::Quiet => self.run_until_quiet(),
        }
    }

    /// The longest such span of all nodes, and a keepalive.
    fn longest(&self, span: impl Fn(&Settings) -> Duration) -> Duration {
        let spans = self.nodes.iter().map(|cast| {
            let settings = &cast.settings;
            span(settings) + settings.keepalive
        });
        spans.max().unwrap_or_default()
    }

    fn run_until_quiet(&mut self) -> Result<(), String> {
        let begun = self.world.now();
        let long = self.longest(|s| s.deadtime.max(s.initdead / 2)) * 2;
        self.last_event = begun;
        while self.world.now().since(self.last_event) < long {
            self.run_to(self.last_event + long)?;
            if self.world.now().since(begun) > QUIET_MAX {
                return Err("it never becomes quiet; run for a span of time".into());
            }
        }
        Ok(())
    }

    fn run_to(&mut self, end: Moment) -> Result<(), String> {
        loop {
            self.speak_up()?;
            let speaks = |cast: &&Cast| cast.puppet.as_ref().is_some_and(|p| p.beats.is_some());
            let beats = self.nodes.iter().filter(speaks).map(|cast| cast.next_beat);
            let stop = beats.min().map_or(end, |beat| beat.min(end));
            while self.world.step(stop) {
                self.look_around()?;
            }
            self.look_around()?;
            if self.world.now() >= end {
                return Ok(());
            }
        }
    }

    // What is seen.

    fn print(&mut self, line: String) -> Result<(), String> {
        if self.lines.len() >= LINES_MAX {
            return Err(format!(
                "prints more than {LINES_MAX} lines; `hide` some kinds of events or run shorter"
            ));
        }
        let time = self.world.now().0;
        let (seconds, millis) = (time / 1_000_000_000, time / 1_000_000 % 1000);
        self.lines.push(match self.times {
            true => format!("{seconds:>4}.{millis:03} {line}"),
            false => line,
        });
        Ok(())
    }

    fn show(&mut self, shown: &Shown) {
        match shown {
            Shown::Times => self.times = true,
            Shown::Packets(types) => self.packets.extend(types.iter().cloned()),
            Shown::Kinds(kinds) => kinds.iter().for_each(|kind| {
                self.hidden.remove(kind);
            }),
        }
    }

    fn look_around(&mut self) -> Result<(), String> {
        let mut notices = std::mem::take(&mut self.notices);
        self.world.take_notices(&mut notices);
        for notice in &notices {
            self.see(notice)?;
        }
        self.notices = notices;
        Ok(())
    }

    fn see(&mut self, notice: &Notice) -> Result<(), String> {
        match notice {
            Notice::Event { node, event } => {
                self.last_event = self.world.now();
                self.views.entry(*node).or_default().apply(event);
                if self.silent || self.hidden.contains(&event.kind.word()) {
                    return Ok(());
                }
                let name = &self.nodes[node.0].settings.node;
                self.print(format!("{name}: {}", event.text))
            }
            Notice::Transmitted {
                node,
                segment,
                bytes,
            } => self.see_packet(*node, *segment, bytes),
            Notice::Spins { node, deadline } => {
                let name = &self.nodes[node.0].settings.node;
                Err(format!("{name} does not come to rest: {deadline:?}"))
            }
            Notice::CoreStarted { .. }
            | Notice::Arrived { .. }
            | Notice::Sampled { .. }
            | Notice::Rests { .. }
            | Notice::Left { .. } => Ok(()),
        }
    }

    fn see_packet(
        &mut self,
        node: NodeIndex,
        segment: SegmentIndex,
        bytes: &Rc<[u8]>,
    ) -> Result<(), String> {
        let settings = &self.world.machine(node).settings;
        let keys = ring(settings.active_key, &settings.keys)?;
        let decoded = decode_packet(bytes, &keys);
        let message = match decoded {
            Ok(decoded) => decoded.message,
            Err(refused) => return Err(format!("{} sends bad packets: {refused}", settings.node)),
        };
        let message_type = message.message_type().to_owned();
        let shown = self.packets.contains(&message_type);
        let line = shown.then(|| describe(&message));
        self.last_sent
            .insert((node, message_type), Rc::clone(bytes));
        let first = self.world.machine(node).media.first() == Some(&segment);
        match line {
            Some(line) if first && !self.silent => {
                let name = &self.nodes[node.0].settings.node;
                self.print(format!("{name} sends {line}"))
            }
            _ => Ok(()),
        }
    }

    fn look(&mut self, nodes: &[NodeName]) -> Result<(), String> {
        self.build()?;
        let nodes = match nodes {
            [] => self.world.nodes().collect(),
            nodes => self.indices(nodes)?,
        };
        for node in nodes {
            if self.world.machine(node).life == Life::Off {
                continue;
            }
            let name = self.nodes[node.0].settings.node.clone();
            let view = self.views.get(&node).cloned().unwrap_or_default();
            let seen: Vec<String> = view
                .nodes
                .iter()
                .map(|(name, node)| describe_node(name, node))
                .collect();
            self.print(format!("{name} sees {}", seen.join(", ")))?;
        }
        Ok(())
    }
}

fn medium(name: &str) -> Result<MediumName, String> {
    MediumName::new(name).map_err(|bad| format!("`{name}` is no name of a link: {bad}"))
}

fn change_settings(settings: &mut Settings, changes: &[(Setting, Duration)]) {
    for &(setting, span) in changes {
        let place = match setting {
            Setting::Keepalive => &mut settings.keepalive,
            Setting::Warntime => &mut settings.warntime,
            Setting::Deadtime => &mut settings.deadtime,
            Setting::Initdead => &mut settings.initdead,
            Setting::Deadping => &mut settings.deadping,
            Setting::LinkUpDelay => &mut settings.link_up_delay,
            Setting::LinkDownDelay => &mut settings.link_down_delay,
            Setting::MaxRexmitDelay => &mut settings.max_rexmit_delay,
            Setting::UnauthHold => &mut settings.unauth_hold,
        };
        *place = span;
    }
}

/// The fields that every message has and no scenario is about.
const ORDINARY: [&str; 8] = ["t", "destuuid", "src", "srcuuid", "hg", "ts", "ld", "ttl"];

fn describe(message: &Message) -> String {
    let fields = message
        .fields()
        .filter(|(name, _)| !ORDINARY.contains(name))
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            match text.contains(' ') {
                true => format!(" {name}={text:?}"),
                false => format!(" {name}={text}"),
            }
        });
    format!("{}{}", message.message_type(), fields.collect::<String>())
}

fn describe_node(name: &NodeName, node: &NodeView) -> String {
    let mut marks: Vec<String> = Vec::new();
    for (medium, link) in &node.links {
        let one_way = if link.one_way { " one-way" } else { "" };
        if link.status != LinkStatus::Init {
            marks.push(format!("{medium} {}{one_way}", link.status));
        }
    }
    if node.jeopardy.is_some() {
        marks.push("in jeopardy".into());
    }
    if node.not_heard {
        marks.push("does not hear us".into());
    }
    if node.unauthenticated.is_some() {
        marks.push("not authenticated".into());
    }
    let marks = match marks.is_empty() {
        true => String::new(),
        false => format!(" ({})", marks.join(", ")),
    };
    format!("{name} {}{marks}", node.status)
}
