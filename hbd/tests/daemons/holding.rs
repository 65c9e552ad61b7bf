//! What a node holds, and what becomes of it when processes of hbd end.

use std::fs;
use std::process::Command;

use hbd_tests::instance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::api::{Reload, Request};
use shared::group::{GroupName, GroupState};
use shared::names::NodeName;
use shared::view::ClusterView;

use crate::cluster::{Cluster, Daemon, until};
use crate::{TWO, bcast_and_mcast};

const GROUPS: &str = "alice Dummy::web Dummy::app\nbob Dummy::mail\n";
const WEB: &str = "Dummy::web";

fn pair() -> Cluster {
    let media = bcast_and_mcast();
    let cluster = Cluster::holding(&TWO, |name| media(name) + "\nauto_failback on", GROUPS);
    cluster.settle();
    for daemon in &cluster.nodes {
        daemon.wait_for("both groups", |view| holds(view, WEB, "alice"));
        daemon.wait_for("both groups", |view| holds(view, "Dummy::mail", "bob"));
    }
    cluster
}

/// The group is started on that node and on no other.
pub(crate) fn holds(view: &ClusterView, group: &str, node: &str) -> bool {
    let group = view.groups.get(&GroupName::new(group).unwrap());
    let node = NodeName::new(node).unwrap();
    group.is_some_and(|group| {
        let on = group.nodes.iter();
        let held: Vec<_> = on.map(|(name, on)| (name.clone(), on.state)).collect();
        held == [(node, GroupState::Started)]
    })
}

/// What built-in agents remember of resources that run.
pub(crate) fn running(daemon: &Daemon) -> usize {
    let files = fs::read_dir(daemon.home.join("run/agents"));
    files.map_or(0, |files| files.count())
}

fn release(daemon: &Daemon) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hbd"));
    command.args(["release", "--node", daemon.name.as_str()]);
    command.arg("--config").arg(daemon.home.join("conf"));
    command.arg("--run").arg(daemon.home.join("run"));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text + &errors)
}

#[test]
fn a_node_that_is_told_to_end_gives_up_what_it_holds_first() {
    let mut cluster = pair();
    cluster.nodes[0].signal(Signal::SIGTERM);
    assert!(cluster.nodes[0].ended().success());
    assert_eq!(running(&cluster.nodes[0]), 0);
    cluster.nodes[1].wait_for("bob to take over", |view| holds(view, WEB, "bob"));
    cluster.nodes[0].start();
    cluster.nodes[1].wait_for("alice to take it back", |view| holds(view, WEB, "alice"));
}

#[test]
fn processes_that_die_leave_what_is_held_where_it_is() {
    let cluster = pair();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let before = states(bob);
    for process in [Daemon::manager, Daemon::core, Daemon::pid] {
        let pid = process(alice);
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        until("another process", || (process(alice) != pid).then_some(()));
        alice.wait_for("the group", |view| holds(view, WEB, "alice"));
        assert_eq!(running(alice), 2);
    }
    bob.wait_for("the group", |view| holds(view, WEB, "alice"));
    assert_eq!(states(bob), before, "bob took nothing");
}

/// How often groups became something else on the node itself.
fn states(daemon: &Daemon) -> usize {
    let own = |kind: &shared::event::Kind| matches!(kind, shared::event::Kind::GroupState { node, .. } if *node == daemon.name);
    let events = daemon.events();
    events.iter().filter(|event| own(&event.kind)).count()
}

#[test]
fn what_a_killed_hbd_held_is_stopped_by_hbd_release_and_nothing_else() {
    let mut cluster = pair();
    let alice = &mut cluster.nodes[0];
    let (code, text) = release(alice);
    assert_ne!(code, Some(0), "beside a running hbd: {text}");
    assert_eq!(running(alice), 2);
    instance::kill_all(&alice.home.join("run")).unwrap();
    alice.ended();
    assert_eq!(running(alice), 2);
    let foreign = alice.home.join("run/agents/foreign");
    fs::write(&foreign, "not of hbd").unwrap();
    assert_eq!(
        release(alice),
        (Some(0), format!("group {WEB} is stopped\n"))
    );
    assert_eq!(running(alice), 1);
    assert!(foreign.exists());
    assert_eq!(release(alice), (Some(0), "nothing is held\n".into()));
}

#[test]
fn what_a_killed_hbd_held_is_stopped_by_its_next_start_before_it_takes_part() {
    let mut cluster = pair();
    instance::kill_all(&cluster.nodes[0].home.join("run")).unwrap();
    cluster.nodes[0].ended();
    cluster.nodes[1].wait_for("bob to take over", |view| holds(view, WEB, "bob"));
    cluster.nodes[0].start();
    cluster.nodes[1].wait_for("alice to take it back", |view| holds(view, WEB, "alice"));
    let stopped = cluster.nodes[0].events().into_iter().any(|event| {
        let text = event.text;
        text.contains("stopped on alice (it was left behind)")
    });
    assert!(stopped, "it was held, and in doubt");
}

#[test]
fn a_group_that_the_configuration_loses_is_stopped() {
    let cluster = pair();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for daemon in [bob, alice] {
        let file = daemon.home.join("conf/haresources");
        fs::write(file, "bob Dummy::mail\n").unwrap();
        let wish = Reload {
            dry_run: false,
            force: false,
        };
        daemon.client().request(Request::Reload(wish)).unwrap();
    }
    until("the group to be stopped", || {
        (running(alice) == 0).then_some(())
    });
    bob.wait_for("the other group", |view| holds(view, "Dummy::mail", "bob"));
    assert_eq!(running(bob), 1);
}

#[test]
fn a_node_that_can_have_no_manager_gives_up_what_it_holds_and_leaves() {
    let mut cluster = pair();
    for _ in 0..3 {
        let alice = &cluster.nodes[0];
        let manager = alice.manager();
        kill(Pid::from_raw(manager), Signal::SIGSTOP).unwrap();
        until("the manager to be gone", || {
            let gone = kill(Pid::from_raw(manager), None).is_err();
            gone.then_some(())
        });
    }
    let status = cluster.nodes[0].ended();
    assert_eq!(status.code(), Some(1));
    assert_eq!(running(&cluster.nodes[0]), 0);
    cluster.nodes[1].wait_for("bob to take over", |view| holds(view, WEB, "bob"));
}
