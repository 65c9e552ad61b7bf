//! Agents that obey the Fence Agent API: they read `KEY=VALUE` lines, do the `action` among them and
//! end with a status.
//!
//! An agent that was told to switch a node off and ended with 0 is asked `status` then: 0 is on, 2
//! is off. Only one whose metadata names no such action is believed without.

use shared::config::{Secret, is_open_setting};
use shared::names::NodeName;

use super::{Call, Verdict};
use crate::report::Report;
use crate::verdict::exited;

/// An exit status of `status`: the node is on.
const ON: i32 = 0;
/// An exit status of `status`: the node is off.
const OFF: i32 = 2;

/// What an agent reads.
pub(super) fn input(call: Call, node: &NodeName, settings: &[(String, Secret)]) -> Vec<u8> {
    let action = match call {
        Call::Off | Call::Reset => "off",
        Call::Status => "status",
        Call::Abilities => "metadata",
        Call::Check => "monitor",
    };
    let mut text = format!("action={action}\nnodename={node}\n").into_bytes();
    for (key, value) in settings {
        text.extend_from_slice(key.as_bytes());
        text.push(b'=');
        text.extend_from_slice(value.bytes());
        text.push(b'\n');
    }
    text
}

pub(super) fn verdict(call: Call, status: i32, report: &Report) -> Verdict {
    match (call, status) {
        (Call::Off | Call::Reset, 0) => Verdict::Ask(Call::Status),
        (Call::Check, 0) => Verdict::Done,
        (Call::Status, OFF) => Verdict::Done,
        (Call::Status, ON) => Verdict::Failed("it is still on".to_owned()),
        (Call::Status, _) => Verdict::Ask(Call::Abilities),
        (Call::Abilities, 0) => of_metadata(report),
        _ => Verdict::Failed(exited(status, None)),
    }
}

/// `<action name="off"/>`, one for each that the agent knows.
fn of_metadata(report: &Report) -> Verdict {
    let text = &report.stdout;
    let whole = text.left_out == 0 && text.head.contains("</actions>");
    let knows = |action: &str| {
        let quoted = [format!("name=\"{action}\""), format!("name='{action}'")];
        let lines = text.head.lines().filter(|line| line.contains("<action "));
        lines
            .into_iter()
            .any(|line| quoted.iter().any(|name| line.contains(name)))
    };
    if whole && knows("off") && !knows("status") {
        return Verdict::Done;
    }
    Verdict::Failed("it was switched off, and then did not say whether it is off".to_owned())
}

/// What must not be repeated.
pub(super) fn secrets(settings: &[(String, Secret)]) -> Vec<String> {
    let closed = settings.iter().filter(|(key, _)| !is_open_setting(key));
    closed
        .map(|(_, value)| String::from_utf8_lossy(value.bytes()).into_owned())
        .collect()
}
