//! Plays the orders of a scenario and writes down what can be seen.

mod building;
mod clients;
mod deeds;
mod sight;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use hbd_core::{Command, KeySpec, Settings};
use shared::names::{Generation, KeyIndex, NodeName, Sequence};
use shared::time::Moment;
use shared::view::ClusterView;

use super::order::{Link, Order, Until};
use super::puppet::{Puppet, uuid_of};
use crate::sim::{NodeIndex, Notice, World};
use clients::Clients;

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
    clients: Clients,
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
                secret: "secret".into(),
            }],
            last_event: Moment(0),
            silent: false,
            times: false,
            packets: BTreeSet::new(),
            hidden: BTreeSet::new(),
            clients: Clients::default(),
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
            Order::Reload(node) => self.reload(node.as_ref()),
            Order::Keys(node, active, keys) => self.set_keys(node.as_ref(), *active, keys),
            Order::Strike(node, from) => self.configure(node, from, false),
            Order::Enter(node, nodes) => self.configure(node, nodes, true),
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
                stage.world.leave(node);
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
            Order::Say(node, said) => self.one(node, |stage, node| {
                stage.world.command(node, Command::Say(said.clone()));
                Ok(())
            }),
            Order::Listen(client, acknowledges) => self.listen(client, *acknowledges),
            Order::Unlisten(client) => {
                self.one(&client.node, |stage, node| stage.unlisten(node, client))
            }
            Order::Acknowledge(client) => self.acknowledge(client),
            Order::Message(letter) => self.message(letter),
            Order::Close(from, to) => self.close(from, to),
            Order::GiveUp(from, to) => self.give_up(from, to),
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
            files: Default::default(),
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
}
