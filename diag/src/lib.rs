//! Facts about this machine, and what follows from them.
//!
//! `facts` looks and returns plain data; a check is a pure function from facts to findings. So
//! every check can be tested with a few lines of data, on any machine. What is checked of a configuration
//! stands in [`check`]; what `hadiag` checks, in the table of [`registry`].

pub mod check;
pub mod checks;
pub mod facts;
pub mod range;
pub mod registry;
pub mod report;
pub mod sys;
