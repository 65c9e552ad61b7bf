//! Agents that are part of hbd.

pub mod ip;
