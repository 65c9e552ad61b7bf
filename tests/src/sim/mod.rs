//! The virtual world: the very core that the daemon runs, under a clock that stands still until
//! something happens.
//!
//! ```text
//!            +-------- World: one clock, one queue of what lies ahead, one stream of dice -------+
//!            |                                                                                   |
//!            |   Machine alice                    Segment eth                   Machine bob      |
//!            |   +------------------+   packets   +----------------+  copies    +-------------+  |
//!            |   | Core             | ----------> | delay, loss,   | ---------> | socket      |  |
//!            |   | socket (bounded) | <---------- | cuts, baud ... | <--------- | Core        |  |
//!            |   | disk, clocks     |             +----------------+            | disk ...    |  |
//!            |   +------------------+                                           +-------------+  |
//!            +-----------------------------------------------------------------------------------+
//!                        |  notices: what was sent, what arrived, which events happened
//!                        v
//!            scenario runner (texts) or explorer (seeds, checkers)
//! ```
//!
//! A [`World`] does to a core what the daemon's shell does, in the same order: a late timer before
//! the packets that wait, [`Output::Drain`](hbd_core::Output::Drain) answered with all of them, one
//! input and then its outputs until there are none. On a serial line it feeds the bytes of hbd's own
//! pacer to its own collector. It judges nothing. Two programs stand on it:
//! [`scenario`] plays a text and prints the events, [`explore`] lets a seed choose the faults and
//! holds the cluster to its rules after each step.

pub mod crowd;
pub mod explore;
mod line;
pub mod machine;
pub mod random;
pub mod replay;
pub mod scenario;
pub mod segment;
mod wakes;
pub mod world;

pub use machine::{Disk, Machine};
pub use random::{Chance, Random, seed};
pub use segment::{Quality, Segment};
pub use world::{Notice, World};

/// Names a node of the world: its place in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub usize);

/// Names a segment of the world: its place in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentIndex(pub usize);
