//! `hactl why`: how a group came to be where it is, and why it is not elsewhere.

mod chain;
mod standing;

use std::io::{self, Write};

use clap::Command;
use serde::Serialize;
use shared::api::{ErrorCode, Snapshot};
use shared::client::{Client, ClientError};
use shared::event::{Cause, Event, EventId, Object};
use shared::exit::Exit;
use shared::group::GroupName;
use shared::names::NodeName;
use shared::query::{EventQuery, Related};

use crate::cli::{Call, Example, Verb, absolute, flag};
use crate::error::Error;
use crate::print::{Mood, clean, json};
use crate::verbs::events;
use crate::verbs::history::ordered_by;

pub(crate) const VERB: Verb = Verb {
    name: "why",
    about: "Tells how a group came to be where it is, and why it is not elsewhere",
    text: "\
First the last change of its state that the asked node knows, then what led to that, and so on, back to
an order or to what nobody caused: the latest stands first. Where a cause lies in the journal of another
node the last line names it, and the line to ask there. Then where the group is, and what keeps it from being elsewhere: an order,
a freeze, a takeover that is held back, a failure, a dead node. Ends with 4 if there is no such group.",
    examples: &[
        Example {
            line: "hactl why web",
            about: "why is it there?",
        },
        Example {
            line: "hactl why web --json | jq -r '.chain[].id'",
            about: "the events, for programs",
        },
    ],
    arguments,
    run,
};

/// So many events about a group are looked at.
const EVENTS: usize = 300;

fn arguments(command: Command) -> Command {
    let group = super::group_argument("The group");
    absolute(
        command
            .arg(group)
            .arg(flag("json", "JSON, with all fields")),
    )
}

/// The answer.
#[derive(Serialize)]
struct Answer {
    group: GroupName,
    /// The last change of its state and what led to it, the latest first.
    chain: Vec<Event>,
    /// Who ordered the first of it.
    order: Option<String>,
    /// The cause that this node's journal does not hold.
    unknown: Option<EventId>,
    /// The other node, which knows the cause of the first of it.
    ask: Option<NodeName>,
    /// Where it is, and why not elsewhere.
    standing: Vec<String>,
}

fn run(call: &Call) -> Result<Exit, Error> {
    let mut client = call.client()?;
    let snapshot = client.snapshot()?;
    let typed = call.words("group").unwrap_or_default();
    let group = super::known_group(&snapshot, typed.first().copied().unwrap_or_default())?;
    let failback = client.config()?.values.remove("auto_failback");
    let failback = failback.is_some_and(|lines| lines.iter().any(|line| line == "on"));
    let standing = standing::sentences(&snapshot, &group, failback, &call.clock(snapshot.at));
    let (chain, unknown) = chain(&mut client, &group)?;
    let answer = Answer {
        ask: chain
            .last()
            .and_then(chain::known_elsewhere)
            .filter(|node| runs_hbd(&snapshot, node))
            .cloned(),
        order: chain.last().and_then(ordered_by).map(str::to_owned),
        group,
        chain,
        unknown,
        standing,
    };
    let mut out = super::output();
    match call.flag("json") {
        true => json(&mut out, &answer, true)?,
        false => write(&mut out, call, &answer)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Whether it is no Heartbeat, which could not be asked.
fn runs_hbd(snapshot: &Snapshot, node: &NodeName) -> bool {
    let node = snapshot.view.nodes.get(node);
    let program = node.and_then(|node| node.program.as_deref());
    program.is_none_or(|program| program.starts_with("hbd"))
}

/// The last change of a group's state and what led to it, the latest first; and the cause that is not
/// known here.
fn chain(client: &mut Client, group: &GroupName) -> Result<(Vec<Event>, Option<EventId>), Error> {
    let history = client.find_events(EventQuery {
        objects: vec![Object::Group(group.clone()).to_string()],
        ..EventQuery::last(EVENTS)
    })?;
    let mut chain = chain::of(&history);
    let cause = chain.last().and_then(|event| event.cause.clone());
    let Some(Cause::Event(id)) = cause else {
        return Ok((chain, None));
    };
    let query = EventQuery {
        related: Some(Related::CausesOf(id.clone())),
        ..EventQuery::last(EVENTS)
    };
    match client.find_events(query) {
        Ok(causes) => chain.extend(causes.into_iter().rev()),
        Err(ClientError::Refused { failure, .. }) if failure.code == ErrorCode::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let unknown = match chain.last().and_then(|event| event.cause.clone()) {
        Some(Cause::Event(id)) => Some(id),
        _ => None,
    };
    Ok((chain, unknown))
}

fn write(out: &mut impl Write, call: &Call, answer: &Answer) -> io::Result<()> {
    let colour = call.colour;
    for (place, event) in answer.chain.iter().enumerate() {
        let because = if place == 0 { "" } else { "because " };
        let text = clean(&event.text).into_owned();
        let text = colour.paint(&text, events::mood(event.severity));
        writeln!(out, "{}  {because}{text}", event.wall)?;
    }
    let indent = answer
        .chain
        .first()
        .map_or(0, |event| event.wall.to_string().len());
    if let Some(who) = &answer.order {
        writeln!(out, "{:indent$}  because {} ordered it", "", clean(who))?;
    }
    if let Some(id) = &answer.unknown {
        let node = &id.node;
        let text = format!(
            "because of event {id}, which is not kept here; on {node}: hactl events --cause {id}"
        );
        writeln!(out, "{:indent$}  {}", "", colour.paint(&text, Mood::Faint))?;
    }
    if let Some(node) = &answer.ask {
        let group = &answer.group;
        let text = format!("because of what {node} knows; on {node}: hactl why {group}");
        writeln!(out, "{:indent$}  {}", "", colour.paint(&text, Mood::Faint))?;
    }
    if !answer.chain.is_empty() {
        writeln!(out)?;
    }
    let mut sentences = answer.standing.iter();
    sentences.try_for_each(|sentence| writeln!(out, "{}", clean(sentence)))
}
