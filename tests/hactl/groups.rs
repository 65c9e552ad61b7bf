//! Orders about groups, on two real daemons whose resources are dummies.

use hbd_tests::error::Error;
use hbd_tests::wait;

use super::{LIMIT, Pair, demand};

const HARESOURCES: &str = "alice Dummy::web\nbob Dummy::mail\n";

pub(super) fn orders_are_carried_out() -> Result<(), Error> {
    let pair = Pair::up_with(HARESOURCES)?;
    wait::until_true(LIMIT, "each group is started", || {
        let groups = pair.hactl(&["groups", "--plain", "-o", "group,state,node"])?;
        Ok(groups == "Dummy::web\tstarted\talice\nDummy::mail\tstarted\tbob\n")
    })?;
    pair.ends(&["is-owner", "Dummy::web"], 0)?;
    pair.ends(&["is-owner", "Dummy::mail"], 1)?;
    pair.ends(&["is-active"], 0)?;
    moves(&pair)?;
    explains(&pair)?;
    freezes(&pair)
}

fn explains(pair: &Pair) -> Result<(), Error> {
    let why = pair.hactl(&["why", "Dummy::mail"])?;
    let order = why.find("because group Dummy::mail is wanted on alice for 3600 s");
    let who = why.find("because root (uid 0, pid ");
    let standing = why.find("\nDummy::mail: wanted on alice, as ");
    demand(order.is_some() && order < who && who < standing, &why)?;
    let history = pair.hactl(&["history", "Dummy::web", "--plain", "-o", "text"])?;
    let begin = history.find("Dummy::web started on alice");
    let moved = history.find("Dummy::web started on bob");
    demand(begin.is_some() && begin < moved, &history)?;
    let status = pair.hactl(&["status", "--plain"])?;
    let here = "group\tDummy::web\tstarted\talice\t";
    demand(
        status.contains(here) && status.contains("\nhint\tno fencing"),
        &status,
    )?;
    pair.hactl(&["wait-for", "group", "Dummy::web", "on", "alice"])?;
    pair.ends(
        &[
            "wait-for",
            "group",
            "Dummy::web",
            "on",
            "bob",
            "--timeout",
            "100ms",
        ],
        6,
    )
}

fn moves(pair: &Pair) -> Result<(), Error> {
    let said = "group Dummy::web will move from alice to bob\n";
    let plan = pair.hactl(&["move", "Dummy::web", "--dry-run"])?;
    demand(plan.starts_with(said) && plan.contains("dry run"), &plan)?;
    pair.ends(&["is-owner", "Dummy::web"], 0)?;
    let reason = ["--reason", "new disk", "--wait=20s"];
    let moved = pair.hactl(&[&["move", "Dummy::web"], &reason[..]].concat())?;
    demand(
        moved.starts_with(said) && moved.contains("done after"),
        &moved,
    )?;
    pair.ends(&["is-owner", "Dummy::web"], 1)?;
    pair.ends(&["is-active"], 1)?;
    let groups = pair.hactl(&["groups", "Dummy::web"])?;
    let wanted = "Dummy::web: wanted on bob, as ";
    demand(
        groups.contains(wanted) && groups.contains("new disk"),
        &groups,
    )?;
    let withdrawn = pair.hactl(&["unmove", "Dummy::web", "--wait=20s"])?;
    demand(withdrawn.contains("stays on bob"), &withdrawn)?;
    let groups = pair.hactl(&["groups", "Dummy::web"])?;
    demand(!groups.contains("wanted"), &groups)?;
    // Everything would move, and nobody is there to say that it is meant.
    pair.ends(&["takeover"], 7)?;
    pair.hactl(&["takeover", "--yes", "--wait=20s"])?;
    let here = pair.hactl(&["resources", "--plain", "-o", "resource,here"])?;
    demand(here == "Dummy::web\tstarted\nDummy::mail\tstarted\n", &here)
}

fn freezes(pair: &Pair) -> Result<(), Error> {
    let frozen = pair.hactl(&["freeze", "--for", "10m", "--reason", "cables"])?;
    demand(frozen.contains("for 10m; hactl unfreeze ends it"), &frozen)?;
    pair.ends(&["move", "Dummy::web", "bob"], 7)?;
    pair.ends(&["maintenance", "off"], 7)?;
    let groups = pair.hactl(&["groups"])?;
    demand(
        groups.contains("\nfrozen, as ") && groups.contains("cables"),
        &groups,
    )?;
    let status = pair.hactl(&["status"])?;
    let verdict = status.lines().next().unwrap_or_default();
    demand(verdict.contains("; groups frozen"), verdict)?;
    pair.hactl(&["unfreeze"])?;
    pair.hactl(&["standby", "foreign", "--wait=20s"])?;
    pair.ends(&["is-owner", "Dummy::mail"], 1)?;
    pair.ends(&["fence", "confirm", "bob", "--yes"], 7)
}
