//! What guards against two owners, and programs beside hbd.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::apiauth::IPFAIL;
use crate::config::diagnostic::Code;
use crate::config::fencing;
use crate::config::lex::{BLANKS, Word};
use crate::config::machine::Subject;
use crate::config::media::is_host_name;
use crate::config::model::FENCE_CALL_LIMIT_MAX;
use crate::config::reader::Reader;
use crate::config::value::Zero;

const NO_CLIENTS: &str = "hbd starts no programs; the service manager can, but a client of Heartbeat finds none to speak with";
const IPFAIL_ONLY: Effect = Effect::Depends(
    "with ipfail hbd does itself what that program does; other programs are not started yet",
);

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Fencing and programs",
    directives: &[
        Directive {
            word: "stonith",
            owner: Owner::Heartbeat,
            syntax: "TYPE FILE",
            example: "stonith baytech /etc/ha.d/conf/stonith.baytech",
            default: "",
            bounds: "a type that `stonith -L` lists, an absolute path",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Node,
            short: "fencing device of the program stonith, described in a file",
            long: "A node that dies is switched off by this device before its groups are taken. The program is /usr/sbin/stonith of the package cluster-glue: \
                   it is asked to switch the node off, or, where the device cannot, to reset it. \
                   Of all lines with `stonith` and `stonith_host` that this node can use the last one counts, as under Heartbeat; lines with `fence` count besides, after it.",
            grammar: Grammar::Line(fencing::stonith),
        },
        Directive {
            word: "stonith_host",
            owner: Owner::Heartbeat,
            syntax: "HOST|* TYPE PARAMETER ...",
            example: "stonith_host * baytech 10.0.0.3 user password",
            default: "",
            bounds: "a type that `stonith -L` lists",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Node,
            short: "fencing device of the program stonith, described in the line",
            long: "HOST is the node that can reach the device; a star means all, and a line for another node does nothing here. Otherwise as `stonith`. \
                   Passwords in this file can be read by whoever may read the file.",
            grammar: Grammar::Line(fencing::stonith_host),
        },
        Directive {
            word: "fence",
            owner: Owner::Hbd,
            syntax: "NODE AGENT|manual KEY=VALUE ...",
            example: "fence bob fence_ipmilan ip=10.0.0.12 username=hbd password=secret lanplus=1",
            default: "",
            bounds: "a node of the cluster; the name of an agent in /usr/sbin that begins with fence_, an absolute path, or manual",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "how a node is switched off before others take its groups",
            long: "The agent is a program that obeys the Fence Agent API, as those of the packages fence-agents do; what is behind it is handed to the agent on its standard input, \
                   not on its command line. hbd adds action= and nodename=. The node is off if the agent says so: off succeeds, then status says that it is off. \
                   Several lines for a node are tried one after the other, and all of them again 5 seconds later, until one succeeds. \
                   With manual nobody but an operator confirms that the node is off (hactl fence confirm): its groups wait for that, if no other device says it first. \
                   Write a line for each node, and both on both: a node does not use the lines about itself. \
                   A file that holds passwords should have mode 600.",
            grammar: Grammar::Line(fencing::fence),
        },
        Directive {
            word: "fencedelay",
            owner: Owner::Hbd,
            syntax: "NODE TIME",
            example: "fencedelay alice 5",
            default: "0",
            bounds: "at most an hour",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "how long others wait before they fence a node",
            long: "Two nodes that lose sight of each other fence each other at the same moment, and may both go off. With a delay for one of them that one fences first and wins. \
                   It should be longer than the device needs to switch a node off; give it to the node that should survive, and to no other. Larger: a real death of that node is taken care of so much later.",
            grammar: Grammar::Line(fencing::delay),
        },
        Directive {
            word: "startup_fence",
            owner: Owner::Hbd,
            syntax: "BOOLEAN",
            example: "startup_fence no",
            default: "yes",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "whether a node that was never heard since the start is fenced",
            long: "With yes a node that starts and hears nothing of the other one for `initdead` has it switched off and then takes its groups, as Heartbeat does. \
                   With no it takes none until it hears it, or an operator has it switched off (hactl fence off) or confirms that it is (hactl fence confirm). \
                   yes serves without anybody's help after a power cut; no spares a node that is only slow to boot.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.startup_fence = reader.boolean(word);
            }),
        },
        Directive {
            word: "fencetime",
            owner: Owner::Hbd,
            syntax: "TIME",
            example: "fencetime 90",
            default: "60",
            bounds: "larger than 0, at most an hour",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "how long a call of a fencing device may take",
            long: "A call that takes longer is ended and has failed; the next device is tried. It counts for each call: a device is asked twice, to switch the node off and whether it is. \
                   It should be longer than the slowest device needs. Smaller: a slow device never succeeds. Larger: one that hangs keeps the next one waiting, and the groups.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.fence_time =
                    reader.time_up_to(word, Zero::Refused, FENCE_CALL_LIMIT_MAX);
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
            effect: IPFAIL_ONLY,
            reload: Reload::NewManager,
            scope: Scope::Node,
            short: "program that is started and kept running",
            long: "A PROGRAM of the name ipfail, in whatever directory, is not started, and neither it nor USER need exist: the line says that a node that reaches fewer `ping` nodes than the other one gives its groups to that one, \
                   as hbd-manager(7) tells under Connectivity. Both nodes need the line, also where the other one runs a Heartbeat, which starts ipfail by it. \
                   Of any other PROGRAM Heartbeat starts it as USER, and starts it again when it ends, unless it ends with exit code 100.",
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
            effect: IPFAIL_ONLY,
            reload: Reload::NewManager,
            scope: Scope::Node,
            short: "program whose end restarts the node",
            long: "As `respawn`; but the machine is rebooted when the program ends, which ipfail as part of hbd does not.",
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
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Node,
            short: "environment of resource scripts",
            long: "Scripts of Heartbeat's kind and OCF agents see each value as HA_NAME, unless hbd itself sets one of that name. Of two lines with one name the last one counts.",
            grammar: Grammar::Words(env),
        },
    ],
};

fn respawn(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let [user, program, ..] = words.as_slice() else {
        return reader.missing(words.len());
    };
    let is_name = is_host_name(user.text);
    if !is_name {
        let text = format!("`{}` cannot be the name of a user", user.text);
        reader.report.at(Code::BadName, user.span, text);
    }
    let is_path = reader.path(program).set().is_some();
    if program.text.rsplit('/').next() == Some(IPFAIL) {
        let line = format!("{} {}", user.text, program.text);
        reader.draft.ipfail = Some((line, program.span));
        return;
    }
    if is_name {
        reader.mention(user.span, Subject::User(user.text.to_owned()));
    }
    if is_path {
        reader.mention(program.span, Subject::Program(program.text.to_owned()));
    }
    reader.not_yet(NO_CLIENTS);
}

fn env(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    match word.text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let environment = &mut reader.draft.environment;
            environment.insert(name.to_owned(), value.to_owned());
        }
        _ => {
            let text = format!("`{}` is no assignment", word.text);
            reader
                .report
                .at(Code::BadAssignment, word.span, text)
                .label("lacks NAME=")
                .remedy("write `env NAME=VALUE`");
        }
    }
}
