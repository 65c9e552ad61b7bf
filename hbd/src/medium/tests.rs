use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shared::api::Fault;
use shared::config::{Host, MediumKind, Peer6};
use shared::names::{MediumName, NodeName};

use super::fault::{Defect, Faulty, description};
use super::interface::Address4;
use super::*;

#[test]
fn broadcast_on_loopback_comes_back_to_its_sender() {
    let mut medium = open(&on_lo(MediumKind::Bcast { port: free_port() }));
    medium.send(b"beat").unwrap();
    assert_eq!(receive(&mut *medium), b"beat");
}

#[test]
fn two_daemons_share_a_broadcast_port() {
    let medium = on_lo(MediumKind::Bcast { port: free_port() });
    let (mut one, mut two) = (open(&medium), open(&medium));
    one.send(b"beat").unwrap();
    assert_eq!(receive(&mut *one), b"beat");
    assert_eq!(receive(&mut *two), b"beat");
}

#[test]
fn multicast_on_loopback_reaches_every_member() {
    let medium = on_lo(MediumKind::Mcast {
        group: Ipv4Addr::new(239, 255, 11, 7),
        port: free_port(),
        ttl: 1,
        loopback: true,
    });
    let (mut one, mut two) = (open(&medium), open(&medium));
    one.send(b"beat").unwrap();
    assert_eq!(receive(&mut *one), b"beat");
    assert_eq!(receive(&mut *two), b"beat");
}

#[test]
fn a_broadcast_medium_does_not_hear_multicast_on_its_port() {
    let port = free_port();
    let mut bcast = open(&on_lo(MediumKind::Bcast { port }));
    let mut mcast = open(&on_lo(MediumKind::Mcast {
        group: Ipv4Addr::new(239, 255, 11, 8),
        port,
        ttl: 1,
        loopback: true,
    }));
    mcast.send(b"over mcast").unwrap();
    bcast.send(b"over bcast").unwrap();
    assert_eq!(receive(&mut *mcast), b"over mcast");
    assert_eq!(receive(&mut *bcast), b"over bcast");
}

#[test]
fn unicast_over_ipv6_arrives() {
    let medium = on_lo(MediumKind::Ucast6 {
        port: free_port(),
        peers: vec![Peer6 {
            address: Ipv6Addr::LOCALHOST,
            scope: None,
        }],
        listen: Some(Ipv6Addr::LOCALHOST),
    });
    let machine = Interfaces::read().unwrap();
    if machine.get("lo").unwrap().v6.is_empty() {
        let state = bind(&medium, &machine).unwrap_err();
        assert!(matches!(state, MediumStatus::Missing { .. }), "{state:?}");
        return;
    }
    let mut medium = open(&medium);
    medium.send(b"beat").unwrap();
    assert_eq!(receive(&mut *medium), b"beat");
}

#[test]
fn the_scope_of_a_multicast_group_is_its_interface() {
    let medium = on_lo(MediumKind::Mcast6 {
        group: "ff02::4242".parse().unwrap(),
        port: 694,
        ttl: 1,
        loopback: true,
    });
    let binding = bind(&medium, &machine()).unwrap();
    assert_eq!(
        binding.destinations,
        ["[ff02::4242%7]:694".parse().unwrap()]
    );
    let mut machine = machine();
    machine.0[0].v6.clear();
    let state = bind(&medium, &machine).unwrap_err();
    assert!(matches!(state, MediumStatus::Missing { .. }), "{state:?}");
}

#[test]
fn unicast_goes_to_every_destination_and_is_received_on_the_address_of_listen() {
    let port = free_port();
    let (a, b) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let at = |listen| {
        open(&on_lo(MediumKind::Ucast {
            port,
            peers: vec![Host::Address(a), Host::Address(b)],
            listen: Some(listen),
        }))
    };
    let (mut one, mut two) = (at(a), at(b));
    one.send(b"beat").unwrap();
    assert_eq!(receive(&mut *one), b"beat");
    assert_eq!(receive(&mut *two), b"beat");
}

#[test]
fn an_echo_brings_back_what_was_sent_to_whoever_asked_and_wakes_nobody_else() {
    let medium = pinging(&[Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]);
    let Some((mut one, mut two)) = ping(&medium).zip(ping(&medium)) else {
        return;
    };
    assert!(one.pings());
    one.send(b"beat").unwrap();
    assert_eq!(receive(&mut *one), b"beat");
    let mut fds = [PollFd::new(two.receiver(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::ZERO).unwrap(), 0);
    // That of the other host tells nothing new.
    let mut buffer = [0; PACKET_MAX];
    assert_eq!(one.receive(&mut buffer).unwrap().length, None);
    two.send(b"another beat").unwrap();
    assert_eq!(receive(&mut *two), b"another beat");
}

#[test]
fn an_echo_from_another_host_than_was_asked_does_not_count() {
    // This machine is asked, and answers from another address.
    let Some(mut medium) = ping(&pinging(&[Ipv4Addr::UNSPECIFIED])) else {
        return;
    };
    medium.send(b"beat").unwrap();
    wait(&*medium);
    let mut buffer = [0; PACKET_MAX];
    assert_eq!(medium.receive(&mut buffer).unwrap().length, None);
}

#[test]
fn a_missing_interface_is_a_state_that_names_it() {
    let medium = config::Medium {
        device: "eth9".into(),
        ..on_lo(MediumKind::Bcast { port: 694 })
    };
    let state = bind(&medium, &machine()).unwrap_err();
    let MediumStatus::Missing { reason } = state else {
        panic!("{state:?}");
    };
    assert_eq!(reason, "there is no interface eth9");
}

#[test]
fn an_interface_that_is_down_is_a_state_with_a_remedy() {
    let mut machine = machine();
    machine.0[0].up = false;
    let state = bind(&on_lo(MediumKind::Bcast { port: 694 }), &machine).unwrap_err();
    let MediumStatus::Missing { reason } = state else {
        panic!("{state:?}");
    };
    assert_eq!(reason, "interface lo is down; ip link set lo up");
}

#[test]
fn broadcast_without_a_broadcast_address_is_an_error_state() {
    let mut machine = machine();
    machine.0[0].v4[0].mask = Ipv4Addr::BROADCAST;
    let state = bind(&on_lo(MediumKind::Bcast { port: 694 }), &machine).unwrap_err();
    let MediumStatus::Failed { reason } = state else {
        panic!("{state:?}");
    };
    assert!(reason.contains("no broadcast address"), "{reason}");
}

#[test]
fn a_link_local_destination_carries_the_number_of_its_interface() {
    let peer = |scope: Option<&str>| Peer6 {
        address: "fe80::1".parse().unwrap(),
        scope: scope.map(str::to_owned),
    };
    let medium = on_lo(MediumKind::Ucast6 {
        port: 694,
        peers: vec![peer(Some("lo")), peer(None)],
        listen: None,
    });
    let binding = bind(&medium, &machine()).unwrap();
    let scopes: Vec<_> = binding
        .destinations
        .iter()
        .map(|destination| match destination {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => panic!("{destination}"),
        })
        .collect();
    assert_eq!(scopes, [7, 0]);
}

#[test]
fn an_interface_that_returns_under_another_number_is_another_binding() {
    let medium = on_lo(MediumKind::Bcast { port: 694 });
    let before = bind(&medium, &machine()).unwrap();
    let mut machine = machine();
    assert_eq!(bind(&medium, &machine).unwrap(), before);
    machine.0[0].index = 8;
    assert_ne!(bind(&medium, &machine).unwrap(), before);
}

#[test]
fn the_last_packet_that_waits_is_known_for_the_last() {
    let medium = on_lo(MediumKind::Bcast { port: free_port() });
    let mut medium = open(&medium);
    let mut buffer = [0; PACKET_MAX];
    for count in 1..=5_u8 {
        for number in 1..=count {
            medium.send(&[number]).unwrap();
        }
        wait(&*medium);
        let mut taken = Vec::new();
        // Where both of a pair came, only another look tells.
        while let Ok(received) = medium.receive(&mut buffer) {
            taken.push(buffer[0]);
            assert_eq!(received.length, Some(1));
            assert!(!received.last || taken.len() == usize::from(count));
            if received.last {
                break;
            }
        }
        assert_eq!(taken, (1..=count).collect::<Vec<_>>());
    }
}

#[test]
fn a_cut_medium_loses_what_it_is_told_to() {
    let medium = on_lo(MediumKind::Bcast { port: free_port() });
    let cell = fault::FaultCell::default();
    let mut faulty = Faulty::new(open(&medium), cell.clone(), 1);
    let fault = |cut_in, cut_out| Fault {
        medium: medium.name.clone(),
        cut_in,
        cut_out,
        loss_percent: 0,
    };
    cell.set(Defect::from(&fault(false, true)));
    faulty.send(b"cut outwards").unwrap();
    cell.set(Defect::from(&fault(true, false)));
    faulty.send(b"cut inwards").unwrap();
    wait(&faulty);
    let mut buffer = [0; PACKET_MAX];
    assert_eq!(faulty.receive(&mut buffer).unwrap().length, None);
    cell.set(Defect::default());
    faulty.send(b"healed").unwrap();
    assert_eq!(receive(&mut faulty), b"healed");
}

#[test]
fn a_loss_in_percent_takes_about_so_many() {
    let medium = on_lo(MediumKind::Bcast { port: free_port() });
    let cell = fault::FaultCell::default();
    let fault = Fault {
        medium: medium.name.clone(),
        cut_in: false,
        cut_out: false,
        loss_percent: 30,
    };
    cell.set(Defect::from(&fault));
    let mut faulty = Faulty::new(open(&medium), cell.clone(), 7);
    let mut lost = 0;
    let mut buffer = [0; PACKET_MAX];
    for _ in 0..1000 {
        cell.set(Defect::default());
        faulty.send(b"beat").unwrap();
        cell.set(Defect::from(&fault));
        wait(&faulty);
        lost += usize::from(faulty.receive(&mut buffer).unwrap().length.is_none());
    }
    assert!((230..370).contains(&lost), "{lost} of 1000");
}

#[test]
fn a_fault_reads_as_words() {
    let mut fault = Fault {
        medium: MediumName::new("lo").unwrap(),
        cut_in: true,
        cut_out: true,
        loss_percent: 5,
    };
    assert_eq!(description(&fault), "cut in both directions, 5 % loss");
    (fault.cut_in, fault.cut_out, fault.loss_percent) = (false, false, 0);
    assert_eq!(description(&fault), "");
}

#[test]
fn a_refused_port_names_the_remedy() {
    let error = OpenError {
        operation: "bind",
        object: "0.0.0.0:694".into(),
        error: io::Error::from_raw_os_error(libc::EACCES),
    };
    let text = error.to_string();
    assert!(
        text.starts_with("bind 0.0.0.0:694: Permission denied"),
        "{text}"
    );
    assert!(text.contains("choose a higher udpport"), "{text}");
}

#[test]
fn every_directive_of_a_medium_has_one_kind() {
    for kind in &KINDS {
        let same = KINDS.iter().filter(|other| other.word == kind.word).count();
        assert_eq!(same, 1, "{}", kind.word);
    }
    assert!(kind("bcast").is_some());
    assert!(kind("pigeon").is_none());
}

fn pinging(hosts: &[Ipv4Addr]) -> config::Medium {
    config::Medium {
        device: "hosts".into(),
        ..on_lo(MediumKind::PingGroup {
            node: NodeName::new("hosts").unwrap(),
            hosts: hosts.iter().copied().map(Host::Address).collect(),
        })
    }
}

/// Nothing where this machine permits it to nobody like us, which the error is to say.
fn ping(medium: &config::Medium) -> Option<Box<dyn Medium>> {
    let binding = bind(medium, &machine()).unwrap();
    match (ping_group::KIND.open)(medium, &binding) {
        Ok(descriptors) => Some((ping_group::KIND.attach)(descriptors, &binding).unwrap()),
        Err(error) => {
            assert!(error.to_string().contains("net.ipv4.ping_group_range"));
            None
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

fn on_lo(kind: MediumKind) -> config::Medium {
    config::Medium {
        name: MediumName::new("lo").unwrap(),
        device: "lo".into(),
        kind,
    }
}

fn machine() -> Interfaces {
    Interfaces(vec![Interface {
        name: "lo".into(),
        index: 7,
        up: true,
        v4: vec![Address4 {
            address: Ipv4Addr::LOCALHOST,
            mask: Ipv4Addr::new(255, 0, 0, 0),
            broadcast: None,
        }],
        v6: vec![Ipv6Addr::LOCALHOST],
    }])
}

fn bind(medium: &config::Medium, interfaces: &Interfaces) -> Result<Binding, MediumStatus> {
    (kind(medium.kind.word()).unwrap().bind)(medium, interfaces)
}

fn open(medium: &config::Medium) -> Box<dyn Medium> {
    let kind = kind(medium.kind.word()).unwrap();
    let binding = bind(medium, &Interfaces::read().unwrap()).unwrap();
    let descriptors = (kind.open)(medium, &binding).unwrap();
    (kind.attach)(descriptors, &binding).unwrap()
}

/// A UDP port nobody uses at this moment.
fn free_port() -> u16 {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.local_addr().unwrap().port()
}

fn wait(medium: &dyn Medium) {
    let mut fds = [PollFd::new(medium.receiver(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(PATIENCE).unwrap();
    assert_eq!(poll(&mut fds, limit).unwrap(), 1, "nothing arrived");
}

fn receive(medium: &mut dyn Medium) -> Vec<u8> {
    wait(medium);
    let mut buffer = [0; PACKET_MAX];
    let received = medium.receive(&mut buffer).unwrap();
    let length = received.length.expect("no fault was injected");
    buffer[..length].to_vec()
}
