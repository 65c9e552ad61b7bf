//! What is logged, and where to.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat};

const OWN_LOG: Effect =
    Effect::None("hbd logs to standard error and leaves the rest to the service manager");

const FACILITIES: [&str; 22] = [
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user",
    "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    "security", "none",
];

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Logging",
    directives: &[
        Directive {
            word: "log_badpack",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "log_badpack off",
            default: "on",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            short: "whether bad packets are reported",
            long: "Packets that cannot be read, are signed wrongly or come from a node that is not named are always counted. \
                   With off they are not reported as events.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.log_badpack = reader.boolean(word);
            }),
        },
        Directive {
            word: "logfacility",
            owner: Owner::Heartbeat,
            syntax: "FACILITY|none",
            example: "logfacility local0",
            default: "",
            bounds: "a facility of syslog(3)",
            repeat: Repeat::LastCounts,
            effect: OWN_LOG,
            reload: Reload::Online,
            short: "syslog facility of Heartbeat's log",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.choice(word, &FACILITIES.map(|name| (name, ())));
                reader.draft.log_targets = true;
            }),
        },
        Directive {
            word: "logfile",
            owner: Owner::Heartbeat,
            syntax: "FILE",
            example: "logfile /var/log/ha-log",
            default: "",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: OWN_LOG,
            reload: Reload::Online,
            short: "file of Heartbeat's log",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, _| reader.draft.log_targets = true),
        },
        Directive {
            word: "debugfile",
            owner: Owner::Heartbeat,
            syntax: "FILE",
            example: "debugfile /var/log/ha-debug",
            default: "",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: OWN_LOG,
            reload: Reload::Online,
            short: "file of Heartbeat's debug log",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, _| reader.draft.log_targets = true),
        },
        Directive {
            word: "use_logd",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "use_logd on",
            default: "on if no log is named",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: OWN_LOG,
            reload: Reload::Online,
            short: "whether Heartbeat logs through its logging daemon",
            long: "Of no use to hbd. With off and none of `logfile`, `debugfile` and `logfacility`, Heartbeat 3.0.6 refuses to start, and so the file is refused here.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.use_logd = reader.boolean(word);
            }),
        },
        Directive {
            word: "conn_logd_time",
            owner: Owner::Heartbeat,
            syntax: "TIME",
            example: "conn_logd_time 60",
            default: "60",
            bounds: "larger than 0",
            repeat: Repeat::LastCounts,
            effect: OWN_LOG,
            reload: Reload::Online,
            short: "time between attempts to reach the logging daemon",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.time(word, crate::config::value::Zero::Refused);
            }),
        },
        Directive {
            word: "syslogmsgfmt",
            owner: Owner::Heartbeat,
            syntax: "BOOLEAN",
            example: "syslogmsgfmt on",
            default: "on",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: OWN_LOG,
            reload: Reload::Online,
            short: "whether log files look like syslog's",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.boolean(word);
            }),
        },
        Directive {
            word: "debug",
            owner: Owner::Heartbeat,
            syntax: "LEVEL",
            example: "debug 0",
            default: "0",
            bounds: "0 to 255",
            repeat: Repeat::LastCounts,
            effect: Effect::None("hbd has no debug levels; its events are always complete"),
            reload: Reload::Online,
            short: "how much Heartbeat logs",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.byte(word, 0, u8::MAX);
            }),
        },
    ],
};
