//! `haresources`: one group of resources a line.
//!
//! Two programs of Heartbeat 3.0.6 read the file by different rules: the daemon looks at the first
//! word of each physical line, the resource manager joins lines that end in a backslash. hbd reads
//! it as the resource manager does, and warns where that one would read something surprising: it
//! removes comments from the first physical line of a joined line only, and a backslash before a
//! blank or a comment joins nothing.

mod class;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::diagnostic::Code;
use super::draft::Draft;
use super::lex::{self, BLANKS, Word};
use super::machine::{Subject, mention};
use super::model::{Group, Resource};
use super::report::Report;
use super::source::{Source, Span};
use super::suggest;
use crate::builtin::{BuiltIn, SEPARATOR};
use crate::group::GroupName;
use crate::names::NodeName;

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
pub(super) fn logical_lines<'s>(source: &'s Source, report: &mut Report<'_>) -> Vec<Vec<Word<'s>>> {
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
    for piece in word.text.split(SEPARATOR) {
        parts.push(word.part(from, from + piece.len()));
        from += piece.len() + SEPARATOR.len();
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
    let resource = Resource::new(word.text);
    match built_in(&resource, word, report)? {
        Some(read) => {
            mention_interface(&read, word, draft, report);
            if let BuiltIn::Address(address) = read {
                mention(draft, report, word.span, Subject::ServiceAddress(address));
            }
        }
        None => {
            let subject = class::read(&parts, report)?;
            mention(draft, report, word.span, subject);
        }
    }
    Some(resource)
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

/// What a resource of hbd's own agents says; nothing if it is wrong, which is reported.
fn built_in(
    resource: &Resource,
    word: &Word<'_>,
    report: &mut Report<'_>,
) -> Option<Option<BuiltIn>> {
    let wrong = match BuiltIn::parse(&resource.agent, &resource.arguments) {
        Ok(read) => return Some(read),
        Err(wrong) => wrong,
    };
    let arguments = resource.arguments.join(SEPARATOR).len();
    let before = word.text.len() - arguments;
    let at = match wrong.place.is_empty() {
        true => *word,
        false => word.part(before + wrong.place.start, before + wrong.place.end),
    };
    let (code, text, rest) = match wrong.of_address {
        true => (
            Code::IpSyntax,
            format!("`{}` cannot stand in a service address", at.text),
            "; all but the address may be left out",
        ),
        false => (
            Code::ResourceSyntax,
            format!("the agent `{}` takes other arguments", resource.agent),
            "",
        ),
    };
    report
        .at(code, at.span, text)
        .label(wrong.why)
        .remedy(format!("write {}{rest}", wrong.expected));
    None
}

/// An interface that a resource names has to be there.
fn mention_interface(read: &BuiltIn, word: &Word<'_>, draft: &mut Draft, report: &mut Report<'_>) {
    let place = match read {
        BuiltIn::Address(address) if address.interface.is_some() => {
            slash_parts(word).get(2).copied()
        }
        BuiltIn::Mac { .. } => parts(word).last().copied(),
        _ => None,
    };
    if let Some(place) = place {
        let subject = Subject::ServiceInterface(place.text.to_owned());
        mention(draft, report, place.span, subject);
    }
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
    let mut seen: BTreeMap<IpAddr, Word<'_>> = BTreeMap::new();
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

fn address_of(word: &Word<'_>) -> Option<IpAddr> {
    let resource = Resource::new(word.text);
    match BuiltIn::parse(&resource.agent, &resource.arguments) {
        Ok(Some(BuiltIn::Address(address))) => Some(address.ip),
        _ => None,
    }
}
