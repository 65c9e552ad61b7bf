//! The checks of `hadiag`: one table, from which its parser, help and manual are made.

use std::time::Instant;

use crate::checks;
use crate::range::Range;
use crate::report::Report;

/// A check.
#[derive(Debug)]
pub struct Check {
    /// Its word.
    pub name: &'static str,
    /// What it looks at, as help names it.
    pub object: &'static str,
    /// What it does, in a line without a full stop.
    pub about: &'static str,
    /// What else is to be known, for its help and the manual.
    pub text: &'static str,
    /// What it does besides under `--active`.
    pub active: &'static str,
    /// What `-w` and `-c` are about.
    pub measured: &'static str,
    /// The physics: why what is seen means what is said.
    pub explanation: &'static str,
    /// Looks at one object. Tells what is known after each step; what it tells last is the answer.
    pub run: fn(&Order<'_>, &mut dyn FnMut(Report)),
}

/// What to look at, and how.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The object.
    pub object: &'a str,
    /// It may be touched.
    pub active: bool,
    /// By then it is to be over.
    pub deadline: Instant,
    /// What is good of the measured value.
    pub limits: Limits,
}

/// What is good of a measured value, where somebody said so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Else a warning.
    pub warning: Option<Range>,
    /// Else critical.
    pub critical: Option<Range>,
}

/// Every check, in the order in which they are shown.
pub const CHECKS: &[Check] = &[checks::serial::CHECK];
