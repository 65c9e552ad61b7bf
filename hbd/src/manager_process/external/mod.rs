//! A manager that is a program of somebody else: it decides, and this process stays its hands.
//!
//! ```text
//!  events, messages, results, orders --> External --lines--> program
//!                                           |                  |
//!  record, actions, messages, events <------+ <-----lines------+
//! ```
//!
//! What such a program is not trusted with is done here. What this node holds is known by what was
//! [done](hands), and is in the record before the action that makes it so; a program only adds what
//! it wants to remember. Nothing is started on a node that is sick or leaves, and what the program
//! does not stop there hbd stops itself. A program that dies, is silent, or says what makes no sense
//! takes this manager with it, and the next one begins with what is held ([`Failure`]).
//!
//! That no group has two owners is the program's business.

mod hands;
mod line;
mod program;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io::{self, Write};
use std::mem;
use std::time::Duration;

use hbd_agents::surroundings::become_program;
use hbd_core::Said;
use hbd_manager::{Action, ActionId, Group, Kept, Life, Order, Output, Refusal};
use serde::{Deserialize, Serialize};
use shared::event::{Event, EventSource, Kind, Role};
use shared::exit::Exit;
use shared::group::{GroupName, GroupReason, GroupState, Operation, Outcome};
use shared::names::NodeName;
use shared::time::{Moment, Now};
use shared::view::ClusterView;

use super::duty::STOP_RETRIES;
use super::said;
use hands::Hand;
use line::{Answer, PROTOCOL, Told, Wish};
pub(super) use program::Word;

/// Time between two questions.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// After so many seconds without an answer a program hangs: as long as a manager may be silent.
const UNANSWERED_MAX: u32 = 3;
/// Before the first answer it may load.
const LOADING_MAX: u32 = 10;
/// Most lines of a program from one question to the next.
const LINES_MAX: u32 = 1000;
/// A sick or leaving node holds a group that nobody stops for so long: hbd does.
const INSIST_AFTER: Duration = Duration::from_secs(3);
/// Time between two tries of hbd to stop a resource.
const PAUSE: Duration = Duration::from_secs(1);
/// Why an action is done where the program does not say it.
const NO_REASON: &str = "its manager wants it";

/// What a program is there for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Errand {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// All nodes.
    pub(crate) nodes: Vec<NodeName>,
    /// The groups, in the order of `haresources`.
    pub(crate) groups: Vec<Group>,
}

/// What a manager begins with.
pub(super) struct Beginning<'a> {
    pub(super) node: &'a NodeName,
    pub(super) life: Life,
    /// How many events the managers of this generation told.
    pub(super) events: u64,
    pub(super) kept: &'a Kept,
    pub(super) view: &'a ClusterView,
}

/// Why a program is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    /// As where a manager hangs: after three of them in a minute none can be had.
    pub(super) counts: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// What any manager may want.
    Do(Output),
    /// Say this to the managers of all other nodes.
    Say(Said),
    /// An answer to an order.
    Ordered {
        id: u64,
        outcome: Result<Vec<shared::order::Change>, Refusal>,
    },
}

/// The program as the rest of the manager sees it.
pub(super) struct External {
    program: program::Program,
    mind: Mind,
}

impl External {
    /// Starts it. Needs a runtime.
    pub(super) fn start(errand: &Errand, beginning: Beginning<'_>, now: Now) -> io::Result<Self> {
        let mut external = Self {
            program: program::Program::start(&errand.command)?,
            mind: Mind::new(errand, beginning, now),
        };
        external.tell();
        Ok(external)
    }

    /// What comes of it. May be given up and called again.
    pub(super) async fn next(&mut self) -> Word {
        if self.mind.failure.is_some() {
            return std::future::pending().await;
        }
        self.program.next().await
    }

    /// Lets something come in.
    pub(super) fn with(&mut self, input: impl FnOnce(&mut Mind)) {
        if self.mind.failure.is_none() {
            input(&mut self.mind);
            self.tell();
        }
        if self.mind.failure.is_some() {
            self.program.kill();
        }
    }

    /// What is known and wanted.
    pub(super) fn mind(&self) -> &Mind {
        &self.mind
    }

    /// What is to be done next: nothing for a program that is of no use.
    pub(super) fn poll_step(&mut self) -> Option<Step> {
        let steps = &mut self.mind.steps;
        steps.pop_front().filter(|_| self.mind.failure.is_none())
    }

    /// Hands over what it is to be told.
    fn tell(&mut self) {
        for line in mem::take(&mut self.mind.lines) {
            if !self.program.tell(&line) {
                return self
                    .mind
                    .fail("it does not take what it is told".into(), true);
            }
        }
    }
}

/// All that is known of a program, without its process.
pub(super) struct Mind {
    name: String,
    node: NodeName,
    life: Life,
    hands: Vec<Hand>,
    /// Actions that are under way, by number: the group, the resource, and the program's own number.
    actions: BTreeMap<u64, (usize, usize, Option<u64>)>,
    last_action: u64,
    kept: Kept,
    sick: bool,
    leaving: Option<Moment>,
    /// It says that it holds nothing.
    says_released: bool,
    released: bool,
    orders: BTreeSet<u64>,
    pulse: Pulse,
    events: EventSource,
    lines: Vec<String>,
    steps: VecDeque<Step>,
    failure: Option<Failure>,
}

/// Whether it answers.
struct Pulse {
    next_at: Moment,
    number: u64,
    answered: bool,
    ever: bool,
    unanswered: u32,
    /// Lines since the last question.
    lines: u32,
}

impl Mind {
    fn new(errand: &Errand, beginning: Beginning<'_>, now: Now) -> Self {
        let Beginning {
            node,
            life,
            events,
            kept,
            view,
        } = beginning;
        let told = |group: &GroupName| {
            let on = view
                .groups
                .get(group)
                .and_then(|group| group.nodes.get(node));
            on.map_or(GroupState::Stopped, |on| on.state)
        };
        let hands = errand.groups.iter().map(|group| {
            let known = kept.groups.get(&group.name).cloned().unwrap_or_default();
            Hand::new(group.clone(), &known, told(&group.name), now.boot)
        });
        let mut mind = Self {
            name: errand.command.first().cloned().unwrap_or_default(),
            node: node.clone(),
            life,
            hands: hands.collect(),
            actions: BTreeMap::new(),
            last_action: 0,
            kept: kept.clone(),
            sick: view.sick.is_some(),
            leaving: None,
            says_released: false,
            released: false,
            orders: BTreeSet::new(),
            pulse: Pulse {
                next_at: now.boot,
                number: 0,
                answered: true,
                ever: false,
                unanswered: 0,
                lines: 0,
            },
            events: EventSource::resumed(node.clone(), Role::Manager, life.generation, events),
            lines: Vec::new(),
            steps: VecDeque::new(),
            failure: None,
        };
        mind.begin(errand, view);
        mind.settle(GroupReason::Interrupted, now);
        mind.insist(now);
        mind
    }

    fn begin(&mut self, errand: &Errand, view: &ClusterView) {
        let memory = self.kept.memory.as_deref();
        let held = self.hands.iter().filter(|hand| hand.is_held());
        let told = Told::Begin {
            protocol: PROTOCOL,
            node: &self.node,
            nodes: &errand.nodes,
            groups: &errand.groups,
            life: self.life,
            memory: memory.and_then(|text| serde_json::from_str(text).ok()),
            held: held.map(|hand| (&hand.group.name, hand.state())).collect(),
            view,
        };
        let line = line::write(&told);
        self.lines.push(line);
    }

    /// Why it is of no use, if it is not.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// It answered once.
    pub(super) fn answers(&self) -> bool {
        self.pulse.ever
    }

    /// This node has another core.
    pub(super) fn see(&mut self, view: &ClusterView) {
        self.tell(&Told::View(view));
    }

    /// Something happened.
    pub(super) fn note(&mut self, event: &Event, now: Now) {
        match event.kind {
            Kind::Sick { .. } => self.fall_sick(true, now.boot),
            Kind::SickOver => self.fall_sick(false, now.boot),
            _ => {}
        }
        self.tell(&Told::Event(event));
        self.insist(now);
    }

    fn fall_sick(&mut self, sick: bool, now: Moment) {
        if mem::replace(&mut self.sick, sick) != sick {
            self.be_idle_from(now);
        }
    }

    /// From here on it has time to stop what is held.
    fn be_idle_from(&mut self, now: Moment) {
        let must_go = self.must_go();
        for hand in &mut self.hands {
            hand.idle_since = now;
            hand.tries = 0;
            hand.insisted &= must_go || hand.interrupted;
        }
    }

    /// The program of another node says something; what a manager of another kind says is nothing.
    pub(super) fn hear(&mut self, from: &NodeName, said: &Said) {
        if let Some(body) = said::read_body(said) {
            self.tell(&Told::Message { from, body });
        }
    }

    /// An action ended.
    pub(super) fn end(&mut self, action: ActionId, outcome: &Outcome, now: Now) {
        let awaited = (action.life == self.life).then_some(action.number);
        let awaited = awaited.and_then(|number| self.actions.remove(&number));
        let Some((place, resource, asked)) = awaited else {
            return;
        };
        let must_go = self.must_go();
        let hand = &mut self.hands[place];
        let operation = hand.operation();
        hand.end(resource, outcome, now.boot);
        let must_go = must_go || hand.interrupted;
        if must_go && operation == Some(Operation::Stop) {
            hand.tries = match outcome {
                Outcome::Done => 0,
                _ => hand.tries + 1,
            };
            hand.next_at = match hand.tries {
                0 => now.boot,
                _ => now.boot + PAUSE,
            };
            hand.blocked = hand.tries > STOP_RETRIES;
            hand.insisted |= hand.blocked;
        }
        if !hand.is_held() {
            hand.interrupted = false;
            hand.insisted = false;
        }
        let reason = match hand.blocked {
            true => GroupReason::StopFailed,
            false => GroupReason::Done,
        };
        if let Some(id) = asked {
            self.tell(&Told::Result { id, outcome });
        }
        self.settle(reason, now);
        self.insist(now);
    }

    /// A resource of a started group does not run any more.
    pub(super) fn lose(&mut self, group: &GroupName, resource: usize, why: &str, now: Now) {
        if let Some(place) = self.place(group) {
            self.hands[place].doubt(resource);
            self.tell(&Told::Loss {
                group,
                resource,
                why,
            });
            self.settle(GroupReason::NotRunning, now);
        }
    }

    /// An operator wants something, or wants to know what that would do.
    pub(super) fn obey(&mut self, id: u64, order: &Order, dry_run: bool) {
        self.orders.insert(id);
        self.tell(&Told::Order {
            id,
            verb: &order.verb,
            who: &order.who,
            reason: order.reason.as_deref(),
            dry_run,
        });
    }

    /// The node leaves.
    pub(super) fn leave(&mut self, now: Now) {
        if self.leaving.is_none() {
            self.leaving = Some(now.boot);
            self.be_idle_from(now.boot);
            self.tell(&Told::Leave {});
            self.insist(now);
        }
    }

    /// The deadline has come.
    pub(super) fn wake(&mut self, now: Now) {
        if self.pulse.next_at <= now.boot {
            self.ask(now.boot);
        }
        self.insist(now);
    }

    /// When [`Mind::wake`] is to be called.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if self.failure.is_some() {
            return None;
        }
        let insistence = self.hands.iter().filter_map(|hand| self.insists_at(hand));
        let release = self.gone_at().filter(|_| !self.released);
        insistence.chain(release).chain([self.pulse.next_at]).min()
    }

    /// A program that did not run because nothing did has missed one question and no more.
    fn ask(&mut self, now: Moment) {
        let most = match self.pulse.ever {
            true => UNANSWERED_MAX,
            false => LOADING_MAX,
        };
        self.pulse.next_at = now + ASK_EVERY;
        self.pulse.lines = 0;
        if self.pulse.answered {
            self.pulse.number += 1;
            self.pulse.answered = false;
            self.tell(&Told::Ping(self.pulse.number));
            return;
        }
        self.pulse.unanswered += 1;
        if self.pulse.unanswered == most {
            self.fail(format!("it did not answer for {most} s"), true);
        }
    }

    /// Something comes of the program.
    pub(super) fn take(&mut self, word: Word, now: Now) {
        match word {
            Word::Line(line) => self.take_line(&line, now),
            Word::Nonsense(why) => self.fail(format!("it makes no sense: {why}"), true),
            Word::Ended(how) => self.fail(how, false),
        }
    }

    fn take_line(&mut self, line: &str, now: Now) {
        self.pulse.lines += 1;
        let said = match self.pulse.lines > LINES_MAX {
            true => Err(format!("more than {LINES_MAX} lines in a second")),
            false => line::read(line),
        };
        if let Err(why) = said.and_then(|said| self.follow(said, now)) {
            let shown: String = line.chars().take(80).flat_map(char::escape_debug).collect();
            self.fail(format!("it makes no sense: {why}: {shown}"), true);
        }
        self.insist(now);
    }

    /// Does what it says, unless that makes no sense.
    fn follow(&mut self, said: line::Said, now: Now) -> Result<(), String> {
        match said {
            line::Said::Pong(number) => self.hear_pong(number),
            line::Said::Keep(memory) => {
                self.kept.memory = Some(memory.to_string());
                self.steps
                    .push_back(Step::Do(Output::Keep(self.kept.clone())));
                Ok(())
            }
            line::Said::Act(wish) => self.act_for(wish, now),
            line::Said::Blocked { group, why } => self.give_up(&group, why, now),
            line::Said::Say(body) => {
                let states = self.hands.iter().map(|hand| (&hand.group, hand.state()));
                let said = said::say_body(&body, states, &self.node);
                self.steps.push_back(Step::Say(said));
                Ok(())
            }
            line::Said::Ordered(answer) => self.answer(answer),
            line::Said::Released {} => self.release(),
        }
    }

    fn hear_pong(&mut self, number: u64) -> Result<(), String> {
        if number > self.pulse.number {
            return Err("nobody asked".into());
        }
        if number == self.pulse.number {
            (self.pulse.answered, self.pulse.ever) = (true, true);
            self.pulse.unanswered = 0;
        }
        Ok(())
    }

    fn act_for(&mut self, wish: Wish, now: Now) -> Result<(), String> {
        let Wish {
            id,
            group,
            resource,
            operation,
            why,
        } = wish;
        let place = self.known(&group)?;
        let hand = &self.hands[place];
        if resource >= hand.group.resources.len() {
            return Err(format!("{group} has no resource {resource}"));
        }
        let refused = match () {
            () if hand.insisted && !hand.blocked => Some("hbd stops the group itself"),
            () if operation != Operation::Start => None,
            () if self.sick => Some("nothing is started on a node that is sick"),
            () if self.leaving.is_some() => Some("nothing is started on a node that leaves"),
            () => None,
        };
        if let Some(why) = refused {
            let why = why.to_owned();
            let outcome = &Outcome::Failed { why };
            self.tell(&Told::Result { id, outcome });
            return Ok(());
        }
        if hand.operation().is_some() {
            return Err(format!("an action on {group} is under way"));
        }
        let why = why.unwrap_or_else(|| NO_REASON.into());
        self.act(place, resource, operation, Some(id));
        let reason = self.reason_to_stop(operation);
        self.settle(reason.unwrap_or(GroupReason::Decided { why }), now);
        self.push_action(place, resource, operation);
        Ok(())
    }

    fn give_up(&mut self, group: &GroupName, why: String, now: Now) -> Result<(), String> {
        let place = self.known(group)?;
        let hand = &mut self.hands[place];
        if hand.operation().is_some() || !hand.is_held() {
            return Err(format!(
                "{group} is not held, or an action on it is under way"
            ));
        }
        hand.blocked = true;
        self.settle(GroupReason::Decided { why }, now);
        Ok(())
    }

    fn answer(&mut self, answer: Answer) -> Result<(), String> {
        let Answer {
            id,
            changes,
            refused,
        } = answer;
        if !self.orders.remove(&id) {
            return Err(format!("order {id} does not wait for an answer"));
        }
        let outcome = match refused {
            Some(why) => Err(Refusal::Declined { why }),
            None => Ok(changes),
        };
        self.steps.push_back(Step::Ordered { id, outcome });
        Ok(())
    }

    fn release(&mut self) -> Result<(), String> {
        if self.leaving.is_none() {
            return Err("this node does not leave".into());
        }
        if let Some(hand) = self.hands.iter().find(|hand| hand.is_held()) {
            return Err(format!("{} is held", hand.group.name));
        }
        self.says_released = true;
        Ok(())
    }

    /// Stops what must not be held, where the program does not or must not.
    fn insist(&mut self, now: Now) {
        for place in 0..self.hands.len() {
            let hand = &self.hands[place];
            let due = insists_at(hand, self.must_go());
            if due.is_none_or(|at| at > now.boot) {
                continue;
            }
            let Some(resource) = hand.last_held() else {
                continue;
            };
            self.hands[place].insisted = true;
            self.act(place, resource, Operation::Stop, None);
            let reason = self.reason_to_stop(Operation::Stop);
            self.settle(reason.unwrap_or(GroupReason::Interrupted), now);
            self.push_action(place, resource, Operation::Stop);
        }
        if !self.released && self.gone_at().is_some_and(|at| at <= now.boot) {
            self.released = true;
            self.steps.push_back(Step::Do(Output::Released));
        }
    }

    fn insists_at(&self, hand: &Hand) -> Option<Moment> {
        insists_at(hand, self.must_go())
    }

    /// This node must not hold anything.
    fn must_go(&self) -> bool {
        self.sick || self.leaving.is_some()
    }

    /// When this node may go: nothing is held, and the program says so too, or had time to.
    fn gone_at(&self) -> Option<Moment> {
        let began = self.leaving?;
        let held = self.hands.iter().any(Hand::is_held);
        let idle = self.hands.iter().map(|hand| hand.idle_since);
        let last = idle.fold(began, Moment::max);
        match (held, self.says_released) {
            (true, _) => None,
            (false, true) => Some(began),
            (false, false) => Some(last + INSIST_AFTER),
        }
    }

    fn reason_to_stop(&self, operation: Operation) -> Option<GroupReason> {
        match operation {
            Operation::Stop if self.sick => Some(GroupReason::Sick),
            Operation::Stop if self.leaving.is_some() => Some(GroupReason::Leaving),
            _ => None,
        }
    }

    fn act(&mut self, place: usize, resource: usize, operation: Operation, asked: Option<u64>) {
        self.last_action += 1;
        self.hands[place].begin(resource, operation);
        self.actions
            .insert(self.last_action, (place, resource, asked));
    }

    /// Behind what is kept of it.
    fn push_action(&mut self, place: usize, resource: usize, operation: Operation) {
        let action = Action {
            id: ActionId {
                life: self.life,
                number: self.last_action,
            },
            group: self.hands[place].group.name.clone(),
            resource,
            operation,
        };
        self.steps.push_back(Step::Do(Output::Act(action)));
    }

    /// Keeps and tells what groups are, where that changed.
    fn settle(&mut self, reason: GroupReason, now: Now) {
        let groups = self.hands.iter();
        let groups: BTreeMap<_, _> = groups
            .map(|hand| (hand.group.name.clone(), hand.kept()))
            .collect();
        if self.kept.groups != groups {
            self.kept.groups = groups;
            self.steps
                .push_back(Step::Do(Output::Keep(self.kept.clone())));
        }
        for place in 0..self.hands.len() {
            let hand = &mut self.hands[place];
            let to = hand.state();
            let from = mem::replace(&mut hand.told, to);
            if from != to {
                let group = hand.group.name.clone();
                self.tell(&Told::Group {
                    group: &group,
                    state: to,
                });
                self.tell_state(group, from, to, reason.clone(), now);
            }
        }
    }

    fn tell_state(
        &mut self,
        group: GroupName,
        from: GroupState,
        to: GroupState,
        reason: GroupReason,
        now: Now,
    ) {
        let kind = Kind::GroupState {
            group,
            node: self.node.clone(),
            from,
            to,
            reason,
        };
        let event = self.events.event(kind, None, now);
        let event = Output::Event(Box::new(event));
        self.steps.push_back(Step::Do(event));
    }

    fn place(&self, group: &GroupName) -> Option<usize> {
        self.hands.iter().position(|hand| hand.group.name == *group)
    }

    fn known(&self, group: &GroupName) -> Result<usize, String> {
        let place = self.place(group);
        place.ok_or_else(|| format!("haresources names no group {group}"))
    }

    fn tell(&mut self, told: &Told<'_>) {
        self.lines.push(line::write(told));
    }

    /// Nothing more is heard of it, and nothing done for it.
    fn fail(&mut self, why: String, counts: bool) {
        if self.failure.is_none() {
            let why = format!("{}: {why}", self.name);
            self.failure = Some(Failure { why, counts });
        }
    }
}

/// When hbd stops something of a group that must not be held.
fn insists_at(hand: &Hand, must_go: bool) -> Option<Moment> {
    let must_go = must_go || hand.interrupted;
    if !must_go || !hand.is_held() || hand.operation().is_some() {
        return None;
    }
    match hand.insisted {
        true => (hand.tries <= STOP_RETRIES).then_some(hand.next_at),
        false => Some(hand.idle_since + INSIST_AFTER),
    }
}

/// `hbd decide`: this process becomes the program.
pub(crate) fn become_it(command: &[OsString]) -> Exit {
    let Some((program, arguments)) = command.split_first() else {
        return Exit::Usage;
    };
    let error = become_program(program, arguments);
    let text = format!(
        "hbd: the manager {} cannot be run: {error}\n",
        program.display()
    );
    // Whoever started this process sees its end.
    let _ = io::stderr().write_all(text.as_bytes());
    Exit::Failed
}
