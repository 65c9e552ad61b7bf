//! `haresources`: one group of resources a line.
//!
//! Two programs of Heartbeat 3.0.6 read the file by different rules: the daemon looks at the first
//! word of each physical line, the resource manager joins lines that end in a backslash. hbd reads
//! it as the resource manager does, and warns where that one would read something surprising: it
//! removes comments from the first physical line of a joined line only, and a backslash before a
//! blank or a comment joins nothing.

mod class;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use self::class::Needs;
use super::diagnostic::Code;
use super::draft::Draft;
use super::lex::{self, BLANKS, Word};
use super::machine::mention;
use super::model::{ADDRESS_AGENT, Group, Resource, begins_like_address};
use super::report::Report;
use super::source::{Source, Span};
use super::suggest;
use crate::group::GroupName;
use crate::names::NodeName;

/// Agents whose first argument is ADDRESS/BITS/INTERFACE/BROADCAST.
const ADDRESS_AGENTS: [&str; 2] = [ADDRESS_AGENT, "IPaddr2"];

/// What the file says.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    /// The names of all groups, of those too that could not be read.
    pub(super) names: Vec<String>,
    /// The first line that names a resource.
    pub(super) first: Option<Span>,
}

/// Reads the file against the nodes that the draft names.
pub(super) fn read(source: &Source, draft: &mut Draft, report: &mut Report<'_>) -> Groups {
    let lines = logical_lines(source, report);
    let mut found = Groups::default();
    for words in &lines {
        let Some((node, resources)) = words.split_first() else {
            continue;
        };
        let node = check_node(node, draft, report);
        let parsed: Vec<Resource> = resources
            .iter()
            .filter_map(|word| resource(word, draft, report))
            .collect();
        if resources.is_empty() {
            report
                .at(
                    Code::GroupEmpty,
                    words[0].span,
                    "this line names a node and no resource",
                )
                .label("ignored");
            continue;
        }
        found.first.get_or_insert(words[0].span);
        found.names.push(resources[0].text.to_owned());
        let name = group_name(&resources[0], report);
        if let (Some(node), Some(name), true) = (node, name, parsed.len() == resources.len()) {
            found.groups.push(Group {
                name,
                node,
                resources: parsed,
                monitor: None,
            });
        }
    }
    check_keys(&lines, report);
    check_addresses(&lines, report);
    found
}

/// The words of each joined line, without comments.
fn logical_lines<'s>(source: &'s Source, report: &mut Report<'_>) -> Vec<Vec<Word<'s>>> {
    let mut logical: Vec<Vec<Word<'_>>> = Vec::new();
    let mut open: Option<Word<'_>> = None;
    for line in lex::lines(source, report) {
        let end = line.text.find('#').unwrap_or(line.text.len());
        if open.is_some() && end < line.text.len() {
            warn_comment(line.part(end, line.text.len()), report);
        }
        let code = line.part(0, end);
        let joined = code.text.ends_with('\\');
        let mut words = if lex::is_text(source, code.span, report) {
            words(code, report)
        } else {
            Vec::new()
        };
        match (open, logical.last_mut()) {
            (Some(_), Some(last)) => last.append(&mut words),
            _ => logical.push(words),
        }
        open = joined.then(|| code.part(code.text.len() - 1, code.text.len()));
    }
    if let Some(backslash) = open {
        warn_backslash(backslash, "no line follows", report);
    }
    logical
}

fn words<'s>(code: Word<'s>, report: &mut Report<'_>) -> Vec<Word<'s>> {
    let body = code
        .text
        .strip_suffix('\\')
        .map_or(code, |body| code.part(0, body.len()));
    let mut words = body.split(&BLANKS);
    if let Some(last) = words.pop_if(|word| word.text == "\\") {
        warn_backslash(last, "something follows the backslash", report);
    }
    words
}

fn warn_backslash(word: Word<'_>, label: &str, report: &mut Report<'_>) {
    report
        .at(
            Code::BrokenContinuation,
            word.span,
            "this backslash joins no lines",
        )
        .label(label)
        .remedy("make it the last byte of a line that is followed by another");
}

fn warn_comment(comment: Word<'_>, report: &mut Report<'_>) {
    report
        .at(
            Code::CommentInContinuedLine,
            comment.span,
            "a comment stands inside a joined line",
        )
        .label("Heartbeat 3.0.6 takes these words for resources")
        .remedy("move it above the line");
}

fn check_node(word: &Word<'_>, draft: &Draft, report: &mut Report<'_>) -> Option<NodeName> {
    let name = match NodeName::new(word.text) {
        Ok(name) => name,
        Err(reason) => {
            let text = format!("`{}` cannot be the name of a node", word.text);
            report
                .at(Code::BadName, word.span, text)
                .label(reason.to_string());
            return None;
        }
    };
    let known = draft.nodes.iter().any(|(node, _)| *node == name);
    if known || draft.nodes.is_empty() || draft.node_bad {
        return Some(name);
    }
    let nodes = draft.nodes.iter().map(|(node, _)| node.as_str());
    let near = suggest::nearest(word.text, nodes.clone());
    let list: Vec<&str> = nodes.collect();
    let note = report
        .at(
            Code::UnknownNode,
            word.span,
            format!("`{}` is no node of the cluster", word.text),
        )
        .label("not named in ha.cf")
        .remedy(format!(
            "a line begins with one of the nodes: {}",
            list.join(", ")
        ));
    if let Some(near) = near {
        note.replacement(near);
    }
    None
}

fn group_name(word: &Word<'_>, report: &mut Report<'_>) -> Option<GroupName> {
    let reason = match GroupName::new(word.text) {
        Ok(name) => return Some(name),
        Err(reason) => reason,
    };
    let text = "the first resource cannot be the name of its group";
    report
        .at(Code::BadName, word.span, text)
        .label(reason.to_string());
    None
}

fn parts<'s>(word: &Word<'s>) -> Vec<Word<'s>> {
    let mut parts = Vec::new();
    let mut from = 0;
    for piece in word.text.split("::") {
        parts.push(word.part(from, from + piece.len()));
        from += piece.len() + 2;
    }
    parts
}

fn resource(word: &Word<'_>, draft: &mut Draft, report: &mut Report<'_>) -> Option<Resource> {
    let parts = parts(word);
    if let Some(empty) = parts.iter().find(|part| part.text.is_empty()) {
        let at = if empty.span.start == empty.span.end {
            *word
        } else {
            *empty
        };
        return syntax(
            &at,
            "an empty part is lost when the script is called",
            report,
        );
    }
    if begins_like_address(word.text) {
        service_address(word, parts.first(), report)?;
    } else if let Needs::Agent(subject) = class::read(&parts, report)? {
        mention(draft, report, word.span, subject);
    } else if ADDRESS_AGENTS.contains(&parts[0].text) {
        service_address(word, parts.get(1), report)?;
    }
    Some(Resource::new(word.text))
}

fn syntax(word: &Word<'_>, label: &str, report: &mut Report<'_>) -> Option<Resource> {
    report
        .at(
            Code::ResourceSyntax,
            word.span,
            format!("`{}` is no resource", word.text),
        )
        .label(label)
        .remedy("write NAME::ARGUMENT::ARGUMENT, or an address");
    None
}

/// ADDRESS[/BITS[/INTERFACE[/BROADCAST]]] or ADDRESS/BITS/BROADCAST.
fn service_address(
    whole: &Word<'_>,
    argument: Option<&Word<'_>>,
    report: &mut Report<'_>,
) -> Option<()> {
    let Some(argument) = argument else {
        return ip_syntax(whole, "lacks an address", report);
    };
    let pieces = slash_parts(argument);
    if pieces[0].text.parse::<Ipv4Addr>().is_err() {
        return ip_syntax(&pieces[0], "not an IPv4 address", report);
    }
    if let Some(bits) = pieces.get(1)
        && !matches!(bits.text.parse::<u8>(), Ok(0..=32))
    {
        return ip_syntax(at_least(bits, argument), "must be 0 to 32 bits", report);
    }
    let (nic, broadcast) = match pieces.get(2) {
        Some(third) if third.text.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(third)),
        third => (third, pieces.get(3)),
    };
    if let Some(nic) = nic.filter(|nic| nic.text.is_empty()) {
        return ip_syntax(at_least(nic, argument), "the interface is empty", report);
    }
    if let Some(broadcast) = broadcast.filter(|word| word.text.parse::<Ipv4Addr>().is_err()) {
        return ip_syntax(
            at_least(broadcast, argument),
            "not an IPv4 broadcast address",
            report,
        );
    }
    let used = 2 + usize::from(nic.is_some()) + usize::from(broadcast.is_some());
    if let Some(extra) = pieces.get(used) {
        return ip_syntax(at_least(extra, argument), "one part too many", report);
    }
    Some(())
}

/// The word, or the whole if the word is empty and could not be pointed at.
fn at_least<'w, 's>(word: &'w Word<'s>, whole: &'w Word<'s>) -> &'w Word<'s> {
    if word.text.is_empty() { whole } else { word }
}

fn slash_parts<'s>(word: &Word<'s>) -> Vec<Word<'s>> {
    let mut from = 0;
    let pieces = word.text.split('/');
    pieces
        .map(|piece| {
            let part = word.part(from, from + piece.len());
            from += piece.len() + 1;
            part
        })
        .collect()
}

fn ip_syntax(word: &Word<'_>, label: &str, report: &mut Report<'_>) -> Option<()> {
    report
        .at(
            Code::IpSyntax,
            word.span,
            format!("`{}` cannot stand in a service address", word.text),
        )
        .label(label)
        .remedy("write ADDRESS/BITS/INTERFACE/BROADCAST; all but the address may be left out");
    None
}

/// Heartbeat finds a group by looking for its first resource as a word in any line.
fn check_keys(lines: &[Vec<Word<'_>>], report: &mut Report<'_>) {
    let mut keys: BTreeMap<&str, (usize, Span)> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some(key) = line.get(1) {
            match keys.get(key.text) {
                Some((_, earlier)) => name_twice(key, *earlier, report),
                None => drop(keys.insert(key.text, (at, key.span))),
            }
        }
    }
    for (at, line) in lines.iter().enumerate() {
        for word in line.iter().skip(2) {
            if let Some((_, earlier)) = keys.get(word.text).filter(|(line, _)| *line != at) {
                shared_key(word, *earlier, report);
            }
        }
    }
}

fn name_twice(word: &Word<'_>, earlier: Span, report: &mut Report<'_>) {
    report
        .at(
            Code::GroupNameTwice,
            word.span,
            format!("two groups are called `{}`", word.text),
        )
        .label("the name of a group is its first resource")
        .related(earlier, "the other one")
        .remedy("put the resources into one line, or let another resource stand first");
}

fn shared_key(word: &Word<'_>, earlier: Span, report: &mut Report<'_>) {
    report
        .at(
            Code::GroupKeyTwice,
            word.span,
            format!("`{}` names another group, too", word.text),
        )
        .label("an order for one of them reaches both")
        .related(earlier, "the group that it names")
        .remedy("give each group a first resource that stands nowhere else");
}

fn check_addresses(lines: &[Vec<Word<'_>>], report: &mut Report<'_>) {
    let mut seen: BTreeMap<Ipv4Addr, Word<'_>> = BTreeMap::new();
    for word in lines.iter().flat_map(|line| line.iter().skip(1)) {
        let Some(address) = address_of(word) else {
            continue;
        };
        let Some(earlier) = seen.get(&address) else {
            seen.insert(address, *word);
            continue;
        };
        report
            .at(
                Code::AddressTwice,
                word.span,
                format!("the address {address} stands twice"),
            )
            .label("two owners of one address")
            .related(earlier.span, "first here");
    }
}

fn address_of(word: &Word<'_>) -> Option<Ipv4Addr> {
    let parts = parts(word);
    let argument = match parts.first()?.text {
        _ if begins_like_address(word.text) => parts.first()?,
        agent if ADDRESS_AGENTS.contains(&agent) => parts.get(1)?,
        _ => return None,
    };
    argument.text.split('/').next()?.parse().ok()
}
