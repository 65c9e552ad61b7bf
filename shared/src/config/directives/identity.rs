//! Who belongs to the cluster.

use super::{Chapter, Directive, EVERYWHERE, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::diagnostic::Code;
use crate::config::draft::Given;
use crate::config::lex::Word;
use crate::config::model::{GenerationSource, NODES_MAX, UuidSource};
use crate::config::reader::Reader;
use crate::names::NodeName;

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Nodes",
    directives: &[
        Directive {
            word: "node",
            owner: Owner::Heartbeat,
            syntax: "NAME ...",
            example: "node alice bob",
            default: "",
            bounds: "1 to 100 names of at most 99 bytes",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::AllNodes(
                "a new node: add it to `node` on every node, reload each, then start hbd on it; one that goes: stop hbd there, then remove it everywhere, with a reload on each",
            ),
            scope: Scope::Cluster,
            short: "names the nodes of the cluster",
            long: "Every node, the own one included, under the name that uname -n prints there. \
                   Letter case does not count. \
                   The order and the set should be the same on all nodes: packets of a node that is not named here are dropped.",
            grammar: Grammar::Words(node),
        },
        Directive {
            word: "cluster",
            owner: Owner::Heartbeat,
            syntax: "TEXT",
            example: "cluster mail",
            default: "linux-ha",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::None("nothing reads the name of a cluster"),
            reload: Reload::Online,
            scope: Scope::Cluster,
            short: "names the cluster",
            long: "A text for people. Neither Heartbeat 3.0.6 nor hbd compares it with anything.",
            grammar: Grammar::Words(|_, _| {}),
        },
        Directive {
            word: "autojoin",
            owner: Owner::Heartbeat,
            syntax: "none|other|any",
            example: "autojoin none",
            default: "none",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Depends("other and any have no effect in this release"),
            reload: EVERYWHERE,
            scope: Scope::Cluster,
            short: "whether nodes may join that are not named",
            long: "With none, only nodes of a `node` line are members. The other values are accepted with a warning: \
                   in this release nobody joins by himself. \
                   They are an error if there is a haresources file, even an empty one.",
            grammar: Grammar::Words(autojoin),
        },
        Directive {
            word: "uuidfrom",
            owner: Owner::Heartbeat,
            syntax: "file|nodename",
            example: "uuidfrom nodename",
            default: "file",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NextStart,
            scope: Scope::Node,
            short: "where the lasting identity of this node comes from",
            long: "With file, 16 random bytes that are made once and kept in the state directory: a node keeps its identity under a new name, \
                   and a cloned disk is noticed as a clone. \
                   With nodename they are computed from the name, as Heartbeat 3.0.6 does: nothing needs to be kept, and a clone is noticed only by its name.",
            grammar: Grammar::Words(|reader, word| {
                let choices = [
                    ("file", UuidSource::File),
                    ("nodename", UuidSource::Nodename),
                ];
                reader.draft.uuid = reader.choice(word, &choices);
            }),
        },
        Directive {
            word: "hbgenmethod",
            owner: Owner::Heartbeat,
            syntax: "file|time",
            example: "hbgenmethod time",
            default: "file",
            bounds: "",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::NextStart,
            scope: Scope::Node,
            short: "where the generation of a start comes from",
            long: "The generation must grow with each start, since peers drop what carries a lower one as a replay. \
                   With file it is counted up in the state directory. \
                   With time it is the wall clock in seconds: nothing needs to be kept, but after the clock was set back, or after two starts within one second, \
                   peers do not hear this node.",
            grammar: Grammar::Words(|reader, word| {
                let choices = [
                    ("file", GenerationSource::File),
                    ("time", GenerationSource::Time),
                ];
                reader.draft.generation = reader.choice(word, &choices);
            }),
        },
    ],
};

fn node(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let name = match NodeName::new(word.text) {
        Ok(name) => name,
        Err(reason) => {
            let text = format!("`{}` cannot be the name of a node", word.text);
            reader
                .report
                .at(Code::BadName, word.span, text)
                .label(reason.to_string());
            reader.draft.node_bad = true;
            return;
        }
    };
    let earlier = reader.draft.nodes.iter().find(|(other, _)| *other == name);
    if let Some((_, earlier)) = earlier {
        reader
            .report
            .at(
                Code::NodeTwice,
                word.span,
                format!("the node `{name}` is named twice"),
            )
            .label("ignored")
            .related(*earlier, "first here");
        return;
    }
    // One more than allowed is kept, which the check of the whole reports.
    if reader.draft.nodes.len() <= NODES_MAX {
        reader.draft.nodes.push((name, word.span));
    }
}

fn autojoin(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    let choices = [("none", false), ("other", true), ("any", true)];
    if let Given::Set(open, span) = reader.choice(word, &choices) {
        reader.draft.autojoin = open.then_some(span);
        if open {
            reader.not_yet("only nodes of a `node` line are members");
        }
    }
}
