//! What is said on the two ways to and from a program that decides: one JSON object a line, with
//! one member that says what it is (hbd-manager(7)).

use std::collections::BTreeMap;

use hbd_manager::{Group, Life};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::Event;
use shared::group::{GroupName, GroupState, Operation, Outcome};
use shared::names::NodeName;
use shared::order::{Change, GroupVerb, REASON_MAX};
use shared::view::ClusterView;

/// Grows with each change that a program which reads what it knows and skips the rest would miss.
pub(super) const PROTOCOL: u32 = 1;
/// Longest line of a program in bytes.
pub(super) const LINE_MAX: usize = 128 * 1024;
/// Longest text of what it remembers in bytes.
pub(super) const MEMORY_MAX: usize = 64 * 1024;
/// Longest text of what it says to the other nodes in bytes: with what a core adds it has to fit into
/// one message.
pub(super) const BODY_MAX: usize = 8 * 1024;
/// Most changes in an answer to an order.
const CHANGES_MAX: usize = 1024;

/// What a program is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Told<'a> {
    /// Everything begins.
    Begin {
        protocol: u32,
        node: &'a NodeName,
        nodes: &'a [NodeName],
        groups: &'a [Group],
        life: Life,
        /// What the one before it remembered.
        memory: Option<Value>,
        /// What this node may hold: that of which anything is not stopped.
        held: BTreeMap<&'a GroupName, GroupState>,
        view: &'a ClusterView,
    },
    /// This node has another core, and that is what it knows.
    View(&'a ClusterView),
    /// Something happened.
    Event(&'a Event),
    /// What a group is here, when that changes.
    Group {
        group: &'a GroupName,
        state: GroupState,
    },
    /// Its like on another node says something.
    Message { from: &'a NodeName, body: Value },
    /// How an action ended.
    Result { id: u64, outcome: &'a Outcome },
    /// A resource of a started group does not run any more.
    Loss {
        group: &'a GroupName,
        resource: usize,
        why: &'a str,
    },
    /// An operator wants something.
    Order {
        id: u64,
        verb: &'a GroupVerb,
        who: &'a str,
        reason: Option<&'a str>,
        dry_run: bool,
    },
    /// The node leaves: everything is to be stopped.
    Leave {},
    /// Does it live?
    Ping(u64),
}

/// What a program says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Said {
    /// The one that follows is to know this.
    Keep(Value),
    /// Do this.
    Act(Wish),
    /// It does not try any more to stop that group.
    Blocked { group: GroupName, why: String },
    /// Say this to the others.
    Say(Value),
    /// What an order does, or why it is not followed.
    Ordered(Answer),
    /// After a leave: nothing is held, and the node may go.
    Released {},
    /// It lives.
    Pong(u64),
}

/// Something that is to be done.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Comes back with the outcome.
    pub(super) id: u64,
    pub(super) group: GroupName,
    pub(super) resource: usize,
    pub(super) operation: Operation,
    /// Shown where it makes the group something else.
    #[serde(default)]
    pub(super) why: Option<String>,
}

/// To an order.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) changes: Vec<Change>,
    #[serde(default)]
    pub(super) refused: Option<String>,
}

/// What a line says, or why it says nothing.
pub(super) fn read(line: &str) -> Result<Said, String> {
    let said: Said = serde_json::from_str(line).map_err(|error| error.to_string())?;
    check(&said)?;
    Ok(said)
}

fn check(said: &Said) -> Result<(), String> {
    match said {
        Said::Keep(memory) => fits(memory, MEMORY_MAX, "what it keeps"),
        Said::Say(body) => fits(body, BODY_MAX, "what it says"),
        Said::Act(wish) => wish.why.as_deref().map_or(Ok(()), is_reason),
        Said::Blocked { why, .. } => is_reason(why),
        Said::Ordered(answer) if answer.changes.len() > CHANGES_MAX => {
            Err(format!("an answer has at most {CHANGES_MAX} changes"))
        }
        Said::Ordered(answer) => answer.refused.as_deref().map_or(Ok(()), is_reason),
        Said::Released {} | Said::Pong(_) => Ok(()),
    }
}

fn fits(value: &Value, most: usize, what: &str) -> Result<(), String> {
    let length = value.to_string().len();
    match length > most {
        true => Err(format!(
            "{what} has {length} bytes, and {most} are the most"
        )),
        false => Ok(()),
    }
}

fn is_reason(why: &str) -> Result<(), String> {
    let one_line = !why.is_empty() && !why.chars().any(char::is_control);
    match one_line && why.len() <= REASON_MAX {
        true => Ok(()),
        false => Err(format!(
            "a reason is one line of at most {REASON_MAX} bytes"
        )),
    }
}

/// The line that says it.
pub(super) fn write(told: &Told<'_>) -> String {
    // Nothing that is told has a map whose keys are not text.
    serde_json::to_string(told).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_may_say_is_read() {
        assert_eq!(read(r#"{"pong":7}"#), Ok(Said::Pong(7)));
        assert_eq!(read(r#"{"released":{}}"#), Ok(Said::Released {}));
        let keep = serde_json::json!({"a": [1, 2]});
        assert_eq!(read(r#"{"keep":{"a":[1,2]}}"#), Ok(Said::Keep(keep)));
        let act = r#"{"act":{"id":1,"group":"web","resource":0,"operation":"start"}}"#;
        let Ok(Said::Act(wish)) = read(act) else {
            panic!("{:?}", read(act));
        };
        assert_eq!((wish.id, wish.operation), (1, Operation::Start));
        let refused = r#"{"ordered":{"id":1,"refused":"never"}}"#;
        assert!(matches!(read(refused), Ok(Said::Ordered(a)) if a.changes.is_empty()));
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        let refused = |line: &str| read(line).unwrap_err();
        assert!(refused("hello").contains("expected value"));
        assert!(refused(r#"{"pong":7,"act":{}}"#).contains("expected"));
        assert!(refused(r#"{"run":{}}"#).contains("unknown variant `run`"));
        let typo = r#"{"act":{"id":1,"grup":"web","resource":0,"operation":"start"}}"#;
        assert!(refused(typo).contains("unknown field `grup`"));
        let long = |word: &str, length: usize| format!(r#"{{"{word}":"{}"}}"#, "x".repeat(length));
        assert!(read(&long("say", BODY_MAX - 2)).is_ok());
        assert_eq!(
            refused(&long("say", BODY_MAX)),
            "what it says has 8194 bytes, and 8192 are the most"
        );
        assert!(refused(&long("keep", MEMORY_MAX)).starts_with("what it keeps has"));
        let lines = r#"{"ordered":{"id":1,"refused":"two\nlines"}}"#;
        assert_eq!(refused(lines), "a reason is one line of at most 200 bytes");
    }
}
