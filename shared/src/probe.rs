//! What one end of a path is asked about the other, and what it answers.
//!
//! One side of a line sees its own half. hbd runs on both, and other paths between the nodes still carry messages: so
//! `hadiag` asks the hbd of this node, which looks itself or asks the hbd of the other node, and both halves are known.
//! A node answers for what hbd has open there, and touches nothing else.

use serde::{Deserialize, Serialize};

use crate::api::{Failure, Snapshot};
use crate::event::ModemLines;
use crate::names::{ClientName, MediumName, NodeName};

/// Under this name every hbd listens for questions, and asks them.
#[must_use]
pub fn client() -> ClientName {
    ClientName::new("hbd-probe").expect("it is a name")
}

/// A question, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The node that is to look; the one that is asked may be meant, too.
    pub node: NodeName,
    /// At what.
    pub question: Question,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// What it sees of the cluster.
    View,
    /// Which serial ports its configuration names.
    Ports,
    /// What one of them looks like.
    Line(LineOrder),
}

impl Question {
    /// It changes something, if for a moment.
    #[must_use]
    pub fn touches(&self) -> bool {
        matches!(self, Self::Line(order) if order.outputs.is_some() || order.send)
    }
}

/// What is done to a serial port, in this order, before it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineOrder {
    /// The port.
    pub medium: MediumName,
    /// Its outputs are set, and the lines given time to settle. They are raised again by the next order without this, or
    /// after [`HELD`].
    pub outputs: Option<Outputs>,
    /// [`SENT`] goes out, whether or not flow control forbids it.
    pub send: bool,
}

/// Outputs that were lowered and of which nobody speaks any more are raised after this.
pub const HELD: std::time::Duration = std::time::Duration::from_secs(2);
/// What is sent: nothing that any receiver takes for the beginning of a packet (hbd-protocol(7)).
pub const SENT: &[u8] = b"\n\nUUUUUUUUUUUUUUUUUUUUUUUUUUUU\n\n";

/// The lines that a port raises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Data terminal ready, pin 4.
    pub dtr: bool,
    /// Request to send, pin 7.
    pub rts: bool,
}

impl Outputs {
    /// As hbd leaves a port.
    pub const RAISED: Self = Self {
        dtr: true,
        rts: true,
    };
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// What it sees of the cluster.
    View(Box<Snapshot>),
    /// Its serial ports.
    Ports(Vec<SerialPort>),
    /// A look at a port.
    Line(Reading),
}

/// A serial port of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SerialPort {
    /// Its medium.
    pub medium: MediumName,
    /// The path.
    pub device: String,
    /// It is open.
    pub open: bool,
}

/// What goes from node to node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Letter {
    /// A question.
    Question {
        /// Comes back with the answer.
        number: u64,
        /// What.
        question: Question,
    },
    /// The answer to one.
    Answer {
        /// The question's.
        number: u64,
        /// What was found, or why nothing was.
        answer: Result<Answer, Failure>,
    },
}

/// The modem lines of a port: two that it raises, four that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// Data terminal ready, pin 4, own.
    pub dtr: bool,
    /// Request to send, pin 7, own.
    pub rts: bool,
    /// Clear to send, pin 8.
    pub cts: bool,
    /// Data set ready, pin 6.
    pub dsr: bool,
    /// Data carrier detect, pin 1.
    pub dcd: bool,
    /// Ring indicator, pin 9.
    pub ri: bool,
}

impl From<Lines> for ModemLines {
    fn from(lines: Lines) -> Self {
        Self {
            cts: lines.cts,
            dsr: lines.dsr,
            dcd: lines.dcd,
        }
    }
}

/// What a driver counted since it knows the port. They wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Changes of CTS.
    pub cts: u32,
    /// Changes of DSR.
    pub dsr: u32,
    /// Changes of DCD.
    pub dcd: u32,
    /// Changes of RI.
    pub ri: u32,
    /// Bytes that came.
    pub rx: u32,
    /// Bytes that went.
    pub tx: u32,
    /// Bytes without a stop bit.
    pub frame: u32,
    /// Bytes whose parity is wrong.
    pub parity: u32,
    /// Bytes that came when there was no room.
    pub overrun: u32,
    /// Breaks that came.
    pub breaks: u32,
}

/// How bytes are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Bits a second.
    pub baud: u32,
    /// Bits of a byte.
    pub bits: u8,
    /// `N`, `E` or `O`.
    pub parity: char,
    /// Stop bits.
    pub stop: u8,
    /// Sends only while CTS is raised.
    pub hardware_flow: bool,
    /// Stops where it reads a certain byte.
    pub software_flow: bool,
}

/// One look at an open port. What is `None` this driver does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// How it is set.
    pub settings: Settings,
    /// Its lines.
    pub lines: Option<Lines>,
    /// What was counted.
    pub counters: Option<Counters>,
    /// Bytes that are not sent yet.
    pub unsent: Option<usize>,
}
