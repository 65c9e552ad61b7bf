//! What is logged, and where to.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};

const OWN_LOG: Effect =
    Effect::None("hbd needs no logging daemon: a thread of its own writes the log");

/// Names of facilities and their numbers (`syslog(3)`).
const FACILITIES: [(&str, Option<u8>); 22] = [
    ("auth", Some(4)),
    ("authpriv", Some(10)),
    ("cron", Some(9)),
    ("daemon", Some(3)),
    ("ftp", Some(11)),
    ("kern", Some(0)),
    ("lpr", Some(6)),
    ("mail", Some(2)),
    ("news", Some(7)),
    ("syslog", Some(5)),
    ("user", Some(1)),
    ("uucp", Some(8)),
    ("local0", Some(16)),
    ("local1", Some(17)),
    ("local2", Some(18)),
    ("local3", Some(19)),
    ("local4", Some(20)),
    ("local5", Some(21)),
    ("local6", Some(22)),
    ("local7", Some(23)),
    ("security", Some(4)),
    ("none", None),
];

/// The name of a facility by its number.
#[must_use]
pub fn facility_word(number: u8) -> Option<&'static str> {
    let mut names = FACILITIES.iter();
    Some(names.find(|(_, of)| *of == Some(number))?.0)
}

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
            scope: Scope::Node,
            short: "whether bad packets are logged",
            long: "Packets that cannot be read, are signed wrongly or come from a node that is not named are always counted. \
                   With off the log does not tell of them.",
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
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "log to syslog, under this facility",
            long: "With none, and where the directive is absent, nothing goes to syslog. \
                   Where neither `logfacility` nor `logfile` names a log, hbd logs to the journal if its standard error is the journal's, else to standard error.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.log_facility = reader.choice(word, &FACILITIES).set().flatten();
                reader.draft.log_targets = true;
            }),
        },
        Directive {
            word: "logfile",
            owner: Owner::Heartbeat,
            syntax: "FILE",
            example: "logfile /var/log/ha-log",
            default: "",
            bounds: "an absolute path",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "log to this file",
            long: "The file is made with mode 0640 if it does not exist, and opened again after it was renamed, so that logrotate(8) needs no script. \
                   A file that cannot be written, as on a full disk, costs its lines and nothing else: they are counted, and the status tells of it. \
                   /dev/null switches off.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.log_file = reader.file(word);
                reader.draft.log_targets = true;
            }),
        },
        Directive {
            word: "debugfile",
            owner: Owner::Heartbeat,
            syntax: "FILE",
            example: "debugfile /var/log/ha-debug",
            default: "",
            bounds: "an absolute path",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "log everything to this file",
            long: "As `logfile`, with the data of each event as JSON behind its line, and with the lines that the other logs only count when there are too many of one sort. \
                   It does not stand for a log: beside it alone, hbd logs as if none were named.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.debug_file = reader.file(word);
                reader.draft.log_targets = true;
            }),
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
            scope: Scope::Node,
            short: "whether Heartbeat logs through its logging daemon",
            long: "Of no use to hbd: logs that are named beside it are written. With off and none of `logfile`, `debugfile` and `logfacility`, Heartbeat 3.0.6 refuses to start, and so the file is refused here.",
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
            scope: Scope::Node,
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
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Node,
            short: "whether log files look like syslog's",
            long: "With off, lines of `logfile` and `debugfile` begin with the process and a date that has a year.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.syslog_format = reader.boolean(word);
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
            scope: Scope::Node,
            short: "how much Heartbeat logs",
            long: "Of no use to hbd.",
            grammar: Grammar::Words(|reader, word| {
                reader.byte(word, 0, u8::MAX);
            }),
        },
    ],
};
