//! Clusters to show: what alice saw, told in events and folded into a view.

use std::time::Duration;

use shared::api::Snapshot;
use shared::config::{FileName, Files, Running, check};
use shared::event::{
    Cause, ConfiguredMedium, ConfiguredNode, Event, EventSource, Kind, LinkStatus, MediumStatus,
    NodeKind, NodeStatus, Role, Started, StatusReason, Unverified,
};
use shared::group::{ConfiguredGroup, GroupName, GroupReason, GroupState, Hold, Operation};
use shared::names::{Generation, LinkName, MediumName, NodeName, Uuid};
use shared::sample::{Incoming, LinkSample, NodeSample, Outgoing, Sample};
use shared::time::{Moment, Now, Wall};

/// Seconds after boot at which every story is looked at.
const LOOK: u64 = 400;

/// Three nodes over two networks, nothing wrong.
pub(crate) fn in_order() -> Snapshot {
    snapshot(&told(beginning()))
}

/// bob has one link left and another is one-way, carol is dead, dave's key is wrong, and the
/// machine could do better.
pub(crate) fn in_trouble() -> Snapshot {
    snapshot(&events())
}

/// In order, and groups: web is where it should be, mail was moved by order and runs where it was
/// moved.
pub(crate) fn with_groups() -> Snapshot {
    let mut snapshot = snapshot(&group_events());
    snapshot.groups = configured_groups();
    snapshot
}

/// web did not stop here, nobody holds mail, and the cluster is frozen.
pub(crate) fn groups_in_trouble() -> Snapshot {
    let mut snapshot = with_groups();
    for event in group_troubles() {
        snapshot.view.apply(&event);
    }
    snapshot
}

fn configured_groups() -> Vec<ConfiguredGroup> {
    let configured = |group, node, resources: &[&str]| ConfiguredGroup {
        name: self::group(group),
        node: name(node),
        resources: resources.iter().map(|word| (*word).to_owned()).collect(),
    };
    vec![
        configured("web", "alice", &["web", "10.0.0.5/24/eth0", "apache"]),
        configured("mail", "bob", &["mail", "postfix"]),
    ]
}

/// What happened in `with_groups`.
pub(crate) fn group_events() -> Vec<Event> {
    let mut events = told(beginning());
    let order = Cause::Order("root (uid 0, pid 4711)".into());
    let because = Some(Cause::Event(events[events.len() - 1].id.clone()));
    let mut source = manager();
    let mut tell = |at, kind, cause| {
        let event = source.event(kind, cause, now(at));
        events.push(event);
    };
    let (starting, started) = (GroupState::Starting, GroupState::Started);
    let (stopping, stopped) = (GroupState::Stopping, GroupState::Stopped);
    let free = || GroupReason::PeerFree { node: name("bob") };
    tell(
        104,
        becomes_group("web", "alice", stopped, starting, GroupReason::StartUp),
        because,
    );
    tell(
        105,
        becomes_group("web", "alice", starting, started, GroupReason::Done),
        None,
    );
    tell(
        106,
        becomes_group("mail", "bob", stopped, started, announced()),
        None,
    );
    let wanted = Kind::GroupWanted {
        group: group("mail"),
        node: name("alice"),
        lasts: Some(Duration::from_secs(3600)),
        together: false,
        reason: Some("new disk for bob".into()),
    };
    tell(200, wanted, Some(order));
    tell(
        200,
        becomes_group("mail", "bob", started, stopping, announced()),
        None,
    );
    tell(
        202,
        becomes_group("mail", "bob", stopping, stopped, announced()),
        None,
    );
    tell(
        202,
        becomes_group("mail", "alice", stopped, starting, free()),
        None,
    );
    tell(
        203,
        becomes_group("mail", "alice", starting, started, GroupReason::Done),
        None,
    );
    events
}

/// What the other node says of a group.
fn announced() -> GroupReason {
    GroupReason::Announced {
        failure: None,
        because: None,
    }
}

/// Alice was killed, bob took over, and alice begins anew: first it stops what was left behind.
pub(crate) fn web_was_taken_over() -> Vec<Event> {
    let (started, stopping, stopped) = (
        GroupState::Started,
        GroupState::Stopping,
        GroupState::Stopped,
    );
    let taken = GroupReason::Announced {
        failure: None,
        because: Some("alice is dead".into()),
    };
    tell_of_manager(vec![
        (
            300,
            becomes_group("web", "alice", stopping, stopped, GroupReason::LeftBehind),
        ),
        (301, becomes_group("web", "bob", stopped, started, taken)),
    ])
}

/// web was on bob, who gives it up because alice reaches more ping nodes.
pub(crate) fn web_comes_from_a_worse_connected_node() -> Vec<Event> {
    let (starting, started) = (GroupState::Starting, GroupState::Started);
    let (stopping, stopped) = (GroupState::Stopping, GroupState::Stopped);
    let better = GroupReason::PeerBetterConnected {
        node: name("alice"),
        here: 1,
        there: 2,
        silent: vec![name("10.9.0.100")],
    };
    let said = || GroupReason::Announced {
        failure: None,
        because: better.told_by(&name("bob")),
    };
    let free = GroupReason::PeerFree { node: name("bob") };
    tell_of_manager(vec![
        (300, becomes_group("web", "bob", started, stopping, said())),
        (301, becomes_group("web", "bob", stopping, stopped, said())),
        (301, becomes_group("web", "alice", stopped, starting, free)),
        (
            302,
            becomes_group("web", "alice", starting, started, GroupReason::Done),
        ),
    ])
}

/// Then alice's manager is replaced, and web is found to run.
pub(crate) fn web_outlives_a_manager() -> Vec<Event> {
    let (started, checking) = (GroupState::Started, GroupState::Checking);
    let interrupted = GroupReason::Interrupted;
    tell_of_manager(vec![
        (
            300,
            becomes_group("web", "alice", started, checking, interrupted),
        ),
        (
            301,
            becomes_group("web", "alice", checking, started, GroupReason::Done),
        ),
    ])
}

/// web goes from alice to bob.
pub(crate) fn web_moves_to_bob() -> Vec<Event> {
    web_goes(&[
        ("alice", GroupState::Started, GroupState::Stopping),
        ("alice", GroupState::Stopping, GroupState::Stopped),
        ("bob", GroupState::Stopped, GroupState::Starting),
        ("bob", GroupState::Starting, GroupState::Started),
    ])
}

/// web does not start on bob.
pub(crate) fn web_returns_from_bob() -> Vec<Event> {
    web_goes(&[
        ("alice", GroupState::Started, GroupState::Stopping),
        ("alice", GroupState::Stopping, GroupState::Stopped),
        ("bob", GroupState::Stopped, GroupState::Starting),
        ("bob", GroupState::Starting, GroupState::Stopped),
        ("alice", GroupState::Stopped, GroupState::Starting),
        ("alice", GroupState::Starting, GroupState::Started),
    ])
}

/// As with groups, after web did not start on bob and returned.
pub(crate) fn web_failed_on_bob() -> Snapshot {
    let mut snapshot = with_groups();
    let reason = GroupReason::Announced {
        failure: Some("start of web failed: no such device".into()),
        because: None,
    };
    let (starting, stopped) = (GroupState::Starting, GroupState::Stopped);
    let failed = becomes_group("web", "bob", starting, stopped, reason);
    let returns = becomes_group(
        "web",
        "alice",
        starting,
        GroupState::Started,
        GroupReason::Done,
    );
    for event in tell_of_manager(vec![(300, failed), (301, returns)]) {
        snapshot.view.apply(&event);
    }
    snapshot
}

/// The device of bob works.
pub(crate) fn bob_is_fenced() -> Vec<Event> {
    let device = || "fence_ipmilan".to_owned();
    let node = || name("bob");
    tell_of_manager(vec![
        (
            LOOK + 1,
            Kind::FenceBegun {
                node: node(),
                device: device(),
                reason: None,
            },
        ),
        (
            LOOK + 2,
            Kind::Fenced {
                node: node(),
                device: device(),
            },
        ),
    ])
}

/// After `fence_events` the device works again.
pub(crate) fn bob_is_off() -> Snapshot {
    let mut snapshot = fencing_fails();
    let (node, device) = (name("bob"), "fence_ipmilan".to_owned());
    let works = Kind::FenceDeviceWorks {
        node: node.clone(),
        device,
    };
    let free = Kind::TakeoverFree { node };
    let told = tell_of_manager(vec![(LOOK, works), (LOOK, free)]);
    for event in bob_is_fenced().iter().chain(&told) {
        snapshot.view.apply(event);
    }
    snapshot
}

/// It does not.
pub(crate) fn bob_is_not_fenced() -> Vec<Event> {
    let device = || "fence_ipmilan".to_owned();
    let node = || name("bob");
    let why = "no answer".to_owned();
    tell_of_manager(vec![
        (
            LOOK + 1,
            Kind::FenceBegun {
                node: node(),
                device: device(),
                reason: None,
            },
        ),
        (
            LOOK + 2,
            Kind::FenceFailed {
                node: node(),
                device: device(),
                why,
                failures: 1,
            },
        ),
    ])
}

/// bob holds mail and is dead; its device does not work, which a check had found before.
pub(crate) fn fence_events() -> Vec<Event> {
    let mut events = group_events();
    let bob = || name("bob");
    let device = || "fence_ipmilan".to_owned();
    let why = || "check: exit status 1: no route to host".to_owned();
    let (started, stopped) = (GroupState::Started, GroupState::Stopped);
    let dead = Kind::NodeStatus {
        node: bob(),
        from: NodeStatus::Active,
        to: NodeStatus::Dead,
        reason: StatusReason::Silent {
            silent: Duration::from_secs(6),
            deadtime: Duration::from_secs(6),
        },
    };
    events.extend(tell_of_manager(vec![
        (
            200,
            Kind::FenceDeviceFailed {
                node: bob(),
                device: device(),
                why: why(),
            },
        ),
        (
            210,
            becomes_group("mail", "alice", started, stopped, announced()),
        ),
        (
            211,
            becomes_group("mail", "bob", stopped, started, announced()),
        ),
        (300, dead),
        (
            300,
            Kind::TakeoverHeld {
                node: bob(),
                reason: Hold::Fencing,
            },
        ),
        (
            300,
            Kind::FenceBegun {
                node: bob(),
                device: device(),
                reason: None,
            },
        ),
        (
            303,
            Kind::FenceFailed {
                node: bob(),
                device: device(),
                why: why(),
                failures: 1,
            },
        ),
    ]));
    events
}

/// As after these.
pub(crate) fn fencing_fails() -> Snapshot {
    let mut snapshot = snapshot(&fence_events());
    snapshot.groups = configured_groups();
    snapshot.fenced = true;
    snapshot
}

fn tell_of_manager(told: Vec<(u64, Kind)>) -> Vec<Event> {
    let mut source = manager();
    let told = told.into_iter();
    told.map(|(at, kind)| source.event(kind, None, now(at)))
        .collect()
}

fn web_goes(steps: &[(&str, GroupState, GroupState)]) -> Vec<Event> {
    let mut source = manager();
    let event = |(node, from, to): &(&str, GroupState, GroupState)| {
        let kind = becomes_group("web", node, *from, *to, announced());
        source.event(kind, None, now(LOOK + 1))
    };
    steps.iter().map(event).collect()
}

/// What then leads to `groups_in_trouble`.
pub(crate) fn group_troubles() -> Vec<Event> {
    let mut source = manager();
    let mut events = Vec::new();
    let order = Cause::Order("root (uid 0, pid 4712)".into());
    let mut tell = |at, kind, cause| events.push(source.event(kind, cause, now(at)));
    let (stopping, stopped) = (GroupState::Stopping, GroupState::Stopped);
    let (started, blocked) = (GroupState::Started, GroupState::Blocked);
    let broken = GroupReason::RestartsExhausted;
    let failed = Kind::ActionFailed {
        group: group("web"),
        resource: "apache".into(),
        operation: Operation::Stop,
        why: "it ended with 1".into(),
        failures: 4,
    };
    tell(
        300,
        becomes_group("web", "alice", started, stopping, broken.clone()),
        None,
    );
    tell(310, failed, None);
    tell(
        310,
        becomes_group("web", "alice", stopping, blocked, GroupReason::StopFailed),
        None,
    );
    tell(
        320,
        Kind::GroupWantedOver {
            group: group("mail"),
            reason: None,
        },
        None,
    );
    tell(
        320,
        becomes_group("mail", "alice", started, stopping, broken),
        None,
    );
    tell(
        321,
        becomes_group("mail", "alice", stopping, stopped, GroupReason::Done),
        None,
    );
    let frozen = Kind::Frozen {
        lasts: None,
        maintenance: false,
        reason: Some("I look at it".into()),
    };
    tell(350, frozen, Some(order));
    events
}

fn manager() -> EventSource {
    EventSource::new(name("alice"), Role::Manager, Generation(17))
}

fn becomes_group(
    group: &str,
    node: &str,
    from: GroupState,
    to: GroupState,
    reason: GroupReason,
) -> Kind {
    Kind::GroupState {
        group: self::group(group),
        node: name(node),
        from,
        to,
        reason,
    }
}

fn group(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

/// As in order, but the core has said nothing for a while.
pub(crate) fn stale() -> Snapshot {
    let mut snapshot = in_order();
    snapshot.at = now(LOOK + 12);
    snapshot
}

/// What happened in `in_trouble`.
pub(crate) fn events() -> Vec<Event> {
    let mut story = beginning();
    story.extend(troubles());
    told(story)
}

/// What happens afterwards.
pub(crate) fn later_event() -> Event {
    let kind = Kind::JeopardyOver {
        node: name("bob"),
        links: 2,
    };
    let mut event = source().event(kind, None, now(LOOK + 1));
    event.id.counter = 1000;
    event
}

/// A packet's claim that is meant for the terminal.
pub(crate) fn hostile_event() -> Event {
    let kind = Kind::PacketRefused {
        medium: medium("eth0"),
        reason: "no key fits".into(),
        claims: Some("\u{1b}[2Jbob\r\n".into()),
        unreported: 0,
    };
    source().event(kind, None, now(1))
}

/// More than fits into a pipe.
pub(crate) fn many_events() -> Vec<Event> {
    let mut source = source();
    (0..20_000)
        .map(|_| source.event(Kind::CommunicationUp, None, now(1)))
        .collect()
}

fn beginning() -> Vec<(u64, Kind)> {
    let mut story = vec![(100, Kind::Started(Box::new(started())))];
    for eth in ["eth0", "eth1"] {
        let to = MediumStatus::Open;
        story.push((
            100,
            Kind::MediumStatus {
                medium: medium(eth),
                to,
            },
        ));
    }
    for peer in ["bob", "carol"] {
        let heard = Kind::NodeHeard {
            node: name(peer),
            uuid: Some(Uuid([peer.as_bytes()[0]; 16])),
            generation: Generation(40),
            program: if peer == "bob" {
                "hbd, level 1.h"
            } else {
                "heartbeat"
            }
            .into(),
        };
        story.push((101, heard));
        for eth in ["eth0", "eth1"] {
            story.push((101, link(peer, eth, LinkStatus::Init, LinkStatus::Up)));
        }
        story.push((
            102,
            becomes(peer, NodeStatus::Active, StatusReason::Announced),
        ));
    }
    story.push((102, Kind::CommunicationUp));
    let by = name("bob");
    story.push((
        103,
        becomes("alice", NodeStatus::Active, StatusReason::Admitted { by }),
    ));
    story
}

fn troubles() -> Vec<(u64, Kind)> {
    let silent = StatusReason::Silent {
        silent: Duration::from_millis(6020),
        deadtime: Duration::from_secs(6),
    };
    vec![
        (
            150,
            Kind::Degraded {
                what: "no realtime scheduling".into(),
                why: "Operation not permitted".into(),
                remedy: "start hbd as root or give it CAP_SYS_NICE".into(),
            },
        ),
        (
            150,
            Kind::ConfigWarning {
                place: "/etc/ha.d/ha.cf:7".into(),
                warning: "baud has no effect in this release".into(),
            },
        ),
        (200, link("bob", "eth1", LinkStatus::Up, LinkStatus::Dead)),
        (
            200,
            Kind::Jeopardy {
                node: name("bob"),
                medium: medium("eth0"),
            },
        ),
        (
            200,
            Kind::MediumStatus {
                medium: medium("eth1"),
                to: MediumStatus::Missing {
                    reason: "no interface eth1".into(),
                },
            },
        ),
        (
            300,
            Kind::Unauthenticated {
                node: name("carol"),
                reason: Unverified::Mismatch { key: 1 },
            },
        ),
        (306, link("carol", "eth0", LinkStatus::Up, LinkStatus::Dead)),
        (306, link("carol", "eth1", LinkStatus::Up, LinkStatus::Dead)),
        (306, becomes("carol", NodeStatus::Dead, silent)),
        (
            350,
            Kind::LinkOneWay {
                link: LinkName {
                    peer: name("bob"),
                    medium: medium("eth0"),
                },
            },
        ),
        (
            380,
            Kind::SupervisorStall {
                late: Duration::from_millis(5200),
            },
        ),
        (
            390,
            Kind::OwnStall {
                late: Duration::from_millis(3400),
            },
        ),
    ]
}

/// A story as events.
fn told(story: Vec<(u64, Kind)>) -> Vec<Event> {
    let mut source = source();
    let event = |(at, kind)| source.event(kind, None, now(at));
    story.into_iter().map(event).collect()
}

/// Where a story leads.
fn snapshot(events: &[Event]) -> Snapshot {
    let mut snapshot = Snapshot {
        at: now(LOOK),
        sample: Some(sample(&events.last().expect("a story").kind)),
        ..Snapshot::default()
    };
    for event in events {
        snapshot.view.apply(event);
    }
    snapshot
}

/// What alice runs with in every story.
pub(crate) fn running() -> Running {
    let files = Files::default()
        .with(
            FileName::HaCf,
            "node alice bob carol\nbcast eth0 eth1\nkeepalive 1\nwarntime 2\ndeadtime 6\ninitdead 60\n",
        )
        .with(FileName::Authkeys, "auth 1\n1 sha1 long-enough\n");
    Running::of(&check::text(&files).config.expect("no error"))
}

fn started() -> Started {
    let node = |text| ConfiguredNode {
        name: name(text),
        kind: NodeKind::Normal,
    };
    let over = |text| ConfiguredMedium {
        name: medium(text),
        description: format!("bcast {text} port 694"),
        pings: None,
    };
    Started {
        version: "0.1.0".into(),
        node: name("alice"),
        uuid: Uuid([0xa1; 16]),
        generation: Generation(17),
        quick_restart: false,
        nodes: vec![node("alice"), node("bob"), node("carol")],
        media: vec![over("eth0"), over("eth1")],
        keepalive: Duration::from_secs(1),
        warntime: Duration::from_secs(2),
        deadtime: Duration::from_secs(6),
        initdead: Duration::from_secs(60),
    }
}

/// The counters at the end of a story.
fn sample(end: &Kind) -> Sample {
    let at = now(LOOK).boot;
    if !matches!(end, Kind::OwnStall { .. }) {
        return Sample {
            at,
            beats: 300,
            worst_lateness: Duration::from_millis(3),
            ..Sample::default()
        };
    }
    Sample {
        at,
        beats: 300,
        worst_lateness: Duration::from_millis(3400),
        stalls: 1,
        worst_stall: Duration::from_millis(3400),
        window: 0,
        refused: 12,
        nodes: vec![
            NodeSample {
                node: name("bob"),
                heard: Some(at - Duration::from_millis(420)),
                dead_at: Some(at + Duration::from_millis(5580)),
                deadtime: Duration::from_secs(6),
                confirmed: Some(at - Duration::from_millis(1100)),
                load: Some("0.42 0.31 0.20 1/234 5678".into()),
            },
            NodeSample {
                node: name("carol"),
                heard: Some(at - Duration::from_secs(100)),
                dead_at: None,
                deadtime: Duration::from_secs(6),
                confirmed: None,
                load: None,
            },
        ],
        links: vec![
            LinkSample {
                link: LinkName {
                    peer: name("bob"),
                    medium: medium("eth0"),
                },
                heard: Some(at - Duration::from_millis(420)),
                incoming: Incoming {
                    received: 298,
                    lost: 2,
                    duplicate: 1,
                    late: 3,
                    jitter: Duration::from_micros(1700),
                    last: Some(Duration::from_millis(1000)),
                    best: Some(Duration::from_millis(996)),
                    worst: Some(Duration::from_millis(2310)),
                },
                outgoing: Outgoing {
                    sent: 300,
                    received: Some(285),
                    confirmed_count: Some(288),
                    confirmed: Some(at - Duration::from_secs(50)),
                },
            },
            LinkSample {
                link: LinkName {
                    peer: name("carol"),
                    medium: medium("eth0"),
                },
                heard: Some(at - Duration::from_secs(100)),
                incoming: Incoming {
                    received: 197,
                    ..Incoming::default()
                },
                outgoing: Outgoing {
                    sent: 300,
                    ..Outgoing::default()
                },
            },
        ],
    }
}

fn source() -> EventSource {
    EventSource::new(name("alice"), Role::Core, Generation(17))
}

/// So many seconds after boot, which was at 2026-11-22T11:00:00Z.
fn now(seconds: u64) -> Now {
    Now {
        boot: Moment(0) + Duration::from_secs(seconds),
        wall: Wall((1_795_345_200 + seconds) * 1_000_000_000),
    }
}

fn becomes(node: &str, to: NodeStatus, reason: StatusReason) -> Kind {
    Kind::NodeStatus {
        node: name(node),
        from: NodeStatus::Init,
        to,
        reason,
    }
}

fn link(peer: &str, over: &str, from: LinkStatus, to: LinkStatus) -> Kind {
    Kind::LinkStatus {
        link: LinkName {
            peer: name(peer),
            medium: medium(over),
        },
        from,
        to,
        silent: (to == LinkStatus::Dead).then_some(Duration::from_millis(6010)),
    }
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn medium(text: &str) -> MediumName {
    MediumName::new(text).unwrap()
}
