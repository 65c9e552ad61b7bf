//! The words every part of hbd uses, and nothing that acts.
//!
//! Names and times are types of their own, so that a peer's generation cannot be compared with
//! a sequence number. The pure crates import this one and no other; it must not do anything they
//! may not do, except in the client of the control socket, which only the programs use.

pub mod api;
pub mod builtin;
pub mod client;
pub mod config;
pub mod event;
pub mod exit;
pub mod group;
pub mod health;
pub mod mutants;
pub mod names;
pub mod notification;
pub mod order;
pub mod probe;
pub mod query;
pub mod sample;
pub mod session;
pub mod time;
pub mod times;
pub mod verdict;
pub mod view;
