//! Orders about groups: what `move`, `unmove`, `standby`, `takeover`, `cleanup`, `freeze`, `unfreeze`,
//! `maintenance` and `fence` have in common.
//!
//! ```text
//! connect -> [plan it, ask a person] -> [listen] -> order it -> show the changes -> [wait until they are so]
//! ```
//!
//! There are three levels of danger. A mild order is given at once. One that moves groups which it
//! does not name, or stops one everywhere, asks a person, or wants `--yes` where there is none. A
//! severe one wants the name of the node.

mod confirm;
mod destination;
pub(crate) mod lasting;
mod settle;

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use clap::{Arg, Command};
use serde::Serialize;
use shared::api::{Request, Success};
use shared::client::{Client, ClientError};
use shared::event::{Kind, Span};
use shared::exit::Exit;
use shared::names::NodeName;
use shared::order::{Change, GroupOrder, GroupVerb};

use crate::cli::{self, Call, flag};
use crate::error::Error;
use crate::live;
use crate::print::{clean, json};
use destination::Destination;
use lasting::Lasting;

/// How long `--wait` waits.
const WAIT: &str = "5m";
/// What is not known where the connection ends before the reply.
const NOT_KNOWN: &str = "it is not known whether the order was given; hactl groups and hactl \
                         events say what became of it";

/// An order.
pub(crate) struct Order {
    /// What.
    pub(crate) verb: GroupVerb,
    /// How much to ask before.
    pub(crate) danger: Danger,
    /// What follows from it, in a sentence without its full stop.
    pub(crate) remark: String,
    /// What `--wait` waits for.
    pub(crate) goal: Goal,
}

/// When an order is carried out.
pub(crate) enum Goal {
    /// When each group is where the order puts it.
    Changes,
    /// When an event says so, or why it is not.
    Event(Told),
}

/// What an event says about an order, if anything.
pub(crate) type Told = Box<dyn Fn(&Kind) -> Option<Word>>;

/// How it is with an order.
pub(crate) enum Word {
    /// It is carried out.
    Done,
    /// It is not, and why.
    Failed(String),
    /// It is being tried.
    GoesOn,
}

/// What a person is asked before an order is given.
pub(crate) enum Danger {
    /// Nothing.
    Mild,
    /// Whether it is meant, where it stops a group everywhere, or moves any and `all` is true.
    Medium {
        /// The order names no group.
        all: bool,
    },
    /// The name of a node.
    Severe {
        /// The node.
        node: NodeName,
        /// What the order says.
        says: String,
    },
}

/// The options of every order.
pub(crate) fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("TEXT")
                .help("Why, for others: one line, shown wherever the order is"),
        )
        .arg(flag("dry-run", "Only show what would be done"))
        .arg(flag("json", "JSON, with all fields"))
}

/// `--yes`.
pub(crate) fn yes(command: Command) -> Command {
    command.arg(flag("yes", "Do not ask whether it is meant").short('y'))
}

/// `--wait`.
pub(crate) fn wait(command: Command) -> Command {
    wait_for(
        command,
        "Wait until every group is started where it goes, 5m at most unless TIME says otherwise",
    )
}

/// `--wait`, and what for.
pub(crate) fn wait_for(command: Command, help: &'static str) -> Command {
    command.arg(
        Arg::new("wait")
            .long("wait")
            .value_name("TIME")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(WAIT)
            .value_parser(cli::limit)
            .help(help),
    )
}

/// Gives an order, and shows what came of it.
pub(crate) fn give(call: &Call, mut client: Client, order: Order) -> Result<Exit, Error> {
    let dry_run = call.flag("dry-run");
    if !dry_run && !call.flag("yes") {
        agreed(call, &mut client, &order)?;
    }
    let wait = call.matches.try_get_one::<Duration>("wait").ok().flatten();
    let wait = wait.copied().filter(|_| !dry_run);
    let stream = match wait {
        Some(_) => Some(call.client()?.subscribe(0)?),
        None => None,
    };
    let destination = Destination::of(&order.verb, &mut client)?;
    let begin = Instant::now();
    let changes = ask(&mut client, request(call, &order, dry_run))?;
    let wanted = |forecast: &Change| match &destination {
        Some(destination) => destination.wanted(forecast),
        None => forecast.clone(),
    };
    let goals: Vec<Change> = changes.iter().map(wanted).collect();
    let mut report = Report::of(&order, forecasts(changes, destination.as_ref()), dry_run);
    let mut out = super::output();
    let for_programs = call.flag("json");
    if !for_programs {
        report.write(&mut out)?;
        out.flush()?;
    }
    let mut end = Ok(Exit::Done);
    if let (Some(stream), Some(limit)) = (stream, wait) {
        let ended = match &order.goal {
            Goal::Changes => settle::settle(call, stream, &goals, begin, limit)?,
            Goal::Event(told) => settle::hear(stream, told, begin, limit)?,
        };
        end = report.settle(ended);
        report.took_ms = u64::try_from(begin.elapsed().as_millis()).ok();
        if end.is_ok() && !for_programs {
            writeln!(out, "done after {}", Span(begin.elapsed()))?;
        }
    }
    if for_programs {
        json(&mut out, &report, true)?;
    }
    out.flush()?;
    end
}

/// Demands that a person agrees, where the order is dangerous.
fn agreed(call: &Call, client: &mut Client, order: &Order) -> Result<(), Error> {
    match &order.danger {
        Danger::Mild => Ok(()),
        Danger::Severe { node, says } => confirm::name(says, node),
        Danger::Medium { all } => {
            let plan = ask(client, request(call, order, true))?;
            let moved = plan.iter().filter(|change| change.from != change.to);
            let stops = |change: &&Change| change.from.is_some() && change.to.is_none();
            let dangerous: Vec<&Change> = match all {
                true => moved.collect(),
                false => moved.filter(stops).collect(),
            };
            match dangerous.is_empty() {
                true => Ok(()),
                false => confirm::yes(&sentences(&dangerous)),
            }
        }
    }
}

fn sentences(changes: &[&Change]) -> String {
    let lines = changes
        .iter()
        .map(|change| clean(&change.to_string()).into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn request(call: &Call, order: &Order, dry_run: bool) -> Request {
    let reason = call.words("reason").unwrap_or_default();
    Request::Order(Box::new(GroupOrder {
        verb: order.verb.clone(),
        reason: reason.first().map(|text| (*text).to_owned()),
        dry_run,
    }))
}

fn ask(client: &mut Client, request: Request) -> Result<Vec<Change>, Error> {
    match client.order(request, &key()) {
        Ok(Success::Ordered(changes)) => Ok(changes),
        Ok(_) => Err(Error::Unexpected("order")),
        Err(error) if is_silent_on_order(&error) => {
            let what = NOT_KNOWN;
            Err(Error::Undecided { error, what })
        }
        Err(error) => Err(error.into()),
    }
}

/// True where the order may have been given all the same.
fn is_silent_on_order(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Closed { .. } | ClientError::Io { .. } | ClientError::TimedOut { .. }
    )
}

/// A key that no other call has: each call is an order of its own.
fn key() -> String {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("order-{}-{nanos}", std::process::id())
}

/// What is to be expected of an order for one group.
#[derive(Serialize)]
struct Forecast {
    #[serde(flatten)]
    change: Change,
    /// Why it does not go where it was ordered, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<String>,
    /// What speaks against its going there.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

fn forecasts(changes: Vec<Change>, destination: Option<&Destination>) -> Vec<Forecast> {
    let forecast = |change| Forecast {
        obstacle: destination.and_then(|destination| destination.obstacle(&change)),
        warning: destination.and_then(|destination| destination.warning(&change)),
        change,
    };
    changes.into_iter().map(forecast).collect()
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.obstacle.as_ref().or(self.warning.as_ref()) {
            Some(obstacle) => write!(f, "{}: {obstacle}", self.change),
            None => write!(f, "{}", self.change),
        }
    }
}

/// What came of an order.
#[derive(Serialize)]
struct Report {
    outcome: &'static str,
    changes: Vec<Forecast>,
    /// When it ends by itself; null where it does not, or does not last.
    until: Option<String>,
    /// How long it took until it was so, where that was waited for.
    took_ms: Option<u64>,
    /// Why it is not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    #[serde(skip)]
    remark: String,
}

impl Report {
    fn of(order: &Order, changes: Vec<Forecast>, dry_run: bool) -> Self {
        let lasts = match &order.verb {
            GroupVerb::Move { lasts, .. } | GroupVerb::Freeze { lasts, .. } => *lasts,
            _ => None,
        };
        Self {
            outcome: if dry_run { "would-order" } else { "ordered" },
            changes,
            until: lasts.map(|lasts| Lasting::end(lasts, live::wall()).to_string()),
            took_ms: None,
            missing: None,
            remark: order.remark.clone(),
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        for forecast in &self.changes {
            writeln!(out, "{}", clean(&forecast.to_string()))?;
        }
        writeln!(out, "{}", clean(&self.remark))?;
        match self.outcome {
            "would-order" => writeln!(out, "this was a dry run"),
            _ => Ok(()),
        }
    }

    /// Notes how the waiting ended, and how the call does.
    fn settle(&mut self, end: settle::End) -> Result<Exit, Error> {
        match end {
            settle::End::Done => {
                self.outcome = "done";
                Ok(Exit::Done)
            }
            settle::End::Failed(why) => {
                self.outcome = "failed";
                self.missing = Some(why.clone());
                Err(Error::NotDone(why))
            }
            settle::End::NotReached { limit, missing } => {
                self.outcome = "not-reached";
                self.missing.clone_from(&missing);
                Err(Error::NotReached {
                    condition: "done".into(),
                    limit,
                    missing,
                })
            }
        }
    }
}
