//! A manager of two nodes, of which the other runs hbd or a Heartbeat.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use shared::event::{Event, Kind};
use shared::group::{GroupName, Outcome};
use shared::names::{NodeName, Sequence};
use shared::order::Change;
use shared::time::{Moment, Now};
use shared::view::ClusterView;

use crate::heartbeat::{Spoken, Tongue, Word};
use crate::io::{ActionId, Kept, Order, Output, Refusal, Settings};
use crate::{ClusterManager, Declaration, TwoNode};

/// How the core names what a Heartbeat runs.
const HEARTBEAT: &str = "heartbeat";

/// The manager, and who interprets for it.
#[derive(Clone, Debug)]
pub struct Pair {
    manager: TwoNode,
    tongue: Tongue,
    peer: NodeName,
    /// The other node runs a Heartbeat.
    beside_heartbeat: bool,
    outputs: VecDeque<Output>,
}

impl Pair {
    /// A manager that begins, where the one before it kept `kept` and this node sees `view`.
    #[must_use]
    pub fn new(settings: Settings, kept: Kept, view: &ClusterView, now: Now) -> Self {
        let peer = settings.peer.clone();
        let tongue = Tongue::new(&settings, view, now.boot);
        let program = view
            .nodes
            .get(&peer)
            .and_then(|node| node.program.as_deref());
        let mut pair = Self {
            beside_heartbeat: program == Some(HEARTBEAT),
            manager: TwoNode::new(settings, kept, view, now),
            tongue,
            peer,
            outputs: VecDeque::new(),
        };
        pair.go_on(now);
        pair
    }

    /// The other node, a Heartbeat, says something, in the message of this number.
    pub fn handle_word(&mut self, from: &NodeName, number: Sequence, word: Word, now: Now) {
        if *from == self.peer && self.beside_heartbeat {
            self.tongue.get_mut().hear(number, word, now.boot);
            self.go_on(now);
        }
    }

    /// Passes on what manager and interpreter have to say to each other until neither has more. Only then the
    /// interpreter learns that the manager has nothing more to do for now.
    fn go_on(&mut self, now: Now) {
        loop {
            while let Some(output) = self.manager.poll_output() {
                match output {
                    Output::Send(declaration) if self.beside_heartbeat => {
                        self.tongue.get_mut().declare(declaration, now.boot);
                    }
                    output => self.outputs.push_back(output),
                }
            }
            if !self.beside_heartbeat {
                return;
            }
            let interpreter = self.tongue.get_mut();
            let spoken = interpreter.poll().or_else(|| {
                interpreter.settle(now.boot);
                interpreter.poll()
            });
            match spoken {
                Some(Spoken::Say(word)) => self.outputs.push_back(Output::Speak(word)),
                Some(Spoken::Declare(declaration)) => {
                    self.manager.handle_message(&self.peer, declaration, now);
                }
                Some(Spoken::Tell(kind)) => drop(self.manager.tell(kind, None, now)),
                None => return,
            }
        }
    }
}

impl ClusterManager for Pair {
    fn handle_view(&mut self, view: &ClusterView, now: Now) {
        self.tongue.get_mut().handle_view(view, now.boot);
        self.manager.handle_view(view, now);
        self.go_on(now);
    }

    fn handle_event(&mut self, event: &Event, now: Now) {
        if let Kind::NodeHeard { node, program, .. } = &event.kind
            && *node == self.peer
        {
            self.beside_heartbeat = program == HEARTBEAT;
        }
        self.tongue.get_mut().handle_event(event);
        self.manager.handle_event(event, now);
        self.go_on(now);
    }

    fn handle_message(&mut self, from: &NodeName, declaration: Declaration, now: Now) {
        if *from == self.peer {
            // Only an hbd declares.
            self.beside_heartbeat = false;
        }
        self.manager.handle_message(from, declaration, now);
        self.go_on(now);
    }

    fn handle_result(&mut self, action: ActionId, outcome: Outcome, now: Now) {
        self.manager.handle_result(action, outcome, now);
        self.go_on(now);
    }

    fn handle_loss(&mut self, group: &GroupName, resource: usize, why: String, now: Now) {
        self.manager.handle_loss(group, resource, why, now);
        self.go_on(now);
    }

    fn handle_order(&mut self, order: Order, now: Now) -> Result<Vec<Change>, Refusal> {
        let changes = self.manager.handle_order(order, now);
        self.go_on(now);
        changes
    }

    fn plan(&self, order: Order, now: Now) -> Result<Vec<Change>, Refusal> {
        self.manager.plan(order, now)
    }

    fn leave(&mut self, now: Now) {
        if self.beside_heartbeat {
            self.tongue.get_mut().leave();
        }
        self.manager.leave(now);
        self.go_on(now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.manager.handle_timeout(now);
        self.go_on(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_deadline(&self) -> Option<Moment> {
        let tongue = self.beside_heartbeat.then(|| self.tongue.get());
        let interpreter = tongue.and_then(|tongue| tongue.deadline());
        let manager = self.manager.poll_deadline();
        manager.into_iter().chain(interpreter).min()
    }
}

#[cfg(test)]
mod tests {
    use shared::event::{EventSource, NodeStatus, Role, StatusReason};
    use shared::group::{GroupReason, GroupState};
    use shared::names::{Generation, Uuid};
    use shared::order::{Choice, GroupVerb};

    use super::*;
    use crate::heartbeat::{Count, Heaps, Info, Step};
    use crate::two_node::tests::settings;

    /// What is said and done next.
    fn outputs(pair: &mut Pair) -> Vec<Output> {
        core::iter::from_fn(|| pair.poll_output()).collect()
    }

    fn steps(outputs: &[Output]) -> Vec<Step> {
        let words = outputs.iter().filter_map(|output| match output {
            Output::Speak(Word::Standby { step, .. }) => Some(*step),
            _ => None,
        });
        words.collect()
    }

    /// Alice beside bob, a Heartbeat that holds this and whom nobody has heard say anything else.
    fn beside_heartbeat(holds: Heaps) -> Pair {
        with(settings(), holds)
    }

    fn with(settings: Settings, holds: Heaps) -> Pair {
        let mut source = EventSource::new(settings.node.clone(), Role::Core, Generation(7));
        let peer = settings.peer.clone();
        let now = Now::default();
        let mut pair = Pair::new(settings, Kept::default(), &ClusterView::default(), now);
        let heard = Kind::NodeHeard {
            node: peer.clone(),
            uuid: Some(Uuid([1; 16])),
            generation: Generation(4),
            program: HEARTBEAT.into(),
        };
        let active = Kind::NodeStatus {
            node: peer,
            from: NodeStatus::Init,
            to: NodeStatus::Active,
            reason: StatusReason::Announced,
        };
        for kind in [heard, active, Kind::CommunicationUp] {
            pair.handle_event(&source.event(kind, None, now), now);
        }
        said(&mut pair, resource(holds, true, None));
        pair
    }

    /// Bob says this.
    fn said(pair: &mut Pair, word: Word) {
        pair.handle_word(&settings().peer, Sequence(1), word, Now::default());
    }

    fn resource(holds: Heaps, stable: bool, info: Option<Info>) -> Word {
        Word::Resource {
            holds,
            full: true,
            stable: Some(stable),
            info,
        }
    }

    fn standby(gives: Heaps, step: Step) -> Word {
        Word::Standby {
            gives,
            step,
            by_ipfail: false,
        }
    }

    fn action(outputs: &[Output]) -> Option<ActionId> {
        outputs.iter().find_map(|output| match output {
            Output::Act(action) => Some(action.id),
            _ => None,
        })
    }

    /// Does what is to be done, one action after the other; returns what is said at last, and how many those were.
    fn finish(pair: &mut Pair) -> (Vec<Step>, usize) {
        let mut done = 0;
        loop {
            let outputs = outputs(pair);
            let Some(action) = action(&outputs) else {
                return (steps(&outputs), done);
            };
            assert_eq!(steps(&outputs), [], "in the middle of it");
            pair.handle_result(action, Outcome::Done, Now::default());
            done += 1;
        }
    }

    #[test]
    fn a_standby_is_done_when_all_of_it_is_started_and_not_before() {
        let mut pair = beside_heartbeat(Heaps::BOTH);
        let gives = Heaps::LOCAL.mirrored();
        said(&mut pair, standby(gives, Step::Me));
        assert_eq!(steps(&outputs(&mut pair)), [Step::Other]);
        said(
            &mut pair,
            resource(Heaps::LOCAL, false, Some(Info::Standby)),
        );
        said(&mut pair, standby(gives, Step::Done));
        let (steps, done) = finish(&mut pair);
        assert_eq!(steps, [Step::Done]);
        assert!(done > 0, "something is started");
    }

    #[test]
    fn what_is_given_up_is_not_started_again_when_the_order_has_ended_meanwhile() {
        let mut pair = beside_heartbeat(Heaps::LOCAL);
        finish(&mut pair);
        let order = |verb| Order {
            verb,
            who: "eve".into(),
            reason: None,
        };
        let away = GroupVerb::Move {
            groups: Choice::All,
            to: Some(settings().peer),
            lasts: None,
            together: false,
        };
        let now = Now::default();
        pair.handle_order(order(away), now).unwrap();
        said(&mut pair, standby(Heaps::LOCAL, Step::Other));
        let stop = action(&outputs(&mut pair)).unwrap();
        let groups = Choice::All;
        pair.handle_order(order(GroupVerb::Unmove { groups }), now)
            .unwrap();
        pair.handle_result(stop, Outcome::Done, now);
        let (steps, stopped) = finish(&mut pair);
        assert_eq!(steps, [Step::Done]);
        assert_eq!(stopped, settings().groups[0].resources.len() - 1);
    }

    /// At that second.
    fn at(seconds: u64) -> Now {
        Now {
            boot: Moment(seconds * 1_000_000_000),
            ..Now::default()
        }
    }

    #[test]
    fn a_node_that_reaches_fewer_ping_nodes_than_a_heartbeat_offers_what_it_has() {
        let Settings { node, peer, .. } = settings();
        let settings = Settings {
            ping_nodes: [NodeName::new("router").unwrap()].into(),
            ..settings()
        };
        let mut pair = with(settings, Heaps::LOCAL);
        finish(&mut pair);
        let count = Word::Count {
            to: node,
            says: Count::This(1),
        };
        said(&mut pair, count);
        outputs(&mut pair);
        pair.handle_timeout(at(10));
        let offered = outputs(&mut pair);
        assert_eq!(steps(&offered), [Step::Me]);
        assert_eq!(reasons_to_stop(&offered), [], "it does not wait yet");
        said(&mut pair, standby(Heaps::LOCAL, Step::Other));
        let better = GroupReason::PeerBetterConnected {
            node: peer,
            here: 0,
            there: 1,
            silent: [NodeName::new("router").unwrap()].into(),
        };
        assert_eq!(reasons_to_stop(&outputs(&mut pair)), [better]);
    }

    fn reasons_to_stop(outputs: &[Output]) -> Vec<GroupReason> {
        let reasons = outputs.iter().filter_map(|output| match output {
            Output::Event(event) => match &event.kind {
                Kind::GroupState {
                    to: GroupState::Stopping,
                    reason,
                    ..
                } => Some(reason.clone()),
                _ => None,
            },
            _ => None,
        });
        reasons.collect()
    }

    #[test]
    fn nothing_is_stopped_before_the_heartbeat_waits_for_it() {
        let mut pair = beside_heartbeat(Heaps::LOCAL);
        finish(&mut pair);
        let order = Order {
            verb: GroupVerb::Move {
                groups: Choice::All,
                to: Some(settings().peer),
                lasts: None,
                together: false,
            },
            who: "eve".into(),
            reason: None,
        };
        pair.handle_order(order, Now::default()).unwrap();
        let offered = outputs(&mut pair);
        assert_eq!(steps(&offered), [Step::Me]);
        assert_eq!(action(&offered), None);
        said(&mut pair, standby(Heaps::LOCAL, Step::Other));
        let (steps, done) = finish(&mut pair);
        assert_eq!(steps, [Step::Done]);
        assert!(done > 0, "something is stopped");
    }
}
