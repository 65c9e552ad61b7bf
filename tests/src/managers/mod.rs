//! Two managers in a virtual world: what is between them is a stand-in for two cores, what they act
//! upon is a set of resources that run or do not. A seed chooses the groups, the order of everything
//! and what goes wrong; [`rules`] judges after each step.
//!
//! ```text
//!  dice --> faults --> [node: manager, membership, actions under way, what runs]  x 2
//!                                     |     ^
//!                                     v     |
//!                              ordered messages, which a cut delays
//! ```

pub mod dice;
pub mod membership;
pub mod node;
pub mod rules;

use std::collections::VecDeque;
use std::time::Duration;

use hbd_manager::{
    ActionId, ClusterManager, Declaration, Fence, FenceOperation, Mutant, Order, Output,
};
use shared::event::Event;
use shared::group::Outcome;
use shared::names::{Generation, NodeName};
use shared::order::{Choice, GroupVerb};
use shared::time::{Moment, Now, Wall};

use crate::sim::explore::{Failure, clock};
use crate::sim::random::{Chance, Random};
use dice::Dice;
use node::{Node, Work};
use rules::Rules;

/// How long a run lasts.
pub const RUN: Duration = Duration::from_secs(1200);
/// When everything heals.
pub const HEAL: Duration = Duration::from_secs(300);
/// So long after it the operator cleans up once more: what had begun before may have failed later.
pub const CLEAN: Duration = Duration::from_secs(100);
/// Time between two beats.
pub const BEAT: Duration = Duration::from_millis(100);
/// Silence after which a node is dead.
pub const DEADTIME: Duration = Duration::from_secs(1);
/// How late a message of a replaced core may come.
const LATE: Duration = Duration::from_secs(2);
/// Longest that a slow fencing device takes.
const SLOW_DEVICE: Duration = Duration::from_secs(10);
/// How many of the last lines of its story a failure shows.
const STORY_MAX: usize = 80;

/// Runs one seed.
///
/// # Errors
/// The rule that was broken, with its story.
pub fn run(seed: u64, mutant: Option<Mutant>, story_max: usize) -> Result<(), Box<Failure>> {
    let mut world = World::new(seed, mutant, story_max);
    world.run().map_err(|broken| {
        Box::new(Failure {
            seed,
            at: world.now,
            broken,
            story: world.story.drain(..).collect(),
        })
    })
}

/// The first of the seeds that finds the bug, if one does.
#[must_use]
pub fn hunt(mutant: Mutant, seeds: std::ops::Range<u64>) -> Option<Box<Failure>> {
    seeds
        .into_iter()
        .find_map(|seed| run(seed, Some(mutant), STORY_MAX).err())
}

/// What is under way.
enum Letter {
    Message(Box<Declaration>),
    /// The sender leaves, having given everything up, in that life.
    Left(Generation),
}

/// A device at work.
struct Fencing {
    /// The node that uses it.
    by: usize,
    id: ActionId,
    ends: Moment,
    /// When it switches the other node off, if it does.
    strikes: Option<Moment>,
    outcome: Outcome,
}

/// Two nodes and what is between them.
pub struct World {
    now: Moment,
    nodes: [Node; 2],
    /// By sender: what is under way, in order.
    wires: [VecDeque<(Moment, Letter)>; 2],
    fences: Vec<Fencing>,
    /// By node: an operator had the other one switched off.
    fence_ordered: [bool; 2],
    /// By sender: nothing arrives.
    cut: [bool; 2],
    dice: Dice,
    random: Random,
    rules: Rules,
    /// A rule that an event broke.
    broken: Option<String>,
    story: VecDeque<String>,
    story_max: usize,
    next_beat: Moment,
    next_fault: Moment,
}

impl World {
    fn new(seed: u64, mutant: Option<Mutant>, story_max: usize) -> Self {
        let mut random = Random::new(seed);
        let dice = Dice::new(&mut random);
        let nodes = [0, 1].map(|place| Node::new(place, &dice, mutant));
        Self {
            now: Moment(1_000_000_000),
            nodes,
            wires: [VecDeque::new(), VecDeque::new()],
            fences: Vec::new(),
            fence_ordered: [false; 2],
            cut: [false; 2],
            rules: Rules::new(&dice),
            dice,
            random,
            broken: None,
            story: VecDeque::new(),
            story_max: story_max.max(1),
            next_beat: Moment(1_000_000_000),
            next_fault: Moment(8_000_000_000),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for place in 0..2 {
            self.boot(place);
        }
        let (heal, end) = (Moment(0) + HEAL, Moment(0) + RUN);
        let (mut healed, mut cleaned) = (false, false);
        while self.now < end {
            self.now = self.next_moment().min(end);
            if !healed && self.now >= heal {
                healed = true;
                self.heal();
            }
            if !cleaned && self.now >= heal + CLEAN {
                cleaned = true;
                self.clean();
            }
            if self.now >= self.next_beat {
                self.next_beat = self.now + BEAT;
                // Who had begun to leave before everything healed comes back.
                for place in 0..2 {
                    if healed && !self.nodes[place].up {
                        self.boot(place);
                    }
                }
                self.beat();
            }
            if !healed && self.now >= self.next_fault {
                self.next_fault = self.now + self.dice.pause(&mut self.random);
                self.fault();
            }
            self.deliver();
            self.strike();
            for place in 0..2 {
                self.finish(place);
                self.wake(place);
            }
            self.broken.take().map_or(Ok(()), Err)?;
            let packets_pass = self.cut == [false; 2];
            self.rules
                .judge(&self.nodes, packets_pass, &self.dice, self.now)?;
        }
        self.rules.judge_end(&self.nodes)
    }

    fn next_moment(&self) -> Moment {
        let wires = self.wires.iter().zip(self.cut).filter(|(_, cut)| !cut);
        let arrivals = wires.filter_map(|(wire, _)| wire.front().map(|(at, _)| *at));
        let nodes = self.nodes.iter().flat_map(Node::deadlines);
        arrivals
            .chain(nodes)
            .chain(
                self.fences
                    .iter()
                    .flat_map(|fence| fence.strikes.into_iter().chain([fence.ends])),
            )
            .chain([self.next_beat, self.next_fault])
            .filter(|at| *at > self.now)
            .min()
            .unwrap_or(self.now + BEAT)
    }

    fn clock(&self) -> Now {
        Now {
            boot: self.now,
            wall: Wall(self.now.0),
        }
    }

    fn tell(&mut self, line: &str) {
        if self.story.len() == self.story_max {
            self.story.pop_front();
        }
        self.story.push_back(format!("{} {line}", clock(self.now)));
    }

    fn boot(&mut self, place: usize) {
        self.tell(&format!("{} boots", self.nodes[place].name));
        let now = self.clock();
        self.nodes[place].boot(now);
        self.carry(place);
        self.tell_pings(place);
        let events = self.nodes[1 - place].doubt_again(now);
        self.feed(1 - place, events);
    }

    /// Whether what the other node sends arrives at `place`.
    fn hears(&self, place: usize) -> bool {
        self.nodes[1 - place].up && !self.cut[1 - place]
    }

    fn beat(&mut self) {
        for place in 0..2 {
            let heard = self.hears(place);
            let declared = heard && self.nodes[1 - place].counts_peer_as_dead();
            let generation = self.nodes[1 - place].generation;
            let now = self.clock();
            let events = self.nodes[place].beat(heard, declared, generation, now);
            self.feed(place, events);
        }
    }

    /// Hands events of the core to its manager.
    fn feed(&mut self, place: usize, events: Vec<Event>) {
        let now = self.clock();
        for event in events {
            self.tell(&format!("{}: {}", self.nodes[place].name, event.text));
            if let Some(manager) = &mut self.nodes[place].manager {
                manager.handle_event(&event, now);
            }
            self.carry(place);
        }
    }

    fn deliver(&mut self) {
        for from in 0..2 {
            while let Some(letter) = self.arrived(from) {
                let to = 1 - from;
                // A core hands nothing on of a node that it counts as dead.
                if self.nodes[to].hears_peer() {
                    self.hand_over(from, to, letter);
                }
            }
        }
    }

    fn arrived(&mut self, from: usize) -> Option<Letter> {
        let (at, _) = self.wires[from].front()?;
        if self.cut[from] || *at > self.now {
            return None;
        }
        self.wires[from].pop_front().map(|(_, letter)| letter)
    }

    fn hand_over(&mut self, from: usize, to: usize, letter: Letter) {
        let now = self.clock();
        let name = self.nodes[from].name.clone();
        match letter {
            Letter::Left(life) => {
                let events = self.nodes[to].peer_left(life, now);
                self.feed(to, events);
            }
            Letter::Message(message) => {
                if let Some(manager) = &mut self.nodes[to].manager {
                    manager.handle_message(&name, *message, now);
                }
                self.carry(to);
            }
        }
    }

    /// Actions that end.
    fn finish(&mut self, place: usize) {
        while let Some(work) = self.nodes[place].take_finished(self.now) {
            let now = self.clock();
            let Work {
                action, outcome, ..
            } = work;
            if let Some(why) = outcome.failure() {
                let line = format!("{}: {} {why}", self.nodes[place].name, action.operation);
                self.tell(&line);
            }
            if let Some(manager) = &mut self.nodes[place].manager {
                manager.handle_result(action.id, outcome, now);
                self.carry(place);
            }
        }
    }

    fn begin_fence(&mut self, by: usize, fence: &Fence) {
        let longest = match self.random.happens(Chance::percent(30)) {
            true => SLOW_DEVICE,
            false => self.dice.action,
        };
        let took = self.random.span(Duration::from_millis(1), longest);
        let works = self.dice.can_fence(by) && !self.random.happens(Chance::percent(10));
        let outcome = match works {
            true => Outcome::Done,
            false => Outcome::Failed {
                why: "the device is broken".into(),
            },
        };
        let off = fence.operation == FenceOperation::Off;
        if off {
            let name = self.nodes[by].name.clone();
            self.tell(&format!("{name}: device {} is used", fence.device));
            let judged = self.rules.judge_fence(
                &self.nodes,
                by,
                self.dice.fence_blocked,
                self.fence_ordered[by],
            );
            self.broken = self.broken.take().or(judged.err());
        }
        self.fences.push(Fencing {
            by,
            id: fence.id,
            ends: self.now + took,
            // It may have worked, and not say so.
            strikes: (off && (works || self.random.happens(Chance::percent(30))))
                .then(|| self.now + self.random.span(Duration::ZERO, took)),
            outcome,
        });
    }

    /// Devices that end, even if the node that used them does not run any more.
    fn strike(&mut self) {
        for place in 0..self.fences.len() {
            let now = self.now;
            if self.fences[place]
                .strikes
                .take_if(|at| *at <= now)
                .is_some()
            {
                let struck = 1 - self.fences[place].by;
                self.tell(&format!("{} is switched off", self.nodes[struck].name));
                self.crash(struck);
            }
        }
        while let Some(place) = self.fences.iter().position(|fence| fence.ends <= self.now) {
            let fence = self.fences.swap_remove(place);
            let now = self.clock();
            if let Some(manager) = &mut self.nodes[fence.by].manager {
                manager.handle_result(fence.id, fence.outcome, now);
                self.carry(fence.by);
            }
        }
    }

    fn crash(&mut self, place: usize) {
        self.nodes[place].crash();
        self.wires[place].clear();
    }

    fn wake(&mut self, place: usize) {
        let now = self.clock();
        if let Some(manager) = &mut self.nodes[place].manager
            && manager.poll_deadline().is_some_and(|at| at <= now.boot)
        {
            manager.handle_timeout(now);
            self.carry(place);
        }
    }

    /// Carries out what the manager wants.
    fn carry(&mut self, place: usize) {
        while let Some(output) = (self.nodes[place].manager.as_mut()).and_then(|m| m.poll_output())
        {
            match output {
                Output::Keep(kept) => self.nodes[place].kept = kept,
                Output::Act(action) => {
                    let name = self.nodes[place].name.clone();
                    self.tell(&format!(
                        "{name}: {} {} of {}",
                        action.operation, action.resource, action.group
                    ));
                    let broken = self.dice.broken(&action.group, place);
                    let work = Work::new(action, broken, &self.dice, &mut self.random, self.now);
                    self.nodes[place].begin(work);
                }
                Output::Fence(fence) => self.begin_fence(place, &fence),
                Output::Send(message) => {
                    self.rules.count_message(self.now);
                    self.post(place, Letter::Message(Box::new(message)));
                }
                Output::Speak(word) => unreachable!("{word:?} is for a Heartbeat"),
                Output::Event(event) => {
                    self.tell(&format!("{}! {}", self.nodes[place].name, event.text));
                    self.nodes[place].note(&event);
                    let judged = self.rules.note(&event, &self.nodes, place, self.now);
                    self.broken = self.broken.take().or(judged.err());
                    if self.dice.fences_itself
                        && self.nodes[place].is_stuck(&event)
                        && self.random.happens(Chance::percent(70))
                    {
                        self.tell(&format!("{} fences itself", self.nodes[place].name));
                        return self.crash(place);
                    }
                }
                Output::Released => {
                    self.tell(&format!("{} left", self.nodes[place].name));
                    self.nodes[place].leave();
                    self.post(place, Letter::Left(self.nodes[place].generation));
                }
            }
        }
    }

    fn post(&mut self, from: usize, letter: Letter) {
        // A message that was asked for too late does not come any more.
        if self.now < Moment(0) + HEAL && self.random.happens(Chance::percent(1)) {
            return;
        }
        let delay = self.dice.delay(&mut self.random);
        let last = self.wires[from].back().map_or(Moment(0), |(at, _)| *at);
        self.wires[from].push_back(((self.now + delay).max(last), letter));
        // What goes wrong likes to do so while something is under way.
        if self.random.happens(Chance::percent(10)) {
            let soon = self.now + self.random.span(Duration::ZERO, delay);
            self.next_fault = self.next_fault.min(soon);
        }
    }

    /// What a replaced core had sent is lost, or comes late and in any order.
    fn upset(&mut self, from: usize) {
        if self.random.happens(Chance::percent(50)) {
            self.wires[from].clear();
        }
        for (at, _) in &mut self.wires[from] {
            *at = self.now + self.random.span(Duration::ZERO, LATE);
        }
        self.wires[from]
            .make_contiguous()
            .sort_by_key(|(at, _)| *at);
    }

    fn fault(&mut self) {
        let place = self.random.place(2);
        let name = self.nodes[place].name.clone();
        match self.random.below(29) {
            0 | 1 => {
                let cut = self.random.happens(Chance::percent(50));
                self.cut[place] = cut;
                self.tell(&format!("what {name} sends arrives: {}", !cut));
            }
            2 | 3 => {
                let cut = self.random.happens(Chance::percent(50));
                self.cut = [cut; 2];
                self.tell(&format!("packets pass: {}", !cut));
            }
            4 if self.nodes[place].up => {
                self.tell(&format!("{name} crashes"));
                self.crash(place);
            }
            22 | 23 if self.nodes[place].up => {
                self.tell(&format!("hbd dies on {name}, and what it holds goes on"));
                self.nodes[place].die();
            }
            4..=6 | 22 | 23 if !self.nodes[place].up => self.boot(place),
            5 | 18 | 19 => {
                self.tell(&format!("{name}'s core is replaced"));
                self.upset(place);
                let now = self.clock();
                self.nodes[place].replace_core(now);
                self.carry(place);
                self.tell_pings(place);
            }
            6 | 7 => self.replace_manager(place),
            8..=10 => {
                let group = self.dice.any_group(&mut self.random);
                self.dice.toggle(&group, place, &mut self.random);
                self.tell(&format!("{group} on {name} is otherwise broken or whole"));
            }
            11..=14 => self.order(place),
            15 if self.nodes[place].up => {
                let now = self.clock();
                let events = self.nodes[place].toggle_sick(now);
                self.feed(place, events);
            }
            16 if self.nodes[place].up => {
                self.nodes[place].leaves = true;
                self.tell(&format!("{name} is told to leave"));
                let now = self.clock();
                if let Some(manager) = &mut self.nodes[place].manager {
                    manager.leave(now);
                }
                self.carry(place);
            }
            17 => {
                let now = self.clock();
                let events = self.nodes[place].toggle_unauthenticated(now);
                self.feed(place, events);
            }
            24 => {
                self.dice.toggle_fence(place);
                self.tell(&format!(
                    "the devices of {name} are otherwise broken or whole"
                ));
            }
            25 if self.random.happens(Chance::percent(20)) => {
                self.fence_ordered[place] = true;
                let node = self.nodes[1 - place].name.clone();
                self.give(place, GroupVerb::Fence { node });
            }
            26..=28 => self.toggle_ping(place),
            20 | 21 => {
                let group = self.dice.any_group(&mut self.random);
                self.nodes[place].lose(&group);
                self.tell(&format!("a resource of {group} on {name} ends"));
            }
            _ => {}
        }
    }

    fn replace_manager(&mut self, place: usize) {
        if !self.nodes[place].up {
            return;
        }
        self.tell(&format!("{}'s manager is replaced", self.nodes[place].name));
        let now = self.clock();
        self.nodes[place].replace_manager(now);
        self.carry(place);
        self.tell_pings(place);
    }

    /// Whoever is new learns which ping nodes answer.
    fn tell_pings(&mut self, place: usize) {
        let now = self.clock();
        let events = self.nodes[place].pings(now);
        self.feed(place, events);
    }

    /// One of them, if they count, answers a node, or does not any more.
    fn toggle_ping(&mut self, place: usize) {
        if self.dice.ping_nodes == 0 {
            return;
        }
        let ping = self.random.place(self.dice.ping_nodes);
        let now = self.clock();
        let events = self.nodes[place].toggle_ping(ping, now);
        self.feed(place, events);
    }

    fn order(&mut self, place: usize) {
        let group = self.dice.any_group(&mut self.random);
        let lasts = Some(Duration::from_secs(self.random.between(1, 60)));
        let groups = Choice::Named(vec![group]);
        let together = self.random.happens(Chance::percent(25));
        let verb = match self.random.below(7) {
            0 | 1 => GroupVerb::Move {
                groups,
                to: Some(self.nodes[0].name.clone()),
                lasts,
                together,
            },
            2 | 3 => GroupVerb::Move {
                groups,
                to: Some(self.nodes[1].name.clone()),
                lasts,
                together,
            },
            4 => GroupVerb::Cleanup { groups },
            5 => GroupVerb::Unmove { groups },
            _ if self.random.happens(Chance::percent(50)) => GroupVerb::Freeze {
                lasts,
                maintenance: self.random.happens(Chance::percent(50)),
            },
            _ => GroupVerb::Unfreeze,
        };
        self.give(place, verb);
    }

    fn give(&mut self, place: usize, verb: GroupVerb) {
        let order = Order {
            verb,
            who: "the world".into(),
            reason: None,
        };
        let now = self.clock();
        let line = format!("{} is told: {:?}", self.nodes[place].name, order.verb);
        self.tell(&line);
        if let Some(manager) = &mut self.nodes[place].manager {
            if let Err(refusal) = manager.handle_order(order, now) {
                self.tell(&format!("refused: {refusal}"));
            }
            self.carry(place);
        }
    }

    /// Nothing goes wrong any more.
    fn heal(&mut self) {
        self.tell("everything heals");
        self.cut = [false; 2];
        self.dice.mend();
        for place in 0..2 {
            if !self.nodes[place].up {
                self.boot(place);
            }
            let now = self.clock();
            let events = self.nodes[place].recover(now);
            self.feed(place, events);
        }
        self.clean();
    }

    fn clean(&mut self) {
        for place in 0..2 {
            // A device that was at work when all was healed may have switched it off.
            if !self.nodes[place].up {
                self.boot(place);
            }
            let groups = Choice::All;
            for verb in [GroupVerb::Unfreeze, GroupVerb::Cleanup { groups }] {
                self.give(place, verb);
            }
        }
    }
}

/// The names of the two nodes.
#[must_use]
pub fn names() -> [NodeName; 2] {
    ["alice", "bob"].map(|name| match NodeName::new(name) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    })
}
