//! The checks: pure functions from facts to findings.

pub mod all;
pub mod arp;
pub mod ether;
pub mod serial;
