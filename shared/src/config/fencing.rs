//! `stonith`, `stonith_host`, `fence` and `fencedelay`: what switches a node off.
//!
//! What a device is told may hold a password, so no message repeats it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::Code;
use super::draft::{Draft, Given};
use super::keys::Secret;
use super::lex::{BLANKS, Word};
use super::machine::{self, Subject};
use super::model::{
    FENCE_AGENTS, FENCE_CALL_LIMIT, FENCE_DELAY_MAX, FenceDevice, FenceMethod, Fencing,
    StonithParameters, StopFailureRule, is_open_setting,
};
use super::reader::Reader;
use super::report::Report;
use super::source::{Content, Files, Span};
use super::suggest;
use super::value::Zero;
use crate::names::NodeName;

/// Stands for each node that could use a device.
const EVERY_HOST: &str = "*";
/// Stands for an operator in the place of an agent.
const MANUAL: &str = "manual";
/// What the names of fence agents begin with.
const AGENT_PREFIX: &str = "fence_";
/// What hbd tells an agent itself.
const OWN_SETTINGS: [&str; 3] = ["action", "option", "nodename"];
/// Permission bits: others than the owner may read.
const OTHERS_READ: u32 = 0o044;
/// Types of `stonith` that do nothing, or ask the very node that does not answer.
const PRETENDING: [&str; 4] = ["null", "ssh", "external/ssh", "suicide"];

/// Types of `stonith` whose only parameter is the list of hosts that they switch off.
const LISTING: [&str; 3] = ["null", "ssh", "meatware"];

/// A `stonith` or `stonith_host` line.
pub(super) struct StonithLine {
    /// The node that can use it; absent: each.
    host: Option<NamedHost>,
    /// What it switches off, where the line tells.
    targets: Vec<NamedHost>,
    kind: Span,
    method: FenceMethod,
}

/// A host of a `stonith_host` line, in small letters.
struct NamedHost {
    name: String,
    span: Span,
}

impl NamedHost {
    fn of(word: &Word<'_>) -> Self {
        Self {
            name: word.text.to_ascii_lowercase(),
            span: word.span,
        }
    }
}

/// A `fence` line.
pub(super) struct FenceLine {
    node: NodeName,
    span: Span,
    agent: Span,
    method: FenceMethod,
}

/// What `fencedelay` lines say.
pub(super) type Delays = BTreeMap<NodeName, (Duration, Span)>;

pub(super) fn stonith(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let Some([kind, file]) = reader.exactly::<2>(rest) else {
        return;
    };
    let (Some(kind_of), Some(path)) = (stonith_type(reader, &kind), reader.file(&file)) else {
        return;
    };
    reader.draft.stonith.push(StonithLine {
        host: None,
        targets: Vec::new(),
        kind: kind.span,
        method: FenceMethod::Stonith {
            kind: kind_of,
            parameters: StonithParameters::File(path),
        },
    });
}

pub(super) fn stonith_host(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [host, kind, parameters @ ..] = words.as_slice() else {
        return reader.missing(words.len());
    };
    let Some(kind_of) = stonith_type(reader, kind) else {
        return;
    };
    let targets = match LISTING.contains(&kind.text) {
        true => parameters.iter().map(NamedHost::of).collect(),
        false => Vec::new(),
    };
    let parameters: Vec<&str> = parameters.iter().map(|word| word.text).collect();
    reader.draft.stonith.push(StonithLine {
        host: (host.text != EVERY_HOST).then(|| NamedHost::of(host)),
        targets,
        kind: kind.span,
        method: FenceMethod::Stonith {
            kind: kind_of,
            parameters: StonithParameters::Words(Secret::new(parameters.join(" ").into())),
        },
    });
}

fn stonith_type(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_/.-".contains(&b);
    if word.text.bytes().all(good) && !word.text.starts_with(['-', '/', '.']) {
        return Some(word.text.to_owned());
    }
    let text = format!("`{}` cannot be the type of a device", word.text);
    reader
        .report
        .at(Code::BadWord, word.span, text)
        .remedy("`stonith -L` lists the types");
    None
}

pub(super) fn fence(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [node, agent, settings @ ..] = words.as_slice() else {
        return reader.missing(words.len());
    };
    let method = if agent.text == MANUAL {
        manual(reader, settings)
    } else {
        program(reader, agent)
            .zip(given(reader, settings))
            .map(|(program, settings)| FenceMethod::Agent { program, settings })
    };
    if let (Some(name), Some(method)) = (reader.node(node), method) {
        reader.draft.fences.push(FenceLine {
            node: name,
            span: node.span,
            agent: agent.span,
            method,
        });
    }
}

fn manual(reader: &mut Reader<'_, '_>, settings: &[Word<'_>]) -> Option<FenceMethod> {
    let Some(first) = settings.first() else {
        return Some(FenceMethod::Manual);
    };
    let text = "`manual` takes no settings: it is an operator who switches the node off";
    reader
        .report
        .at(Code::ExtraWords, first.span, text)
        .label("ignored");
    Some(FenceMethod::Manual)
}

fn program(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<PathBuf> {
    if word.text.starts_with('/') {
        return Some(word.text.into());
    }
    if word.text.starts_with(AGENT_PREFIX) && !word.text.contains('/') {
        return Some(Path::new(FENCE_AGENTS).join(word.text));
    }
    let text = format!("`{}` is no fence agent", word.text);
    let near = suggest::nearest(word.text, [MANUAL]);
    let note = reader.report.at(Code::BadWord, word.span, text).remedy(format!(
        "write the name of an agent in {FENCE_AGENTS} (`{AGENT_PREFIX}...`), a path that begins with `/`, or `{MANUAL}`"
    ));
    if let Some(near) = near {
        note.replacement(near);
    }
    None
}

/// Nothing where one of them cannot be used.
fn given(reader: &mut Reader<'_, '_>, words: &[Word<'_>]) -> Option<Vec<(String, Secret)>> {
    let mut settings: Vec<(String, Secret)> = Vec::new();
    let mut good = true;
    for word in words {
        match setting(reader, word) {
            Some((key, _)) if settings.iter().any(|(known, _)| *known == key) => {
                let text = format!("`{key}` stands twice");
                reader.report.at(Code::Twice, word.span, text);
                good = false;
            }
            Some(setting) => settings.push(setting),
            None => good = false,
        }
    }
    good.then_some(settings)
}

fn setting(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<(String, Secret)> {
    let letters = |key: &str| {
        key.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    let (key, value) = match word.text.split_once('=') {
        Some((key, value)) if !key.is_empty() && letters(key) => (key, value),
        _ => {
            reader
                .report
                .at(
                    Code::BadAssignment,
                    word.span,
                    "this is no setting of a fence agent",
                )
                .label("is not of the form KEY=VALUE")
                .remedy(
                    "a value can hold neither a blank nor `#`; see `passwd_script` of most agents",
                );
            return None;
        }
    };
    if OWN_SETTINGS.contains(&key) {
        let text = format!("`{key}` is what hbd tells the agent itself");
        let span = word.part(0, key.len()).span;
        reader
            .report
            .at(Code::BadWord, span, text)
            .remedy("leave it out");
        return None;
    }
    Some((key.to_owned(), Secret::new(value.into())))
}

pub(super) fn delay(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let Some([node, time]) = reader.exactly::<2>(rest) else {
        return;
    };
    let given = reader
        .time_up_to(&time, Zero::Allowed, FENCE_DELAY_MAX)
        .set();
    let (Some(name), Some(delay)) = (reader.node(&node), given) else {
        return;
    };
    let former = reader.draft.fence_delays.insert(name, (delay, node.span));
    if let Some((_, first)) = former {
        let text = format!("`{}` has two delays", node.text);
        reader
            .report
            .at(Code::Repeated, node.span, text)
            .label("this one counts")
            .related(first, "this one does not");
    }
}

/// What this node runs has to be there.
pub(super) fn mention_programs(draft: &mut Draft, own: Option<&NodeName>, report: &Report<'_>) {
    let stonith = usable_stonith(draft, own).map(|line| (line.kind, line.method.clone()));
    if let Some((span, FenceMethod::Stonith { kind, .. })) = &stonith {
        machine::mention(draft, report, *span, Subject::StonithType(kind.clone()));
    }
    let stonith = stonith.map(|(span, method)| (span, method.program()));
    let agents = draft.fences.iter().filter(|line| Some(&line.node) != own);
    let agents = agents.map(|line| (line.agent, line.method.program()));
    let programs: Vec<_> = stonith.into_iter().chain(agents).collect();
    for (span, program) in programs {
        if let Some(path) = program {
            let path = path.to_string_lossy().into_owned();
            machine::mention(draft, report, span, Subject::FenceProgram(path));
        }
    }
}

/// As Heartbeat 3.0.6 does: a line for another host does not count, and the last one does.
fn usable_stonith<'d>(draft: &'d Draft, own: Option<&NodeName>) -> Option<&'d StonithLine> {
    let usable = |line: &&StonithLine| match (&line.host, own) {
        (None, _) => true,
        (Some(host), own) => own.is_some_and(|own| own.as_str() == host.name),
    };
    draft.stonith.iter().rfind(usable)
}

/// Who may read a file may use the devices in it.
pub(super) fn check_modes(draft: &Draft, files: &Files, report: &mut Report<'_>) {
    let lines = draft.fences.iter().map(|line| (line.agent, &line.method));
    let stonith = draft.stonith.iter().map(|line| (line.kind, &line.method));
    let mut told = Vec::new();
    for (span, _) in stonith
        .chain(lines)
        .filter(|(_, method)| holds_secret(method))
    {
        let mode = match files.contents.get(&span.file) {
            Some(Content::Bytes { mode, .. }) => mode.unwrap_or_default(),
            _ => 0,
        };
        if mode & OTHERS_READ == 0 || told.contains(&span.file) {
            continue;
        }
        told.push(span.file);
        let file = span.file;
        let text = format!(
            "{file} has mode {:03o}: others than its owner can read what the device is told",
            mode & 0o777
        );
        report
            .at(Code::FenceReadable, span, text)
            .remedy(format!("chmod go-r {file}"));
    }
}

fn holds_secret(method: &FenceMethod) -> bool {
    match method {
        FenceMethod::Agent { settings, .. } => {
            settings.iter().any(|(key, _)| !is_open_setting(key))
        }
        FenceMethod::Stonith { kind, parameters } => {
            let words = matches!(parameters, StonithParameters::Words(_));
            words && !PRETENDING.contains(&kind.as_str())
        }
        FenceMethod::Manual => false,
    }
}

/// What only the whole shows.
pub(super) fn check(draft: &Draft, own: Option<&NodeName>, report: &mut Report<'_>) {
    let lines = draft.fences.iter().map(|line| (&line.node, line.span));
    let delays = draft
        .fence_delays
        .iter()
        .map(|(node, (_, span))| (node, *span));
    for (name, span) in lines.chain(delays) {
        if !names(draft, name) && !draft.node_bad && !draft.nodes.is_empty() {
            let text = format!("no `node` line names `{name}`");
            let near = suggest::nearest(name.as_str(), draft.nodes.iter().map(|(n, _)| n.as_str()));
            let note = report.at(Code::FenceUnknownNode, span, text);
            if let Some(near) = near {
                note.replacement(near);
            }
        }
    }
    check_hosts(draft, report);
    check_pretending(draft, own, report);
    check_both_sides(draft, own, report);
    check_unused(draft, report);
}

fn names(draft: &Draft, name: &NodeName) -> bool {
    draft.nodes.iter().any(|(node, _)| node == name)
}

/// Heartbeat 3.0.6 takes any name, and so does the device.
fn check_hosts(draft: &Draft, report: &mut Report<'_>) {
    if draft.node_bad || draft.nodes.is_empty() {
        return;
    }
    let nodes = || draft.nodes.iter().map(|(node, _)| node.as_str());
    let strange = |host: &&NamedHost| !nodes().any(|node| node == host.name);
    for line in &draft.stonith {
        if let Some(host) = line.host.as_ref().filter(strange) {
            let text = format!("no `node` line names `{}`", host.name);
            let note = report
                .at(Code::StonithHostUnknown, host.span, text)
                .label("no node uses this device")
                .remedy(format!(
                    "write the node that can reach the device, or `{EVERY_HOST}` for each"
                ));
            if let Some(near) = suggest::nearest(&host.name, nodes()) {
                note.replacement(near);
            }
        }
        // What a device is told is shown nowhere, so the name is not repeated.
        for target in line.targets.iter().filter(strange) {
            let text = "the device is told a host that no `node` line names";
            report
                .at(Code::StonithHostUnknown, target.span, text)
                .label("no name of a node")
                .remedy("list the nodes that are to be switched off as `node` lines name them");
        }
    }
}

fn check_pretending(draft: &Draft, own: Option<&NodeName>, report: &mut Report<'_>) {
    let Some(line) = usable_stonith(draft, own) else {
        return;
    };
    if let FenceMethod::Stonith { kind, .. } = &line.method
        && PRETENDING.contains(&kind.as_str())
    {
        let text = format!("the device `{kind}` makes nobody sure that a node is off");
        report
            .at(Code::FencePretends, line.kind, text)
            .label("is there for tests")
            .remedy("take a device that works when the node does not");
    }
}

/// A node that nobody can fence is succeeded as if there were no fencing.
fn check_both_sides(draft: &Draft, own: Option<&NodeName>, report: &mut Report<'_>) {
    let Some(first) = draft.fences.first() else {
        return;
    };
    let strangers = draft.fences.iter().any(|line| !names(draft, &line.node));
    if draft.node_bad || strangers || usable_stonith(draft, own).is_some() {
        return;
    }
    let fenced = |name: &NodeName| draft.fences.iter().any(|line| line.node == *name);
    for (name, _) in draft.nodes.iter().filter(|(name, _)| !fenced(name)) {
        let text = format!("no `fence` line says how `{name}` is switched off");
        report
            .at(Code::FenceOneSided, first.span, text)
            .label("only this node can be fenced")
            .remedy(format!("add `fence {name} ...`"));
    }
}

/// What waits for a device, or relies on it, where there is none.
fn check_unused(draft: &Draft, report: &mut Report<'_>) {
    if ["stonith", "stonith_host", "fence"]
        .iter()
        .any(|word| draft.seen.contains_key(word))
    {
        return;
    }
    let delays = draft.fence_delays.values();
    let delays = delays.map(|(_, span)| (*span, "`fencedelay` delays nothing"));
    let rule = match draft.stop_failure {
        Given::Set(StopFailureRule::Fence, span) => Some((
            span,
            "with `stop_failure fence` a group that does not stop waits",
        )),
        _ => None,
    };
    for (span, effect) in delays.chain(rule) {
        let text = format!("{effect}: no device switches a node off");
        report
            .at(Code::FenceUnused, span, text)
            .remedy("configure one with `fence`, or leave the line out");
    }
}

/// The result is absent if a value was given wrongly.
pub(super) fn finish(draft: &Draft, own: Option<&NodeName>) -> Option<Fencing> {
    let stonith = usable_stonith(draft, own).map(|line| FenceDevice {
        node: None,
        method: line.method.clone(),
    });
    let fences = draft.fences.iter().map(|line| FenceDevice {
        node: Some(line.node.clone()),
        method: line.method.clone(),
    });
    let delays = draft.fence_delays.iter();
    Some(Fencing {
        devices: stonith.into_iter().chain(fences).collect(),
        delays: delays
            .map(|(node, (time, _))| (node.clone(), *time))
            .collect(),
        startup: draft.startup_fence.or(true)?,
        call_limit: draft.fence_time.or(FENCE_CALL_LIMIT)?,
    })
}

/// The words of a line without what may be a password; the line itself where it holds none.
pub(super) fn shown(directive: &str, words: &[&str]) -> Vec<String> {
    let word = |(index, word): (usize, &&str)| match (directive, index) {
        ("stonith_host", 2..) => "*".to_owned(),
        ("fence", 2..) => shown_setting(word),
        _ => (*word).to_owned(),
    };
    words.iter().enumerate().map(word).collect()
}

fn shown_setting(word: &str) -> String {
    match word.split_once('=') {
        Some((key, _)) if is_open_setting(key) => word.to_owned(),
        Some((key, _)) => format!("{key}=*"),
        None => "*".to_owned(),
    }
}

/// Whether lines of a directive may hold a password.
pub(super) fn holds_secrets(directive: &str) -> bool {
    matches!(directive, "stonith_host" | "fence")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::{self, Checked};
    use crate::config::model::Config;
    use crate::config::source::{FileName, Files};

    const NODES: &str = "node alice bob\nbcast eth0\n";

    fn checked(lines: &str, own: &str) -> Checked {
        let mut files = Files::default()
            .with(FileName::HaCf, &format!("{NODES}{lines}"))
            .with(FileName::Authkeys, "auth 1\n1 sha1 lab-secret-key\n");
        files.node = NodeName::new(own).ok();
        check::text(&files)
    }

    fn config(lines: &str, own: &str) -> Config {
        let checked = checked(lines, own);
        let found = checked.diagnostics;
        checked.config.unwrap_or_else(|| panic!("{found:?}"))
    }

    fn devices(config: &Config, against: &str) -> Vec<String> {
        let node = NodeName::new(against).unwrap();
        config
            .resources
            .fencing
            .against(&node)
            .map(FenceMethod::name)
            .collect()
    }

    #[test]
    fn of_stonith_lines_the_last_one_for_this_host_counts() {
        let lines = "stonith_host * baytech a b c\nstonith_host alice null bob\n\
                     stonith_host bob apcmaster x y z\n";
        assert_eq!(devices(&config(lines, "alice"), "bob"), ["stonith null"]);
        assert_eq!(
            devices(&config(lines, "bob"), "alice"),
            ["stonith apcmaster"]
        );
        assert_eq!(
            devices(&config("stonith_host carol null x\n", "alice"), "bob"),
            [""; 0]
        );
    }

    #[test]
    fn devices_of_a_node_are_tried_in_the_order_of_the_lines_after_stonith() {
        let lines = "fence bob fence_ipmilan ip=10.0.0.2 password=pw\nfence bob manual\n\
                     fence alice /opt/fence_it\nstonith baytech /etc/ha.d/baytech\n";
        let config = config(lines, "alice");
        assert_eq!(
            devices(&config, "bob"),
            ["stonith baytech", "fence_ipmilan", "manual"]
        );
        assert_eq!(devices(&config, "alice"), ["stonith baytech", "fence_it"]);
    }

    #[test]
    fn nothing_that_is_shown_holds_what_a_device_is_told() {
        let secret = "a-secret-that-nobody-sees";
        for line in [
            format!("fence bob fence_x passwd={secret}\n"),
            format!("fence bob fence_x passwd={secret} {secret}\n"),
            format!("fence bob fence_x a=1 passwd={secret} passwd={secret} action=on\n"),
            format!("fence bob manual {secret}\n"),
            format!("stonith_host * null {secret}\n"),
        ] {
            let checked = checked(&line, "alice");
            let rendered =
                crate::config::render::render_all(&checked.diagnostics, Default::default());
            assert!(!rendered.contains(secret), "{rendered}");
            let shown = format!("{checked:?}");
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn what_may_be_shown_of_a_line_is_shown() {
        let words = [
            "bob",
            "fence_x",
            "ip=10.0.0.1",
            "password=x",
            "plug=1",
            "typo",
        ];
        assert_eq!(
            shown("fence", &words).join(" "),
            "bob fence_x ip=10.0.0.1 password=* plug=1 *"
        );
        assert_eq!(
            shown("stonith_host", &["*", "null", "bob", "pw"]).join(" "),
            "* null * *"
        );
        assert_eq!(
            shown("stonith", &["null", "/etc/x"]).join(" "),
            "null /etc/x"
        );
    }

    #[test]
    fn only_programs_that_this_node_runs_are_looked_for() {
        let lines = "fence alice fence_a\nfence bob fence_b\nfence bob manual\n";
        let mentions = checked(lines, "alice").mentions;
        let programs: Vec<_> = mentions
            .iter()
            .filter_map(|mention| match &mention.subject {
                Subject::FenceProgram(path) => Some(path.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(programs, ["/usr/sbin/fence_b"]);
    }
}
