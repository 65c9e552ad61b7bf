//! Daemons whose configuration changes while they run.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use shared::api::{Fault, Reload, ReloadOutcome, Reloaded, Request, Success};
use shared::config::diff::{Change, Consequence};
use shared::event::{Cause, ConfigDifference, Event, Kind, LinkStatus, NodeStatus};
use shared::view::Lack;

use crate::cluster::{Cluster, Daemon, free_port, until};
use crate::{TWO, bcast_and_mcast, left_in_order, medium};

const DRY: Reload = Reload {
    dry_run: true,
    force: false,
};

#[test]
fn a_changed_file_is_taken_over_at_sighup_and_peers_see_a_restart_and_no_death() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    edit(bob, |ha_cf| ha_cf + "hopfudge 7\n");
    bob.signal(Signal::SIGHUP);
    alice.wait_for("bob to be back", |view| {
        let bob = &view.nodes[&bob.name];
        bob.restarts == 1 && bob.status == NodeStatus::Active
    });
    let events = bob.events();
    let reloaded = events.iter().find(|event| is_reloaded(event)).unwrap();
    assert_eq!(reloaded.cause, Some(Cause::Order("SIGHUP".into())));
    assert!(
        reloaded.text.ends_with("added hopfudge 7 (quick restart)"),
        "{}",
        reloaded.text
    );
    let restart = events
        .iter()
        .find(|event| matches!(&event.kind, Kind::Started(started) if started.quick_restart));
    let cause = Some(Cause::Event(reloaded.id.clone()));
    assert_eq!(restart.unwrap().cause, cause);
    assert_eq!(bob.client().snapshot().unwrap().view.core_deaths, 0);
    assert_eq!((alice.deaths(), bob.deaths()), (0, 0));
    let copy = fs::read_to_string(bob.home.join("run/accepted/ha.cf")).unwrap();
    assert!(copy.contains("hopfudge 7"), "{copy}");
}

#[test]
fn a_stop_that_meets_a_quick_restart_leaves_in_order() {
    let mut cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let mut bob = cluster.nodes.pop().unwrap();
    edit(&bob, |ha_cf| ha_cf + "hopfudge 7\n");
    bob.signal(Signal::SIGHUP);
    // The file is being read, or the core retires, or the next one begins.
    bob.signal(Signal::SIGTERM);
    assert!(bob.ended().success(), "{}", bob.log());
    left_in_order(&cluster, &bob.name);
}

#[test]
fn a_file_with_errors_is_refused_with_all_of_them_and_the_daemon_goes_on() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let before = fs::read_to_string(bob.home.join("conf/ha.cf")).unwrap();
    edit(bob, |ha_cf| ha_cf + "hopfudge many\ndeadtiem 4\n");
    let reloaded = reload(bob, Reload::default());
    assert_eq!(reloaded.outcome, ReloadOutcome::Invalid);
    for error in [
        "`many` is no value for `hopfudge`",
        "`deadtiem` is no directive",
    ] {
        assert!(reloaded.diagnostics.contains(error), "{reloaded:?}");
        assert!(reloaded.reasons.iter().any(|reason| reason.contains(error)));
    }
    bob.signal(Signal::SIGHUP);
    let refused = until("both refusals", || {
        let events = bob.events();
        let refused = |event: &&Event| matches!(event.kind, Kind::ConfigRefused { .. });
        let refused: Vec<_> = events.iter().filter(refused).cloned().collect();
        (refused.len() == 2).then_some(refused)
    });
    assert!(refused[0].text.contains("deadtiem"), "{}", refused[0].text);
    let by_signal = refused[1].cause == Some(Cause::Order("SIGHUP".into()));
    assert!(by_signal, "{:?}", refused[1].cause);
    let view = bob.client().snapshot().unwrap().view;
    assert_eq!(view.config_refused.len(), 2);
    let accepted = fs::read_to_string(bob.home.join("run/accepted/ha.cf")).unwrap();
    assert_eq!(accepted, before);
    edit(bob, |_| before.clone());
    assert_eq!(
        reload(bob, Reload::default()).outcome,
        ReloadOutcome::Unchanged
    );
    bob.wait_for("the refusal to be over", |view| {
        view.config_refused.is_empty()
    });
    assert_eq!(alice.deaths(), 0);
    let restarts = alice.client().snapshot().unwrap().view.nodes[&bob.name].restarts;
    assert_eq!(restarts, 0);
}

#[test]
fn a_refusal_outlives_the_supervisor_and_ends_with_the_reload_that_finds_the_files_mended() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    let mended = refuse_bogus_line(alice);
    replace_supervisor(alice);
    alice.wait_for("the files to be refused as they were", |view| {
        view.config_refused.len() == 1
    });
    edit(alice, |_| mended);
    let reloaded = reload(alice, Reload::default());
    assert_eq!(reloaded.outcome, ReloadOutcome::Unchanged);
    alice.wait_for("the files to count again", |view| {
        view.config_refused.is_empty() && !view.lacks.iter().any(is_about_files)
    });
    let events = alice.events();
    let again = events.iter().find(|event| is_reloaded(event)).unwrap();
    assert!(again.text.contains("in use again"), "{}", again.text);
}

#[test]
fn files_with_errors_are_refused_also_by_a_supervisor_that_is_the_first_to_read_them() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    let mended = write_bogus_line(alice);
    replace_supervisor(alice);
    let view = alice.wait_for("the files to be refused", |view| {
        !view.config_refused.is_empty()
    });
    assert!(view.config_refused[0].contains("bogus"), "{view:?}");
    edit(alice, |_| mended);
    assert_eq!(
        reload(alice, Reload::default()).outcome,
        ReloadOutcome::Unchanged
    );
    alice.wait_for("the files to count again", |view| {
        view.config_refused.is_empty() && !view.lacks.iter().any(is_about_files)
    });
}

#[test]
fn a_refusal_ends_with_a_supervisor_that_starts_from_mended_files() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    let mended = refuse_bogus_line(alice);
    let journal = alice.home.join("state/journal/00000001.jsonl");
    until("the refusal on the disk", || {
        let kept = fs::read_to_string(&journal).unwrap();
        kept.contains("config-refused").then_some(())
    });
    edit(alice, |_| mended);
    replace_supervisor(alice);
    alice.wait_for("the files to count again", |view| {
        view.config_refused.is_empty()
    });
    assert!(alice.events().iter().any(is_reloaded));
}

#[test]
fn files_that_say_the_same_change_nothing_and_the_log_says_so() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    edit(alice, |ha_cf| format!("# a comment\n{ha_cf}"));
    alice.signal(Signal::SIGHUP);
    until("a word in the log", || {
        alice.log().contains("has not changed").then_some(())
    });
    assert!(!alice.events().iter().any(is_reloaded));
}

#[test]
fn a_dry_run_shows_every_change_with_its_price_and_does_nothing() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let before = alice.events().len();
    edit(alice, |ha_cf| {
        ha_cf.replace("node alice", "node alice bob") + "apiauth hbd-observe uid=1\n"
    });
    let reloaded = reload(alice, DRY);
    assert_eq!(reloaded.outcome, ReloadOutcome::WouldApply);
    let changes: Vec<_> = reloaded
        .changes
        .iter()
        .map(|change| (change.what.as_str(), change.consequence))
        .collect();
    assert_eq!(
        changes,
        [
            ("node", Consequence::AllNodes),
            ("apiauth", Consequence::Online)
        ]
    );
    let order = reloaded.changes[0].order.as_deref().unwrap();
    assert!(order.contains("on every node"), "{order}");
    assert_eq!(alice.events().len(), before);
    edit(alice, |ha_cf| ha_cf + "frobnicate\n");
    assert_eq!(reload(alice, DRY).outcome, ReloadOutcome::Invalid);
    assert_eq!(alice.events().len(), before);
    let view = alice.client().snapshot().unwrap().view;
    assert_eq!(view.config_refused, [""; 0]);
}

#[test]
fn warnings_are_told_whatever_becomes_of_a_reload() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    let before = reload(alice, DRY).diagnostics;
    assert!(!before.contains("bcast lo"), "{before}");
    edit(alice, |ha_cf| ha_cf + "bcast lo\nhopfudge 7\n");
    for (wish, outcome) in [
        (DRY, ReloadOutcome::WouldApply),
        (Reload::default(), ReloadOutcome::Applied),
        (Reload::default(), ReloadOutcome::Unchanged),
    ] {
        let reloaded = reload(alice, wish);
        assert_eq!(reloaded.outcome, outcome);
        let told = &reloaded.diagnostics;
        assert!(
            told.contains("warning") && told.contains("bcast lo"),
            "{told}"
        );
    }
}

#[test]
fn a_medium_that_is_added_carries_packets_and_one_that_is_removed_is_gone() {
    let port = free_port();
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    for daemon in &cluster.nodes {
        edit(daemon, |ha_cf| {
            ha_cf.replace("bcast lo\n", "") + &format!("mcast lo 239.255.77.2 {port} 1 1\n")
        });
        assert_eq!(
            reload(daemon, Reload::default()).outcome,
            ReloadOutcome::Applied
        );
    }
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for (daemon, peer) in [(alice, bob), (bob, alice)] {
        daemon.wait_for("the links over the media of the new files", |view| {
            let links = &view.nodes[&peer.name].links;
            links.len() == 2
                && links
                    .keys()
                    .all(|name| name.to_string().contains("239.255.77"))
                && links.values().all(|link| link.status == LinkStatus::Up)
                && !view.media.contains_key(&medium("bcast:lo"))
        });
        assert_eq!(daemon.deaths(), 0);
    }
}

#[test]
fn times_grow_and_shrink_on_a_lossy_path_and_nobody_is_lost() {
    let cluster = Cluster::start_with(&TWO, bcast_and_mcast(), &["--allow-faults"]);
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for (name, daemon) in ["bcast:lo", "mcast:lo"].into_iter().zip([alice, bob]) {
        let fault = Fault {
            medium: medium(name),
            cut_in: false,
            cut_out: false,
            loss_percent: 20,
        };
        daemon.client().request(Request::Fault(fault)).unwrap();
    }
    let times = |keepalive, warntime, deadtime| {
        format!("keepalive {keepalive}ms\nwarntime {warntime}ms\ndeadtime {deadtime}ms\n")
    };
    let steps = [(100, 1000, 3000), (400, 2000, 8000), (100, 1000, 4000)];
    for step in steps.windows(2) {
        let (before, after) = (step[0], step[1]);
        edit(alice, |ha_cf| {
            let (before, after) = (
                times(before.0, before.1, before.2),
                times(after.0, after.1, after.2),
            );
            let ha_cf = ha_cf.replace(
                "warntime 1\ndeadtime 3\n",
                "warntime 1000ms\ndeadtime 3000ms\n",
            );
            assert!(ha_cf.contains(&before), "{ha_cf}");
            ha_cf.replace(&before, &after)
        });
        let reloaded = reload(alice, Reload::default());
        assert_eq!(reloaded.outcome, ReloadOutcome::Applied);
        let online = |change: &Change| change.consequence == Consequence::Online;
        assert!(reloaded.changes.iter().all(online), "{reloaded:?}");
        alice.wait_for("the new times", |view| {
            let started = view.started.as_ref().unwrap();
            started.keepalive == Duration::from_millis(after.0) && view.times_changing.is_none()
        });
        let announced = Duration::from_millis(after.2);
        until("bob to hear of the dead time", || {
            let sample = bob.client().snapshot().unwrap().sample?;
            let of_alice = sample.nodes.iter().find(|n| n.node == alice.name)?;
            (of_alice.deadtime == announced).then_some(())
        });
    }
    for (daemon, peer) in [(alice, bob), (bob, alice)] {
        assert_eq!(daemon.deaths(), 0);
        let view = daemon.client().snapshot().unwrap().view;
        assert_eq!(view.nodes[&peer.name].restarts, 0);
    }
}

#[test]
fn a_key_is_replaced_in_three_steps_and_nobody_notices() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let steps = [
        "auth 1\n1 sha1 daemons\n2 sha1 newer-secret\n",
        "auth 2\n1 sha1 daemons\n2 sha1 newer-secret\n",
        "auth 2\n2 sha1 newer-secret\n",
    ];
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    for keys in steps {
        for daemon in [alice, bob] {
            write_keys(daemon, keys);
            // A peer tells its keys and signs with one in its beats: until they have come hbd refuses.
            until("the keys to be taken over", || {
                let reloaded = reload(daemon, Reload::default());
                (reloaded.outcome == ReloadOutcome::Applied).then_some(())
            });
        }
    }
    for (daemon, peer) in [(alice, bob), (bob, alice)] {
        daemon.wait_for("the nodes to be configured alike", |view| {
            view.nodes[&peer.name].config_differs.is_empty()
        });
        let refused = |event: &Event| {
            let kind = &event.kind;
            matches!(
                kind,
                Kind::PacketRefused { .. } | Kind::Unauthenticated { .. }
            )
        };
        let events = daemon.events();
        assert!(!events.iter().any(refused), "{events:#?}");
        assert_eq!(daemon.deaths(), 0);
        let view = daemon.client().snapshot().unwrap().view;
        assert_eq!(view.nodes[&peer.name].restarts, 0);
    }
}

#[test]
fn a_key_that_a_peer_lacks_is_refused_by_its_name_and_force_overrides() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    write_keys(alice, "auth 1\n1 sha1 daemons\n2 sha1 newer-secret\n");
    assert_eq!(
        reload(alice, Reload::default()).outcome,
        ReloadOutcome::Applied
    );
    let lacks = bob.wait_for("bob to know what it lacks", |view| {
        !view.nodes[&alice.name].config_differs.is_empty()
    });
    let lacks = &lacks.nodes[&alice.name].config_differs;
    assert_eq!(*lacks, [ConfigDifference::KeyOnlyThere { key: 2 }]);
    write_keys(alice, "auth 2\n1 sha1 daemons\n2 sha1 newer-secret\n");
    let reloaded = reload(alice, Reload::default());
    assert_eq!(reloaded.outcome, ReloadOutcome::Refused);
    assert!(
        reloaded.reasons[0].starts_with("bob lacks key 2"),
        "{reloaded:?}"
    );
    assert_eq!(
        alice.client().snapshot().unwrap().view.config_refused.len(),
        1
    );
    let force = Reload {
        dry_run: false,
        force: true,
    };
    let reloaded = reload(alice, force);
    assert_eq!(reloaded.outcome, ReloadOutcome::Applied);
    bob.wait_for("alice's packets not to verify", |view| {
        view.nodes[&alice.name].unauthenticated.is_some()
    });
}

#[test]
fn a_node_that_a_reload_adds_joins_and_nobody_is_lost_meanwhile() {
    let media = bcast_and_mcast();
    let mut cluster = Cluster::start(&TWO, &media);
    cluster.settle();
    for daemon in &cluster.nodes {
        edit(daemon, |ha_cf| {
            ha_cf.replace("node alice bob\n", "node alice bob carol\n")
        });
        let reloaded = reload(daemon, Reload::default());
        assert_eq!(reloaded.outcome, ReloadOutcome::Applied, "{reloaded:?}");
    }
    for daemon in &cluster.nodes {
        daemon.wait_for("two that are active and one to come", |view| {
            let of = |status| {
                view.nodes
                    .values()
                    .filter(|node| node.status == status)
                    .count()
            };
            (of(NodeStatus::Active), of(NodeStatus::Init)) == (2, 1)
        });
    }
    cluster.add("carol", &["alice", "bob", "carol"], &media, &[]);
    cluster.settle();
    for daemon in &cluster.nodes {
        assert_eq!(daemon.deaths(), 0);
    }
}

#[test]
fn a_node_that_lives_is_not_removed_before_it_left() {
    let mut cluster = Cluster::start(&["alice", "bob", "carol"], bcast_and_mcast());
    cluster.settle();
    let without_carol = |ha_cf: String| {
        let changed = ha_cf.replace("node alice bob carol\n", "node alice bob\n");
        assert_ne!(changed, ha_cf);
        changed
    };
    let alice = &cluster.nodes[0];
    edit(alice, without_carol);
    let reloaded = reload(alice, Reload::default());
    assert_eq!(reloaded.outcome, ReloadOutcome::Refused);
    let [reason] = &reloaded.reasons[..] else {
        panic!("one reason: {reloaded:?}");
    };
    assert!(reason.starts_with("carol lives"), "{reason}");
    assert!(reason.ends_with("stop hbd or heartbeat on carol first"));
    let carol = &mut cluster.nodes[2];
    carol.signal(Signal::SIGTERM);
    carol.ended();
    let [alice, bob, _] = &cluster.nodes[..] else {
        panic!("three nodes");
    };
    for daemon in [alice, bob] {
        daemon.wait_for("carol to be gone", |view| {
            let status = view.nodes.iter().find(|(name, _)| name.as_str() == "carol");
            status.is_none_or(|(_, carol)| carol.status == NodeStatus::Dead)
        });
    }
    edit(bob, without_carol);
    for daemon in [alice, bob] {
        let reloaded = reload(daemon, Reload::default());
        assert_eq!(reloaded.outcome, ReloadOutcome::Applied, "{reloaded:?}");
    }
    for (daemon, peer) in [(alice, bob), (bob, alice)] {
        daemon.wait_for("two members", |view| {
            let peer = view.nodes.get(&peer.name);
            view.nodes.len() == 2 && peer.is_some_and(|peer| peer.status == NodeStatus::Active)
        });
    }
}

#[test]
fn the_last_medium_to_a_living_peer_is_taken_away_by_force_only() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let port = free_port();
    edit(alice, |ha_cf| {
        let others = ha_cf.lines().filter(|line| {
            let word = line.split(' ').next();
            !matches!(word, Some("udpport" | "bcast" | "mcast"))
        });
        let others: Vec<_> = others.collect();
        format!("{}\nmcast lo 239.255.77.3 {port} 1 1\n", others.join("\n"))
    });
    let reloaded = reload(alice, Reload::default());
    assert_eq!(reloaded.outcome, ReloadOutcome::Refused);
    let [reason] = &reloaded.reasons[..] else {
        panic!("one reason: {reloaded:?}");
    };
    assert!(
        reason.starts_with("bob lives and is heard over"),
        "{reason}"
    );
    assert!(reason.contains("removed bcast lo"), "{reason}");
    alice.signal(Signal::SIGHUP);
    until("two refusals", || {
        let refused = |event: &&Event| matches!(event.kind, Kind::ConfigRefused { .. });
        (alice.events().iter().filter(refused).count() == 2).then_some(())
    });
    let force = Reload {
        dry_run: false,
        force: true,
    };
    assert_eq!(reload(alice, force).outcome, ReloadOutcome::Applied);
    alice.wait_for("bob to be out of reach", |view| {
        view.nodes[&bob.name].status == NodeStatus::Dead
    });
}

#[test]
fn a_node_that_lives_is_removed_by_force_and_is_a_stranger_then() {
    let cluster = Cluster::start(&["alice", "bob", "carol"], bcast_and_mcast());
    cluster.settle();
    let alice = &cluster.nodes[0];
    edit(alice, |ha_cf| {
        ha_cf.replace("node alice bob carol\n", "node alice bob\n")
    });
    let force = Reload {
        dry_run: false,
        force: true,
    };
    assert_eq!(reload(alice, force).outcome, ReloadOutcome::Applied);
    until("carol to be a stranger", || {
        let stranger = |event: &Event| match &event.kind {
            Kind::UnknownNode { name, .. } => name == "carol",
            _ => false,
        };
        alice.events().iter().any(stranger).then_some(())
    });
    alice.wait_for("carol to be shown as one", |view| {
        view.strangers.contains_key("carol") && !view.strangers.contains_key("bob")
    });
}

#[test]
fn a_file_that_differs_is_named_until_it_is_the_same_again() {
    let cluster = Cluster::start(&TWO, bcast_and_mcast());
    cluster.settle();
    let [alice, bob] = &cluster.nodes[..] else {
        panic!("two nodes");
    };
    let differs = |daemon: &Daemon, peer: &Daemon, expected: &[ConfigDifference]| {
        daemon.wait_for("what differs", |view| {
            view.nodes[&peer.name].config_differs == expected
        });
    };
    edit(alice, |ha_cf| {
        ha_cf.replace("warntime 1\n", "warntime 2\n") + "apiauth hbd-observe uid=1\n"
    });
    reload(alice, Reload::default());
    let file = "ha.cf".to_owned();
    let difference = [ConfigDifference::File { file }];
    differs(bob, alice, &difference);
    differs(alice, bob, &difference);
    edit(bob, |ha_cf| ha_cf.replace("warntime 1\n", "warntime 2\n"));
    reload(bob, Reload::default());
    differs(bob, alice, &[]);
    differs(alice, bob, &[]);
    let ended = |event: &Event| matches!(event.kind, Kind::ConfigAgrees { .. });
    assert!(bob.events().iter().any(ended));
}

#[test]
fn an_order_under_one_key_is_carried_out_once() {
    let cluster = Cluster::start(&["alice"], bcast_and_mcast());
    let alice = &cluster.nodes[0];
    alice.wait_for("a core", |view| view.started.is_some());
    edit(alice, |ha_cf| ha_cf + "hopfudge 3\n");
    let order = || {
        let request = Request::Reload(Reload::default());
        alice.client().order(request, "the-same").unwrap()
    };
    let first = order();
    assert_eq!(order(), first);
    let events = alice.events();
    assert_eq!(events.iter().filter(|event| is_reloaded(event)).count(), 1);
    let cause = &events
        .iter()
        .find(|event| is_reloaded(event))
        .unwrap()
        .cause;
    let Some(Cause::Order(who)) = cause else {
        panic!("{cause:?}");
    };
    let user = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(user).unwrap().unwrap().name;
    let own = format!("{name} (uid {user}, pid {})", std::process::id());
    assert_eq!(*who, own);
}

fn reload(daemon: &Daemon, wish: Reload) -> Reloaded {
    match daemon.client().request(Request::Reload(wish)).unwrap() {
        Success::Reloaded(reloaded) => *reloaded,
        other => panic!("{other:?}"),
    }
}

fn is_about_files(lack: &Lack) -> bool {
    lack.what == "the configuration on the disk"
}

/// A reload that is refused. Returns what ha.cf was before.
fn refuse_bogus_line(daemon: &Daemon) -> String {
    let before = write_bogus_line(daemon);
    let reloaded = reload(daemon, Reload::default());
    assert_eq!(reloaded.outcome, ReloadOutcome::Invalid);
    before
}

fn write_bogus_line(daemon: &Daemon) -> String {
    let before = fs::read_to_string(daemon.home.join("conf/ha.cf")).unwrap();
    edit(daemon, |ha_cf| ha_cf + "bogus 1\n");
    before
}

/// Kills the supervisor, and waits until the next one has adopted.
fn replace_supervisor(daemon: &Daemon) {
    let former = daemon.pid();
    daemon.signal(Signal::SIGKILL);
    until("another supervisor", || {
        (daemon.pid() != former).then_some(())
    });
    daemon.wait_for("the adoption", |view| view.supervisor_deaths == 1);
}

/// Changes the daemon's ha.cf.
fn edit(daemon: &Daemon, change: impl FnOnce(String) -> String) {
    let path = daemon.home.join("conf/ha.cf");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, change(before)).unwrap();
}

fn write_keys(daemon: &Daemon, text: &str) {
    fs::write(daemon.home.join("conf/authkeys"), text).unwrap();
}

fn is_reloaded(event: &Event) -> bool {
    matches!(event.kind, Kind::ConfigReloaded { .. })
}
