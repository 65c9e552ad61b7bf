//! Questions about the ends of a path ([`shared::probe`]): of clients about this node or another, and of other nodes
//! about this one.
//!
//! ```text
//! client --Ask--> Probing --letter--> office ... office --letter--> Probing of the other node
//!        <-Answer-   |    <-letter--                     <-letter--    |
//!                    v                                                 v
//!              thread at the port                              thread at the port
//! ```
//!
//! A port that is the only path to a node is not touched: a test must not silence anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hbd_core::session::office::{Delivery, Sender};
use shared::api::{ErrorCode, Failure, SendMessage, Success};
use shared::event::{LinkStatus, NodeStatus, Severity};
use shared::names::{MediumName, NodeName};
use shared::probe::{self, Answer, HELD, Letter, LineOrder, Probe, Question};
use shared::session::Payload;
use shared::time::Moment;
use shared::view::ClusterView;
use tokio::sync::mpsc;

use super::Supervisor;
use super::modem::Seen;
use super::requests::Asked;
use crate::{clock, thread};

mod line;

/// Another node may take so long for its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// Questions to other nodes that are not answered.
const PENDING_MAX: usize = 64;
/// Looks at ports at the same time; also results that wait.
const LOOKS_MAX: usize = 8;

/// What is asked and not answered, and what is tested.
pub(super) struct Probing {
    last: u64,
    pending: BTreeMap<u64, Pending>,
    /// Keeps the streams to other nodes open; nothing once they were not used for a while.
    presence: Option<(Arc<()>, Moment)>,
    looks: mpsc::Sender<Looked>,
    looking: usize,
    /// Ports under test, and until when.
    tested: BTreeMap<MediumName, Moment>,
    /// What their lines did meanwhile.
    unseen: BTreeMap<MediumName, Seen>,
    /// Ports whose outputs may be lowered.
    lowered: BTreeMap<MediumName, Moment>,
}

struct Pending {
    asked: Asked,
    node: NodeName,
    until: Moment,
}

/// Who gets an answer.
enum Asker {
    Client(Asked),
    Node(NodeName, u64),
    /// Nobody: it was done for its own sake.
    Nobody,
}

/// A look at a port is over.
pub(super) struct Looked {
    asker: Asker,
    answer: Result<Answer, Failure>,
}

impl Probing {
    /// Nothing asked; where results of looks come.
    pub(super) fn new() -> (Self, mpsc::Receiver<Looked>) {
        let (looks, results) = mpsc::channel(LOOKS_MAX);
        let probing = Self {
            last: 0,
            pending: BTreeMap::new(),
            presence: None,
            looks,
            looking: 0,
            tested: BTreeMap::new(),
            unseen: BTreeMap::new(),
            lowered: BTreeMap::new(),
        };
        (probing, results)
    }

    /// Something is to be looked after soon.
    pub(super) fn is_busy(&self) -> bool {
        !self.pending.is_empty() || !self.tested.is_empty() || !self.lowered.is_empty()
    }
}

impl Supervisor {
    /// A client asks.
    pub(super) fn probe(&mut self, probe: Probe, asked: Asked) {
        if probe.node == self.settings.node {
            return self.look(probe.question, Asker::Client(asked));
        }
        if self.probing.pending.len() >= PENDING_MAX {
            return asked.reply(Err(too_many()));
        }
        self.probing.last += 1;
        let number = self.probing.last;
        let Probe { node, question } = probe;
        match self.send_letter(&node, &Letter::Question { number, question }) {
            Err(failure) => asked.reply(Err(failure)),
            Ok(()) => {
                let until = clock::boot() + ANSWER_LIMIT;
                let pending = Pending { asked, node, until };
                self.probing.pending.insert(number, pending);
            }
        }
    }

    fn send_letter(&mut self, node: &NodeName, letter: &Letter) -> Result<(), Failure> {
        let now = clock::boot();
        let kept = self.probing.presence.take();
        let presence = kept.map_or_else(Arc::default, |(presence, _)| presence);
        let weak = Arc::downgrade(&presence);
        self.probing.presence = Some((presence, now));
        let bytes = serde_json::to_vec(letter).expect("it has string keys only");
        let message = SendMessage {
            node: node.clone(),
            to: probe::client(),
            from: Some(probe::client()),
            class: None,
            data: Payload(bytes),
        };
        self.send_own(message, &weak)
    }

    /// A letter of another node.
    pub(super) fn letter_arrived(&mut self, sender: Sender, delivery: Delivery, bytes: &[u8]) {
        self.messages.office.acknowledge(&probe::client(), delivery);
        match serde_json::from_slice(bytes) {
            Ok(Letter::Question { number, question }) => {
                self.look(question, Asker::Node(sender.node, number));
            }
            Ok(Letter::Answer { number, answer }) => {
                let is_from = |pending: &Pending| pending.node == sender.node;
                if self.probing.pending.get(&number).is_some_and(is_from)
                    && let Some(pending) = self.probing.pending.remove(&number)
                {
                    let answer = answer.map(|answer| Success::Probed(Box::new(answer)));
                    pending.asked.reply(answer);
                }
            }
            // Of a newer hbd: whoever asks learns that in time.
            Err(_) => {}
        }
    }

    /// Nothing more goes to this node, and nothing comes from there.
    pub(super) fn letters_lost(&mut self, node: &NodeName, failure: &Failure) {
        let lost = self
            .probing
            .pending
            .extract_if(.., |_, pending| pending.node == *node);
        for (_, pending) in lost {
            pending.asked.reply(Err(failure.clone()));
        }
    }

    fn look(&mut self, question: Question, asker: Asker) {
        let answer = match question {
            Question::View => Ok(Answer::View(Box::new(self.recorder.snapshot()))),
            Question::Ports => Ok(Answer::Ports(self.media.serial_ports())),
            Question::Line(order) => return self.look_at_line(order, asker),
        };
        self.answer_probe(asker, answer);
    }

    fn look_at_line(&mut self, order: LineOrder, asker: Asker) {
        match self.begin_look(&order) {
            Err(failure) => self.answer_probe(asker, Err(failure)),
            Ok(port) => {
                self.probing.looking += 1;
                let results = self.probing.looks.clone();
                let began = thread::beside("probe", (asker, port), move |(asker, port)| {
                    let answer = line::look(&port, &order);
                    // The loop has room for as many as there are; it may have ended.
                    let _ = results.try_send(Looked { asker, answer });
                });
                if let Err((error, (asker, _))) = began {
                    self.probing.looking -= 1;
                    let text = format!("the port cannot be looked at: no thread for it: {error}");
                    self.answer_probe(asker, Err(unavailable(text)));
                }
            }
        }
    }

    /// Makes sure that it does no harm, and notes what is tested.
    fn begin_look(&mut self, order: &LineOrder) -> Result<std::os::fd::OwnedFd, Failure> {
        let LineOrder {
            medium,
            outputs,
            send,
        } = order;
        if self.probing.looking >= LOOKS_MAX {
            return Err(too_many());
        }
        let touches = outputs.is_some() || *send;
        if let Some(node) = only_path_to(self.recorder.view(), medium)
            && touches
        {
            return Err(Failure {
                code: ErrorCode::Refused,
                text: format!(
                    "{medium} is the only path between {} and {node}: a test would silence it; connect another one first",
                    self.settings.node
                ),
            });
        }
        let port = self.media.port(medium)?;
        let now = clock::boot();
        let is_new = self
            .probing
            .tested
            .insert(medium.clone(), now + HELD)
            .is_none();
        if touches {
            if is_new {
                let text = format!("{medium} is tested: its lines are toggled for a moment");
                self.recorder.say(Severity::Info, &text);
            }
            self.probing.lowered.insert(medium.clone(), now + HELD);
        }
        Ok(port)
    }

    /// A look is over.
    pub(super) fn looked(&mut self, looked: Looked) {
        self.probing.looking -= 1;
        self.answer_probe(looked.asker, looked.answer);
    }

    fn answer_probe(&mut self, asker: Asker, answer: Result<Answer, Failure>) {
        match asker {
            Asker::Client(asked) => {
                asked.reply(answer.map(|answer| Success::Probed(Box::new(answer))));
            }
            Asker::Node(node, number) => {
                // Whoever asked hears nothing then, and knows in time.
                let _ = self.send_letter(&node, &Letter::Answer { number, answer });
            }
            Asker::Nobody => {}
        }
    }

    /// What a port under test does is no news; what it did is, where it stays so.
    pub(super) fn seen_on_port(&mut self, seen: Seen) {
        if self.probing.tested.contains_key(&seen.medium) {
            self.probing.unseen.insert(seen.medium.clone(), seen);
        } else {
            self.tell_of_lines(seen);
        }
    }

    fn tell_of_lines(&mut self, seen: Seen) {
        if let Some(event) = self.media.seen(seen) {
            self.recorder.note(event, None);
        }
    }

    /// What is done from time to time.
    pub(super) fn look_after_probes(&mut self) {
        let now = clock::boot();
        let late = self
            .probing
            .pending
            .extract_if(.., |_, pending| pending.until <= now);
        for (_, Pending { asked, node, .. }) in late {
            let limit = ANSWER_LIMIT.as_secs();
            asked.reply(Err(unavailable(format!(
                "{node} did not answer within {limit} s: no path to it, or its hbd does not know this question"
            ))));
        }
        self.probing
            .presence
            .take_if(|(_, used)| now.since(*used) > HELD);
        let lowered = self
            .probing
            .lowered
            .extract_if(.., |_, until| *until <= now);
        for (medium, _) in lowered.collect::<Vec<_>>() {
            let order = LineOrder {
                medium,
                outputs: None,
                send: false,
            };
            self.look_at_line(order, Asker::Nobody);
        }
        let over = self.probing.tested.extract_if(.., |_, until| *until <= now);
        for (medium, _) in over.collect::<Vec<_>>() {
            if let Some(seen) = self.probing.unseen.remove(&medium) {
                self.tell_of_lines(Seen {
                    flickered: false,
                    ..seen
                });
            }
        }
    }
}

/// A node that lives and is heard over this medium alone.
fn only_path_to<'a>(view: &'a ClusterView, medium: &MediumName) -> Option<&'a NodeName> {
    let mut peers = view
        .nodes
        .iter()
        .filter(|(_, node)| node.status.is_alive() && node.status != NodeStatus::Ping);
    let found = peers.find(|(_, node)| {
        let mut up = node
            .links
            .iter()
            .filter(|(_, link)| link.status == LinkStatus::Up);
        let is_up = up.clone().any(|(name, _)| name == medium);
        is_up && !up.any(|(name, link)| name != medium && !link.one_way)
    });
    found.map(|(name, _)| name)
}

fn too_many() -> Failure {
    unavailable("too many questions are not answered yet; ask again later".to_owned())
}

fn unavailable(text: String) -> Failure {
    Failure {
        code: ErrorCode::Unavailable,
        text,
    }
}
