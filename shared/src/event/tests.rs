use super::*;
use crate::time::Now;

fn source() -> EventSource {
    EventSource::new(
        NodeName::new("alice").unwrap(),
        Role::Core,
        Generation(1795),
    )
}

#[test]
fn an_event_survives_json() {
    let kind = Kind::NodeStatus {
        node: NodeName::new("bob").unwrap(),
        from: NodeStatus::Active,
        to: NodeStatus::Dead,
        reason: StatusReason::Silent {
            silent: Duration::from_millis(6020),
            deadtime: Duration::from_secs(6),
        },
    };
    let event = source().event(kind, None, Now::default());
    let json = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    assert_eq!(
        event.text,
        "node bob dead (silent for 6.02 s, dead time 6 s)"
    );
}

#[test]
fn a_kind_from_the_future_keeps_its_text_and_data() {
    let event = source().event(Kind::Leaving, None, Now::default());
    let json = serde_json::to_string(&event).unwrap();
    let json = json.replace("\"leaving\"", "\"teleported\",\"data\":{\"to\":\"mars\"}");
    let read: Event = serde_json::from_str(&json).unwrap();
    assert_eq!(read.kind.word(), "teleported");
    assert_eq!(read.text, "leaving the cluster");
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
}

#[test]
fn the_end_of_a_freeze_is_read_with_data_and_without() {
    let end = |reason: Option<&str>| Kind::Unfrozen {
        reason: reason.map(str::to_owned),
    };
    for (kind, has_data) in [(end(None), false), (end(Some("done")), true)] {
        let event = source().event(kind, None, Now::default());
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json.get("data").is_some(), has_data, "{json}");
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}

#[test]
fn an_event_id_survives_its_text() {
    for text in ["alice:1795.17", "db-1.example.org:s3.1", "alice:m3.2"] {
        assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
    }
    for text in ["", "alice", "alice:1795", "alice:x.1", ":1.1"] {
        assert_eq!(text.parse::<EventId>(), Err(BadEventId));
    }
}

#[test]
fn events_are_numbered_without_a_gap() {
    let mut source = source();
    let counters: Vec<u64> = (0..3)
        .map(|_| source.event(Kind::Left, None, Now::default()).id.counter)
        .collect();
    assert_eq!(counters, [1, 2, 3]);
}

#[test]
fn the_words_are_those_of_all_kinds() {
    let json = serde_json::json!({"kind": "?", "data": null});
    let refusal = serde_json::from_value::<Kind>(json)
        .unwrap_err()
        .to_string();
    let words: Vec<&str> = refusal.split('`').skip(3).step_by(2).collect();
    assert_eq!(Kind::WORDS.to_vec(), words, "{refusal}");
}

#[test]
fn a_severity_has_one_word_in_text_and_json() {
    for severity in Severity::ALL {
        assert_eq!(
            serde_json::to_value(severity).unwrap(),
            severity.to_string()
        );
    }
}

#[test]
fn a_key_that_differs_is_told_with_who_lacks_it_and_where_it_belongs() {
    let node = NodeName::new("bob").unwrap();
    let differences = vec![
        ConfigDifference::KeyOnlyHere { key: 2 },
        ConfigDifference::KeyOnlyThere { key: 3 },
    ];
    assert_eq!(
        Kind::ConfigDiffers { node, differences }.to_string(),
        "node bob is configured otherwise: bob lacks key 2 of this node (authkeys or hbd.keys), \
         this node lacks key 3 of bob (authkeys or hbd.keys)"
    );
}

#[test]
fn how_many_ping_nodes_both_reach_is_told_with_what_follows() {
    let name = |text: &str| NodeName::new(text).unwrap();
    let told = |there, better: Option<&str>, lasts: Option<u64>| {
        let compared = Kind::PingNodesCompared {
            node: name("bob"),
            here: 1,
            there,
            better: better.map(name),
            lasts: lasts.map(Duration::from_secs),
        };
        compared.to_string()
    };
    let this = "this node reaches 1 ping node";
    for (text, end) in [
        (told(None, None, None), "; what bob reaches is not known"),
        (told(Some(1), None, None), ", bob 1"),
        (
            told(Some(1), None, Some(10)),
            ", bob 1; neither is the better one if that lasts 10 s",
        ),
        (
            told(Some(2), Some("bob"), Some(10)),
            ", bob 2; groups go to bob if that lasts 10 s",
        ),
        (
            told(Some(0), Some("alice"), None),
            ", bob 0; groups go to alice",
        ),
    ] {
        assert_eq!(text, format!("{this}{end}"));
    }
}

#[test]
fn ping_nodes_that_only_one_node_counts_are_told_from_both_sides() {
    let told = |here, there| {
        let node = NodeName::new("bob").unwrap();
        let differences = vec![ConfigDifference::PingNodes { here, there }];
        Kind::ConfigDiffers { node, differences }.to_string()
    };
    let told = [told(2, 0), told(0, 1), told(1, 3)];
    let counts = [
        "no ping nodes for ipfail, this node 2",
        "1 ping node for ipfail, this node none",
        "3 ping nodes for ipfail, this node 1",
    ]
    .map(|counts| format!("node bob is configured otherwise: bob counts {counts}"));
    assert_eq!(told, counts);
}

#[test]
fn what_the_modem_lines_show_is_told_as_what_it_means() {
    let lines = |names: &str| ModemLines {
        cts: names.contains('c'),
        dsr: names.contains('s'),
        dcd: names.contains('d'),
    };
    let cases = [
        (
            None,
            "csd",
            Severity::Info,
            "ttyS0: raised are CTS, DSR, DCD",
        ),
        (
            None,
            "",
            Severity::Info,
            "ttyS0: no modem line is raised: the port at the other end is closed, or the cable is unplugged or has three \
             wires only",
        ),
        (
            Some("csd"),
            "",
            Severity::Warning,
            "carrier lost on ttyS0 (CTS, DSR, DCD dropped): cable pulled, or the peer closed the port",
        ),
        (
            Some("csd"),
            "c",
            Severity::Warning,
            "carrier lost on ttyS0 (DSR, DCD dropped): cable pulled, or the peer closed the port",
        ),
        (
            Some("csd"),
            "cs",
            Severity::Warning,
            "ttyS0: DCD dropped, not CTS, DSR: a wire of the cable is broken",
        ),
        (
            Some("csd"),
            "sd",
            Severity::Warning,
            "ttyS0: CTS dropped: the other end takes nothing",
        ),
        (
            Some(""),
            "csd",
            Severity::Info,
            "ttyS0: CTS, DSR, DCD raised",
        ),
        (
            Some("csd"),
            "csd",
            Severity::Notice,
            "ttyS0: a modem line changed for less than 100 ms",
        ),
    ];
    for (from, to, severity, text) in cases {
        let kind = Kind::ModemLines {
            medium: MediumName::new("ttyS0").unwrap(),
            from: from.map(lines),
            to: lines(to),
        };
        assert_eq!(
            (kind.severity(), kind.to_string().as_str()),
            (severity, text)
        );
    }
}
