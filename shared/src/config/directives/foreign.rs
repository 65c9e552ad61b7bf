//! What belongs to parts of Heartbeat that hbd does not have.

use super::{Chapter, Directive, EVERYWHERE, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::draft::Given;
use crate::config::lex::Word;
use crate::config::reader::Reader;

const NO_COMPRESSION: Effect = Effect::NotYet("hbd does not compress messages yet");
const PACEMAKER_ONLY: Effect = Effect::None("only Pacemaker on Heartbeat uses it");

type Handler = fn(&mut Reader<'_, '_>, &Word<'_>);

const BOOLEAN: Handler = |reader, word| {
    reader.boolean(word);
};
const ANY: Handler = |_, _| {};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Other parts of Heartbeat",
    directives: &[
        Directive {
            word: "msgfmt",
            owner: Owner::Heartbeat,
            syntax: "classic|netstring",
            example: "msgfmt classic",
            default: "classic",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::None("hbd sends what nodes of either setting accept, and accepts both"),
            reload: EVERYWHERE,
            scope: Scope::Cluster,
            short: "form of messages",
            long: "Leave it out: between Heartbeat nodes netstring loses the signature of retransmitted messages.",
            grammar: Grammar::Words(|reader, word| {
                reader.choice(word, &[("classic", ()), ("netstring", ())]);
            }),
        },
        Directive {
            word: "compression",
            owner: Owner::Heartbeat,
            syntax: "zlib|bz2",
            example: "compression bz2",
            default: "zlib",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: NO_COMPRESSION,
            reload: EVERYWHERE,
            scope: Scope::Cluster,
            short: "how large messages are compressed",
            long: "A peer that compresses is told apart by an event that names it.",
            grammar: Grammar::Words(|reader, word| {
                reader.choice(word, &[("zlib", ()), ("bz2", ())]);
            }),
        },
        Directive {
            word: "compression_threshold",
            owner: Owner::Heartbeat,
            syntax: "KIB",
            example: "compression_threshold 2",
            default: "2",
            bounds: "larger than 0",
            repeat: Repeat::LastCounts,
            effect: NO_COMPRESSION,
            reload: EVERYWHERE,
            scope: Scope::Cluster,
            short: "size from which messages are compressed",
            long: "See `compression`.",
            grammar: Grammar::Words(|reader, word| {
                reader.number(word, 1, u32::MAX);
            }),
        },
        foreign(
            "traditional_compression",
            "BOOLEAN",
            "off",
            NO_COMPRESSION,
            "whether whole messages are compressed",
            BOOLEAN,
        ),
        foreign(
            "quorum_server",
            "HOST",
            "",
            Effect::None("Heartbeat does not use it either, except with Pacemaker"),
            "host that breaks a tie",
            ANY,
        ),
        foreign(
            "normalpoll",
            "BOOLEAN",
            "on",
            Effect::None("hbd waits in its own way"),
            "how Heartbeat waits",
            BOOLEAN,
        ),
        pacemaker("pacemaker"),
        pacemaker("crm"),
        foreign(
            "crm_daemon_dir",
            "DIRECTORY",
            "",
            PACEMAKER_ONLY,
            "directory of Pacemaker's programs",
            |reader, word| {
                reader.path(word);
            },
        ),
        foreign(
            "crmd_spawns_pengine",
            "BOOLEAN",
            "",
            PACEMAKER_ONLY,
            "who starts Pacemaker's policy engine",
            BOOLEAN,
        ),
        foreign(
            "record_config_changes",
            "BOOLEAN",
            "",
            PACEMAKER_ONLY,
            "whether Pacemaker records changes",
            BOOLEAN,
        ),
        foreign(
            "record_pengine_inputs",
            "BOOLEAN",
            "",
            PACEMAKER_ONLY,
            "whether Pacemaker records decisions",
            BOOLEAN,
        ),
        foreign(
            "enable_config_writes",
            "BOOLEAN",
            "",
            PACEMAKER_ONLY,
            "whether Pacemaker writes its configuration",
            BOOLEAN,
        ),
    ],
};

const fn foreign(
    word: &'static str,
    syntax: &'static str,
    default: &'static str,
    effect: Effect,
    short: &'static str,
    handler: Handler,
) -> Directive {
    Directive {
        word,
        owner: Owner::Heartbeat,
        syntax,
        example: "",
        default,
        bounds: "",
        repeat: Repeat::LastCounts,
        effect,
        reload: Reload::Online,
        scope: Scope::Node,
        short,
        long: "Of no use to hbd.",
        grammar: Grammar::Words(handler),
    }
}

const fn pacemaker(word: &'static str) -> Directive {
    Directive {
        word,
        owner: Owner::Heartbeat,
        syntax: "off",
        example: "",
        default: "off",
        bounds: "every other value is refused",
        repeat: Repeat::Once,
        effect: Effect::Depends("a value other than off is refused: hbd is no base for Pacemaker"),
        reload: EVERYWHERE,
        scope: Scope::Node,
        short: "whether Pacemaker manages the resources",
        long: "`pacemaker` and `crm` are two names of one directive.",
        grammar: Grammar::Words(pacemaker_off),
    }
}

const PACEMAKER_MODES: [&str; 5] = ["minimal", "manual", "respawn", "valgrind", "ccm-only"];

fn pacemaker_off(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let on =
        PACEMAKER_MODES.contains(&word.text) || matches!(reader.boolean(word), Given::Set(true, _));
    if on {
        reader.refuse("hbd is no base for Pacemaker; use corosync for that");
    }
}
