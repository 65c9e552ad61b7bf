//! What the death of each process leads to, beside peers that run hbd.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hbd_tests::sim::replay::replay;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::event::{Cause, Event, Kind, NodeStatus, Role, StatusReason};
use shared::view::{ClusterView, NodeView};

use crate::cluster::{Cluster, Daemon, until};
use crate::upgrade::with_a_copy;
use crate::{TWO, bcast_and_mcast};

/// A timer may be late by this share of the difference between deadtime and initdead.
const SHARE: Duration = Duration::from_millis(500);

#[test]
fn what_a_former_supervisor_told_of_its_start_is_not_told_again() {
    let media = bcast_and_mcast();
    let cluster = Cluster::start(&["alice"], |name| media(name) + "\nbcast lo");
    let alice = &cluster.nodes[0];
    let notes = |view: &ClusterView| (view.lacks.clone(), view.config_warnings.clone());
    let before = until("the core's first counters", || {
        let snapshot = alice.client().snapshot().unwrap();
        snapshot.sample.is_some().then(|| notes(&snapshot.view))
    });
    assert!(!before.1.is_empty());
    let told = |alice: &Daemon| {
        let events = alice.events().into_iter();
        let about_the_start = |event: &Event| {
            matches!(
                event.kind,
                Kind::Degraded { .. } | Kind::DegradedOver { .. } | Kind::ConfigWarning { .. }
            )
        };
        events.filter(about_the_start).count()
    };
    let count = told(alice);
    let supervisor = alice.pid();
    end(supervisor);
    until("another supervisor", || {
        (alice.pid() != supervisor).then_some(())
    });
    let adopted = |event: &Event| matches!(event.kind, Kind::Adopted { .. });
    until("the adoption", || {
        alice.events().iter().any(adopted).then_some(())
    });
    assert_eq!(told(alice), count);
    assert_eq!(notes(&alice.client().snapshot().unwrap().view), before);
}

#[test]
fn a_flood_of_connections_beside_a_core_that_hangs_leaves_the_supervisor_answering() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let (socket, core) = (alice.socket(), alice.core());
    let (floods, connected) = (AtomicBool::new(true), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Also where the test fails.
        let _end = Ebb(&floods);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut held = VecDeque::new();
                while floods.load(Ordering::Relaxed) {
                    if let Ok(connection) = UnixStream::connect(&socket) {
                        held.push_back(connection);
                        connected.fetch_add(1, Ordering::Relaxed);
                    }
                    if held.len() > 5 {
                        held.pop_front();
                    }
                }
            });
        }
        kill(Pid::from_raw(core), Signal::SIGSTOP).unwrap();
        until("the core to be replaced", || {
            let view = alice.client().snapshot().ok()?.view;
            (view.core_deaths == 1 && alice.core() != core).then_some(())
        });
    });
    assert!(connected.into_inner() > 100, "that was no flood");
}

/// Ends a flood.
struct Ebb<'f>(&'f AtomicBool);

impl Drop for Ebb<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_supervisor_that_is_killed_is_replaced_and_the_core_goes_on() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let before = bob.events();
    let (supervisor, core, manager) = (bob.pid(), bob.core(), bob.manager());
    end(supervisor);
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    bob.wait_for("everything as it was", everyone_is_active);
    assert_eq!((bob.core(), bob.manager()), (core, manager));
    let after = bob.events();
    let adopted = after.iter().find_map(|event| match &event.kind {
        Kind::Adopted { processes, upgrade } => Some((processes, *upgrade)),
        _ => None,
    });
    let (processes, upgrade) = adopted.expect("the adoption is an event");
    let roles: Vec<_> = processes.iter().map(|process| process.role).collect();
    assert_eq!((roles, upgrade), (vec![Role::Core, Role::Manager], false));
    let view = bob.client().snapshot().unwrap().view;
    assert_eq!(view.supervisor_deaths, 1);
    assert_eq!(view.ended_unasked, None, "its life goes on");
    let died: Vec<_> = view.last_deaths.keys().copied().collect();
    assert_eq!(died, [Role::Supervisor]);
    let known = |events: &[Event]| counters(events, Role::Core);
    assert!(known(&after).starts_with(&known(&before)));
    undisturbed(alice);
}

#[test]
fn a_program_that_nobody_may_execute_is_named_and_comes_back_once_it_may_be() {
    let cluster = with_a_copy();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let (supervisor, core) = (bob.pid(), bob.core());
    let restarts = || alice.client().snapshot().unwrap().view.nodes[&bob.name].restarts;
    let before = restarts();
    fs::set_permissions(&bob.program, Permissions::from_mode(0o644)).unwrap();
    end(supervisor);
    let remedy = format!("; chmod 755 {} and hbd goes on", bob.program.display());
    until(
        "both names of the program to be refused, with the remedy",
        || {
            let log = bob.log();
            let told = log.lines().filter(|line| line.contains(&remedy)).count();
            (told >= 2 && log.contains("/proc/self/exe cannot be started")).then_some(())
        },
    );
    fs::set_permissions(&bob.program, Permissions::from_mode(0o755)).unwrap();
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    bob.wait_for("everything as it was", everyone_is_active);
    assert_eq!((bob.core(), restarts()), (core, before));
}

#[test]
fn a_supervisor_dies_again_and_again_and_no_event_loses_its_number() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for _ in 0..3 {
        let supervisor = bob.pid();
        end(supervisor);
        until("another supervisor", || {
            (bob.pid() != supervisor).then_some(())
        });
        let events = bob.events();
        let core = counters(&events, Role::Core);
        assert_eq!(core, (1..=core.len() as u64).collect::<Vec<_>>());
    }
    undisturbed(alice);
}

#[test]
fn a_supervisor_that_is_killed_is_replaced_even_if_the_disk_takes_nothing() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let state = bob.home.join("state");
    let (lock, beside) = (state.join("lock"), state.join(".hb_generation.new"));
    fs::rename(&lock, state.join("lock-that-went")).unwrap();
    // A directory cannot be written, whoever tries.
    for path in [&lock, &beside] {
        fs::create_dir(path).unwrap();
    }
    let (supervisor, core) = (bob.pid(), bob.core());
    end(supervisor);
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    let lacks = |text: &str| {
        let text = text.to_owned();
        move |view: &ClusterView| view.degraded.iter().any(|lack| lack.contains(&text))
    };
    bob.wait_for("word of the generations", lacks("hb_generation"));
    bob.wait_for("word of the lock", lacks("the lock of the state directory"));
    assert_eq!(bob.core(), core);
    undisturbed(alice);
    end(core);
    alice.wait_for("bob to be back", |view| {
        let bob = &view.nodes[&bob.name];
        bob.restarts == 1 && bob.status == NodeStatus::Active
    });
    fs::remove_dir(&beside).unwrap();
    let started = bob.client().snapshot().unwrap().view.started.unwrap();
    until("generations above the one in use to be reserved", || {
        let reserved = fs::read_to_string(state.join("hb_generation")).unwrap();
        let reserved: u64 = reserved.trim().parse().unwrap();
        (reserved > started.generation.0).then_some(())
    });
    assert_eq!(alice.deaths(), 0);
}

#[test]
fn core_and_supervisor_killed_at_once_are_a_restart_to_the_peers() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let (supervisor, core) = (bob.pid(), bob.core());
    end(supervisor);
    end(core);
    alice.wait_for("bob to be back", |view| {
        let bob = &view.nodes[&bob.name];
        bob.restarts == 1 && bob.status == NodeStatus::Active
    });
    let view = bob.wait_for("everyone to be active", everyone_is_active);
    assert_eq!((view.core_deaths, view.supervisor_deaths), (1, 1));
    assert_eq!(view.ended_unasked, None, "its life goes on");
    assert!(bob.core() != core && bob.pid() != supervisor);
    assert_eq!(alice.deaths(), 0);
    let record = until("the record of the core's death", || {
        bob.events().into_iter().find_map(|event| match event.kind {
            Kind::FlightRecorded { file, .. } => Some((file, event.cause)),
            _ => None,
        })
    });
    let (file, Some(Cause::Event(death))) = record else {
        panic!("a record has a cause: {record:?}");
    };
    let death = bob.events().into_iter().find(|event| event.id == death);
    assert!(matches!(death.unwrap().kind, Kind::CoreDied { .. }));
    let record = std::fs::read(file).unwrap();
    let replayed = replay(&record).unwrap_or_else(|difference| panic!("{difference}"));
    assert!(replayed.events > 3, "{}", replayed.events);
}

#[test]
fn a_peer_that_dies_with_core_and_supervisor_is_noticed_in_deadtime() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let alice = cluster.nodes.remove(0);
    let bob = &cluster.nodes[0];
    let (supervisor, core) = (bob.pid(), bob.core());
    end(supervisor);
    end(core);
    let peer = alice.name.clone();
    drop(alice);
    bob.wait_for("alice to be dead", |view| {
        let dead = |node: &NodeView| node.status == NodeStatus::Dead;
        view.nodes.get(&peer).is_some_and(dead)
    });
    assert!(bob.core() != core && bob.pid() != supervisor);
    let events = bob.events();
    let began = events.iter().rfind(|event| match &event.kind {
        Kind::Started(started) => started.quick_restart,
        _ => false,
    });
    let death = events.iter().find_map(|event| match &event.kind {
        Kind::NodeStatus {
            node,
            to: NodeStatus::Dead,
            reason: StatusReason::Silent { deadtime, .. },
            ..
        } if *node == peer => Some((event.boot, *deadtime)),
        _ => None,
    });
    let (at, deadtime) = death.expect("she died of silence");
    let after = at.since(began.expect("a restart").boot);
    // A core that was late itself forgives that.
    let own = bob.client().snapshot().unwrap().view.worst_stall;
    assert!(after <= deadtime + own + SHARE, "{after:?}, {deadtime:?}");
}

#[test]
fn a_manager_that_is_killed_is_replaced() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let manager = bob.manager();
    end(manager);
    bob.wait_for("the death to be told", |view| view.manager_deaths == 1);
    until("another manager", || {
        (bob.manager() != manager).then_some(())
    });
    undisturbed(alice);
}

#[test]
fn a_manager_that_hangs_is_killed_and_replaced() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let manager = bob.manager();
    kill(Pid::from_raw(manager), Signal::SIGSTOP).unwrap();
    bob.wait_for("the death to be told", |view| view.manager_deaths == 1);
    until("another manager", || {
        (bob.manager() != manager).then_some(())
    });
    let how = bob.events().into_iter().find_map(|event| match event.kind {
        Kind::ManagerDied { how } => Some(how),
        _ => None,
    });
    assert!(how.unwrap().contains("silent for"));
    undisturbed(alice);
}

#[test]
fn without_supervisor_and_manager_the_core_goes_on_until_hbd_is_started_again() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let bob = &mut cluster.nodes[1];
    let core = bob.core();
    let (supervisor, manager) = (bob.pid(), bob.manager());
    kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
    end(manager);
    end(supervisor);
    assert!(!bob.ended().success());
    bob.start();
    bob.wait_for("everyone to be active", everyone_is_active);
    assert_eq!(bob.core(), core);
    assert!(bob.manager() != manager);
    undisturbed(&cluster.nodes[0]);
}

#[test]
fn what_a_supervisor_adopted_it_also_ends() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let bob = cluster.nodes.pop().unwrap();
    let supervisor = bob.pid();
    end(supervisor);
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    bob.wait_for("everything as it was", everyone_is_active);
    kill(Pid::from_raw(bob.pid()), Signal::SIGTERM).unwrap();
    until("nothing to run", || (!bob.runs()).then_some(()));
    crate::left_in_order(&cluster, &bob.name);
}

#[test]
fn a_configuration_that_broke_meanwhile_does_not_leave_a_node_without_a_supervisor() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let bob = &cluster.nodes[1];
    let (supervisor, core) = (bob.pid(), bob.core());
    std::fs::write(bob.home.join("conf/ha.cf"), "nonsense\n").unwrap();
    end(supervisor);
    until("another supervisor", || {
        (bob.pid() != supervisor).then_some(())
    });
    let view = bob.wait_for("everything as it was", everyone_is_active);
    assert_eq!(bob.core(), core);
    let told = |lack: &shared::view::Lack| lack.what == "the configuration on the disk";
    assert!(view.lacks.iter().any(told), "{:?}", view.lacks);
    assert!(bob.log().contains("nonsense"), "{}", bob.log());
    undisturbed(&cluster.nodes[0]);
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

fn everyone_is_active(view: &shared::view::ClusterView) -> bool {
    view.nodes.len() == TWO.len() && view.nodes.values().all(|n| n.status == NodeStatus::Active)
}

/// This node saw neither a death nor a restart.
fn undisturbed(daemon: &Daemon) {
    assert_eq!(daemon.deaths(), 0);
    let view = daemon.client().snapshot().unwrap().view;
    let restarts: u64 = view.nodes.values().map(|node| node.restarts).sum();
    assert_eq!(restarts, 0);
}

/// The numbers of the events of the last process of that role, in order.
fn counters(events: &[Event], role: Role) -> Vec<u64> {
    let mut lives: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for event in events.iter().filter(|e| e.id.incarnation.role == role) {
        let life = lives.entry(event.id.incarnation.generation).or_default();
        life.push(event.id.counter);
    }
    lives
        .pop_last()
        .map(|(_, counters)| counters)
        .unwrap_or_default()
}
