//! How the processes of hbd run.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};

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
            effect: Effect::Refused(
                "the watchdog is not built; it guards against two owners, so hbd does not start without it",
            ),
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "watchdog that resets a hung machine",
            long: "A machine that cannot send beats any more is reset by its own hardware.",
            grammar: Grammar::Words(|reader, word| {
                reader.path(word);
            }),
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
