//! What guards against two owners, and programs beside hbd.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::diagnostic::Code;
use crate::config::lex::{BLANKS, Word};
use crate::config::machine::Subject;
use crate::config::media::is_host_name;
use crate::config::reader::Reader;

const FENCING: Effect = Effect::Refused(
    "fencing is not built; it guards against two owners, so hbd does not start without it",
);
const NO_CLIENTS: Effect =
    Effect::NotYet("hbd starts no programs yet; let the service manager start this one");

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Fencing and programs",
    directives: &[
        Directive {
            word: "stonith",
            owner: Owner::Heartbeat,
            syntax: "TYPE FILE",
            example: "stonith baytech /etc/ha.d/conf/stonith.baytech",
            default: "",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: FENCING,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "fencing device, described in a file",
            long: "A node that is declared dead is reset before its resources are taken.",
            grammar: Grammar::Line(|reader, rest| {
                reader.exactly::<2>(rest);
            }),
        },
        Directive {
            word: "stonith_host",
            owner: Owner::Heartbeat,
            syntax: "HOST|* TYPE PARAMETER ...",
            example: "stonith_host * baytech 10.0.0.3 user password",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: FENCING,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "fencing device, described in the line",
            long: "HOST is the node that can reach the device; a star means all. Passwords in this file can be read by whoever may read the file.",
            grammar: Grammar::Line(|reader, rest| {
                let words = rest.split(&BLANKS).len();
                if words < 2 {
                    reader.missing(words);
                }
            }),
        },
        Directive {
            word: "respawn",
            owner: Owner::Heartbeat,
            syntax: "USER PROGRAM ARGUMENT ...",
            example: "respawn hacluster /usr/lib/heartbeat/ipfail",
            default: "",
            bounds: "an absolute path",
            repeat: Repeat::Adds,
            effect: NO_CLIENTS,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "program that is started and kept running",
            long: "The program is started as USER and started again when it ends, unless it ends with exit code 100.",
            grammar: Grammar::Line(respawn),
        },
        Directive {
            word: "failfast",
            owner: Owner::Heartbeat,
            syntax: "USER PROGRAM ARGUMENT ...",
            example: "failfast hacluster /usr/lib/heartbeat/ipfail",
            default: "",
            bounds: "an absolute path",
            repeat: Repeat::Adds,
            effect: NO_CLIENTS,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "program whose end restarts the node",
            long: "As `respawn`, but the machine is rebooted when the program ends.",
            grammar: Grammar::Line(respawn),
        },
        Directive {
            word: "env",
            owner: Owner::Heartbeat,
            syntax: "NAME=VALUE ...",
            example: "env LANG=C",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::NotYet("hbd does not hand it to resource scripts yet"),
            reload: Reload::Online,
            scope: Scope::Node,
            short: "environment of resource scripts",
            long: "Scripts see each value as HA_NAME.",
            grammar: Grammar::Words(env),
        },
    ],
};

fn respawn(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [user, program, ..] = words.as_slice() else {
        return reader.missing(words.len());
    };
    if is_host_name(user.text) {
        reader.mention(user.span, Subject::User(user.text.to_owned()));
    } else {
        let text = format!("`{}` cannot be the name of a user", user.text);
        reader.report.at(Code::BadName, user.span, text);
    }
    if reader.path(program).set().is_some() {
        reader.mention(program.span, Subject::Program(program.text.to_owned()));
    }
}

fn env(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    if word.text.find('=').is_none_or(|at| at == 0) {
        let text = format!("`{}` is no assignment", word.text);
        reader
            .report
            .at(Code::BadAssignment, word.span, text)
            .label("lacks NAME=")
            .remedy("write `env NAME=VALUE`");
    }
}
