//! What the suites stand on: a virtual world for the very core ([`sim`]), and for whole programs networks of
//! namespaces, real Heartbeat nodes, real hbd daemons.
//!
//! Everything a suite makes is owned by a value, and dropping that value removes it again: a namespace, a scratch
//! directory, a daemon, a Heartbeat node. Names begin with the process's own prefix ([`scratch::prefix`]), so several
//! runs may go on at once and nobody's cleaning hits another's. Should the test process be killed before it can drop
//! anything, its [`sweeper`] removes whatever bears the prefix.
//!
//! Nothing here sleeps for an effect: [`wait::until`] asks again and again until a condition holds or its limit is over.

pub mod daemon;
pub mod error;
pub mod forms;
pub mod heartbeat;
pub mod heartbeat_log;
pub mod instance;
pub mod managers;
pub mod manual;
pub mod modem_cable;
pub mod namespaces;
pub mod null_modem;
pub mod observer;
pub mod precondition;
pub mod program;
pub mod race;
pub mod scratch;
pub mod sim;
pub mod sweeper;
pub mod tier;
pub mod wait;
