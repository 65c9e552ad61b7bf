//! A real Heartbeat and hbd hold services together, and what comes of it is what comes of two Heartbeats.
//!
//! A [`tour`] is a list of steps: nodes begin, end, die, and are told to give and to take. Two real Heartbeats play it
//! first; who holds what after each step, what `cl_status rscstatus` answers, how long each service did not answer and
//! what the nodes complain of is kept in `expected`. Then hbd plays it in the [seat](company::Seat) of either node.
//!
//! How long nobody answered is compared in a [`race`](mod@race).
//!
//! What cannot be compared is in [`faults`].
//!
//! With nothing but a serial line between the two: [`serial`].
//!
//! `UPDATE=1 HBD_TIER=long cargo test -p hbd-tests --test interop` makes `expected` anew.

mod company;
mod expected;
mod faults;
mod node;
mod race;
mod serial;
mod tour;
mod weather;

pub(crate) use company::NAMES;
pub(crate) use expected::Expected;
pub(crate) use faults::{failback_off, failback_on};
pub(crate) use race::race;
pub(crate) use serial::beside_a_heartbeat as over_a_serial_line;
pub(crate) use tour::{TOURS, Tour};
pub(crate) use weather::bad as bad_weather;
