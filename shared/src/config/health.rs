//! `health`: programs of others that say how a node or a group is.

use std::time::Duration;

use super::diagnostic::Code;
use super::draft::Draft;
use super::haresources::Groups;
use super::lex::{BLANKS, Word};
use super::machine::Subject;
use super::model::{HealthCheck, HealthKind, LIMIT_MAX};
use super::monitor;
use super::reader::Reader;
use super::report::Report;
use super::source::Span;
use super::suggest;
use super::value::{Zero, show};
use crate::group::GroupName;
use crate::health::CheckName;

/// Stands for this node, in the place of a group.
const NODE: &str = "node";
/// Names a group.
const GROUP: &str = "group";

/// Most lines: each may have a process at any time.
const LINES_MAX: usize = 64;
/// Most words of a program.
const WORDS_MAX: usize = 64;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// A shorter one is nothing but load.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const FAILURES_DEFAULT: u32 = 2;
const FAILURES_MAX: u32 = 100;

/// A `health` line.
pub(super) struct HealthLine {
    check: HealthCheck,
    name: Span,
    group: Span,
}

pub(super) fn apply(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [name, kind, subject, interval, rest @ ..] = words.as_slice() else {
        return reader.missing(words.len());
    };
    // The program is the first word that cannot be a setting.
    let at = rest.iter().position(|word| !word.text.contains('='));
    let Some((settings, [program, arguments @ ..])) = at.map(|at| rest.split_at(at)) else {
        return lacks_program(reader);
    };
    let kinds = [HealthKind::Mon, HealthKind::Nagios].map(|kind| (kind.word(), kind));
    let found = (
        check_name(reader, name),
        reader.choice(kind, &kinds).set(),
        about(reader, subject),
        interval_of(reader, interval),
        reader.path(program).set(),
    );
    let (Some(name_of), Some(kind), Some(group), Some(interval_of), Some(())) = found else {
        return;
    };
    if let Some(extra) = arguments.get(WORDS_MAX - 1) {
        let text = format!("a program of `health` has at most {WORDS_MAX} words");
        reader.report.at(Code::BadWord, extra.span, text);
        return;
    }
    let mut check = HealthCheck {
        name: name_of,
        kind,
        group,
        interval: interval_of,
        timeout: TIMEOUT_DEFAULT.min(interval_of / 2),
        failures: FAILURES_DEFAULT,
        warning_fails: false,
        program: program.text.into(),
        arguments: (arguments.iter().map(|word| word.text.to_owned())).collect(),
    };
    for word in settings {
        if let Some((name, value)) = reader.assignment(word) {
            set(reader, &mut check, &name, &value);
        }
    }
    reader.mention(
        program.span,
        Subject::HealthProgram(program.text.to_owned()),
    );
    let line = HealthLine {
        check,
        name: name.span,
        group: subject.span,
    };
    remember(reader, line);
}

fn lacks_program(reader: &mut Reader<'_, '_>) {
    // It stands behind the settings.
    const PROGRAM: &str = "PROGRAM";
    let words = reader.directive.syntax.split(' ');
    let have = words.take_while(|word| *word != PROGRAM).count();
    reader.missing(have);
}

fn check_name(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<CheckName> {
    match CheckName::new(word.text) {
        Ok(name) => Some(name),
        Err(reason) => {
            let text = format!("`{}` cannot be the name of a health check", word.text);
            reader
                .report
                .at(Code::BadName, word.span, text)
                .label(reason.to_string());
            None
        }
    }
}

/// The group that it is about; nothing in it where it is about the node.
fn about(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<Option<GroupName>> {
    if word.text == NODE {
        return Some(None);
    }
    let group = word.text.split_once('=').filter(|(what, _)| *what == GROUP);
    let group = group.and_then(|(_, name)| GroupName::new(name).ok());
    if group.is_none() {
        let text = format!("`{}` is nothing that a health check is about", word.text);
        reader
            .report
            .at(Code::BadWord, word.span, text)
            .remedy(format!(
                "write `{NODE}`, or `{GROUP}=` and the first resource of the group"
            ));
    }
    group.map(Some)
}

fn interval_of(reader: &mut Reader<'_, '_>, word: &Word<'_>) -> Option<Duration> {
    let interval = reader.time_up_to(word, Zero::Refused, LIMIT_MAX).set()?;
    if interval >= INTERVAL_MIN {
        return Some(interval);
    }
    let text = format!("`{}` is no interval for `health`", word.text);
    let label = format!("shorter than {}", show(INTERVAL_MIN));
    reader
        .report
        .at(Code::BadTime, word.span, text)
        .label(label);
    None
}

fn set(reader: &mut Reader<'_, '_>, check: &mut HealthCheck, name: &Word<'_>, value: &Word<'_>) {
    match name.text {
        "timeout" => timeout(reader, check, value),
        "failures" => {
            let failures = reader.number(value, 1, FAILURES_MAX);
            check.failures = failures.or(check.failures).unwrap_or(check.failures);
        }
        "warning" => warning(reader, check, name, value),
        unknown => {
            let known = ["timeout", "failures", "warning"];
            let text = format!("`{unknown}` is no setting of `health`");
            let note = reader
                .report
                .at(Code::BadWord, name.span, text)
                .remedy("write some of timeout, failures, warning before the program");
            if let Some(near) = suggest::nearest(unknown, known) {
                note.replacement(near);
            }
        }
    }
}

fn timeout(reader: &mut Reader<'_, '_>, check: &mut HealthCheck, value: &Word<'_>) {
    let Some(timeout) = reader.time_up_to(value, Zero::Refused, LIMIT_MAX).set() else {
        return;
    };
    check.timeout = timeout;
    if timeout >= check.interval {
        let text = format!(
            "the timeout of `{}` is not shorter than its interval of {}",
            check.name,
            show(check.interval)
        );
        reader
            .report
            .at(Code::HealthTimeout, value.span, text)
            .remedy(
                "a run ends before the next one is due: lengthen the interval, or shorten this",
            );
    }
}

fn warning(
    reader: &mut Reader<'_, '_>,
    check: &mut HealthCheck,
    name: &Word<'_>,
    value: &Word<'_>,
) {
    if check.kind == HealthKind::Mon {
        let text = "a Mon monitor gives no warnings: what is not 0 is a failure";
        reader
            .report
            .at(Code::BadWord, name.span, text)
            .remedy("leave it out");
        return;
    }
    let given = reader.choice(value, &[("ok", false), ("failure", true)]);
    check.warning_fails = given.set().unwrap_or_default();
}

fn remember(reader: &mut Reader<'_, '_>, line: HealthLine) {
    let lines = &mut reader.draft.health;
    let first = lines
        .iter()
        .find(|known| known.check.name == line.check.name);
    if let Some(first) = first.map(|first| first.name) {
        let text = format!("two health checks have the name `{}`", line.check.name);
        reader
            .report
            .at(Code::Twice, line.name, text)
            .related(first, "the first one");
    } else if lines.len() == LINES_MAX {
        let text = format!("more than {LINES_MAX} health checks");
        reader
            .report
            .at(Code::TooManyHealthChecks, line.name, text)
            .remedy("have one program look after several things");
    } else {
        lines.push(line);
    }
}

/// Each line is about something that is there.
pub(super) fn check(draft: &Draft, groups: &Groups, report: &mut Report<'_>) {
    if draft.haresources_doubtful {
        return;
    }
    for line in &draft.health {
        if let Some(group) = &line.check.group {
            let without = "name it there, or check the node";
            monitor::check_name(group.as_str(), line.group, (groups, without), report);
        }
    }
}

/// What the lines say, in their order.
pub(super) fn finish(draft: &Draft) -> Vec<HealthCheck> {
    let lines = draft.health.iter();
    lines.map(|line| line.check.clone()).collect()
}
