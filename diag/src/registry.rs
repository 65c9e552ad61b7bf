//! The checks of `hadiag`: one table, from which its parser, help and manual are made.

use std::collections::BTreeMap;
use std::time::Instant;

use shared::config::Config;

use crate::checks;
use crate::range::Range;
use crate::report::Report;

/// A check.
#[derive(Debug)]
pub struct Check {
    /// Its word.
    pub name: &'static str,
    /// What it looks at.
    pub objects: Objects,
    /// What it does, in a line without a full stop.
    pub about: &'static str,
    /// What else is to be known, for its help and the manual.
    pub text: &'static str,
    /// What it does besides under `--active`; empty if it never does more than look.
    pub active: &'static str,
    /// What `-w` and `-c` are about; empty if it measures nothing.
    pub measured: &'static str,
    /// Its own options, besides those that all have.
    pub options: &'static [Choice],
    /// The physics: why what is seen means what is said.
    pub explanation: &'static str,
    /// The objects that a configuration has for it, for [`checks::all`]; what needs no naming is looked at anyway.
    pub configured: fn(&Config) -> Vec<String>,
    /// Looks at one object. Tells what is known after each step; what it tells last is the answer.
    pub run: fn(&Order<'_>, &mut dyn FnMut(Report)),
}

/// What a check looks at.
#[derive(Clone, Copy, Debug)]
pub enum Objects {
    /// What the call names, one or more; help has this word for it.
    Named(&'static str),
    /// One thing, which needs no naming: this is what reports call it.
    One(&'static str),
    /// What it finds by its options.
    Found(fn(&Chosen) -> Vec<String>),
}

/// An option of one check.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Its word.
    pub name: &'static str,
    /// What stands behind it, as help names it; nothing for a switch.
    pub value: Option<&'static str>,
    /// It may be given more than once.
    pub many: bool,
    /// What it does, in a line without a full stop.
    pub about: &'static str,
}

/// The options of one check that a call gave.
#[derive(Clone, Debug, Default)]
pub struct Chosen(pub BTreeMap<&'static str, Vec<String>>);

impl Chosen {
    /// It was given, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Its value, the first if there are many.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All its values.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }
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
    /// The check's own options.
    pub chosen: &'a Chosen,
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
pub const CHECKS: &[Check] = &[
    checks::serial::CHECK,
    checks::ether::CHECK,
    checks::arp::CHECK,
    checks::all::CHECK,
];

/// The check of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}
