//! A manager of two nodes, of which the other runs hbd or a Heartbeat.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use shared::event::{Event, Kind};
use shared::group::{GroupName, Outcome};
use shared::names::NodeName;
use shared::order::Change;
use shared::time::{Moment, Now};
use shared::view::ClusterView;

use crate::heartbeat::{Interpreter, Spoken, Word};
use crate::io::{ActionId, Kept, Order, Output, Refusal, Settings};
use crate::{ClusterManager, Declaration, TwoNode};

/// How the core names what a Heartbeat runs.
const HEARTBEAT: &str = "heartbeat";

/// The manager, and who interprets for it.
#[derive(Clone, Debug)]
pub struct Pair {
    manager: TwoNode,
    interpreter: Interpreter,
    peer: NodeName,
    /// One may be there that can be spoken with.
    speaks: bool,
    /// The other node runs a Heartbeat that can be spoken with.
    beside_heartbeat: bool,
    outputs: VecDeque<Output>,
}

impl Pair {
    /// A manager that begins, where the one before it kept `kept` and this node sees `view`.
    #[must_use]
    pub fn new(settings: Settings, kept: Kept, view: &ClusterView, now: Now) -> Self {
        let peer = settings.peer.clone();
        let mut interpreter = Interpreter::new(&settings);
        interpreter.handle_view(view);
        let program = view
            .nodes
            .get(&peer)
            .and_then(|node| node.program.as_deref());
        let mut pair = Self {
            speaks: settings.beside_heartbeat,
            beside_heartbeat: settings.beside_heartbeat && program == Some(HEARTBEAT),
            manager: TwoNode::new(settings, kept, view, now),
            interpreter,
            peer,
            outputs: VecDeque::new(),
        };
        pair.go_on(now);
        pair
    }

    /// The other node, a Heartbeat, says something.
    pub fn handle_word(&mut self, from: &NodeName, word: Word, now: Now) {
        if *from == self.peer && self.beside_heartbeat {
            self.interpreter.hear(word);
            self.go_on(now);
        }
    }

    /// Passes on what manager and interpreter have to say to each other until neither has more.
    fn go_on(&mut self, now: Now) {
        loop {
            while let Some(output) = self.manager.poll_output() {
                match output {
                    Output::Send(declaration) if self.beside_heartbeat => {
                        self.interpreter.declare(declaration, now.boot);
                    }
                    output => self.outputs.push_back(output),
                }
            }
            if !self.beside_heartbeat {
                return;
            }
            self.interpreter.settle(now.boot);
            let mut declared = false;
            while let Some(spoken) = self.interpreter.poll() {
                match spoken {
                    Spoken::Say(word) => self.outputs.push_back(Output::Speak(word)),
                    Spoken::Declare(declaration) => {
                        declared = true;
                        self.manager.handle_message(&self.peer, declaration, now);
                    }
                }
            }
            if !declared {
                return;
            }
        }
    }
}

impl ClusterManager for Pair {
    fn handle_view(&mut self, view: &ClusterView, now: Now) {
        self.interpreter.handle_view(view);
        self.manager.handle_view(view, now);
        self.go_on(now);
    }

    fn handle_event(&mut self, event: &Event, now: Now) {
        if let Kind::NodeHeard { node, program, .. } = &event.kind
            && *node == self.peer
        {
            self.beside_heartbeat = self.speaks && program == HEARTBEAT;
        }
        self.interpreter.handle_event(event);
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
            self.interpreter.leave();
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
        let interpreter = self.interpreter.deadline();
        let manager = self.manager.poll_deadline();
        manager.into_iter().chain(interpreter).min()
    }
}
