//! Debian's example files: as they are, and with every commented example line made real.

use std::path::Path;
use std::process::Command;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::precondition::{Precondition, trial};
use libtest_mimic::Trial;
use shared::config::source::{FileName, Files};
use shared::config::{Code, Diagnostic, check};

use crate::SUITE;

const EXAMPLES: &str = "/usr/share/doc/heartbeat";

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Precondition::Heartbeat];
    vec![
        trial(SUITE, "debian_examples_as_they_are", needs, as_they_are),
        trial(
            SUITE,
            "debian_examples_with_every_line_made_real",
            needs,
            every_line_made_real,
        ),
    ]
}

/// An example, packed or not.
fn example(name: &str) -> Result<String, Error> {
    let plain = Path::new(EXAMPLES).join(name);
    let packed = Path::new(EXAMPLES).join(format!("{name}.gz"));
    let path = if plain.exists() { plain } else { packed };
    let output = Command::new("zcat").arg("-f").arg(&path).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => unexpected(format!("zcat {}: {}", path.display(), output.status)),
        Err(error) => unexpected(format!("zcat {}: {error}", path.display())),
    }
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<Code> {
    diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect()
}

/// They name no node, no medium and no key; that is all there is to say.
fn as_they_are() -> Result<(), Error> {
    let mut files = Files::default();
    for name in [FileName::HaCf, FileName::Authkeys, FileName::Haresources] {
        files = files.with(name, &example(name.as_str())?);
    }
    let found = codes(&check::text(&files).diagnostics);
    let expected = [Code::NoNode, Code::NoMedium, Code::AuthMissing];
    if found == expected {
        return Ok(());
    }
    unexpected(format!("expected {expected:?}, found {found:?}"))
}

/// Complaints that a made-real example deserves: what is not built, what stands twice, what the file itself calls
/// wrong.
const DESERVED: [Code; 13] = [
    Code::NoEffect,
    Code::NotYet,
    Code::Refused,
    Code::Repeated,
    Code::Twice,
    Code::NodeTwice,
    Code::MediumTwice,
    Code::KeyShort,
    Code::KeyCrc,
    Code::AddressTwice,
    Code::GroupKeyTwice,
    Code::GroupNameTwice,
    Code::TwoNodeCount,
];

fn every_line_made_real() -> Result<(), Error> {
    let mut ha_cf = example("ha.cf")?;
    let haresources = made_real(&example("haresources")?, |words| {
        words.len() > 1 && looks_like_node(words[0])
    });
    for line in haresources.lines().filter(|line| !line.starts_with('#')) {
        if let Some(node) = line.split_whitespace().next() {
            ha_cf += &format!("\n#node {node}");
        }
    }
    let ha_cf = made_real(&ha_cf, |words| {
        let names_both_values = words.contains(&"classic/netstring");
        !names_both_values && shared::config::directives::find(words[0]).is_some()
    });
    let authkeys = made_real(&example("authkeys")?, |words| {
        words[0] == "auth" && words.len() == 2 || words[0].parse::<u8>().is_ok()
    });
    let files = Files::default()
        .with(FileName::HaCf, &ha_cf)
        .with(FileName::Authkeys, &authkeys)
        .with(FileName::Haresources, &haresources);
    let diagnostics = check::text(&files).diagnostics;
    let undeserved: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|d| !DESERVED.contains(&d.code))
        .collect();
    if diagnostics.len() < 20 {
        return unexpected(format!(
            "only {} diagnostics: were the examples found?",
            diagnostics.len()
        ));
    }
    if undeserved.is_empty() {
        return Ok(());
    }
    unexpected(format!("undeserved complaints: {undeserved:#?}"))
}

/// In Debian's file of groups every example begins with one of these nodes.
fn looks_like_node(word: &str) -> bool {
    ["just.linux-ha.org", "node1"].contains(&word)
}

/// Removes the comment sign from lines that are examples: one sign directly before the first word.
fn made_real(text: &str, is_example: impl Fn(&[&str]) -> bool) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let bare = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
        let words: Vec<&str> = bare.unwrap_or_default().split_whitespace().collect();
        let chosen = if !words.is_empty() && is_example(&words) {
            bare.unwrap_or(line)
        } else {
            line
        };
        out += chosen;
        out.push('\n');
    }
    out
}
