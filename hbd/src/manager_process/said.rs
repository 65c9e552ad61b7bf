//! What managers say to each other, as the cores carry it: Heartbeat's `resource` message, with the
//! declaration as an own field.
//!
//! ```text
//! t=resource rsc_hold=local rtype=full isstable=1 hbdclaims={"stand":...,"claims":{...}}
//! ```
//!
//! A manager that is a [program](super::external) has `hbdmanager` for it, with any JSON. Neither
//! kind reads the other's field.
//!
//! What a Heartbeat reads of it is the groups in two heaps: those that prefer the sender, `local`,
//! and the others, `foreign` (hbd-protocol(7)).

use hbd_core::Said;
use hbd_manager::{Declaration, Group, Word};
use serde_json::Value;
use shared::group::GroupState;
use shared::names::NodeName;

const RESOURCE: &str = "resource";
const CLAIMS: &str = "hbdclaims";
const BODY: &str = "hbdmanager";

/// The message in which `node` declares this of its groups.
pub(super) fn say(declaration: &Declaration, groups: &[Group], node: &NodeName) -> Said {
    let states = groups.iter().filter_map(|group| {
        let claim = declaration.claims.get(&group.name)?;
        Some((group, claim.state))
    });
    // A declaration has no map whose keys are not text.
    let claims = serde_json::to_string(declaration).unwrap_or_default();
    with((CLAIMS, claims), states, node)
}

/// The message in which a program that is the manager of `node`, where its groups are this, says
/// something to its like.
pub(super) fn say_body<'g>(
    body: &Value,
    states: impl Iterator<Item = (&'g Group, GroupState)>,
    node: &NodeName,
) -> Said {
    with((BODY, body.to_string()), states, node)
}

/// The message in which a Heartbeat is told something.
pub(super) fn say_word(word: Word) -> Said {
    let (message_type, fields) = word.write();
    Said {
        message_type: message_type.into(),
        fields,
    }
}

/// What a Heartbeat says in it, if one does.
pub(super) fn read_word(said: &Said) -> Option<Word> {
    Word::read(&said.message_type, &said.fields)
}

fn with<'g>(
    (field, value): (&str, String),
    states: impl Iterator<Item = (&'g Group, GroupState)>,
    node: &NodeName,
) -> Said {
    let (mut local, mut foreign, mut stable) = (false, false, true);
    for (group, state) in states {
        match group.preferred == *node {
            true => local |= state.is_held(),
            false => foreign |= state.is_held(),
        }
        stable &= matches!(state, GroupState::Stopped | GroupState::Started);
    }
    let hold = match (local, foreign) {
        (false, false) => "none",
        (true, false) => "local",
        (false, true) => "foreign",
        (true, true) => "all",
    };
    let fields = [
        ("rsc_hold", hold),
        ("rtype", "full"),
        ("isstable", if stable { "1" } else { "0" }),
        (field, value.as_str()),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Said {
        message_type: RESOURCE.to_owned(),
        fields: fields.into(),
    }
}

/// The declaration in it, if there is one that can be read.
pub(super) fn read(said: &Said) -> Option<Declaration> {
    let claims = said.fields.get(CLAIMS)?;
    let ours = said.message_type == RESOURCE;
    serde_json::from_str(claims).ok().filter(|_| ours)
}

/// What a program of another node says in it, if one does.
pub(super) fn read_body(said: &Said) -> Option<Value> {
    let body = said.fields.get(BODY)?;
    let ours = said.message_type == RESOURCE;
    serde_json::from_str(body).ok().filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hbd_manager::{Claim, Life, Stand};
    use shared::group::{GroupName, Willingness};
    use shared::names::Generation;
    use shared::time::Moment;

    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn group(text: &str, preferred: &str) -> Group {
        Group {
            name: GroupName::new(text).unwrap(),
            preferred: name(preferred),
            resources: vec![text.to_owned()],
            monitor: None,
        }
    }

    fn declaration(states: &[(&str, GroupState)]) -> Declaration {
        let claim = |state| Claim {
            state,
            willing: Willingness::Able,
            epoch: 3,
        };
        let claims = states.iter();
        let claims = claims.map(|(text, state)| (GroupName::new(text).unwrap(), claim(*state)));
        Declaration {
            alone: false,
            waits: false,
            pings: None,
            stand: Stand {
                life: Life {
                    generation: Generation(7),
                    began: Moment(9),
                },
                number: 2,
            },
            heard: None,
            answer: true,
            claims: claims.collect::<BTreeMap<_, _>>(),
            failures: BTreeMap::new(),
            reasons: BTreeMap::new(),
            orders: Vec::new(),
            wanted: BTreeMap::new(),
        }
    }

    #[test]
    fn a_declaration_survives_its_message() {
        let declared = declaration(&[("web", GroupState::Started)]);
        let said = say(&declared, &[group("web", "alice")], &name("alice"));
        assert_eq!(read(&said), Some(declared));
    }

    #[test]
    fn a_heartbeat_reads_two_heaps() {
        let groups = [group("web", "alice"), group("mail", "bob")];
        let said = |states: &[(&str, GroupState)]| {
            let said = say(&declaration(states), &groups, &name("alice"));
            let field = |name: &str| said.fields[name].clone();
            (field("rsc_hold"), field("isstable"))
        };
        use GroupState::{Started, Starting, Stopped};
        let told = |web, mail| said(&[("web", web), ("mail", mail)]);
        assert_eq!(told(Stopped, Stopped), ("none".into(), "1".into()));
        assert_eq!(told(Started, Stopped), ("local".into(), "1".into()));
        assert_eq!(told(Stopped, Started), ("foreign".into(), "1".into()));
        assert_eq!(told(Started, Starting), ("all".into(), "0".into()));
    }

    #[test]
    fn what_a_program_says_is_no_declaration_and_the_other_way_round() {
        let body = serde_json::json!({"a": "b\nc"});
        let web = group("web", "alice");
        let states = [(&web, GroupState::Started)];
        let said = say_body(&body, states.into_iter(), &name("alice"));
        assert_eq!(said.fields["rsc_hold"], "local");
        assert_eq!(read_body(&said), Some(body));
        assert_eq!(read(&said), None);
        let declared = say(&declaration(&[]), &[], &name("alice"));
        assert_eq!(read_body(&declared), None);
    }

    #[test]
    fn anything_else_is_no_declaration() {
        let said = |message_type: &str, claims: &str| Said {
            message_type: message_type.into(),
            fields: [("hbdclaims".to_owned(), claims.to_owned())].into(),
        };
        assert_eq!(read(&said("resource", "")), None);
        assert_eq!(read(&said("resource", "{\"stand\":1}")), None);
        let whole = serde_json::to_string(&declaration(&[])).unwrap();
        assert_eq!(read(&said("status", &whole)), None);
        assert!(read(&said("resource", &whole)).is_some());
    }
}
