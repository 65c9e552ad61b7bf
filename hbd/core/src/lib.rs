//! The pure core of hbd: beats, links, generations, messages, members.
//!
//! It decides who lives and which links carry packets, and it has no clock, no socket, no file and
//! no source of randomness: these are inputs. The contract, for whoever drives it:
//!
//! > one input, then take outputs until there are none, then wait for the deadline.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod agreement;
mod beat;
mod deadline;
mod declared;
pub mod flight;
mod history;
mod identity;
mod io;
mod join;
mod judge;
mod limiter;
mod link;
mod machine;
mod memory;
mod mutant;
mod pace;
mod peer;
mod random;
mod receive;
mod retransmit;
mod say;
mod sequence;
pub mod session;
mod settings;
pub mod wire;

pub use beat::{TOLD_SLOWLY_BYTES_MAX, TOLD_SLOWLY_EVERY};
pub use deadline::{Deadline, PeerIndex, Timer};
pub use io::{Command, Output, Said};
pub use machine::{BadSettings, Core};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use session::{SessionNews, SessionOrder};
pub use settings::{
    KeySpec, LinkMemory, LiveMemory, MediumForm, MediumIndex, MediumSettings, Pace, PeerMemory,
    SLOW_BITS, Settings, Start, Times,
};
