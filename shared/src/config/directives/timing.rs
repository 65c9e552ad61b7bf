//! When a beat goes out, when it is late, and when a node is dead.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::draft::Given;
use crate::config::value::Zero;
use std::time::Duration;

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Times",
    directives: &[
        Directive {
            word: "keepalive",
            owner: Owner::Heartbeat,
            syntax: "TIME",
            example: "keepalive 500ms",
            default: "1",
            bounds: "larger than 0",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "time between two beats",
            long: "Each node sends one beat per interval on every medium. Must be smaller than half of `deadtime`; a third to a tenth of it is usual, \
                   so that a few lost packets are no death. Sane values lie between 100ms and 2. \
                   Smaller: a death can be noticed sooner, but a busy machine sends late. \
                   Larger: less traffic, which matters on serial lines only.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.keepalive = reader.time(word, Zero::Refused);
            }),
        },
        Directive {
            word: "deadtime",
            owner: Owner::Heartbeat,
            syntax: "TIME",
            example: "deadtime 10",
            default: "30",
            bounds: "larger than 2 x keepalive",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "silence after which a node is dead",
            long: "The node that falls silent is judged by the value it announced itself, so it should be the same everywhere. \
                   Must be larger than two `keepalive` intervals. Sane values lie between 3 and 30 seconds; \
                   watch for late beats (`warntime`) under your heaviest load and take at least twice the worst. \
                   Smaller: shorter outages, but a node that is only busy may be declared dead, and then two nodes serve. \
                   Larger: nobody serves for longer after a real death.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.deadtime = reader.time(word, Zero::Allowed);
            }),
        },
        Directive {
            word: "warntime",
            owner: Owner::Heartbeat,
            syntax: "TIME",
            example: "warntime 3",
            default: "half of deadtime",
            bounds: "larger than 0",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "silence after which a beat is reported as late",
            long: "A late beat changes nothing, but is reported: it tells how near `deadtime` is to a false alarm. \
                   Should be larger than `keepalive` and smaller than `deadtime`. \
                   Smaller: harmless delays are reported. Larger: no warning comes before a death.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.warntime = reader.time(word, Zero::Refused);
            }),
        },
        Directive {
            word: "initdead",
            owner: Owner::Heartbeat,
            syntax: "TIME",
            example: "initdead 60",
            default: "deadtime if that is over 10; 12 if it is under 6; else 2 x deadtime",
            bounds: "at least deadtime",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "silence after start until an unheard node is dead",
            long: "After a power cut the nodes do not boot equally fast, and switches may not forward for half a minute after their ports come up. \
                   Until this time has passed since the start, a node that was never heard is not declared dead. \
                   Must not be smaller than `deadtime`; should be at least 10 seconds, and longer than the slowest node and switch need. \
                   Smaller: a node that boots first declares the others dead. Larger: a node that boots alone waits longer.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.initdead = reader.time(word, Zero::Allowed);
            }),
        },
        Directive {
            word: "deadping",
            owner: Owner::Heartbeat,
            syntax: "TIME",
            example: "deadping 10",
            default: "deadtime",
            bounds: "larger than 2 x keepalive",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "silence after which a ping node is dead",
            long: "As `deadtime`, for the hosts of `ping` lines. Smaller than `deadtime` makes a lost network be noticed before the peer is declared dead.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.deadping = reader.time(word, Zero::Allowed);
            }),
        },
        Directive {
            word: "max_rexmit_delay",
            owner: Owner::Heartbeat,
            syntax: "MILLISECONDS",
            example: "max_rexmit_delay 250",
            default: "250",
            bounds: "larger than 0",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "longest random delay before a lost message is asked for again",
            long: "A node that misses a message waits a random time up to this bound before it asks for a retransmission, \
                   so that several nodes do not all ask at once, and a copy on another link can still arrive. \
                   A number of milliseconds; the unit ms may be written, and no other. Smaller: gaps close sooner, at the price of needless requests. Larger: messages behind a gap wait longer.",
            grammar: Grammar::Words(|reader, word| {
                let digits = word.text.strip_suffix("ms").unwrap_or(word.text).len();
                let number = word.part(0, digits);
                reader.draft.max_rexmit_delay = match reader.number(&number, 1, i32::MAX as u32) {
                    Given::Set(ms, span) => Given::Set(Duration::from_millis(ms.into()), span),
                    Given::Absent | Given::Bad => Given::Bad,
                };
            }),
        },
    ],
};
