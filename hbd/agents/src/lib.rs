//! What is done to resources, and how it is kept in bounds.
//!
//! ```text
//!   haresources --class--> what kind of agent --command--> program, arguments, environment
//!                                                               |
//!        Outcome <--verdict-- Report <--RUN/actions/ID-- shim (`hbd act`)
//! ```
//!
//! [`class`], [`command`] and [`verdict`] are pure: facts about the machine are inputs. [`shim`]
//! is a process of its own, one for each action, so that whatever a script does ends there, and so
//! that its result outlives the manager that asked for it. [`actions`] is the directory where the
//! result is found.
//!
//! [`fence`] says what is run to switch another node off, and what its end means.
//!
//! [`health`] says what is run to find out how a node or a group is, and what its end means.
//!
//! [`builtin`] has the agents that are part of hbd: calls instead of programs.

pub mod actions;
pub mod builtin;
mod capture;
pub mod class;
pub mod command;
mod family;
pub mod fence;
pub mod health;
pub mod netlink;
pub mod network;
pub mod packets;
pub mod report;
pub mod shim;
pub mod surroundings;
mod sys;
pub mod verdict;

pub use sys::{process_descriptor, signal_process, stand_alone};
