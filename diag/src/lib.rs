//! Facts about this machine, and what follows from them.
//!
//! `facts` looks and returns plain data; a check is a pure function from facts to findings. So
//! every check can be tested with a few lines of data, on any machine.

pub mod check;
pub mod facts;
pub mod sys;
