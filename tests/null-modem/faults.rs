//! `hadiag serial --peer`: which wire it is. The faults and what is said of them stand in `faults.txt`.
//!
//! Two nodes with a serial line and a network between them. The line breaks, and alice is asked.

use std::process::{Command, Output};
use std::sync::Arc;

use hbd_tests::daemon::{Daemon, HARMLESS};
use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::forms::Said;
use hbd_tests::modem_cable::{self as modem, Kind, ModemCable};
use hbd_tests::namespaces::{Cable, Namespace, Switch};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::tier::Tier;
use hbd_tests::{program, wait};
use serde_json::Value;
use shared::client::{Client, REPLY_LIMIT};
use shared::event::{Event, Kind as What, LinkStatus, MediumStatus, NodeStatus};
use shared::names::NodeName;
use shared::probe::{Answer, LineOrder, Outputs, Question};
use shared::view::LinkView;

use crate::port::SOON;

const TABLE: &str = include_str!("faults.txt");
const NODES: [&str; 2] = ["alice", "bob"];
const BAUD: &str = "115200";

struct Row<'a> {
    fault: &'a str,
    verdict: &'a str,
    said: &'a str,
}

fn rows() -> Result<Vec<Row<'static>>, Error> {
    let lines = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|line| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [fault, verdict, said] = *columns else {
            return unexpected(format!("faults.txt: {line}"));
        };
        Ok(Row {
            fault,
            verdict,
            said,
        })
    });
    rows.collect()
}

/// Fields are dropped in this order.
struct Pair {
    daemons: [Daemon; 2],
    cable: ModemCable,
    machines: [Arc<Namespace>; 2],
    network: Cable,
    _switch: Switch,
    _scratch: [Scratch; 2],
}

impl Pair {
    fn new() -> Result<Self, Error> {
        let (ports, config) = (Scratch::new()?, Scratch::new()?);
        let cable = ModemCable::new(ports.path(), Kind::FullHandshake)?;
        let switch = Switch::new()?;
        let machines = [Arc::new(Namespace::new()?), Arc::new(Namespace::new()?)];
        let network = switch.plug(&machines[0], "eth0", &["10.9.0.1/24"])?;
        switch.plug(&machines[1], "eth0", &["10.9.0.2/24"])?;
        let start = |end: usize| {
            let directory = config.directory(NODES[end])?;
            let ha_cf = format!(
                "keepalive 200ms\nwarntime 1\ndeadtime 2\ninitdead 5\nauto_failback legacy\nbaud {BAUD}\nserial {}\n\
                 bcast eth0\nnode alice bob\n",
                cable.port(end).display()
            );
            scratch::write(&directory.join("ha.cf"), &ha_cf)?;
            scratch::write(&directory.join("hbd.cf"), HARMLESS)?;
            scratch::write_secret(&directory.join("authkeys"), "auth 1\n1 sha1 line-key\n")?;
            let daemon = Daemon::new(NODES[end], &machines[end], &directory)?;
            let mut daemon = daemon.with_environment(&cable.environment());
            daemon.start()?;
            Ok::<_, Error>(daemon)
        };
        let daemons = [start(0)?, start(1)?];
        for (daemon, peer) in daemons.iter().zip(["bob", "alice"]) {
            daemon.wait_status(peer, NodeStatus::Active, SOON)?;
        }
        Ok(Self {
            daemons,
            cable,
            machines,
            network,
            _switch: switch,
            _scratch: [config, ports],
        })
    }

    fn wait_port(
        &self,
        end: usize,
        what: &str,
        is: fn(&MediumStatus) -> bool,
    ) -> Result<(), Error> {
        wait::until_true(SOON, what, || {
            let view = self.daemons[end].view()?;
            let mut serial = view
                .media
                .values()
                .filter(|medium| medium.description.starts_with("serial"));
            Ok(serial.any(|medium| medium.status.as_ref().is_some_and(is)))
        })
    }

    /// Does to the cable what a row says.
    fn break_it(&mut self, fault: &str) -> Result<(), Error> {
        let mut steps = fault.split(';').map(str::trim);
        let kind = steps.next().unwrap_or_default();
        let Some(kind) = kind_of(kind) else {
            return unexpected(format!("faults.txt: no cable {kind}"));
        };
        self.cable.replace(kind)?;
        steps.try_for_each(|step| self.change(step))
    }

    fn change(&mut self, step: &str) -> Result<(), Error> {
        let words: Vec<&str> = step.split(' ').collect();
        let end = |name: &str| {
            NODES
                .iter()
                .position(|node| *node == name)
                .unwrap_or_default()
        };
        match *words {
            ["cut", pin, node] => match (output(pin), input(pin)) {
                (Some(output), _) => self.cable.cut_from(end(node), output),
                (None, Some(input)) => self.cable.cut_to(end(node), input),
                (None, None) => unexpected(format!("faults.txt: no pin {pin}")),
            },
            ["join", pin, node, letters] => match input(pin) {
                Some(input) => self.cable.join(end(node), input, letters),
                None => unexpected(format!("faults.txt: no input {pin}")),
            },
            ["noise", every] => self.cable.set_noise(every.parse().unwrap_or_default()),
            ["baud", node, baud] => self.set_baud(end(node), baud),
            ["gone", node] => {
                self.cable.unplug(end(node))?;
                let is_missing = |status: &MediumStatus| !matches!(status, MediumStatus::Open);
                self.wait_port(end(node), "its port is gone", is_missing)
            }
            _ => unexpected(format!("faults.txt: {step}")),
        }
    }

    fn set_baud(&self, end: usize, baud: &str) -> Result<(), Error> {
        let port = self.cable.port(end).display().to_string();
        program::run("stty", &["-F", &port, baud]).map(drop)
    }

    /// What no other cable mends.
    fn mend(&mut self, fault: &str) -> Result<(), Error> {
        if fault.contains("noise") {
            self.cable.set_noise(0)?;
        }
        if fault.contains("baud") {
            self.set_baud(1, BAUD)?;
        }
        if fault.contains("gone") {
            self.cable.plug(1)?;
            let is_open = |status: &MediumStatus| matches!(status, MediumStatus::Open);
            self.wait_port(1, "its port is back", is_open)?;
        }
        Ok(())
    }

    fn ask(&self, form: Option<&str>) -> Result<Output, Error> {
        self.ask_of("bob", form)
    }

    fn ask_of(&self, peer: &str, form: Option<&str>) -> Result<Output, Error> {
        let hadiag = program::of_workspace("hadiag")?;
        let mut command = self.machines[0].command(&hadiag.display().to_string());
        command.envs(self.cable.environment());
        command.args(["serial", "--timeout", "30", "--peer", peer, "--run"]);
        command.arg(self.daemons[0].run()).args(form);
        file("run hadiag", command.arg(self.cable.port(0)).output())
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "full" => Kind::FullHandshake,
        "seven wires" => Kind::SevenWires,
        "partial handshake" => Kind::PartialHandshake,
        "loopback handshake" => Kind::LoopbackHandshake,
        "three wires" => Kind::ThreeWires,
        "plug" => Kind::LoopbackPlug,
        "straight" => Kind::StraightThrough,
        "unplugged" => Kind::Unplugged,
        "modem" => Kind::Modem,
        _ => return None,
    })
}

fn input(pin: &str) -> Option<modem::Input> {
    Some(match pin {
        "CTS" => modem::Input::Cts,
        "DSR" => modem::Input::Dsr,
        "DCD" => modem::Input::Dcd,
        "RxD" => modem::Input::RxD,
        _ => return None,
    })
}

fn output(pin: &str) -> Option<modem::Output> {
    Some(match pin {
        "RTS" => modem::Output::Rts,
        "DTR" => modem::Output::Dtr,
        "TxD" => modem::Output::TxD,
        _ => return None,
    })
}

pub(crate) fn each() -> Result<(), Error> {
    let mut pair = Pair::new()?;
    let mut failed = Vec::new();
    for row in rows()? {
        pair.break_it(row.fault)?;
        if let Err(error) = said(&pair, &row) {
            failed.push(format!("{}: {error}", row.fault));
        }
        pair.mend(row.fault)?;
    }
    match failed.is_empty() {
        true => Ok(()),
        false => unexpected(failed.join("\n")),
    }
}

fn said(pair: &Pair, row: &Row<'_>) -> Result<(), Error> {
    let said = Said::of(&pair.ask(Some("--json"))?)?;
    if !said.says(row.said) || said.verdict != row.verdict {
        return unexpected(format!("{}: {said:#?}", row.fault));
    }
    match Tier::of_this_run() {
        Tier::Quick => Ok(()),
        Tier::Ci | Tier::Long => said.agrees(|form| pair.ask(form)),
    }
}

/// The lines that alice raises, as the driver tells them to whoever looks and touches nothing.
fn raised_by_alice(pair: &Pair) -> Result<Vec<String>, Error> {
    let hadiag = program::of_workspace("hadiag")?;
    let mut command = Command::new(hadiag);
    command.envs(pair.cable.environment());
    command.args(["serial", "--json"]).arg(pair.cable.port(0));
    let output = file("run hadiag", command.output())?;
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let rows = json["reports"][0]["evidence"].as_array().cloned();
    let raised = rows.into_iter().flatten().filter_map(|row| {
        let name = row["name"].as_str()?.strip_suffix(" out")?.to_owned();
        (row["value"] == "raised").then_some(name)
    });
    Ok(raised.collect())
}

/// Whoever asked for it may die in the midst of it.
pub(crate) fn forsaken() -> Result<(), Error> {
    let mut pair = Pair::new()?;
    let socket = pair.daemons[0].socket();
    let alice = name("alice")?;
    let before = pair.daemons[0].events()?.len();
    let connected = Client::connect(&socket, REPLY_LIMIT);
    let mut client = connected.or_else(|error| unexpected(error.to_string()))?;
    let Ok(Answer::Ports(ports)) = client.probe(alice.clone(), Question::Ports) else {
        return unexpected("alice does not tell her ports");
    };
    let order = LineOrder {
        medium: ports[0].medium.clone(),
        outputs: Some(Outputs::default()),
        send: false,
    };
    if let Err(error) = client.probe(alice, Question::Line(order)) {
        return unexpected(format!("alice does not lower her lines: {error}"));
    }
    drop(client);
    let lowered = raised_by_alice(&pair)?;
    if !lowered.is_empty() {
        return unexpected(format!("raised though lowered: {lowered:?}"));
    }
    wait::until_true(SOON, "they are raised again", || {
        Ok(raised_by_alice(&pair)? == ["DTR 4", "RTS 7"])
    })?;
    // What really changes is told again once the test is over.
    pair.cable.cut_to(0, modem::Input::Dcd)?;
    let told = || {
        let events = pair.daemons[0].events()?;
        let lines = |event: &Event| matches!(event.kind, What::ModemLines { .. });
        Ok::<_, Error>(
            events
                .into_iter()
                .skip(before)
                .filter(lines)
                .collect::<Vec<_>>(),
        )
    };
    wait::until_true(SOON, "the cut wire is told", || Ok(!told()?.is_empty()))?;
    let told = told()?;
    match &*told {
        [
            Event {
                kind: What::ModemLines { to, .. },
                ..
            },
        ] if to.cts && !to.dcd => Ok(()),
        _ => unexpected(format!("a test is told as news: {told:?}")),
    }
}

/// Over the line alone nobody is silenced for a test of it.
pub(crate) fn alone() -> Result<(), Error> {
    let pair = Pair::new()?;
    pair.network.pull()?;
    let is_alone = || {
        let view = pair.daemons[0].view()?;
        let links = view.nodes.get(&name("bob")?).map(|node| node.links.clone());
        let dead = |link: &LinkView| link.status == LinkStatus::Dead;
        Ok(links.is_some_and(|links| links.values().any(dead)))
    };
    wait::until_true(SOON, "the network is dead", is_alone)?;
    let said = Said::of(&pair.ask(Some("--json"))?)?;
    match said.says("is the only path between alice and bob") {
        true => Ok(()),
        false => unexpected(format!("{said:#?}")),
    }
}

fn name(node: &str) -> Result<NodeName, Error> {
    NodeName::new(node).or_else(|error| unexpected(error.to_string()))
}
