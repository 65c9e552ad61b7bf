//! The policy of hbd, pure: who holds what.
//!
//! A cluster manager learns from events who lives, talks with the managers of other nodes, and
//! starts and stops groups of resources. It has no clock, no process and no packet: these are
//! inputs and outputs, and whoever drives it keeps the contract of the core:
//!
//! > one input, then take outputs until there are none, then wait for the deadline.
//!
//! Outputs are to be carried out in their order: what is to be [kept](Output::Keep) is on disk
//! before the action that follows it begins.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod comparison;
mod declaration;
mod health;
mod heartbeat;
mod io;
mod mutant;
mod pair;
mod two_node;

use alloc::string::String;
use alloc::vec::Vec;

use shared::event::Event;
use shared::group::{GroupName, Outcome};
use shared::names::NodeName;
use shared::order::Change;
use shared::time::{Moment, Now};
use shared::view::ClusterView;

pub use declaration::{Claim, Declaration, Life, Passed, Stand};
pub use health::HealthChecks;
pub use heartbeat::{Count, Heaps, Info, Step, WORD_TYPES, Word};
pub use io::{
    Action, ActionId, Fence, FenceOperation, Fencing, Frozen, Group, Kept, KeptGroup, Monitor,
    ORDERS_MAX, Order, Output, RETRY_GROWTH_MAX, Refusal, Settings, Startup, Wanted,
};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use pair::Pair;
pub use two_node::TwoNode;

/// A manager: inputs are events, messages, results, orders and time.
pub trait ClusterManager {
    /// This node has another core, and that is what it knows.
    fn handle_view(&mut self, view: &ClusterView, now: Now);
    /// Something happened: an event of this node's core or supervisor.
    fn handle_event(&mut self, event: &Event, now: Now);
    /// The manager of another node says something.
    fn handle_message(&mut self, from: &NodeName, declaration: Declaration, now: Now);
    /// An action ended. One that is not awaited is ignored.
    fn handle_result(&mut self, action: ActionId, outcome: Outcome, now: Now);
    /// A resource of a started group, the how manieth, was found not to run, and why.
    fn handle_loss(&mut self, group: &GroupName, resource: usize, why: String, now: Now);
    /// An operator wants something: what that does to the groups.
    fn handle_order(&mut self, order: Order, now: Now) -> Result<Vec<Change>, Refusal>;
    /// What an order would do; nothing is done.
    fn plan(&self, order: Order, now: Now) -> Result<Vec<Change>, Refusal>;
    /// The node leaves: everything is given up. Ends in [`Output::Released`].
    fn leave(&mut self, now: Now);
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Now);
    /// What is to be done next.
    fn poll_output(&mut self) -> Option<Output>;
    /// When [`ClusterManager::handle_timeout`] is to be called.
    fn poll_deadline(&self) -> Option<Moment>;
}
