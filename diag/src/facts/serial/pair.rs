//! Both ends of a line, each looked at by the hbd that has it open there: the one of this node answers for both.
//!
//! Each end sets its outputs in turn while both look at their inputs; then each sends a few bytes while both count. The
//! orders go over another path, and hbd refuses them where there is none. Whatever happens to whoever asks, hbd raises
//! the outputs again.

use std::path::Path;
use std::time::Instant;

use shared::api::ErrorCode;
use shared::client::{Client, ClientError, REPLY_LIMIT};
use shared::names::{MediumName, NodeName};
use shared::probe::{Answer, LineOrder, Outputs, Question, Reading, SerialPort};

use super::trial::SETTINGS;

/// Each setting is tried so many times: what differs between two rounds follows somebody else.
const ROUNDS: usize = 2;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Of this node.
    Here,
    /// Of the peer.
    There,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Here, Self::There];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Here => Self::There,
            Self::There => Self::Here,
        }
    }
}

/// Something of each end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// Of this node's.
    pub here: T,
    /// Of the peer's.
    pub there: T,
}

impl<T> Both<T> {
    /// That of one.
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Here => &self.here,
            Side::There => &self.there,
        }
    }
}

/// An end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The node.
    pub node: NodeName,
    /// The path of its port.
    pub device: String,
    medium: MediumName,
}

impl End {
    /// The port at `device` of `node`, which its hbd knows as `medium`.
    #[must_use]
    pub fn new(node: NodeName, device: &str, medium: MediumName) -> Self {
        Self {
            node,
            device: device.to_owned(),
            medium,
        }
    }
}

/// One end set its outputs, and both looked. The other end has its own raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub by: Side,
    /// How.
    pub outputs: Outputs,
    /// What was seen.
    pub seen: Both<Reading>,
}

/// One end sent, and both looked before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who.
    pub by: Side,
    /// What was seen before.
    pub before: Both<Reading>,
    /// What was seen after.
    pub after: Both<Reading>,
}

/// What both ends saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who they are.
    pub ends: Both<End>,
    /// The settings of each end in turn, round after round.
    pub steps: Vec<Step>,
    /// From each end.
    pub sent: Vec<Sent>,
}

impl Pair {
    /// The first and the last look at the port of this node.
    #[must_use]
    pub fn looks(&self) -> Option<[Reading; 2]> {
        let first = self.steps.first()?.seen.here;
        let last = self.sent.last()?.after.here;
        Some([first, last])
    }
}

/// Why both ends were not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaired {
    /// The hbd of this node does not answer.
    NoDaemon(String),
    /// It has not this port.
    NotOurs(NodeName, Vec<String>),
    /// That is this node itself.
    Ourselves(NodeName),
    /// The peer cannot be asked.
    NoPeer(NodeName, String),
    /// The peer has no such port, or several.
    Which(NodeName, Vec<String>),
    /// A node cannot look at its port, and why.
    Closed(NodeName, String),
    /// A node does not do it.
    Refused(String),
    /// It takes longer than there is time.
    NoTime,
}

/// Tests the line from `device` of this node to `peer`, which is `NODE` or, where that has several ports, `NODE:TTY`.
///
/// # Errors
/// Why that is not possible.
pub fn collect(run: &Path, device: &str, peer: &str, deadline: Instant) -> Result<Pair, Unpaired> {
    let mut asking = Asking::begin(run, deadline)?;
    let ends = asking.ends(device, peer)?;
    let mut test = Test { asking, ends };
    let mut steps = Vec::new();
    for by in Side::BOTH {
        for (dtr, rts) in SETTINGS.repeat(ROUNDS) {
            steps.push(test.step(by, Outputs { dtr, rts })?);
        }
    }
    let mut sent = Vec::new();
    for by in Side::BOTH {
        sent.push(test.send(by)?);
    }
    let ends = test.ends;
    Ok(Pair { ends, steps, sent })
}

struct Asking {
    client: Client,
    deadline: Instant,
}

impl Asking {
    fn begin(run: &Path, deadline: Instant) -> Result<Self, Unpaired> {
        let client = Client::connect(&run.join("hbd.sock"), REPLY_LIMIT);
        Ok(Self {
            client: client.map_err(|error| Unpaired::NoDaemon(error.to_string()))?,
            deadline,
        })
    }

    fn ask(&mut self, node: &NodeName, question: Question) -> Result<Answer, Unpaired> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unpaired::NoTime);
        }
        self.client.set_limit(left);
        let answer = self.client.probe(node.clone(), question);
        answer.map_err(|error| match error {
            ClientError::Refused { failure, .. } if failure.code == ErrorCode::Refused => {
                Unpaired::Refused(failure.text)
            }
            ClientError::Refused { failure, .. } if failure.code == ErrorCode::NotFound => {
                Unpaired::Closed(node.clone(), failure.text)
            }
            ClientError::TimedOut { .. } => Unpaired::NoTime,
            error if *node == self.client.hello().node => Unpaired::NoDaemon(error.to_string()),
            error => Unpaired::NoPeer(node.clone(), error.to_string()),
        })
    }

    fn ports(&mut self, node: &NodeName) -> Result<Vec<SerialPort>, Unpaired> {
        match self.ask(node, Question::Ports)? {
            Answer::Ports(ports) => Ok(ports),
            _ => Err(unexpected(node)),
        }
    }

    fn ends(&mut self, device: &str, peer: &str) -> Result<Both<End>, Unpaired> {
        let (peer, wanted) = match peer.split_once(':') {
            Some((peer, wanted)) => (peer, Some(wanted)),
            None => (peer, None),
        };
        let Ok(peer) = NodeName::new(peer) else {
            let why = "that is no name of a node".to_owned();
            return Err(Unpaired::Refused(format!("{peer}: {why}")));
        };
        let own = self.client.hello().node.clone();
        if peer == own {
            return Err(Unpaired::Ourselves(own));
        }
        let ports = self.ports(&own)?;
        let Some(here) = ports.iter().find(|port| is_same(&port.device, device)) else {
            return Err(Unpaired::NotOurs(own, devices(&ports)));
        };
        let here = end(own, here)?;
        let ports = self.ports(&peer)?;
        let fitting: Vec<&SerialPort> = ports
            .iter()
            .filter(|port| wanted.is_none_or(|wanted| is_same(&port.device, wanted)))
            .collect();
        let [there] = *fitting else {
            return Err(Unpaired::Which(peer, devices(&ports)));
        };
        let there = end(peer, there)?;
        Ok(Both { here, there })
    }
}

fn end(node: NodeName, port: &SerialPort) -> Result<End, Unpaired> {
    match port.open {
        false => {
            let why = format!("hbd has {} not open", port.device);
            Err(Unpaired::Closed(node, why))
        }
        true => Ok(End::new(node, &port.device, port.medium.clone())),
    }
}

/// `/dev/ttyS0` and `ttyS0` are.
fn is_same(device: &str, wanted: &str) -> bool {
    device == wanted || device.strip_prefix("/dev/") == Some(wanted)
}

fn devices(ports: &[SerialPort]) -> Vec<String> {
    ports.iter().map(|port| port.device.clone()).collect()
}

fn unexpected(node: &NodeName) -> Unpaired {
    let why = "it answered something else".to_owned();
    Unpaired::NoPeer(node.clone(), why)
}

struct Test {
    asking: Asking,
    ends: Both<End>,
}

impl Test {
    fn order(
        &mut self,
        side: Side,
        outputs: Option<Outputs>,
        send: bool,
    ) -> Result<Reading, Unpaired> {
        let End { node, medium, .. } = self.ends.of(side).clone();
        let order = LineOrder {
            medium,
            outputs,
            send,
        };
        match self.asking.ask(&node, Question::Line(order))? {
            Answer::Line(reading) => Ok(reading),
            _ => Err(unexpected(&node)),
        }
    }

    fn both(&mut self, first: Side, reading: Reading) -> Result<Both<Reading>, Unpaired> {
        let other = self.order(first.other(), None, false)?;
        Ok(match first {
            Side::Here => Both {
                here: reading,
                there: other,
            },
            Side::There => Both {
                here: other,
                there: reading,
            },
        })
    }

    fn step(&mut self, by: Side, outputs: Outputs) -> Result<Step, Unpaired> {
        let reading = self.order(by, Some(outputs), false)?;
        let seen = self.both(by, reading)?;
        Ok(Step { by, outputs, seen })
    }

    fn send(&mut self, by: Side) -> Result<Sent, Unpaired> {
        let quiet = self.order(by, None, false)?;
        let before = self.both(by, quiet)?;
        let reading = self.order(by, None, true)?;
        let after = self.both(by, reading)?;
        Ok(Sent { by, before, after })
    }
}
