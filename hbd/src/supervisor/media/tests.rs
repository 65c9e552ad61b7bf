use std::net::{Ipv4Addr, UdpSocket};

use shared::config::MediumKind;
use tokio::sync::mpsc;

use super::*;
use crate::medium::interface::{Address4, Interface};

#[test]
fn a_medium_opens_once_and_stays_open_while_its_interface_stays() {
    let mut media = media();
    let changes = media.refresh(&real());
    assert_eq!(states(&changes), [&MediumStatus::Open]);
    assert!(matches!(changes.messages[..], [(ToCore::Open { .. }, _)]));
    let changes = media.refresh(&real());
    assert!(changes.events.is_empty() && changes.messages.is_empty());
}

#[test]
fn an_interface_that_vanishes_closes_the_medium_and_names_itself() {
    let mut media = media();
    media.refresh(&real());
    let changes = media.refresh(&Interfaces::default());
    let [MediumStatus::Missing { reason }] = states(&changes)[..] else {
        panic!("{:?}", changes.events);
    };
    assert_eq!(reason, "there is no interface lo");
    assert!(matches!(changes.messages[..], [(ToCore::Close { .. }, _)]));
    let changes = media.refresh(&real());
    assert_eq!(states(&changes), [&MediumStatus::Open]);
}

#[test]
fn an_interface_that_returns_under_another_number_is_opened_anew() {
    let mut media = media();
    media.refresh(&real());
    let mut other = real();
    other.0[0].index += 1;
    let changes = media.refresh(&other);
    assert!(states(&changes).is_empty(), "it was open and is open");
    assert!(matches!(
        changes.messages[..],
        [(ToCore::Close { .. }, _), (ToCore::Open { .. }, _)]
    ));
}

#[test]
fn a_renamed_interface_is_told_by_its_new_name() {
    let mut media = media();
    media.refresh(&real());
    let mut renamed = real();
    renamed.0[0].name = "lan0".into();
    let changes = media.refresh(&renamed);
    let [MediumStatus::Missing { reason }] = states(&changes)[..] else {
        panic!("{:?}", changes.events);
    };
    assert!(
        reason.starts_with("interface lo was renamed to lan0"),
        "{reason}"
    );
}

#[test]
fn trouble_with_sending_is_a_state_until_it_is_over() {
    let mut media = media();
    media.refresh(&real());
    let changes = media.sending(MediumIndex(0), Some("send: no".into()));
    assert!(matches!(
        states(&changes)[..],
        [MediumStatus::Failed { .. }]
    ));
    assert!(states(&media.refresh(&real())).is_empty());
    let changes = media.sending(MediumIndex(0), None);
    assert_eq!(states(&changes), [&MediumStatus::Open]);
}

#[test]
fn a_new_core_is_told_of_open_media_and_faults() {
    let mut media = media();
    media.refresh(&real());
    let fault = Fault {
        medium: MediumName::new("lo").unwrap(),
        cut_in: true,
        cut_out: false,
        loss_percent: 0,
    };
    let changes = media.fault(&fault).unwrap();
    assert!(matches!(changes.events[..], [Kind::Fault { .. }]));
    let again = media.fault(&fault).unwrap();
    assert!(again.events.is_empty(), "nothing changed");
    let changes = media.introduce();
    assert!(matches!(
        changes.messages[..],
        [(ToCore::Open { .. }, _), (ToCore::Fault { .. }, _)]
    ));
    let unknown = Fault {
        medium: MediumName::new("eth9").unwrap(),
        ..fault
    };
    assert!(media.fault(&unknown).is_none());
}

#[test]
fn the_modem_lines_of_an_open_port_are_told_when_they_change() {
    let mut media = media();
    let seen = |dcd, flickered| Seen {
        medium: MediumName::new("lo").unwrap(),
        lines: ModemLines {
            dcd,
            ..ModemLines::default()
        },
        flickered,
    };
    assert_eq!(media.seen(seen(true, false)), None, "it is not open yet");
    media.refresh(&real());
    let told = |media: &mut Media, dcd, flickered| {
        let event = media.seen(seen(dcd, flickered));
        event.map(|event| event.to_string())
    };
    let first = told(&mut media, true, false);
    assert_eq!(first.unwrap(), "lo: raised are DCD");
    assert_eq!(told(&mut media, true, false), None);
    assert!(told(&mut media, true, true).unwrap().contains("100 ms"));
    assert!(
        told(&mut media, false, true)
            .unwrap()
            .contains("carrier lost")
    );
}

fn media() -> Media {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    let medium = config::Medium {
        name: MediumName::new("lo").unwrap(),
        device: "lo".into(),
        kind: MediumKind::Bcast {
            port: socket.local_addr().unwrap().port(),
        },
    };
    Media::new(&[medium], mpsc::channel(1).0)
}

fn real() -> Interfaces {
    Interfaces(vec![Interface {
        name: "lo".into(),
        index: 1,
        up: true,
        v4: vec![Address4 {
            address: Ipv4Addr::LOCALHOST,
            mask: Ipv4Addr::new(255, 0, 0, 0),
            broadcast: None,
        }],
        v6: vec![],
    }])
}

fn states(changes: &Changes) -> Vec<&MediumStatus> {
    changes
        .events
        .iter()
        .map(|event| match event {
            Kind::MediumStatus { to, .. } => to,
            other => panic!("{other:?}"),
        })
        .collect()
}
