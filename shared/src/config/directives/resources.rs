//! Who holds what, and how it is looked after.

use super::{Chapter, Directive, EVERYWHERE, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::diagnostic::Code;
use crate::config::draft::Given;
use crate::config::health;
use crate::config::lex::{BLANKS, Word};
use crate::config::machine::Subject;
use crate::config::model::{
    AutoFailback, LEASE_SECONDS_MAX, LEASE_SECONDS_MIN, LIMIT_MAX, ManagerKind, StartupRule,
    StopFailureRule,
};
use crate::config::monitor;
use crate::config::reader::Reader;
use crate::config::suggest;
use crate::config::value::Zero;

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Resources",
    directives: &[
        Directive {
            word: "manager",
            owner: Owner::Hbd,
            syntax: "none|two_node|PROGRAM ARGUMENT ...",
            example: "manager two_node",
            default: "two_node if haresources names a group, else none",
            bounds: "two_node: exactly two nodes; none: no group; PROGRAM: an absolute path, at most 64 words",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "who decides which node holds what",
            long: "With none, hbd tells who lives and holds nothing. With two_node, each group of haresources runs on one of two nodes: on its preferred one when the cluster starts, \
                   on the other one when that dies, leaves, or cannot start it. \
                   Fewer or more than two nodes are an error, and so is none where haresources names a group: others would trust this node to serve it. \
                   A path is a manager of your own: hbd starts the program, tells it what happens and does what it says; hbd-manager(7) has its protocol. With it any number of nodes will do, and that no group has two owners is its business.",
            grammar: Grammar::Line(manager),
        },
        Directive {
            word: "auto_failback",
            owner: Owner::Heartbeat,
            syntax: "on|off|legacy",
            example: "auto_failback off",
            default: "legacy",
            bounds: "a boolean or legacy",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "whether groups return to their preferred node",
            long: "With on, a group goes back when its preferred node returns: a second, short outage, for the certainty of what runs where. \
                   With off it stays where it is, until that node dies or somebody moves it. \
                   Between two nodes of hbd legacy is the same as on: the node that comes back asks for its groups and gets them. \
                   Heartbeat 3.0.6 warns at each start when the line is missing.",
            grammar: Grammar::Words(auto_failback),
        },
        Directive {
            word: "nice_failback",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "nice_failback on",
            default: "",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::None("obsolete since auto_failback exists"),
            reload: EVERYWHERE,
            scope: Scope::Cluster,
            short: "old form of auto_failback",
            long: "Write `auto_failback`.",
            grammar: Grammar::Words(|reader, word| {
                reader.boolean(word);
            }),
        },
        Directive {
            word: "startup",
            owner: Owner::Hbd,
            syntax: "alone|wait_for_peer",
            example: "startup wait_for_peer",
            default: "alone",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Node,
            short: "what a node does that starts and never hears the other one",
            long: "With alone it takes every group after `initdead`. With wait_for_peer it takes none until the other node was heard, or somebody confirms that it is off. \
                   alone serves as soon as possible after a power cut, and makes two owners where both nodes start and no path between them works. \
                   wait_for_peer excludes that, at the price of no service where the other node does not come back. \
                   The nodes may differ: if only one of them begins alone, two that start apart never both serve.",
            grammar: Grammar::Words(|reader, word| {
                let rules = [StartupRule::Alone, StartupRule::WaitForPeer];
                reader.draft.startup = reader.choice(word, &rules.map(|rule| (rule.word(), rule)));
            }),
        },
        Directive {
            word: "unfenced_takeover",
            owner: Owner::Hbd,
            syntax: "BOOLEAN",
            example: "unfenced_takeover no",
            default: "yes",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "whether a dead node is succeeded though nothing made sure that it is off",
            long: "Decides only where no fencing device is configured. With yes the groups of a node that is silent for `deadtime` are started on the other one at once, as Heartbeat does: \
                   if it only seems dead because every path to it failed, both serve until one path works again. \
                   With no the groups wait until somebody has made sure that the node is off and says so: never two owners, and no owner until then.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.unfenced_takeover = reader.boolean(word);
            }),
        },
        Directive {
            word: "stop_failure",
            owner: Owner::Hbd,
            syntax: "block|fence|self-fence",
            example: "stop_failure fence",
            default: "self-fence",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "what is done about a group that does not stop",
            long: "Nobody may start a group that does not stop, since a resource of it may run where it is. \
                   With block it waits for an operator: never two owners, and no owner until then. \
                   With fence the other node has this one switched off, if a device of its can, and takes over. \
                   With self-fence this node takes itself away, as `selffence` says, and the other one takes over when it is dead; Heartbeat does so too. \
                   Where that cannot be done, and where nobody is there that could take over with fence, the group waits all the same; so does, with self-fence, one that did not even start there, as for want of its script. \
                   With fence and self-fence everything else on the node goes down with it.",
            grammar: Grammar::Words(|reader, word| {
                let rules = [
                    StopFailureRule::Block,
                    StopFailureRule::Fence,
                    StopFailureRule::SelfFence,
                ];
                reader.draft.stop_failure =
                    reader.choice(word, &rules.map(|rule| (rule.word(), rule)));
            }),
        },
        Directive {
            word: "monitor",
            owner: Owner::Hbd,
            syntax: "GROUP|* TIME|off [timeout=TIME] [failures=N] [restarts=N]",
            example: "monitor * 10 timeout=5 failures=2 restarts=3",
            default: "no group is watched; timeout as status of actiontime, failures 1, restarts 3",
            bounds: "times larger than 0, timeout at most a day; failures 1 to 100; restarts 0 to 100",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "how a group is watched while it is started",
            long: "GROUP is the first resource of the group, as haresources spells it; a star means each group that has no line of its own, and off takes one out of it. \
                   Its resources are asked one after the other whether they work; TIME passes from the end of one round to the next. \
                   One that says no, or nothing for timeout, has failed. After failures rounds in a row with a failure the group is stopped and started on the same node; \
                   after restarts of such starts it goes to the other node. A group that works for long has all of them left again. \
                   Without a line a service that breaks while its node lives stays broken until somebody sees it, as under Heartbeat. \
                   Sane intervals lie between 5 seconds and a few minutes. Smaller: a break is found sooner, but the questions themselves are load. \
                   A timeout that a busy machine exceeds restarts what works; raise failures rather than timeout.",
            grammar: Grammar::Line(monitor::apply),
        },
        Directive {
            word: "health",
            owner: Owner::Hbd,
            syntax: "NAME mon|nagios node|group=GROUP TIME [timeout=TIME] [failures=N] [warning=ok|failure] PROGRAM ARGUMENT ...",
            example: "health disk nagios node 60 timeout=10 /usr/lib/nagios/plugins/check_disk -w 10% -c 5% -p /srv",
            default: "timeout half of TIME and at most 10, failures 2, warning ok",
            bounds: "TIME 1 second to a day; timeout less than that; failures 1 to 100; PROGRAM an absolute path; at most 64 words of it and 64 lines",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "a Mon monitor or Nagios plugin that says how this node or a group is",
            long: "NAME is what events call it; no two lines have the same. PROGRAM is run with its ARGUMENTs as they stand here, TIME passes from the end of one run to the next, and there are never two runs at once. \
                   With node it runs on every node all the time, with group=GROUP (the first resource of the group, as haresources spells it) only where that group is started, the first time TIME after that. \
                   mon: exit status 0 is well, each other a failure, and a run that is not over after timeout is one too. \
                   nagios: 0 is well, 1 a warning, 2 a failure; 3, anything else and a run that is not over after timeout say that nobody knows. warning=failure makes a warning a failure. \
                   The first line of the output is the summary. An event tells what changed (health in hbd-events(7)): failures in a row, or as many times nobody knows, and the first run that is well again. \
                   hactl status shows what is not well. hbd-agents(7), HEALTH CHECKS, has the rest and two examples. \
                   Sane intervals lie between 10 seconds and a few minutes. Smaller: a failure is told sooner, and each run is a process. A timeout should be longer than the program's own, which can say more.",
            grammar: Grammar::Line(health::apply),
        },
        Directive {
            word: "actiontime",
            owner: Owner::Hbd,
            syntax: "OPERATION=TIME ...",
            example: "actiontime start=300 stop=100 status=20",
            default: "start=100 stop=100 status=20",
            bounds: "larger than 0, at most a day",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "how long an action on a resource may take",
            long: "OPERATION is start, stop or status: the question whether a resource runs. \
                   An action that takes longer is ended, with everything it started, and has failed: no script hangs a takeover for ever. \
                   start and stop should be longer than the slowest resource needs on a busy machine, a check of its file system included, and longer than the 90 seconds after which systemd gives up a unit. \
                   Smaller: a slow start counts as a failed one, and the group goes to the other node, where it may be as slow; a slow stop is tried again and then blocks the group. \
                   Larger: nobody serves for so long when a script hangs.",
            grammar: Grammar::Words(action_time),
        },
        Directive {
            word: "addrlease",
            owner: Owner::Hbd,
            syntax: "SECONDS",
            example: "addrlease 20",
            default: "2 x deadtime rounded up, at least 6",
            bounds: "5 to 86400",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NewManager,
            scope: Scope::Cluster,
            short: "time after which the kernel takes away a service address that nobody refreshes",
            long: "A service address is added with this lifetime, and hbd refreshes it every second. If all of hbd dies or freezes, the kernel takes the address away by itself, \
                   so that it does not stay on a machine that nobody looks after while the other node has it, too. \
                   Must be larger than the 3 seconds after which a manager that hangs is replaced, and the time its successor needs. \
                   Smaller: the address is gone sooner where hbd is, but also where the machine only stalls. Larger: after the end of hbd two machines have the address for longer, counted from `deadtime`.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.lease_seconds =
                    reader.number(word, LEASE_SECONDS_MIN, LEASE_SECONDS_MAX);
            }),
        },
    ],
};

/// Most words of a program that is the manager.
const MANAGER_WORDS_MAX: usize = 64;

fn manager(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let Some(first) = words.first() else {
        return reader.missing(0);
    };
    let is_program = first.text.contains('/');
    let most = if is_program { MANAGER_WORDS_MAX } else { 1 };
    if let Some(extra) = words.get(most) {
        let text = match is_program {
            true => format!("`manager` takes at most {most} words"),
            false => format!("`manager {}` takes no more words", first.text),
        };
        reader.report.at(Code::BadWord, extra.span, text);
        reader.draft.manager = Given::Bad;
        return;
    }
    reader.draft.manager_program.clear();
    if !is_program {
        let kinds = [ManagerKind::None, ManagerKind::TwoNode];
        reader.draft.manager = reader.choice(first, &kinds.map(|kind| (kind.word(), kind)));
        return;
    }
    reader.draft.manager = match reader.path(first) {
        Given::Set((), span) => Given::Set(ManagerKind::Program, span),
        Given::Absent | Given::Bad => Given::Bad,
    };
    reader.mention(first.span, Subject::ManagerProgram(first.text.to_owned()));
    let words = words.iter().map(|word| word.text.to_owned());
    reader.draft.manager_program = words.collect();
}

fn auto_failback(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    reader.draft.auto_failback = if word.text.eq_ignore_ascii_case("legacy") {
        Given::Set(AutoFailback::Legacy, word.span)
    } else {
        match reader.boolean(word) {
            Given::Set(true, span) => Given::Set(AutoFailback::On, span),
            Given::Set(false, span) => Given::Set(AutoFailback::Off, span),
            Given::Absent | Given::Bad => Given::Bad,
        }
    };
}

const OPERATIONS: [&str; 3] = ["start", "stop", "status"];

fn action_time(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let (name, value) = match reader.assignment(word) {
        Some(pair) => pair,
        None => return reader.draft.action_time_bad = true,
    };
    if !OPERATIONS.contains(&name.text) {
        reader.draft.action_time_bad = true;
        let text = format!("`{}` is no operation for `actiontime`", name.text);
        let note = reader
            .report
            .at(Code::BadWord, name.span, text)
            .remedy("write one of start, stop, status");
        if let Some(near) = suggest::nearest(name.text, OPERATIONS) {
            note.replacement(near);
        }
        return;
    }
    let Some(time) = reader.time_up_to(&value, Zero::Refused, LIMIT_MAX).set() else {
        return reader.draft.action_time_bad = true;
    };
    let limits = &mut reader.draft.action_limits;
    match name.text {
        "start" => limits.start = time,
        "stop" => limits.stop = time,
        _ => limits.status = time,
    }
}
