//! Which class of agents a resource names, as far as its word tells.
//!
//! | spelled | class | looked for |
//! |---|---|---|
//! | `NAME::ARGUMENT…` | script | `resource.d` and `/etc/init.d` |
//! | `ocf:PROVIDER:AGENT::KEY=VALUE…` | `ocf` | `/usr/lib/ocf/resource.d/PROVIDER/AGENT` |
//! | `lsb:NAME` | `lsb` | `/etc/init.d` |
//! | `systemd:UNIT` | `systemd` | `systemctl` |

use std::collections::BTreeSet;

use crate::config::diagnostic::Code;
use crate::config::lex::Word;
use crate::config::machine::Subject;
use crate::config::report::Report;
use crate::config::suggest;

const CLASSES: [&str; 3] = ["ocf", "lsb", "systemd"];

/// How each class is spelled.
const SPELLINGS: &str =
    "write NAME::ARGUMENT, ocf:PROVIDER:AGENT::KEY=VALUE, lsb:NAME or systemd:UNIT";

/// What the machine must have for a resource whose agent is no part of hbd: nothing if the word is
/// wrong, which is reported.
pub(super) fn read(parts: &[Word<'_>], report: &mut Report<'_>) -> Option<Subject> {
    let [agent, arguments @ ..] = parts else {
        return None;
    };
    let Some((class, name)) = split(agent) else {
        check_name(agent, agent, report)?;
        if CLASSES.contains(&agent.text) {
            warn_script(
                agent,
                &format!("the class `{}` lacks its agent", agent.text),
                report,
            );
        }
        return Some(Subject::Script(agent.text.to_owned()));
    };
    let paths = match class.text {
        "ocf" => ocf(agent, &name, arguments, report)?,
        "lsb" => {
            let reason = "an lsb script is called with the operation only";
            plain(agent, &name, arguments, reason, report)?;
            vec![format!("/etc/init.d/{}", name.text)]
        }
        "systemd" => {
            let reason = "write an instance as systemd:NAME@INSTANCE";
            plain(agent, &name, arguments, reason, report)?;
            vec!["/usr/bin/systemctl".to_owned(), "/bin/systemctl".to_owned()]
        }
        _ => return script_with_colon(agent, &class, report),
    };
    warn_own(agent, report);
    let name = agent.text.to_owned();
    Some(Subject::Agent { name, paths })
}

/// What stands before and behind the first colon.
fn split<'s>(word: &Word<'s>) -> Option<(Word<'s>, Word<'s>)> {
    let at = word.text.find(':')?;
    Some((word.part(0, at), word.part(at + 1, word.text.len())))
}

fn ocf(
    whole: &Word<'_>,
    rest: &Word<'_>,
    arguments: &[Word<'_>],
    report: &mut Report<'_>,
) -> Option<Vec<String>> {
    let Some((provider, agent)) = split(rest) else {
        return syntax(whole, "lacks the provider of the agent", report);
    };
    check_name(&provider, whole, report)?;
    check_name(&agent, whole, report)?;
    let mut keys = BTreeSet::new();
    for argument in arguments {
        let label = match argument.text.split_once('=') {
            None => "lacks `=`",
            Some((key, _)) if !is_key(key) => "a key is made of letters, digits and `_`",
            Some((key, _)) if !keys.insert(key) => "the key stands here twice",
            Some(_) => continue,
        };
        return bad_argument(argument, label, report);
    }
    let (provider, agent) = (provider.text, agent.text);
    Some(vec![format!("/usr/lib/ocf/resource.d/{provider}/{agent}")])
}

/// It becomes the name of a variable of a shell.
fn is_key(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(letter)
}

fn plain(
    whole: &Word<'_>,
    name: &Word<'_>,
    arguments: &[Word<'_>],
    reason: &str,
    report: &mut Report<'_>,
) -> Option<()> {
    check_name(name, whole, report)?;
    match arguments.first() {
        None => Some(()),
        Some(argument) => bad_argument(argument, reason, report),
    }
}

/// A name stays in its directory.
fn check_name(name: &Word<'_>, whole: &Word<'_>, report: &mut Report<'_>) -> Option<()> {
    if name.text.is_empty() {
        return syntax(whole, "a name is missing", report);
    }
    if name.text.contains('/') || name.text.starts_with('.') {
        let label = "the name of an agent holds no slash and begins with no dot";
        return syntax(name, label, report);
    }
    Some(())
}

/// As Heartbeat 3.0.6 takes it, whose scripts may be called so.
fn script_with_colon(
    agent: &Word<'_>,
    class: &Word<'_>,
    report: &mut Report<'_>,
) -> Option<Subject> {
    check_name(agent, agent, report)?;
    warn_script(agent, &format!("`{}` is no class", class.text), report);
    Some(Subject::Script(agent.text.to_owned()))
}

fn warn_script(agent: &Word<'_>, why: &str, report: &mut Report<'_>) {
    let class = agent.text.split(':').next().unwrap_or_default();
    let rest = &agent.text[class.len()..];
    let text = format!("{why}; `{}` is taken for the name of a script", agent.text);
    let note = report
        .at(Code::ClassUnknown, agent.span, text)
        .remedy(SPELLINGS);
    match suggest::nearest(class, CLASSES) {
        Some(near) if near != class => drop(note.replacement(format!("{near}{rest}"))),
        _ => {}
    }
}

fn warn_own(agent: &Word<'_>, report: &mut Report<'_>) {
    let text = format!("Heartbeat does not know `{}`", agent.text);
    report
        .at(Code::OwnWord, agent.span, text)
        .label("taken for the name of a script by Heartbeat 3.0.6")
        .remedy("use it where every node runs hbd");
}

fn syntax<T>(word: &Word<'_>, label: &str, report: &mut Report<'_>) -> Option<T> {
    let text = format!("`{}` names no agent", word.text);
    report
        .at(Code::ResourceSyntax, word.span, text)
        .label(label)
        .remedy(SPELLINGS);
    None
}

fn bad_argument<T>(word: &Word<'_>, label: &str, report: &mut Report<'_>) -> Option<T> {
    let text = format!("`{}` is no argument for this agent", word.text);
    report
        .at(Code::ResourceSyntax, word.span, text)
        .label(label)
        .remedy(SPELLINGS);
    None
}
