//! A node that cannot give up what it holds takes itself away. The program that would do so notes that it
//! was run, and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::api::Request;
use shared::event::Kind;
use shared::group::{GroupName, GroupState};
use shared::order::{Choice, GroupOrder, GroupVerb};

use crate::cluster::{Cluster, Daemon, until};
use crate::frozen::all;
use crate::watchdog::Stands;
use crate::{TWO, bcast_and_mcast};

const GROUPS: &str = "alice stuck\n";
/// Starts, runs, and never stops.
const STUCK: &str = "#!/bin/sh\ncase $1 in\nstart) touch \"$HOME_OF_TEST/runs\";;\n\
    status) [ -e \"$HOME_OF_TEST/runs\" ] && echo running || echo stopped;;\n\
    stop) [ -e \"$HOME_OF_TEST/mended\" ] || exit 1; rm -f \"$HOME_OF_TEST/runs\";;\nesac\n";
/// As in [`Cluster`].
const DEADTIME: Duration = Duration::from_secs(3);

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// A resource that does not stop, and a program that is run in place of a reset.
fn prepare(home: &Path, then: &str) {
    let scripts = home.join("conf/resource.d");
    fs::create_dir_all(&scripts).unwrap();
    let home = home.display();
    let stuck = STUCK.replace("$HOME_OF_TEST", &home.to_string());
    program(&scripts.join("stuck"), &stuck);
    let fence = format!("{home}/fence");
    let text = format!("#!/bin/sh\nps -o sid= -p $$ | tr -d ' ' >> {home}/fenced\n{then}\n");
    program(Path::new(&fence), &text);
    fs::write(
        format!("{home}/conf/hbd.cf"),
        format!("selffence {fence} now\n"),
    )
    .unwrap();
}

fn pair(prepare: impl Fn(&Path) + 'static) -> Cluster {
    let cluster = Cluster::holding_prepared(&TWO, bcast_and_mcast(), GROUPS, prepare);
    cluster.settle();
    cluster.nodes[0].wait_for("the group", |view| {
        let group = view.groups.get(&GroupName::new("stuck").unwrap());
        let mut on = group.iter().flat_map(|group| group.nodes.values());
        on.any(|on| on.state == GroupState::Started)
    });
    cluster
}

/// The sessions of the programs that were run.
fn fenced(node: &Daemon) -> Vec<String> {
    let text = fs::read_to_string(node.home.join("fenced")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn told(node: &Daemon, is: impl Fn(&Kind) -> bool) -> usize {
    let events = node.events();
    events.iter().filter(|event| is(&event.kind)).count()
}

fn is_fence(kind: &Kind) -> bool {
    matches!(kind, Kind::SelfFence { .. })
}

#[test]
fn a_sick_node_that_cannot_stop_what_it_holds_fences_itself_once() {
    let stands = Stands::default();
    let made = stands.clone();
    let cluster = pair(move |home| {
        prepare(home, "exit 0");
        made.make(home);
    });
    let fed = stands.of("alice");
    let alice = &cluster.nodes[0];
    all(alice, Signal::SIGSTOP);
    let begin = Instant::now();
    while begin.elapsed() < DEADTIME + Duration::from_secs(1) {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    all(alice, Signal::SIGCONT);
    let view = alice.wait_for("the end of it", |view| view.self_fence.is_some());
    let why = view.self_fence.unwrap().why;
    assert_eq!(why, "it was sick, and group stuck does not stop");
    let starved = fed.count();
    until("the program", || (fenced(alice).len() == 1).then_some(()));
    let supervisor = alice.pid();
    let session = nix::unistd::getsid(Some(Pid::from_raw(supervisor))).unwrap();
    assert_ne!(fenced(alice), [session.to_string()], "a session of its own");
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    until("another supervisor", || {
        (alice.pid() != supervisor).then_some(())
    });
    let view = alice.wait_for("what the former one told", |view| view.self_fence.is_some());
    assert_eq!(view.self_fence.unwrap().failed, None);
    alice.wait_for("it to be well again", |view| view.sick.is_none());
    assert_eq!((told(alice, is_fence), fenced(alice).len()), (1, 1));
    let core = alice.core();
    kill(Pid::from_raw(core), Signal::SIGKILL).unwrap();
    alice.wait_for("another core", |view| {
        view.core_deaths > 0 && view.sick.is_none()
    });
    // One sign of life may have been on its way.
    assert!(
        fed.count() <= starved + 1,
        "the watchdog is not fed any more"
    );
}

#[test]
fn a_node_without_a_manager_that_cannot_stop_what_it_holds_fences_itself_and_tells_what_fails() {
    let cluster = pair(|home| prepare(home, "exit 7"));
    let alice = &cluster.nodes[0];
    for _ in 0..3 {
        let manager = alice.manager();
        kill(Pid::from_raw(manager), Signal::SIGSTOP).unwrap();
        until("the manager to be gone", || {
            let gone = kill(Pid::from_raw(manager), None).is_err();
            gone.then_some(())
        });
    }
    let failed = |view: &shared::view::ClusterView| {
        let fence = view.self_fence.as_ref();
        fence.is_some_and(|fence| fence.failed.is_some())
    };
    let fence = alice.wait_for("the end of it", failed).self_fence.unwrap();
    let begin = "no manager can be had, and stuck could not be stopped: ";
    assert!(fence.why.starts_with(begin), "{}", fence.why);
    let why = fence.failed.unwrap();
    assert!(why.ends_with("fence: exit status: 7"), "{why}");
    assert_eq!((told(alice, is_fence), fenced(alice).len()), (1, 1));
}

fn order(node: &Daemon, verb: GroupVerb) {
    let order = GroupOrder {
        verb,
        reason: None,
        dry_run: false,
    };
    let mut client = node.client();
    client
        .order(Request::Order(Box::new(order)), "order")
        .unwrap();
}

/// An operator wants the group on the other node.
fn move_it(node: &Daemon) {
    let verb = GroupVerb::Move {
        groups: Choice::All,
        to: None,
        lasts: None,
        together: false,
    };
    order(node, verb);
}

#[test]
fn a_group_that_does_not_stop_takes_its_node_with_it_unless_it_is_to_wait() {
    let cluster = pair(|home| prepare(home, "exit 0"));
    let alice = &cluster.nodes[0];
    move_it(alice);
    let view = alice.wait_for("the end of it", |view| view.self_fence.is_some());
    assert_eq!(view.self_fence.unwrap().why, "group stuck does not stop");
    until("the program", || (fenced(alice).len() == 1).then_some(()));

    let cluster = pair(|home| {
        prepare(home, "exit 0");
        let file = home.join("conf/hbd.cf");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{text}stop_failure block\n")).unwrap();
    });
    let alice = &cluster.nodes[0];
    move_it(alice);
    alice.wait_for("the group to be blocked", |view| {
        let groups = view.groups.values();
        let mut on = groups.flat_map(|group| group.nodes.values());
        on.any(|on| on.state == GroupState::Blocked)
    });
    assert_eq!((told(alice, is_fence), fenced(alice).len()), (0, 0));
}

#[test]
fn a_node_that_is_to_leave_tells_which_group_it_waits_for_and_leaves_when_that_is_stopped() {
    let mut cluster = pair(|home| {
        prepare(home, "exit 0");
        let file = home.join("conf/hbd.cf");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{text}stop_failure block\n")).unwrap();
    });
    let alice = &mut cluster.nodes[0];
    alice.signal(Signal::SIGTERM);
    let told = "leaving the cluster: SIGTERM asks for it, and group stuck is blocked here; stop its \
                resources on alice by hand, then run hactl cleanup stuck; a second SIGTERM ends hbd \
                at once, and what is held runs on";
    alice.wait_for("what it waits for", |view| {
        view.degraded.iter().any(|text| text == told)
    });
    fs::write(alice.home.join("mended"), "").unwrap();
    order(
        alice,
        GroupVerb::Cleanup {
            groups: Choice::All,
        },
    );
    assert!(alice.ended().success());
}

#[test]
fn a_group_that_cannot_even_be_started_does_not_take_its_node_with_it() {
    let cluster = Cluster::holding_prepared(&TWO, bcast_and_mcast(), GROUPS, |home| {
        prepare(home, "exit 0");
        let neither = "#!/bin/sh\n[ $1 = status ] && echo stopped || exit 1\n";
        fs::write(home.join("conf/resource.d/stuck"), neither).unwrap();
    });
    cluster.settle();
    let alice = &cluster.nodes[0];
    alice.wait_for("the group to be blocked", |view| {
        let groups = view.groups.values();
        let mut on = groups.flat_map(|group| group.nodes.values());
        on.any(|on| on.state == GroupState::Blocked)
    });
    assert_eq!((told(alice, is_fence), fenced(alice).len()), (0, 0));
}
