use super::*;
use crate::event::{ConfiguredMedium, ConfiguredNode, EventSource, Kind, Started};
use crate::group::{ConfiguredGroup, GroupName, GroupReason, GroupState, Hold, Operation};
use crate::names::{Generation, Uuid};
use crate::sample::{Incoming, LinkSample, NodeSample, Outgoing, Sample};
use crate::time::{Moment, Now, Wall};

#[test]
fn a_cluster_in_order_has_a_sentence_and_no_finding() {
    let verdict = judge(&healthy());
    assert_eq!(verdict.level, Level::Ok);
    assert_eq!(
        verdict.sentence,
        "alice: 2 of 2 nodes active, all 2 links up"
    );
    assert_eq!(verdict.findings, []);
}

#[test]
fn while_nothing_was_heard_nothing_is_down() {
    let verdict = judge(&just_started());
    assert_eq!(verdict.level, Level::Notice);
    assert_eq!(
        verdict.sentence,
        "alice: 0 of 2 nodes active (alice starting, bob not heard yet), none of 2 links up yet"
    );
}

#[test]
fn a_link_that_died_is_jeopardy_and_names_what_to_repair() {
    let mut snapshot = healthy();
    apply(
        &mut snapshot,
        link("eth1", LinkStatus::Up, LinkStatus::Dead),
    );
    apply(
        &mut snapshot,
        Kind::Jeopardy {
            node: name("bob"),
            medium: medium("eth0"),
        },
    );
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Warning);
    assert_eq!(
        verdict.sentence,
        "alice: 2 of 2 nodes active, 1 of 2 links up; bob in jeopardy (only eth0 left)"
    );
    assert_eq!(
        whats(&verdict),
        [
            "node bob is in jeopardy (only eth0 left)",
            "link bob/eth1 is dead: nothing of bob arrives over it",
        ]
    );
    assert_eq!(
        verdict.findings[0].remedy.as_deref(),
        Some("repair eth1 before eth0 fails too")
    );
}

#[test]
fn a_dead_node_is_one_finding_and_its_links_are_none() {
    let mut snapshot = healthy();
    apply(
        &mut snapshot,
        link("eth0", LinkStatus::Up, LinkStatus::Dead),
    );
    apply(
        &mut snapshot,
        link("eth1", LinkStatus::Up, LinkStatus::Dead),
    );
    apply(
        &mut snapshot,
        dead(StatusReason::NeverHeard {
            initdead: Duration::from_secs(60),
        }),
    );
    let verdict = judge(&snapshot);
    assert_eq!(
        verdict.sentence,
        "alice: 1 of 2 nodes active (bob dead), all 2 links down"
    );
    assert_eq!(
        whats(&verdict),
        ["node bob is dead (not heard within initdead 60 s)"]
    );
}

#[test]
fn a_refused_configuration_has_a_remedy_that_tells_why_also_where_no_file_has_an_error() {
    let mut snapshot = healthy();
    let reasons = vec!["bob lacks key 2".to_owned()];
    apply(&mut snapshot, Kind::ConfigRefused { reasons });
    let finding = &judge(&snapshot).findings[0];
    assert!(finding.what.ends_with("bob lacks key 2"), "{finding:?}");
    let remedy = finding.remedy.as_deref().unwrap();
    assert!(remedy.starts_with("hactl reload --dry-run"), "{remedy}");
}

#[test]
fn a_node_that_left_in_order_is_no_warning() {
    let mut snapshot = healthy();
    apply(&mut snapshot, dead(StatusReason::Left));
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    assert_eq!(whats(&verdict), ["node bob left in order"]);
    assert!(verdict.sentence.contains("1 of 2 nodes active (bob left)"));
}

#[test]
fn alive_but_not_authenticated_comes_with_its_remedy() {
    let mut snapshot = healthy();
    apply(
        &mut snapshot,
        Kind::Unauthenticated {
            node: name("bob"),
            reason: Unverified::Mismatch { key: 1 },
        },
    );
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Error);
    assert!(
        verdict
            .sentence
            .ends_with("; bob alive but not authenticated")
    );
    assert!(
        verdict.findings[0]
            .remedy
            .as_deref()
            .unwrap()
            .contains("authkeys")
    );
}

#[test]
fn a_node_is_not_called_dead_and_alive_in_one_sentence() {
    let mut snapshot = healthy();
    apply(
        &mut snapshot,
        Kind::Unauthenticated {
            node: name("bob"),
            reason: Unverified::UnknownKey { key: 2 },
        },
    );
    let initdead = Duration::from_secs(60);
    apply(&mut snapshot, dead(StatusReason::NeverHeard { initdead }));
    let verdict = judge(&snapshot);
    assert_eq!(
        verdict.sentence,
        "alice: 1 of 2 nodes active (bob dead: not authenticated), all 2 links up"
    );
    assert_eq!(
        whats(&verdict),
        [
            "node bob counts as dead, though packets in its name arrive, which do not verify: \
             it signs with key 2, which our authkeys lacks"
        ]
    );
}

#[test]
fn a_node_whose_generation_went_back_lives_and_the_remedy_is_named() {
    let mut snapshot = healthy();
    let silence = Duration::from_secs(6);
    apply(
        &mut snapshot,
        dead(StatusReason::Silent {
            silent: silence,
            deadtime: silence,
        }),
    );
    apply(
        &mut snapshot,
        Kind::GenerationBehind {
            node: name("bob"),
            generation: Generation(5),
            known: Generation(9),
        },
    );
    let verdict = judge(&snapshot);
    assert!(
        verdict
            .sentence
            .contains("(bob alive with an old generation)"),
        "{}",
        verdict.sentence
    );
    let [finding] = &verdict.findings[..] else {
        panic!("{:#?}", verdict.findings);
    };
    assert_eq!(
        finding.remedy.as_deref(),
        Some("on bob stop hbd or heartbeat, write 9 into its hb_generation, start it again")
    );
    apply(
        &mut snapshot,
        Kind::NodeHeard {
            node: name("bob"),
            uuid: None,
            generation: Generation(10),
            program: "heartbeat".into(),
        },
    );
    assert!(!judge(&snapshot).sentence.contains("old generation"));
}

#[test]
fn the_worst_finding_comes_first() {
    let mut snapshot = healthy();
    apply(
        &mut snapshot,
        Kind::ConfigWarning {
            place: "ha.cf:3".into(),
            warning: "baud has no effect".into(),
        },
    );
    apply(&mut snapshot, degraded());
    apply(
        &mut snapshot,
        Kind::Impostor {
            medium: medium("eth0"),
            uuid: None,
            generation: Generation(7),
        },
    );
    let verdict = judge(&snapshot);
    let severities: Vec<_> = verdict.findings.iter().map(|f| f.severity).collect();
    assert_eq!(
        severities,
        [Severity::Critical, Severity::Warning, Severity::Notice]
    );
    assert_eq!(verdict.level, Level::Critical);
    assert!(
        verdict
            .sentence
            .ends_with("; someone else uses this node's name; 1 other warning")
    );
}

#[test]
fn the_sentence_tells_the_worst_first_whatever_its_name() {
    let mut snapshot = healthy();
    let to = MediumStatus::Missing {
        reason: "interface eth0 is down; ip link set eth0 up".into(),
    };
    let medium = medium("eth0");
    apply(&mut snapshot, Kind::MediumStatus { medium, to });
    apply(&mut snapshot, healed(false));
    let verdict = judge(&snapshot);
    let clauses = "; bob returned after a partition; medium eth0 unavailable";
    assert!(verdict.sentence.ends_with(clauses), "{}", verdict.sentence);
    let down = &verdict.findings[1];
    assert_eq!(down.what, "medium eth0 unavailable: interface eth0 is down");
    assert_eq!(down.remedy.as_deref(), Some("ip link set eth0 up"));
}

#[test]
fn which_node_reaches_more_ping_nodes_is_told_until_neither_does() {
    let mut snapshot = healthy();
    let compared = |here, better: Option<&str>, lasts: Option<u64>| Kind::PingNodesCompared {
        node: name("bob"),
        here,
        there: Some(2),
        better: better.map(name),
        lasts: lasts.map(Duration::from_secs),
    };
    apply(&mut snapshot, compared(1, Some("bob"), Some(10)));
    let first = |snapshot: &Snapshot| judge(snapshot).findings[0].what.clone();
    let counts = "this node reaches 1 ping node, bob 2: ";
    let waits = format!("{counts}groups go to bob if that lasts for another 10 s");
    assert_eq!(first(&snapshot), waits);
    apply(&mut snapshot, compared(1, Some("bob"), None));
    assert_eq!(first(&snapshot), format!("{counts}groups go to bob"));
    apply(&mut snapshot, compared(2, None, None));
    assert_eq!(judge(&snapshot).findings, []);
    apply(&mut snapshot, compared(0, Some("bob"), None));
    let dies = Kind::PingNodesCompared {
        node: name("bob"),
        here: 0,
        there: None,
        better: None,
        lasts: None,
    };
    apply(&mut snapshot, dies);
    assert_eq!(judge(&snapshot).findings, []);
}

#[test]
fn one_partition_is_one_critical_finding() {
    let mut snapshot = healthy();
    apply(&mut snapshot, Kind::DeclaredDead { node: name("bob") });
    apply(&mut snapshot, healed(false));
    let whats = |snapshot: &Snapshot| whats(&judge(snapshot)).len();
    assert_eq!(whats(&snapshot), 2, "bob does not hear this node yet");
    apply(&mut snapshot, Kind::DeclaredDeadOver { node: name("bob") });
    assert_eq!(whats(&snapshot), 1);
}

#[test]
fn stalls_matter_from_half_of_deadtime_and_from_the_second_on_and_one_of_deadtime_does() {
    for (late, times, level) in [
        (2_999, 2, Level::Notice),
        (3_000, 1, Level::Notice),
        (3_000, 2, Level::Warning),
        (5_999, 1, Level::Notice),
        (6_000, 1, Level::Warning),
    ] {
        let mut snapshot = healthy();
        let late = Duration::from_millis(late);
        for _ in 0..times {
            apply(&mut snapshot, Kind::OwnStall { late });
        }
        assert_eq!(judge(&snapshot).level, level, "{late:?}, {times} times");
    }
}

#[test]
fn processes_that_were_replaced_are_told_with_the_last_death_of_each() {
    let mut snapshot = healthy();
    for how in ["exit code 1", "signal 9 (SIGKILL)"] {
        apply(&mut snapshot, Kind::CoreDied { how: how.into() });
    }
    for upgrade in [true, false] {
        let processes = Vec::new();
        apply(&mut snapshot, Kind::Adopted { processes, upgrade });
    }
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    let whats: Vec<_> = verdict.findings.iter().map(|f| f.what.as_str()).collect();
    let at = snapshot.view.last_deaths[&Role::Core].at.wall;
    assert_eq!(
        whats,
        [
            format!(
                "the core died twice and was started again, the last time at {at}: signal 9 (SIGKILL)"
            ),
            format!("the supervisor died once and another one went on, at {at}"),
        ]
    );
}

#[test]
fn a_life_that_did_not_end_in_order_is_told_for_an_hour() {
    let mut snapshot = healthy();
    let ended = Kind::EndedUnasked {
        last: "alice:s3.7".parse().unwrap(),
        alive: Wall(0),
        rebooted: true,
    };
    apply(&mut snapshot, ended);
    assert_eq!(judge(&snapshot).level, Level::Notice);
    let shown = |snapshot: &Snapshot| {
        let mut findings = judge(snapshot).findings.into_iter();
        findings.any(|f| {
            f.what
                .starts_with("the last life of hbd did not end in order")
        })
    };
    assert!(shown(&snapshot));
    snapshot.at.boot = snapshot.at.boot + PARTITION_SHOWN;
    assert!(!shown(&snapshot));
}

#[test]
fn a_supervisor_that_stalled_is_told_and_endangers_nothing() {
    let mut snapshot = healthy();
    for late in [6, 2] {
        let late = Duration::from_secs(late);
        apply(&mut snapshot, Kind::SupervisorStall { late });
    }
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    let what = "the supervisor stalled twice, at worst for 6 s";
    assert_eq!(verdict.findings[0].what, what);
}

#[test]
fn a_stall_asks_for_realtime_only_where_it_lacks() {
    for (lacks, expected) in [(true, "give hbd CAP_SYS_NICE"), (false, "see what stopped")] {
        let mut snapshot = healthy();
        if lacks {
            let lack = Kind::Degraded {
                what: "realtime scheduling of beats".into(),
                why: "SCHED_RR at priority 1: not permitted".into(),
                remedy: "give hbd CAP_SYS_NICE".into(),
            };
            apply(&mut snapshot, lack);
        }
        let late = Duration::from_secs(9);
        apply(&mut snapshot, Kind::OwnStall { late });
        let findings = judge(&snapshot).findings;
        let stall = findings
            .iter()
            .find(|finding| finding.what.contains("stalled"))
            .unwrap();
        let remedy = stall.remedy.clone().unwrap();
        assert!(remedy.starts_with(expected), "{remedy}");
    }
}

#[test]
fn what_is_over_or_cosmetic_is_no_warning() {
    let mut snapshot = healthy();
    let how = "killed by signal 9".into();
    apply(&mut snapshot, Kind::CoreDied { how });
    apply(&mut snapshot, lacking(crate::event::OWN_USER));
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    assert_eq!(
        verdict.sentence,
        "alice: 2 of 2 nodes active, all 2 links up"
    );
}

#[test]
fn a_node_that_fences_itself_is_critical_until_it_need_not() {
    let mut snapshot = healthy();
    let why = "it was sick, and group web does not stop";
    apply(&mut snapshot, Kind::SelfFence { why: why.into() });
    let finding = judge(&snapshot).findings.remove(0);
    assert_eq!(finding.what, format!("this node fences itself: {why}"));
    assert_eq!(finding.severity, Severity::Critical);
    let failed = "hbd runs in a container".to_owned();
    apply(&mut snapshot, Kind::SelfFenceFailed { why: failed });
    let finding = judge(&snapshot).findings.remove(0);
    let what = format!("this node could not fence itself ({why}): hbd runs in a container");
    assert_eq!(finding.what, what);
    assert!(finding.remedy.unwrap().contains("hactl cleanup"));
    apply(&mut snapshot, Kind::SelfFenceOver);
    assert_eq!(judge(&snapshot).findings, judge(&healthy()).findings);
}

#[test]
fn a_sick_node_is_critical_until_it_is_well() {
    let mut snapshot = healthy();
    let reason = "it sent no beat for 7 s, and its deadtime is 6 s".into();
    apply(&mut snapshot, Kind::Sick { reason });
    let verdict = judge(&snapshot);
    assert!(verdict.findings[0].what.starts_with("this node is sick"));
    assert_eq!(verdict.findings[0].severity, Severity::Critical);
    apply(&mut snapshot, Kind::SickOver);
    assert_eq!(
        judge(&snapshot).findings.len(),
        judge(&healthy()).findings.len()
    );
}

#[test]
fn a_healed_partition_is_critical_for_an_hour_or_until_the_node_restarts() {
    let mut snapshot = healthy();
    apply(&mut snapshot, healed(false));
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Critical);
    assert!(
        verdict
            .sentence
            .ends_with("; bob returned after a partition")
    );

    let mut later = snapshot.clone();
    later.sample = None;
    later.at.boot = later.at.boot + PARTITION_SHOWN;
    assert_eq!(judge(&later).level, Level::Ok);

    let restarted = Kind::NodeRestarted {
        node: name("bob"),
        from: Generation(1),
        to: Generation(2),
    };
    apply(&mut snapshot, restarted);
    assert_eq!(judge(&snapshot).level, Level::Ok);
}

#[test]
fn a_node_that_stood_still_is_not_called_one_that_thought_it_was_alone() {
    let mut snapshot = healthy();
    apply(&mut snapshot, healed(true));
    let verdict = judge(&snapshot);
    assert!(verdict.sentence.ends_with("; bob stood still and returned"));
    let finding = &verdict.findings[0];
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(
        finding.what,
        "node bob returned after it stood still for 9 s"
    );
    let remedy = finding.remedy.as_deref().unwrap();
    assert!(remedy.starts_with("see what stopped bob"), "{remedy}");

    // And the other side of it, which knows how long it stood still itself.
    let mut snapshot = healthy();
    let late = Duration::from_secs(9);
    apply(&mut snapshot, Kind::OwnStall { late });
    apply(&mut snapshot, Kind::DeclaredDead { node: name("bob") });
    apply(&mut snapshot, Kind::DeclaredDeadOver { node: name("bob") });
    let findings = judge(&snapshot).findings;
    let expected = "node bob declared this node dead while it stood still, and took it back";
    assert_eq!(findings[0].what, expected);
}

#[test]
fn what_differs_is_shown_where_the_configuration_is_and_of_living_nodes_only() {
    let mut snapshot = healthy();
    let file = "ha.cf".into();
    let differs = Kind::ConfigDiffers {
        node: name("bob"),
        differences: vec![ConfigDifference::File { file }],
    };
    apply(&mut snapshot, differs);
    let remedy = |snapshot: &Snapshot| judge(snapshot).findings[0].remedy.clone();
    let usual = "ssh bob cat /etc/ha.d/ha.cf | diff /etc/ha.d/ha.cf -";
    assert_eq!(remedy(&snapshot).as_deref(), Some(usual));
    snapshot.config = Some("/srv/ha".into());
    let there = "ssh bob cat /srv/ha/ha.cf | diff /srv/ha/ha.cf -";
    assert_eq!(remedy(&snapshot).as_deref(), Some(there));

    apply(&mut snapshot, dead(StatusReason::Left));
    assert_eq!(whats(&judge(&snapshot)), ["node bob left in order"]);
}

#[test]
fn ping_nodes_that_only_one_node_counts_are_a_warning_with_a_remedy() {
    let mut snapshot = healthy();
    let differs = Kind::ConfigDiffers {
        node: name("bob"),
        differences: vec![ConfigDifference::PingNodes { here: 2, there: 0 }],
    };
    apply(&mut snapshot, differs);
    let verdict = judge(&snapshot);
    let what = "config differs: bob counts no ping nodes for ipfail, this node 2";
    assert_eq!(whats(&verdict), [what]);
    let remedy = verdict.findings[0].remedy.as_deref();
    assert!(remedy.is_some_and(|remedy| remedy.contains("respawn")));
}

#[test]
fn a_declaration_of_this_nodes_death_is_critical_while_it_lasts_and_for_an_hour() {
    let mut snapshot = healthy();
    let node = name("bob");
    apply(&mut snapshot, Kind::DeclaredDead { node });
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Critical);
    assert!(verdict.sentence.ends_with("; bob counts this node as dead"));
    let mut later = snapshot.clone();
    later.sample = None;
    later.at.boot = later.at.boot + PARTITION_SHOWN;
    assert_eq!(judge(&later).level, Level::Critical);

    let node = name("bob");
    apply(&mut snapshot, Kind::DeclaredDeadOver { node });
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Critical);
    let sentence = &verdict.sentence;
    assert!(sentence.ends_with("; bob had declared this node dead"));
    snapshot.sample = None;
    snapshot.at.boot = snapshot.at.boot + PARTITION_SHOWN;
    assert_eq!(judge(&snapshot).level, Level::Ok);
}

#[test]
fn times_that_change_are_a_notice_until_they_have_changed() {
    let mut snapshot = healthy();
    let second = Duration::from_secs(1);
    let changing = Kind::TimersChanging {
        keepalive: second,
        deadtime: 9 * second,
    };
    apply(&mut snapshot, changing);
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    let finding = &verdict.findings[0];
    assert!(finding.what.starts_with("times change: a beat every 1 s"));
    assert!(finding.remedy.as_ref().unwrap().contains("hactl links"));
    let changed = Kind::TimersChanged {
        keepalive: second,
        warntime: 5 * second,
        deadtime: 9 * second,
        initdead: 18 * second,
    };
    apply(&mut snapshot, changed);
    assert_eq!(judge(&snapshot).level, Level::Ok);
}

#[test]
fn a_node_is_called_silent_before_it_is_dead() {
    let mut snapshot = healthy();
    let sample = snapshot.sample.as_mut().unwrap();
    let heard = |millis| NodeSample {
        node: name("bob"),
        heard: Some(Moment(0) + Duration::from_secs(10) - Duration::from_millis(millis)),
        dead_at: Some(Moment(0) + Duration::from_millis(16_000 - millis)),
        deadtime: Duration::from_secs(6),
        confirmed: None,
        load: None,
    };
    sample.nodes = vec![heard(2_000)];
    assert_eq!(judge(&snapshot).level, Level::Ok);
    snapshot.sample.as_mut().unwrap().nodes = vec![heard(3_100)];
    assert_eq!(
        whats(&judge(&snapshot)),
        ["node bob silent for 3.1 s, dead in 2.9 s"]
    );
}

#[test]
fn a_link_over_a_missing_medium_and_a_one_way_link_are_not_up() {
    let mut snapshot = healthy();
    let missing = MediumStatus::Missing {
        reason: "no interface eth1".into(),
    };
    let kind = Kind::MediumStatus {
        medium: medium("eth1"),
        to: missing,
    };
    apply(&mut snapshot, kind);
    assert_eq!(
        judge(&snapshot).sentence,
        "alice: 2 of 2 nodes active, 1 of 2 links up; medium eth1 unavailable"
    );
    let link = LinkName {
        peer: name("bob"),
        medium: medium("eth0"),
    };
    apply(&mut snapshot, Kind::LinkOneWay { link });
    assert_eq!(
        judge(&snapshot).sentence,
        "alice: 2 of 2 nodes active, none of 2 links up; medium eth1 unavailable; link bob/eth0 one-way"
    );
}

#[test]
fn what_to_do_about_a_link_depends_on_its_medium() {
    let remedies = |status: LinkStatus, one_way: bool, words: &str| {
        let mut snapshot = healthy();
        let eth0 = snapshot.view.media.get_mut(&medium("eth0")).unwrap();
        eth0.description = words.into();
        let bob = snapshot.view.nodes.get_mut(&name("bob")).unwrap();
        let link = bob.links.get_mut(&medium("eth0")).unwrap();
        (link.status, link.one_way) = (status, one_way);
        link.since.boot = Moment::default();
        bob.since.boot = Moment::default();
        let findings = judge(&snapshot).findings.into_iter();
        let remedies: Vec<String> = findings.filter_map(|finding| finding.remedy).collect();
        remedies.join("\n")
    };
    for (status, one_way, words, part) in [
        (
            LinkStatus::Up,
            true,
            "serial /dev/ttyS0",
            "from TxD here to RxD of bob",
        ),
        (LinkStatus::Up, true, "bcast eth0", "packet filter of bob"),
        (
            LinkStatus::Init,
            false,
            "serial /dev/ttyS0",
            "null modem cable",
        ),
        (LinkStatus::Init, false, "ether eth0", "same type and group"),
        (LinkStatus::Init, false, "bcast eth0", "same port"),
        (
            LinkStatus::Dead,
            false,
            "serial /dev/ttyS0",
            "cable: hbd-serial(7)",
        ),
        (LinkStatus::Dead, false, "bcast eth0", "switch port of eth0"),
    ] {
        let remedies = remedies(status, one_way, words);
        assert!(remedies.contains(part), "{words}: {remedies}");
    }
}

#[test]
fn a_link_that_was_never_heard_is_told_once_a_beat_could_have_come_over_it() {
    let mut snapshot = just_started();
    let kind = Kind::NodeStatus {
        node: name("bob"),
        from: NodeStatus::Init,
        to: NodeStatus::Active,
        reason: StatusReason::Remembered,
    };
    apply(&mut snapshot, kind);
    apply(
        &mut snapshot,
        link("eth0", LinkStatus::Init, LinkStatus::Up),
    );
    let silent = "link bob/eth1: nothing was heard over it yet";
    for (millis, told) in [(3_000, false), (3_001, true)] {
        let mut later = snapshot.clone();
        later.at.boot = later.at.boot + Duration::from_millis(millis);
        assert_eq!(whats(&judge(&later)).contains(&silent), told, "{millis}");
    }
}

#[test]
fn who_sends_and_is_no_node_is_named_with_a_remedy_while_it_sends() {
    let mut snapshot = healthy();
    let sends = |name: &str| Kind::UnknownNode {
        name: name.into(),
        medium: medium("eth0"),
        unreported: 0,
    };
    apply(&mut snapshot, sends("carol"));
    let since = snapshot.at;
    snapshot.sample = None;
    snapshot.at.boot = snapshot.at.boot + Duration::from_secs(61);
    apply(&mut snapshot, sends("carol"));
    let verdict = judge(&snapshot);
    assert_eq!(
        whats(&verdict),
        ["carol sends over eth0 and is no node of ha.cf"]
    );
    let finding = &verdict.findings[0];
    assert_eq!(finding.since.map(|stamp| stamp.boot), Some(since.boot));
    let remedy = finding.remedy.as_deref().unwrap();
    assert!(
        remedy.starts_with("stop hbd or heartbeat on carol"),
        "{remedy}"
    );
    snapshot.at.boot = snapshot.at.boot + STRANGER_SHOWN;
    assert_eq!(judge(&snapshot).level, Level::Ok);
}

#[test]
fn a_dead_link_over_which_packets_arrive_again_is_returning() {
    let mut snapshot = healthy();
    apply(
        &mut snapshot,
        link("eth1", LinkStatus::Up, LinkStatus::Dead),
    );
    snapshot.at.boot = snapshot.at.boot + Duration::from_secs(2);
    let sample = snapshot.sample.as_mut().unwrap();
    sample.links = vec![LinkSample {
        link: LinkName {
            peer: name("bob"),
            medium: medium("eth1"),
        },
        heard: Some(Moment(0) + Duration::from_secs(11)),
        incoming: Incoming::default(),
        outgoing: Outgoing::default(),
    }];
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    assert_eq!(
        verdict.sentence,
        "alice: 2 of 2 nodes active, 1 of 2 links up, 1 returning"
    );
}

#[test]
fn what_to_do_about_a_failed_medium_is_its_remedy() {
    let mut snapshot = healthy();
    let reason = "interface eth1 is down; ip link set eth1 up".into();
    let kind = Kind::MediumStatus {
        medium: medium("eth1"),
        to: MediumStatus::Failed { reason },
    };
    apply(&mut snapshot, kind);
    let verdict = judge(&snapshot);
    assert_eq!(
        whats(&verdict),
        ["medium eth1 failed: interface eth1 is down"]
    );
    let remedy = verdict.findings[0].remedy.as_deref();
    assert_eq!(remedy, Some("ip link set eth1 up"));
}

#[test]
fn a_warning_is_another_only_where_there_is_a_first_one() {
    let mut snapshot = healthy();
    apply(&mut snapshot, degraded());
    let verdict = judge(&snapshot);
    assert!(verdict.sentence.ends_with("links up; 1 warning"));
    let remedy = verdict.findings[0].remedy.as_deref();
    assert_eq!(remedy, Some("start hbd as root"));
}

#[test]
fn counters_that_stopped_coming_are_an_error() {
    let mut snapshot = healthy();
    snapshot.at.boot = Moment(0) + Duration::from_secs(20);
    assert_eq!(
        whats(&judge(&snapshot)),
        ["the core has sent no counters for 10 s"]
    );
}

#[test]
fn without_a_core_there_is_nothing_else_to_say() {
    let snapshot = Snapshot::default();
    let verdict = judge(&snapshot);
    assert_eq!(verdict.sentence, "alice: the core has not started yet");
    assert_eq!(whats(&verdict), ["the core has not started yet"]);
}

#[test]
fn a_group_that_nobody_holds_is_an_error_once_somebody_could() {
    let mut snapshot = healthy();
    snapshot.groups = vec![configured("web"), configured("mail")];
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Error);
    assert!(
        verdict
            .sentence
            .ends_with("; nobody holds the groups web, mail")
    );
    apply(&mut snapshot, group("web", "alice", GroupState::Started));
    apply(&mut snapshot, group("mail", "bob", GroupState::Starting));
    assert_eq!(judge(&snapshot).findings, []);
    let mut starting = just_started();
    starting.groups = vec![configured("web")];
    assert_eq!(judge(&starting).level, Level::Notice);
}

#[test]
fn a_blocked_group_and_one_that_two_hold_are_critical() {
    let mut blocked = healthy();
    apply(&mut blocked, group("web", "alice", GroupState::Blocked));
    let verdict = judge(&blocked);
    assert_eq!(verdict.level, Level::Critical);
    assert!(verdict.sentence.ends_with("; group web blocked on alice"));
    let mut contested = healthy();
    apply(&mut contested, group("web", "alice", GroupState::Started));
    apply(&mut contested, group("web", "bob", GroupState::Started));
    let contest = Kind::GroupContested {
        group: group_name("web"),
        node: name("bob"),
        keeper: name("alice"),
    };
    apply(&mut contested, contest);
    let verdict = judge(&contested);
    assert_eq!(verdict.level, Level::Critical);
    let clause = "; two nodes hold group web (alice keeps it)";
    assert!(verdict.sentence.ends_with(clause), "{}", verdict.sentence);
}

#[test]
fn what_an_operator_ordered_is_told_and_a_freeze_is_a_warning() {
    let mut snapshot = healthy();
    apply(&mut snapshot, group("web", "alice", GroupState::Started));
    let wanted = Kind::GroupWanted {
        group: group_name("web"),
        node: name("alice"),
        lasts: Some(Duration::from_secs(3600)),
        together: false,
        reason: Some("new disk".into()),
    };
    apply(&mut snapshot, wanted);
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Notice);
    assert!(verdict.findings[0].what.contains("(new disk) until "));
    let frozen = Kind::Frozen {
        lasts: None,
        maintenance: false,
        reason: None,
    };
    apply(&mut snapshot, frozen);
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Warning);
    assert!(verdict.sentence.ends_with("; groups frozen"));
    apply(&mut snapshot, Kind::Unfrozen { reason: None });
    assert_eq!(judge(&snapshot).level, Level::Notice);
}

#[test]
fn a_takeover_that_is_held_back_names_what_frees_it() {
    let mut snapshot = healthy();
    let held = Kind::TakeoverHeld {
        node: name("bob"),
        reason: Hold::Unfenced,
    };
    apply(&mut snapshot, held);
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Error);
    assert!(verdict.sentence.ends_with("; takeover from bob held back"));
    let remedy = verdict.findings[0].remedy.as_deref().unwrap();
    assert!(remedy.ends_with("hactl fence confirm bob"), "{remedy}");
}

#[test]
fn in_a_freeze_the_remedy_promises_no_fencing() {
    let mut snapshot = healthy();
    let held = Kind::TakeoverHeld {
        node: name("bob"),
        reason: Hold::Fencing,
    };
    apply(&mut snapshot, held);
    let remedy = |snapshot: &Snapshot| judge(snapshot).findings[0].remedy.clone().unwrap();
    assert!(remedy(&snapshot).contains("it is tried until it succeeds"));
    let frozen = Kind::Frozen {
        lasts: None,
        maintenance: false,
        reason: None,
    };
    apply(&mut snapshot, frozen);
    assert!(remedy(&snapshot).starts_with("nothing is fenced while groups are frozen"));
}

#[test]
fn a_dead_node_that_was_fenced_is_said_to_be_off_until_it_is_heard() {
    let mut snapshot = healthy();
    let confirmed = Kind::FenceConfirmed {
        node: name("bob"),
        reason: None,
    };
    let silent = StatusReason::Silent {
        silent: Duration::from_secs(7),
        deadtime: Duration::from_secs(6),
    };
    apply(&mut snapshot, dead(silent.clone()));
    apply(&mut snapshot, confirmed);
    let verdict = judge(&snapshot);
    let said = "and off: somebody made sure of it";
    assert!(whats(&verdict)[0].ends_with(said), "{:?}", verdict.findings);
    let returns = Kind::NodeStatus {
        node: name("bob"),
        from: NodeStatus::Dead,
        to: NodeStatus::Active,
        reason: StatusReason::Announced,
    };
    apply(&mut snapshot, returns);
    apply(&mut snapshot, dead(silent));
    assert!(!whats(&judge(&snapshot))[0].contains("off"));
}

#[test]
fn a_dead_ping_node_is_no_machine_of_ours_to_look_after() {
    let mut snapshot = healthy();
    let bob = snapshot.view.nodes.get_mut(&name("bob")).unwrap();
    bob.kind = NodeKind::Ping;
    apply(&mut snapshot, dead(StatusReason::Alone));
    let verdict = judge(&snapshot);
    let found = verdict
        .findings
        .iter()
        .find(|f| f.what.contains("bob is dead"));
    let found = found.expect("it is told");
    assert!(found.what.starts_with("ping node bob"), "{found:?}");
    let remedy = found.remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("answers ping(8)"), "{found:?}");
}

fn failing(operation: Operation) -> Kind {
    Kind::ActionFailed {
        group: group_name("web"),
        resource: "apache".into(),
        operation,
        why: "it ended with 1".into(),
        failures: 1,
    }
}

fn frozen(maintenance: bool) -> Kind {
    Kind::Frozen {
        lasts: None,
        maintenance,
        reason: None,
    }
}

#[test]
fn what_does_not_work_of_a_group_that_is_held_is_part_of_the_sentence() {
    let mut snapshot = healthy();
    snapshot.groups = vec![configured("web")];
    apply(&mut snapshot, group("web", "alice", GroupState::Started));
    apply(&mut snapshot, frozen(true));
    apply(&mut snapshot, failing(Operation::Monitor));
    let verdict = judge(&snapshot);
    let said = "; group web: monitor of apache failed on alice; groups under maintenance";
    assert!(verdict.sentence.contains(said), "{}", verdict.sentence);
    apply(&mut snapshot, group("web", "alice", GroupState::Stopped));
    let kind = Kind::GroupState {
        group: group_name("web"),
        node: name("bob"),
        from: GroupState::Started,
        to: GroupState::Stopping,
        reason: GroupReason::Announced {
            failure: Some("stop of apache failed: it ended with 1".into()),
            because: None,
        },
    };
    apply(&mut snapshot, kind);
    let sentence = judge(&snapshot).sentence;
    let said = "group web: stop of apache failed on bob";
    assert!(sentence.contains(said), "{sentence}");
    assert!(!sentence.contains("monitor"), "{sentence}");
}

#[test]
fn what_a_health_check_says_is_shown_while_it_is_made_and_nothing_of_one_that_is_ok() {
    let health = |check: &str, group: Option<&str>, to| Kind::Health {
        check: CheckName::new(check).unwrap(),
        node: name("alice"),
        group: group.map(group_name),
        from: None,
        to,
        summary: "3 GB".into(),
        detail: String::new(),
    };
    let mut snapshot = healthy();
    snapshot.groups = vec![configured("web")];
    apply(&mut snapshot, group("web", "alice", GroupState::Started));
    apply(&mut snapshot, health("disk", None, HealthState::Ok));
    apply(&mut snapshot, health("load", None, HealthState::Warning));
    apply(
        &mut snapshot,
        health("site", Some("web"), HealthState::Failed),
    );
    let verdict = judge(&snapshot);
    assert_eq!(verdict.level, Level::Error);
    let (site, load) = (
        "health check site of group web fails: 3 GB",
        "health check load of node alice warns: 3 GB",
    );
    assert_eq!(whats(&verdict), [site, load]);
    apply(&mut snapshot, group("web", "alice", GroupState::Stopped));
    apply(&mut snapshot, group("web", "bob", GroupState::Started));
    assert_eq!(whats(&judge(&snapshot)), [load]);
    let over = Kind::HealthOver {
        check: CheckName::new("load").unwrap(),
        node: name("alice"),
        group: None,
    };
    apply(&mut snapshot, over);
    assert_eq!(judge(&snapshot).level, Level::Ok);
}

#[test]
fn a_group_that_is_blocked_is_one_finding_with_what_did_not_stop() {
    let mut snapshot = healthy();
    snapshot.groups = vec![configured("web")];
    apply(&mut snapshot, failing(Operation::Stop));
    apply(&mut snapshot, group("web", "alice", GroupState::Blocked));
    assert_eq!(
        whats(&judge(&snapshot)),
        [
            "group web is blocked on alice (done): nobody else may start it; stop of apache failed: \
             it ended with 1 (group web)"
        ]
    );
}

#[test]
fn a_freeze_is_ended_by_the_word_that_began_it() {
    for (maintenance, remedy) in [
        (true, "hactl maintenance off ends it"),
        (false, "hactl unfreeze ends it"),
    ] {
        let mut snapshot = healthy();
        apply(&mut snapshot, frozen(maintenance));
        let remedies = judge(&snapshot).findings.into_iter().map(|f| f.remedy);
        assert_eq!(remedies.collect::<Vec<_>>(), [Some(remedy.to_owned())]);
    }
}

fn group_name(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn configured(text: &str) -> ConfiguredGroup {
    ConfiguredGroup {
        name: group_name(text),
        node: name("alice"),
        resources: vec![text.to_owned()],
    }
}

fn group(text: &str, node: &str, to: GroupState) -> Kind {
    Kind::GroupState {
        group: group_name(text),
        node: name(node),
        from: GroupState::Stopped,
        to,
        reason: GroupReason::Done,
    }
}

fn judge(snapshot: &Snapshot) -> Verdict {
    Verdict::of(&name("alice"), snapshot)
}

fn whats(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|f| f.what.as_str()).collect()
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn medium(text: &str) -> MediumName {
    MediumName::new(text).unwrap()
}

fn link(over: &str, from: LinkStatus, to: LinkStatus) -> Kind {
    Kind::LinkStatus {
        link: LinkName {
            peer: name("bob"),
            medium: medium(over),
        },
        from,
        to,
        silent: None,
    }
}

fn healed(stood_still: bool) -> Kind {
    Kind::PartitionHealed {
        node: name("bob"),
        silent: Duration::from_secs(9),
        stood_still,
    }
}

fn dead(reason: StatusReason) -> Kind {
    Kind::NodeStatus {
        node: name("bob"),
        from: NodeStatus::Active,
        to: NodeStatus::Dead,
        reason,
    }
}

fn degraded() -> Kind {
    lacking("realtime scheduling")
}

fn lacking(what: &str) -> Kind {
    Kind::Degraded {
        what: what.into(),
        why: "Operation not permitted".into(),
        remedy: "start hbd as root".into(),
    }
}

fn apply(snapshot: &mut Snapshot, kind: Kind) {
    let mut source = EventSource::new(name("alice"), Role::Core, Generation(1));
    snapshot.view.apply(&source.event(kind, None, snapshot.at));
}

/// alice and bob over eth0 and eth1, all in order.
fn healthy() -> Snapshot {
    let mut snapshot = just_started();
    for node in ["alice", "bob"] {
        let kind = Kind::NodeStatus {
            node: name(node),
            from: NodeStatus::Init,
            to: NodeStatus::Active,
            reason: StatusReason::Announced,
        };
        apply(&mut snapshot, kind);
    }
    for eth in ["eth0", "eth1"] {
        apply(&mut snapshot, link(eth, LinkStatus::Init, LinkStatus::Up));
        let kind = Kind::MediumStatus {
            medium: medium(eth),
            to: MediumStatus::Open,
        };
        apply(&mut snapshot, kind);
    }
    apply(&mut snapshot, Kind::CommunicationUp);
    snapshot
}

/// alice, ten seconds after boot.
fn just_started() -> Snapshot {
    let boot = Moment(0) + Duration::from_secs(10);
    let mut snapshot = Snapshot {
        at: Now {
            boot,
            wall: Wall(0),
        },
        sample: Some(Sample {
            at: boot,
            ..Sample::default()
        }),
        ..Snapshot::default()
    };
    let configured = |text| ConfiguredNode {
        name: name(text),
        kind: NodeKind::Normal,
    };
    let over = |text| ConfiguredMedium {
        name: medium(text),
        description: format!("bcast {text} port 694"),
        pings: None,
    };
    let started = Started {
        version: "0.1.0".into(),
        node: name("alice"),
        uuid: Uuid([1; 16]),
        generation: Generation(1),
        quick_restart: false,
        nodes: vec![configured("alice"), configured("bob")],
        media: vec![over("eth0"), over("eth1")],
        keepalive: Duration::from_secs(1),
        warntime: Duration::from_secs(2),
        deadtime: Duration::from_secs(6),
        initdead: Duration::from_secs(60),
    };
    apply(&mut snapshot, Kind::Started(Box::new(started)));
    snapshot
}
