//! The agent `IPaddr` on real interfaces, in networks of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::UdpSocket;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hbd_agents::builtin::ip::{Address, Error as IpError, Lease, Probe, Probed};
use hbd_tests::error::{Error, unexpected};
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::precondition::Precondition::{Namespaces, Root};
use hbd_tests::precondition::trial;
use hbd_tests::wait;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

/// For whatever should take no time.
const SOON: Duration = Duration::from_secs(20);
/// The shortest lease.
const BRIEF: Duration = Duration::from_secs(1);
/// The tests mostly wait.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let trials = vec![
        address("every_operation_may_be_done_twice", twice),
        address("an_address_is_as_it_was_spelled", as_spelled),
        address("what_is_left_out_comes_from_the_routes", from_routes),
        address("an_address_without_a_place_says_so", no_place),
        address("neighbours_survive_a_stop", neighbours_survive_stop),
        address("neighbours_survive_a_lease", neighbours_survive_lease),
        address(
            "the_route_of_another_survives_a_lease",
            route_survives_lease,
        ),
        address("what_others_put_there_is_left_alone", foreign),
        address("a_lease_that_is_not_renewed_runs_out", lease_runs_out),
        address("a_lease_that_is_renewed_does_not", lease_is_renewed),
        address("an_interface_that_is_down_is_raised", raised),
        address("an_interface_without_carrier_is_told", no_carrier),
        address("an_ipv6_address_is_usable_at_once", usable_at_once),
        address("a_neighbour_learns_where_an_address_went", neighbour_learns),
        address("only_what_is_there_is_announced", only_what_is_there),
        address("a_probe_hears_another_owner", probe_hears),
        address(
            "a_probe_does_not_take_this_machine_for_another",
            probe_of_own,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn address(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    trial("address", name, &[Root, Namespaces], test)
}

fn twice() -> Result<(), Error> {
    let stage = Stage::new()?;
    for text in ["10.0.0.5", "fd00::5/64/eth0"] {
        let service = spelled(text);
        for there in [true, false] {
            for _ in 0..2 {
                stage.alice(|| match there {
                    true => service.start(Lease::UNLIMITED).unwrap(),
                    false => service.stop().unwrap(),
                })?;
                let found = stage.alice(|| (service.status().unwrap(), service.monitor().unwrap()));
                assert_eq!(found?, (there, there), "{text}");
            }
        }
    }
    Ok(())
}

fn as_spelled() -> Result<(), Error> {
    let stage = Stage::new()?;
    for text in [
        "10.0.0.5/24",
        "10.7.0.5/16/eth0/10.7.0.9",
        "10.8.0.5/32/eth0",
        "fd00::5",
        "fd08::5/128/eth0",
    ] {
        stage.start(text, Lease::of(Duration::from_secs(100)))?;
    }
    let all = [
        ("10.0.0.5", 24, Some("10.0.0.255")),
        ("10.7.0.5", 16, Some("10.7.0.9")),
        ("10.8.0.5", 32, None),
        ("fd00::5", 64, None),
        ("fd08::5", 128, None),
    ];
    for (ip, prefix, broadcast) in all {
        let record = stage.record(ip)?.unwrap();
        assert_eq!(record["prefixlen"], prefix, "{record}");
        assert_eq!(record["broadcast"].as_str(), broadcast, "{record}");
        for lifetime in ["valid_life_time", "preferred_life_time"] {
            let seconds = record[lifetime].as_u64().unwrap();
            assert!((90..=100).contains(&seconds), "{record}");
        }
    }
    stage.start("10.0.0.5/24", Lease::UNLIMITED)?;
    let record = stage.record("10.0.0.5")?.unwrap();
    assert_eq!(record["valid_life_time"], u32::MAX, "{record}");
    Ok(())
}

fn from_routes() -> Result<(), Error> {
    let stage = Stage::new()?;
    stage
        .switch
        .plug(&stage.alice, "eth1", &["10.1.0.1/20", "fd01::1/48"])?;
    for (text, interface, prefix) in [
        ("10.0.0.5", "eth0", 24),
        ("10.1.0.5", "eth1", 20),
        ("10.1.0.6/32", "eth1", 32),
        ("fd00::5", "eth0", 64),
        ("fd01::5", "eth1", 48),
    ] {
        stage.start(text, Lease::UNLIMITED)?;
        let ip = text.split('/').next().unwrap();
        let (found, record) = stage.on_interface(ip)?.unwrap();
        assert_eq!((&*found, &record["prefixlen"]), (interface, &prefix.into()));
    }
    Ok(())
}

fn no_place() -> Result<(), Error> {
    let stage = Stage::new()?;
    for (text, expected) in [
        (
            "10.0.0.5/24/eth7",
            "there is no interface eth7 for 10.0.0.5",
        ),
        ("192.0.2.5", "no connected network contains 192.0.2.5"),
        ("fe80::5", "write fe80::5/BITS/INTERFACE"),
    ] {
        let service = spelled(text);
        let error = stage.alice(|| service.start(Lease::UNLIMITED).unwrap_err())?;
        assert!(error.to_string().contains(expected), "{error}");
        stage.alice(|| service.stop().unwrap())?;
        assert!(!stage.alice(|| service.status().unwrap())?);
    }
    Ok(())
}

/// Three in one network, of which the first one is what the others depend on.
fn dependants(stage: &Stage, lease: Lease) -> Result<(), Error> {
    let off = "echo 0 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
    let all_off = "echo 0 >/proc/sys/net/ipv4/conf/all/promote_secondaries";
    stage.alice.run("sh", &["-c", all_off])?;
    stage.alice.run("sh", &["-c", off])?;
    stage.start("10.9.0.5/24/eth0", lease)?;
    stage.start("10.9.0.6/24/eth0", Lease::UNLIMITED)?;
    stage
        .alice
        .ip(&["addr", "add", "10.9.0.7/24", "dev", "eth0"])?;
    for ip in ["10.9.0.6", "10.9.0.7"] {
        let record = stage.record(ip)?.unwrap();
        assert_eq!(record["secondary"], true, "{record}");
    }
    Ok(())
}

fn neighbours_survive(stage: &Stage) -> Result<(), Error> {
    assert!(stage.record("10.9.0.5")?.is_none());
    for ip in ["10.9.0.6", "10.9.0.7"] {
        assert!(stage.record(ip)?.is_some(), "{ip}");
    }
    Ok(())
}

fn neighbours_survive_stop() -> Result<(), Error> {
    let stage = Stage::new()?;
    dependants(&stage, Lease::UNLIMITED)?;
    // Somebody restores the settings of the machine.
    let off = "echo 0 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
    stage.alice.run("sh", &["-c", off])?;
    stage.alice(|| spelled("10.9.0.5/24/eth0").stop().unwrap())?;
    neighbours_survive(&stage)
}

fn neighbours_survive_lease() -> Result<(), Error> {
    let stage = Stage::new()?;
    dependants(&stage, Lease::of(Duration::from_secs(2)))?;
    wait::until_true(SOON, "the lease ran out", || {
        Ok(stage.record("10.9.0.5")?.is_none())
    })?;
    neighbours_survive(&stage)
}

/// As a router announces a network: address and route end some day.
fn route_survives_lease() -> Result<(), Error> {
    let stage = Stage::new()?;
    let reaches = |ip: &str| stage.alice.ip(&["-6", "route", "get", ip]).is_ok();
    let other = "addr add fd06::1/64 dev eth0 valid_lft 1000 preferred_lft 1000";
    stage.alice.ip(&other.split(' ').collect::<Vec<_>>())?;
    // The last one has a network of its own, whose route ends with it.
    for (ip, neighbour, stays) in [
        ("fd00::5", "fd00::9", true),
        ("fd06::5", "fd06::9", true),
        ("fd05::5", "fd05::9", false),
    ] {
        stage.start(&format!("{ip}/64/eth0"), Lease::of(BRIEF))?;
        assert!(reaches(neighbour), "{neighbour}");
        wait::until_true(SOON, "the lease ran out", || {
            Ok(stage.record(ip)?.is_none())
        })?;
        match stays {
            true => assert!(reaches(neighbour), "{neighbour}"),
            false => wait::until_true(SOON, "its route ended", || Ok(!reaches(neighbour)))?,
        }
    }
    Ok(())
}

fn foreign() -> Result<(), Error> {
    let stage = Stage::new()?;
    for text in ["10.0.0.5/24", "fd00::5/64"] {
        stage.alice.ip(&["addr", "add", text, "dev", "eth0"])?;
        let service = spelled(text);
        let before = stage.record(&service.ip().to_string())?;
        assert!(before.is_some());
        let errors = stage.alice(|| {
            [
                service.start(Lease::of(BRIEF)).unwrap_err(),
                service.refresh(Lease::of(BRIEF)).unwrap_err(),
                service.stop().unwrap_err(),
            ]
        })?;
        for error in errors {
            assert!(matches!(error, IpError::Foreign { .. }), "{error}");
        }
        assert!(stage.alice(|| service.status().unwrap())?);
        assert_eq!(stage.record(&service.ip().to_string())?, before);
        let bits = text.rsplit('/').next().unwrap().parse().unwrap();
        let found = stage.alice(|| service.put_by_others().unwrap())?;
        assert_eq!(found, [("eth0".to_owned(), bits)]);
    }
    let own = spelled("10.0.0.6");
    stage.start("10.0.0.6", Lease::UNLIMITED)?;
    assert_eq!(stage.alice(|| own.put_by_others().unwrap())?, []);
    Ok(())
}

fn lease_runs_out() -> Result<(), Error> {
    let stage = Stage::new()?;
    for text in ["10.0.0.5", "fd00::5"] {
        let service = spelled(text);
        let begin = Instant::now();
        stage.start(text, Lease::of(BRIEF))?;
        assert!(stage.alice(|| service.status().unwrap())? || begin.elapsed() > BRIEF);
        wait::until_true(SOON, "the kernel took the address away", || {
            Ok(stage.record(text)?.is_none())
        })?;
        let error = stage.alice(|| service.refresh(Lease::of(BRIEF)).unwrap_err())?;
        assert!(matches!(error, IpError::Gone { .. }), "{error}");
        assert!(
            stage.record(text)?.is_none(),
            "a refresh brings nothing back"
        );
    }
    Ok(())
}

fn lease_is_renewed() -> Result<(), Error> {
    let stage = Stage::new()?;
    let lease = Duration::from_secs(3);
    let all = ["10.0.0.5", "fd00::5"].map(spelled);
    for service in &all {
        stage.alice(|| service.start(Lease::of(lease)).unwrap())?;
    }
    wait::stays_true(2 * lease, "the addresses are there", || {
        let renew = |service: &Address| service.refresh(Lease::of(lease));
        stage.alice(|| all.iter().all(|service| renew(service).is_ok()))
    })
}

fn raised() -> Result<(), Error> {
    let stage = Stage::new()?;
    stage.switch.plug(&stage.alice, "eth1", &[])?;
    stage.alice.ip(&["link", "set", "eth1", "down"])?;
    let service = spelled("10.3.0.5/24/eth1");
    stage.alice(|| service.start(Lease::UNLIMITED).unwrap())?;
    assert!(stage.alice(|| service.monitor().unwrap())?);
    stage.alice.ip(&["link", "set", "eth1", "down"])?;
    let error = stage.alice(|| service.monitor().unwrap_err())?;
    assert_eq!(error.to_string(), "eth1 is down: ip link set eth1 up");
    assert!(stage.alice(|| service.status().unwrap())?);
    Ok(())
}

fn no_carrier() -> Result<(), Error> {
    let stage = Stage::new()?;
    let cable = stage.switch.plug(&stage.alice, "eth1", &["10.3.0.1/24"])?;
    let service = spelled("10.3.0.5");
    stage.alice(|| service.start(Lease::UNLIMITED).unwrap())?;
    cable.pull()?;
    wait::until_true(SOON, "the carrier is missed", || {
        let found = stage.alice(|| service.monitor())?;
        Ok(matches!(found, Err(IpError::NoCarrier { .. })))
    })?;
    cable.insert()?;
    wait::until_true(SOON, "the carrier is back", || {
        stage.alice(|| service.monitor().unwrap_or(false))
    })
}

fn usable_at_once() -> Result<(), Error> {
    let stage = Stage::new()?;
    let detect = "for d in all eth0; do echo 1 >/proc/sys/net/ipv6/conf/$d/accept_dad; done";
    stage.alice.run("sh", &["-c", detect])?;
    stage
        .alice
        .ip(&["addr", "add", "fd00::4/64", "dev", "eth0"])?;
    let service = spelled("fd00::5");
    let (usual, ours) = stage.alice(|| {
        let usual = UdpSocket::bind("[fd00::4]:0");
        service.start(Lease::of(SOON)).unwrap();
        (usual.is_ok(), UdpSocket::bind("[fd00::5]:0").is_ok())
    })?;
    assert!(!usual, "without detection this test says nothing");
    assert!(ours);
    Ok(())
}

fn neighbour_learns() -> Result<(), Error> {
    let stage = Stage::new()?;
    let carol = stage.machine(&["10.0.0.3/24", "fd00::3/64"])?;
    let hardware = |machine: &Namespace| hardware_of(machine, "eth0");
    for ip in ["10.0.0.5", "fd00::5"] {
        let service = spelled(ip);
        stage.alice(|| service.start(Lease::UNLIMITED).unwrap())?;
        let known = || -> Result<Option<String>, Error> {
            let text = carol.ip(&["-j", "neigh", "show", ip])?;
            let list: Value = serde_json::from_str(&text).unwrap();
            Ok(list[0]["lladdr"].as_str().map(str::to_owned))
        };
        // Whatever is sent to the address makes carol ask for it.
        wait::until_true(SOON, "carol knows alice", || {
            let _ = carol.inside(|| {
                let any = if ip.contains(':') {
                    "[::]:0"
                } else {
                    "0.0.0.0:0"
                };
                UdpSocket::bind(any)?.send_to(b"x", (ip, 9))
            });
            Ok(known()? == Some(hardware(&stage.alice)?))
        })?;
        stage.alice(|| service.stop().unwrap())?;
        stage.bob(|| service.start(Lease::UNLIMITED).unwrap())?;
        assert_eq!(known()?, Some(hardware(&stage.alice)?));
        stage.bob(|| service.announce().unwrap())?;
        wait::until_true(SOON, "carol knows bob", || {
            Ok(known()? == Some(hardware(&stage.bob)?))
        })?;
    }
    Ok(())
}

fn only_what_is_there() -> Result<(), Error> {
    let stage = Stage::new()?;
    let error = stage.alice(|| spelled("10.0.0.5").announce().unwrap_err())?;
    assert!(matches!(error, IpError::Gone { .. }), "{error}");
    let local = spelled("127.0.0.5");
    stage.alice(|| {
        local.start(Lease::UNLIMITED).unwrap();
        local.announce().unwrap();
    })?;
    Ok(())
}

fn probe_hears() -> Result<(), Error> {
    let stage = Stage::new()?;
    for ip in ["10.0.0.5", "fd00::5"] {
        let service = spelled(ip);
        assert_eq!(stage.alice(|| probed(&service))?, Probed::Nobody);
        stage.bob(|| service.start(Lease::UNLIMITED).unwrap())?;
        let expected = Probed::Other(hardware_of(&stage.bob, "eth0")?.parse().unwrap());
        assert_eq!(stage.alice(|| probed(&service))?, expected);
        // Also where this machine has it, too.
        stage.alice(|| service.start(Lease::UNLIMITED).unwrap())?;
        assert_eq!(stage.alice(|| probed(&service))?, expected);
        stage.bob(|| service.stop().unwrap())?;
        assert_eq!(stage.alice(|| probed(&service))?, Probed::Nobody);
    }
    Ok(())
}

/// Linux answers on each interface for all its addresses.
fn probe_of_own() -> Result<(), Error> {
    let stage = Stage::new()?;
    stage.switch.plug(&stage.alice, "eth1", &[])?;
    let service = spelled("10.0.0.5");
    stage.alice(|| service.start(Lease::UNLIMITED).unwrap())?;
    assert_eq!(stage.alice(|| probed(&service))?, Probed::Nobody);
    // The answer that is not believed: it comes.
    let heard = stage.bob(|| probed(&service))?;
    assert!(matches!(heard, Probed::Other(_)), "{heard:?}");
    let local = spelled("127.0.0.5");
    assert_eq!(stage.alice(|| probed(&local))?, Probed::Nobody);
    Ok(())
}

fn probed(service: &Address) -> Probed {
    let begin = Instant::now();
    let mut probe = Probe::begin(service).unwrap();
    loop {
        match probe.poll(begin.elapsed()).unwrap() {
            Probed::Waiting { until } => {
                let left = until.saturating_sub(begin.elapsed());
                let line = probe.line().unwrap();
                let mut sources = [nix::poll::PollFd::new(line, nix::poll::PollFlags::POLLIN)];
                let timeout = u16::try_from(left.as_millis() + 1).unwrap();
                nix::poll::poll(&mut sources, timeout).unwrap();
            }
            known => return known,
        }
    }
}

fn spelled(text: &str) -> Address {
    Address::parse("IPaddr", &[text.to_owned()]).unwrap()
}

fn hardware_of(machine: &Namespace, interface: &str) -> Result<String, Error> {
    let text = machine.ip(&["-j", "link", "show", interface])?;
    let list: Value = serde_json::from_str(&text).unwrap();
    Ok(list[0]["address"].as_str().unwrap().to_owned())
}

/// Two machines on a switch.
struct Stage {
    switch: Switch,
    alice: Namespace,
    bob: Namespace,
}

impl Stage {
    fn new() -> Result<Self, Error> {
        let switch = Switch::new()?;
        let alice = plugged(&switch, &["10.0.0.1/24", "fd00::1/64"])?;
        let bob = plugged(&switch, &["10.0.0.2/24", "fd00::2/64"])?;
        Ok(Self { switch, alice, bob })
    }

    fn machine(&self, addresses: &[&str]) -> Result<Namespace, Error> {
        plugged(&self.switch, addresses)
    }

    fn alice<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        inside(&self.alice, work)
    }

    fn bob<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        inside(&self.bob, work)
    }

    fn start(&self, text: &str, lease: Lease) -> Result<(), Error> {
        let service = spelled(text);
        match self.alice(|| service.start(lease))? {
            Ok(()) => Ok(()),
            Err(error) => unexpected(format!("{text}: {error}")),
        }
    }

    /// What alice has of an address.
    fn record(&self, ip: &str) -> Result<Option<Value>, Error> {
        Ok(self.on_interface(ip)?.map(|(_, record)| record))
    }

    fn on_interface(&self, ip: &str) -> Result<Option<(String, Value)>, Error> {
        let text = self.alice.ip(&["-j", "addr", "show"])?;
        let links: Vec<Value> = serde_json::from_str(&text).unwrap();
        let mut found = links.iter().flat_map(|link| {
            let name = link["ifname"].as_str().unwrap_or_default().to_owned();
            let records = link["addr_info"].as_array().cloned().unwrap_or_default();
            records
                .into_iter()
                .map(move |record| (name.clone(), record))
        });
        Ok(found.find(|(_, record)| record["local"] == ip))
    }
}

fn plugged(switch: &Switch, addresses: &[&str]) -> Result<Namespace, Error> {
    let machine = Namespace::new()?;
    switch.plug(&machine, "eth0", addresses)?;
    Ok(machine)
}

fn inside<T: Send>(machine: &Namespace, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    hbd_tests::error::file("enter a network", machine.inside(work))
}
