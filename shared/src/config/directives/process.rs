//! How the processes of hbd run.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::diagnostic::Code;
use crate::config::lex::{BLANKS, Word};
use crate::config::machine::Subject;
use crate::config::reader::Reader;

/// Most words of a `selffence` line.
const SELF_FENCE_WORDS_MAX: usize = 64;

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Processes",
    directives: &[
        Directive {
            word: "realtime",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "realtime off",
            default: "on",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "realtime scheduling and locked memory for the core",
            long: "With on, the process that sends beats is scheduled before ordinary ones, is never paged out and, as the rest of hbd, is the last that is killed when memory runs out, as far as the system permits. \
                   Turn it off in tests only: a node under load is else declared dead.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.realtime = reader.boolean(word);
            }),
        },
        Directive {
            word: "rtprio",
            owner: Owner::Heartbeat,
            syntax: "NUMBER",
            example: "rtprio 5",
            default: "the lowest realtime priority",
            bounds: "1 to 99",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "realtime priority of the core",
            long: "Any realtime priority goes before all ordinary processes; a higher one is needed only where other realtime programs run. See sched(7).",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.rtprio = reader.byte(word, 1, 99);
            }),
        },
        Directive {
            word: "memreserve",
            owner: Owner::Heartbeat,
            syntax: "KIB",
            example: "memreserve 6500",
            default: "6500",
            bounds: "larger than 0",
            repeat: Repeat::LastCounts,
            effect: Effect::None("hbd locks the memory it uses and needs no reserve"),
            reload: Reload::Online,
            scope: Scope::Node,
            short: "memory that Heartbeat allocates in advance",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.number(word, 1, u32::MAX);
            }),
        },
        Directive {
            word: "watchdog",
            owner: Owner::Heartbeat,
            syntax: "DEVICE",
            example: "watchdog /dev/watchdog",
            default: "",
            bounds: "an absolute path",
            repeat: Repeat::Once,
            effect: Effect::Full,
            reload: Reload::NextStart,
            scope: Scope::Node,
            short: "watchdog that resets a hung machine",
            long: "A machine on which hbd does not beat any more, or holds what nobody looks after and cannot give it up, is reset by this device: after `deadtime` and 10 ms, rounded up to seconds, when its peers take over what it held. \
                   It runs from the first packet on that leaves this node, and is stopped again by an orderly end of hbd: kill -9 of all of it resets the machine. hbd(8) says when it is fed. \
                   One that cannot be opened is an error, and hbd does not start; Heartbeat goes on without. Without hardware, softdog does the same as long as the kernel itself works. \
                   systemd keeps the device for itself where RuntimeWatchdogSec is set. Any other file that can be written to is taken with a warning, for tests.",
            grammar: Grammar::Words(|reader, word| {
                if reader.path(word).set().is_some() {
                    reader.mention(word.span, Subject::Watchdog(word.text.to_owned()));
                    reader.draft.watchdog = Some(word.text.into());
                }
            }),
        },
        Directive {
            word: "selffence",
            owner: Owner::Hbd,
            syntax: "PROGRAM ARGUMENT ...",
            example: "selffence /usr/bin/systemctl --force --force reboot",
            default: "hbd resets the machine itself",
            bounds: "an absolute path; at most 64 words",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "how this node takes itself away when it cannot give up what it holds",
            long: "A node that cannot stop what it is to give up, because it is sick or as `stop_failure` says, keeps its peers from serving it, so it takes itself away. The program is run once for each such case, in a session of its own, with all rights of hbd; \
                   it must bring the machine down without waiting for what hangs: an orderly shutdown would wait for the very thing that does not stop. \
                   That it fails, or that the node is still there after a minute, is a critical event. \
                   Without a line hbd resets the machine by itself, as the kernel does on a panic, without writing anything to disk first. It does so only as root, in the machine's first process and network namespaces, and with the run directory that is the default: \
                   an hbd in a container, or a second one on a machine, says that it cannot, and the group stays blocked.",
            grammar: Grammar::Line(self_fence),
        },
        Directive {
            word: "coredumps",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "coredumps on",
            default: "on",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::None("hbd never writes a core dump: it would hold the keys"),
            reload: Reload::Online,
            scope: Scope::Node,
            short: "whether core dumps are written",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.boolean(word);
            }),
        },
        Directive {
            word: "coreroot",
            owner: Owner::Heartbeat,
            syntax: "DIRECTORY",
            example: "coreroot /var/lib/heartbeat/cores",
            default: "",
            bounds: "an absolute path",
            repeat: Repeat::LastCounts,
            effect: Effect::None("hbd never writes a core dump: it would hold the keys"),
            reload: Reload::Online,
            scope: Scope::Node,
            short: "directory for core dumps",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.path(word);
            }),
        },
        Directive {
            word: "use_apphbd",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "use_apphbd off",
            default: "off",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::None("the processes of hbd watch each other"),
            reload: Reload::Online,
            scope: Scope::Node,
            short: "whether Heartbeat's application watcher watches it",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.boolean(word);
            }),
        },
    ],
};

fn self_fence(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let Some(program) = words.first() else {
        return reader.missing(0);
    };
    if let Some(extra) = words.get(SELF_FENCE_WORDS_MAX) {
        let text = format!("`selffence` takes at most {SELF_FENCE_WORDS_MAX} words");
        reader.report.at(Code::BadWord, extra.span, text);
        return;
    }
    if reader.path(program).set().is_some() {
        let path = program.text.to_owned();
        reader.mention(program.span, Subject::SelfFence(path));
        reader.draft.self_fence = words.iter().map(|word| word.text.to_owned()).collect();
    }
}
