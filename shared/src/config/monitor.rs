//! `monitor`: how groups are watched while they are started.

use std::collections::BTreeMap;
use std::time::Duration;

use super::diagnostic::Code;
use super::draft::Draft;
use super::haresources::Groups;
use super::lex::{BLANKS, Word};
use super::model::{LIMIT_MAX, Monitor};
use super::reader::Reader;
use super::report::Report;
use super::source::Span;
use super::suggest;
use super::value::Zero;

/// Stands for each group that has no line of its own.
const EVERY_GROUP: &str = "*";
/// Stands for the interval of a group that is not watched.
const OFF: &str = "off";

const FAILURES_DEFAULT: u32 = 1;
const RESTARTS_DEFAULT: u32 = 3;
const COUNT_MAX: u32 = 100;

/// What the lines say, by the name of the group.
pub(super) type Watches = BTreeMap<String, (Watch, Span)>;

/// What a line says.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    /// Not watched, if absent.
    interval: Option<Duration>,
    timeout: Option<Duration>,
    failures: u32,
    restarts: u32,
}

pub(super) fn apply(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [group, interval, settings @ ..] = words.as_slice() else {
        return reader.missing(words.len());
    };
    let mut watch = Watch {
        interval: None,
        timeout: None,
        failures: FAILURES_DEFAULT,
        restarts: RESTARTS_DEFAULT,
    };
    if interval.text != OFF {
        watch.interval = reader.time(interval, Zero::Refused).set();
    }
    for word in settings {
        if let Some((name, value)) = reader.assignment(word) {
            set(reader, &mut watch, &name, &value);
        }
    }
    remember(reader, group, watch);
}

fn set(reader: &mut Reader<'_, '_>, watch: &mut Watch, name: &Word<'_>, value: &Word<'_>) {
    let mut count = |min, kept: &mut u32| {
        *kept = reader
            .number(value, min, COUNT_MAX)
            .or(*kept)
            .unwrap_or(*kept);
    };
    match name.text {
        "timeout" => {
            watch.timeout = reader.time_up_to(value, Zero::Refused, LIMIT_MAX).set();
        }
        "failures" => count(1, &mut watch.failures),
        "restarts" => count(0, &mut watch.restarts),
        unknown => {
            let known = ["timeout", "failures", "restarts"];
            let text = format!("`{unknown}` is no setting of `monitor`");
            let note = reader
                .report
                .at(Code::BadWord, name.span, text)
                .remedy("write one of timeout, failures, restarts");
            if let Some(near) = suggest::nearest(unknown, known) {
                note.replacement(near);
            }
        }
    }
}

fn remember(reader: &mut Reader<'_, '_>, group: &Word<'_>, watch: Watch) {
    let watches = &mut reader.draft.watches;
    let Some((_, first)) = watches.insert(group.text.to_owned(), (watch, group.span)) else {
        return;
    };
    let text = format!("`{}` has two monitor lines", group.text);
    reader
        .report
        .at(Code::Repeated, group.span, text)
        .label("this one counts")
        .related(first, "this one does not");
}

/// Gives each group what its line says, or that of all groups.
pub(super) fn assign(found: &mut Groups, draft: &Draft, report: &mut Report<'_>) {
    for (name, (_, span)) in &draft.watches {
        if name != EVERY_GROUP && !draft.haresources_doubtful {
            let without = "write `*` for each group there will be";
            check_name(name, *span, (found, without), report);
        }
    }
    for group in &mut found.groups {
        let own = draft.watches.get(group.name.as_str());
        let watch = own.or_else(|| draft.watches.get(EVERY_GROUP));
        group.monitor = watch.and_then(|(watch, _)| {
            Some(Monitor {
                interval: watch.interval?,
                timeout: watch.timeout.unwrap_or(draft.action_limits.status),
                failures: watch.failures,
                restarts: watch.restarts,
            })
        });
    }
}

/// Reports a name that is none of a group; where there is no group at all, what to do then.
pub(super) fn check_name(
    name: &str,
    span: Span,
    (found, without): (&Groups, &str),
    report: &mut Report<'_>,
) {
    let names = || found.names.iter().map(String::as_str);
    if names().any(|known| known == name) {
        return;
    }
    let note = report
        .at(
            Code::UnknownGroup,
            span,
            format!("haresources names no group `{name}`"),
        )
        .label("the name of a group is its first resource, as it is spelled there");
    if let Some(near) = suggest::nearest(name, names()) {
        note.replacement(near);
    } else if found.names.is_empty() {
        note.remedy(without);
    } else {
        let list: Vec<&str> = names().take(NAMES_SHOWN).collect();
        note.remedy(format!("groups are {}", list.join(", ")));
    }
}

/// More names than this help nobody.
const NAMES_SHOWN: usize = 10;
