//! Daemons that live and die: real processes, real sockets, on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cluster;
mod deaths;
mod external;
mod flight;
mod frozen;
mod holding;
mod journal;
mod log;
mod reload;
mod rights;
mod self_fence;
mod systemd;
mod upgrade;
mod watchdog;

use cluster::{Cluster, free_port, until};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use shared::api::{ErrorCode, Fault, Request, Success};
use shared::client::ClientError;
use shared::event::{Kind, LinkStatus, NodeStatus, StatusReason};
use shared::names::{MediumName, NodeName};

const THREE: [&str; 3] = ["alice", "bob", "carol"];
const TWO: [&str; 2] = ["alice", "bob"];

#[test]
fn a_message_to_this_very_node_is_refused_with_the_reason() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let message = shared::api::SendMessage {
        node: alice.name.clone(),
        to: shared::names::ClientName::new("jobs").unwrap(),
        from: None,
        class: None,
        data: shared::session::Payload(b"x".to_vec()),
    };
    let refused = alice.client().send(message, None).unwrap_err();
    let reason = "alice is this node; messages go to other nodes";
    assert_eq!(refused.to_string(), reason);
}

#[test]
fn three_daemons_on_two_media_see_each_other() {
    let cluster = Cluster::start(&THREE, bcast_and_mcast());
    cluster.settle();
    for daemon in &cluster.nodes {
        daemon.wait_for("every link to be up", |view| {
            view.nodes
                .values()
                .flat_map(|node| node.links.values())
                .filter(|link| link.status == LinkStatus::Up)
                .count()
                >= 4
        });
    }
}

#[test]
fn two_daemons_with_unicast_see_each_other() {
    let port = free_port();
    let cluster = Cluster::start(&TWO, |name| {
        let (own, peer) = match name {
            "alice" => (2, 3),
            _ => (3, 2),
        };
        format!("udpport {port}\nucast lo 127.0.0.{peer}\nlisten 127.0.0.{own}")
    });
    cluster.settle();
}

#[test]
fn nothing_counts_as_sent_over_a_medium_that_is_missing() {
    let media = bcast_and_mcast();
    let cluster = Cluster::start(&TWO, |name| media(name) + "\nbcast hbdnone0");
    cluster.settle();
    let alice = &cluster.nodes[0];
    let sent = until("some beats", || {
        let sample = alice.client().snapshot().unwrap().sample?;
        let of = |name: &str| {
            let mut links = sample.links.iter();
            let link = links.find(|link| link.link.medium.to_string().contains(name))?;
            Some(link.outgoing.sent)
        };
        let sent = (of("mcast:lo")?, of("hbdnone0")?);
        (sent.0 >= 5).then_some(sent)
    });
    assert_eq!(sent.1, 0);
}

#[test]
fn a_second_daemon_on_one_state_directory_is_refused() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    let second = alice
        .command_in(&alice.home.join("other-run"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    let expected = format!(
        "another hbd (pid {}) keeps its state in {}; stop it, or name another directory with \
         --state",
        alice.pid(),
        alice.home.join("state").display()
    );
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn a_core_that_is_killed_is_a_restart_to_its_peers_and_no_death() {
    let cluster = Cluster::start(&THREE, bcast_and_mcast());
    cluster.settle();
    let [alice, bob, carol] = &cluster.nodes[..] else {
        panic!("three nodes");
    };
    kill(Pid::from_raw(bob.core()), Signal::SIGKILL).unwrap();
    for peer in [alice, carol] {
        peer.wait_for("bob to be back", |view| {
            let bob = &view.nodes[&bob.name];
            bob.restarts == 1 && bob.status == NodeStatus::Active
        });
        assert_eq!(peer.deaths(), 0);
    }
    bob.wait_for("everyone to be active", |view| {
        view.started.as_ref().is_some_and(|s| s.quick_restart)
            && view.nodes.values().all(|n| n.status == NodeStatus::Active)
    });
    assert_eq!(bob.deaths(), 0);
}

#[test]
fn a_core_that_dies_again_and_again_comes_back_each_time() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for deaths in 1..=4 {
        kill(Pid::from_raw(bob.core()), Signal::SIGKILL).unwrap();
        alice.wait_for("bob to be back", |view| {
            let bob = &view.nodes[&bob.name];
            bob.restarts == deaths && bob.status == NodeStatus::Active
        });
    }
    assert_eq!(alice.deaths(), 0);
    assert_eq!(bob.client().snapshot().unwrap().view.core_deaths, 4);
}

#[test]
fn a_core_that_hangs_is_killed_and_replaced() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    kill(Pid::from_raw(bob.core()), Signal::SIGSTOP).unwrap();
    bob.wait_for("a new core", |view| {
        view.core_deaths == 1 && view.started.as_ref().is_some_and(|s| s.quick_restart)
    });
    let events = bob.events();
    let died = events.iter().find_map(|event| match &event.kind {
        Kind::CoreDied { how } => Some((how, &event.id)),
        _ => None,
    });
    let (how, death) = died.unwrap();
    assert!(how.contains("silent for"), "{how}");
    cluster.settle();
    let restart = bob
        .events()
        .into_iter()
        .find(|event| matches!(&event.kind, Kind::Started(started) if started.quick_restart));
    let cause = restart.unwrap().cause;
    assert_eq!(cause, Some(shared::event::Cause::Event(death.clone())));
    assert_eq!(alice.deaths(), 0);
}

#[test]
fn a_daemon_that_is_told_to_end_leaves_in_order() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let mut bob = cluster.nodes.pop().unwrap();
    bob.signal(Signal::SIGTERM);
    assert!(bob.ended().success());
    left_in_order(&cluster, &bob.name);
    let left: Vec<_> = std::fs::read_dir(bob.home.join("run")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_daemon_that_was_started_with_signals_blocked_leaves_in_order_too() {
    SigSet::all().thread_block().unwrap();
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let mut bob = cluster.nodes.pop().unwrap();
    bob.signal(Signal::SIGTERM);
    assert!(bob.ended().success());
    left_in_order(&cluster, &bob.name);
}

#[test]
fn a_daemon_that_starts_again_is_the_same_node_in_a_later_life() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let bob = &mut cluster.nodes[1];
    let before = bob.client().snapshot().unwrap().view.started.unwrap();
    bob.signal(Signal::SIGTERM);
    bob.ended();
    bob.start();
    let view = bob.wait_for("a core", |view| view.started.is_some());
    let after = view.started.unwrap();
    assert_eq!(after.uuid, before.uuid);
    assert!(after.generation > before.generation);
    assert!(!after.quick_restart);
    let unasked = |event: &shared::event::Event| matches!(event.kind, Kind::EndedUnasked { .. });
    assert!(!bob.events().iter().any(unasked), "it was told to end");
    cluster.settle();
}

#[test]
fn state_that_cannot_be_kept_is_an_event_and_kept_as_soon_as_it_can_be() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let state = alice.home.join("state");
    // The journal may be writing there, so it goes as a whole.
    std::fs::rename(&state, alice.home.join("state-that-went")).unwrap();
    kill(Pid::from_raw(bob.core()), Signal::SIGKILL).unwrap();
    alice.wait_for("a word about the disk", |view| {
        view.nodes[&bob.name].restarts == 1
            && view.degraded.iter().any(|text| text.contains("peers.json"))
    });
    std::fs::create_dir(&state).unwrap();
    until("peers.json", || {
        std::fs::read_to_string(state.join("peers.json")).ok()
    });
}

#[test]
fn a_damaged_memory_of_peers_is_told_until_each_of_them_is_in_it_again() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let mut bob = cluster.nodes.pop().unwrap();
    bob.signal(Signal::SIGTERM);
    bob.ended();
    let alice = &mut cluster.nodes[0];
    alice.signal(Signal::SIGTERM);
    alice.ended();
    std::fs::write(alice.home.join("state/peers.json"), "damaged").unwrap();
    alice.start();
    let lacks = |what: &str| what == "memory of peers";
    alice.wait_for("word of the damage", |view| {
        view.lacks.iter().any(|lack| lacks(&lack.what))
    });
    bob.start();
    alice.wait_for("the end of it", |view| {
        let active = |node: &shared::view::NodeView| node.status == NodeStatus::Active;
        view.nodes.get(&bob.name).is_some_and(active)
            && view.lacks.iter().all(|lack| !lacks(&lack.what))
    });
    let over = |kind: &Kind| matches!(kind, Kind::DegradedOver { what } if lacks(what));
    assert!(alice.events().iter().any(|event| over(&event.kind)));
}

#[test]
fn copies_of_the_configuration_in_use_are_there_while_the_daemon_is() {
    let mut cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &mut cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let conf = alice.home.join("conf").display().to_string();
    assert_eq!(alice.client().snapshot().unwrap().config, Some(conf));
    let copies = alice.home.join("run/accepted");
    for file in ["ha.cf", "authkeys"] {
        let original = std::fs::read(alice.home.join("conf").join(file)).unwrap();
        assert_eq!(std::fs::read(copies.join(file)).unwrap(), original);
    }
    alice.signal(Signal::SIGTERM);
    alice.ended();
    assert!(!copies.exists());
}

#[test]
fn a_second_daemon_on_the_same_run_directory_is_refused() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let output = alice.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!("another hbd (pid {}) holds", alice.pid());
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("run/supervisor.lock"), "{text}");
    alice.client().snapshot().unwrap();
}

#[test]
fn a_link_that_is_cut_dies_and_a_link_that_is_healed_lives() {
    let cluster = Cluster::start_with(&TWO, bcast_and_mcast(), &["--allow-faults"]);
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let mut client = alice.client();
    let fault = |cut_in| Fault {
        medium: medium("bcast:lo"),
        cut_in,
        cut_out: false,
        loss_percent: 0,
    };
    let done = client.order(Request::Fault(fault(true)), "cut").unwrap();
    assert_eq!(done, Success::Done);
    client.order(Request::Fault(fault(true)), "cut").unwrap();
    let link = |status| {
        alice.wait_for("the link to change", |view| {
            view.nodes[&bob.name].links[&medium("bcast:lo")].status == status
        })
    };
    let view = link(LinkStatus::Dead);
    assert_eq!(view.faults[&medium("bcast:lo")], "cut inwards");
    assert_eq!(view.nodes[&bob.name].status, NodeStatus::Active);
    let injected = alice.events();
    let injected = injected
        .iter()
        .filter(|event| matches!(event.kind, Kind::Fault { .. }));
    assert_eq!(injected.count(), 1);
    client.order(Request::Fault(fault(false)), "heal").unwrap();
    let view = link(LinkStatus::Up);
    assert!(view.faults.is_empty());
    let nowhere = Fault {
        medium: medium("eth9"),
        ..fault(true)
    };
    let failure = client.request(Request::Fault(nowhere)).unwrap_err();
    let ClientError::Refused { failure, .. } = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(failure.code, ErrorCode::NotFound);
    assert!(failure.text.contains("bcast:lo"), "{}", failure.text);
}

#[test]
fn faults_are_refused_unless_the_daemon_was_started_for_them() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let fault = Fault {
        medium: medium("bcast:lo"),
        cut_in: true,
        cut_out: true,
        loss_percent: 0,
    };
    let failure = cluster.nodes[0].client().request(Request::Fault(fault));
    let ClientError::Refused { failure, .. } = failure.unwrap_err() else {
        panic!("accepted");
    };
    assert_eq!(failure.code, ErrorCode::Refused);
    assert!(failure.text.contains("--allow-faults"), "{}", failure.text);
}

fn bcast_and_mcast() -> impl Fn(&str) -> String {
    let (bcast, mcast) = (free_port(), free_port());
    move |_| format!("udpport {bcast}\nbcast lo\nmcast lo 239.255.77.1 {mcast} 1 1")
}

fn medium(name: &str) -> MediumName {
    MediumName::new(name).unwrap()
}

/// Waits until alice knows that the node left, and nobody but it died.
fn left_in_order(cluster: &Cluster, node: &NodeName) {
    let alice = &cluster.nodes[0];
    alice.wait_for("a node to be dead", |view| {
        view.nodes[node].status == NodeStatus::Dead
    });
    let dead: Vec<_> = alice
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            Kind::NodeStatus {
                node,
                to: NodeStatus::Dead,
                reason,
                ..
            } => Some((node, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(dead, [(node.clone(), StatusReason::Left)]);
}
