//! What the configuration mentions, held against facts about this machine.
//!
//! Reading the files collects [`Mention`]s; a collector (`diag::facts`) looks up what they ask;
//! [`check`] compares. What nobody looked up is not judged.
//!
//! A missing interface is a warning: it may appear later, and hbd waits for it. A user that does
//! not exist is an error, as in Heartbeat 3.0.6: a typing mistake there gives or takes rights.

mod unicast;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::builtin::ServiceAddress;

use super::diagnostic::{Code, Diagnostic, Spot};
use super::draft::Draft;
use super::report::Report;
use super::source::{FileName, Span};
use super::suggest;

/// Something in a configuration that only the machine can confirm, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What it is.
    pub subject: Subject,
    file: FileName,
    spot: Option<Spot>,
}

/// Most mentions that are kept, so that a file of names only takes bounded memory and time. A
/// configuration that people wrote has far fewer.
const MENTIONS_MAX: usize = 1000;

/// Remembers something that only the machine can confirm.
pub(super) fn mention(draft: &mut Draft, report: &Report<'_>, span: Span, subject: Subject) {
    if draft.mentions.len() < MENTIONS_MAX {
        draft.mentions.push(Mention {
            subject,
            file: span.file,
            spot: report.spot(span),
        });
    }
}

/// What is mentioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A network interface, and what its medium needs of it.
    Interface {
        /// Its name.
        name: String,
        /// What it must have.
        need: Need,
    },
    /// The interface that a resource gets.
    ServiceInterface(String),
    /// An address that hbd puts on an interface.
    ServiceAddress(ServiceAddress),
    /// A host name that has to be resolved.
    Host {
        /// The name.
        name: String,
        /// The interface it is to be reached through; none of a host to ping, which may be this one.
        device: Option<String>,
    },
    /// The address that a unicast medium sends to.
    Destination {
        /// The address.
        address: IpAddr,
        /// The interface it is to be reached through.
        device: String,
    },
    /// An address of this machine.
    OwnAddress(IpAddr),
    /// A UDP port.
    Port(u16),
    /// A user.
    User(String),
    /// A user group.
    UserGroup(String),
    /// A program, by its path.
    Program(String),
    /// What switches a node off, by its path.
    FenceProgram(String),
    /// A type of devices of the program `stonith`.
    StonithType(String),
    /// The device of a watchdog, by its path.
    Watchdog(String),
    /// A serial port, by its path.
    SerialPort(String),
    /// The address of a host to ping.
    Pinged(IpAddr),
    /// The program that takes this node away, by its path.
    SelfFence(String),
    /// The program that is the manager, by its path.
    ManagerProgram(String),
    /// The program of a health check, by its path.
    HealthProgram(String),
    /// A resource script, by its name.
    Script(String),
    /// An agent of another class.
    Agent {
        /// As `haresources` spells it.
        name: String,
        /// Programs, one of which has to be there.
        paths: Vec<String>,
    },
}

/// What a medium needs of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// That it exists.
    Exists,
    /// An IPv4 address with a broadcast address.
    Broadcast,
    /// An IPv4 address.
    Address4,
    /// An IPv6 address.
    Address6,
    /// That it carries frames to other machines.
    Frames,
}

/// Answers about this machine. What is absent from a map was not looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Every network interface; absent if they could not be listed.
    pub interfaces: Option<Vec<Interface>>,
    /// Whether a user exists.
    pub users: BTreeMap<String, bool>,
    /// Whether a user group exists.
    pub groups: BTreeMap<String, bool>,
    /// The addresses of a host name; none if it could not be resolved.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// What lies at a path.
    pub programs: BTreeMap<String, Program>,
    /// What lies where a serial port should.
    pub ports: BTreeMap<String, Port>,
    /// The types of devices that the program `stonith` has; absent if they could not be listed.
    pub stonith_types: Option<Vec<String>>,
    /// What lies in the directories for resource scripts.
    pub scripts: BTreeMap<String, Program>,
    /// Where a service address is that hbd did not put there.
    pub foreign: BTreeMap<IpAddr, Vec<Elsewhere>>,
    /// The process of a Heartbeat that runs here. What it holds is its own.
    pub heartbeat: Option<i32>,
    /// The service that a UDP port is registered for.
    pub services: BTreeMap<u16, String>,
    /// Scripts that would be [told](crate::notification) what happens, and never are: why.
    pub untold: BTreeMap<String, String>,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether nothing is at the other end of its cable.
    pub no_carrier: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its IPv4 broadcast addresses.
    pub broadcast: Vec<Ipv4Addr>,
}

/// An interface that has an address which someone else than hbd has put there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Its name.
    pub interface: String,
    /// The bits of the network there.
    pub prefix: u8,
}

/// What lies where a serial port should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    /// Nothing.
    Missing,
    /// A file, a directory or a device that is no terminal.
    Another,
    /// A terminal, as serial ports are.
    Terminal,
}

/// What lies where a program should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// Nothing.
    Missing,
    /// A file that may not be executed, or no file.
    NotExecutable,
    /// A program.
    Executable,
}

/// Permission bits: somebody may execute.
const EXECUTE: u32 = 0o111;

impl Program {
    /// What lies at a path of this machine.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(file) if file.is_file() && file.permissions().mode() & EXECUTE != 0 => {
                Self::Executable
            }
            Ok(_) => Self::NotExecutable,
            Err(_) => Self::Missing,
        }
    }
}

/// The name under which the port 694 is registered.
const SERVICE: &str = "ha-cluster";

/// Compares what is mentioned with what is known.
#[must_use]
pub fn check(mentions: &[Mention], facts: &Facts) -> Vec<Diagnostic> {
    let single = mentions
        .iter()
        .filter_map(|mention| judge(mention, mentions, facts));
    let core_user = (facts.users.get(CORE_USER) == Some(&false)).then(core_user_missing);
    single
        .chain(unicast::check(mentions, facts))
        .chain(core_user)
        .chain(facts.untold.iter().map(untold))
        .collect()
}

/// The user that hbd's core runs as, where it exists.
pub const CORE_USER: &str = "hbd-core";

fn core_user_missing() -> Diagnostic {
    let code = Code::CoreUserMissing;
    Diagnostic {
        code,
        severity: code.severity(),
        message: format!(
            "there is no user `{CORE_USER}`: started by root, hbd's core will run as `nobody`"
        ),
        file: FileName::HaCf,
        spot: None,
        related: None,
        remedy: Some(format!(
            "adduser --system --group --no-create-home {CORE_USER}"
        )),
        replacement: None,
    }
}

fn untold((script, why): (&String, &String)) -> Diagnostic {
    let code = Code::NotificationNotRun;
    Diagnostic {
        code,
        severity: code.severity(),
        message: format!("`{script}` is never run: {why}"),
        file: FileName::HaCf,
        spot: None,
        related: None,
        remedy: Some("hbd-agents(7), NOTIFICATION, tells what is run".into()),
        replacement: None,
    }
}

fn judge(mention: &Mention, all: &[Mention], facts: &Facts) -> Option<Diagnostic> {
    let finding = match &mention.subject {
        Subject::Interface { name, need } => interface(name, *need, all, facts),
        Subject::ServiceInterface(name) => service_interface(name, facts),
        Subject::ServiceAddress(address) => service_address(address, facts),
        Subject::Host { name, device } => host(name, device.as_deref(), facts),
        Subject::Destination { .. } => None,
        Subject::OwnAddress(address) => own_address(*address, facts),
        Subject::Port(port) => service(*port, facts),
        Subject::User(name) => account(&USER, name, &facts.users),
        Subject::UserGroup(name) => account(&GROUP, name, &facts.groups),
        Subject::Program(path) => program(path, facts),
        Subject::FenceProgram(path) => fence_program(path, facts),
        Subject::StonithType(name) => stonith_type(name, facts),
        Subject::Watchdog(path) => watchdog(path, facts),
        Subject::SerialPort(path) => serial_port(path, facts),
        Subject::Pinged(address) => pinged(*address, facts),
        Subject::SelfFence(path) => self_fence(path, facts),
        Subject::ManagerProgram(path) => manager_program(path, facts),
        Subject::HealthProgram(path) => health_program(path, facts),
        Subject::Script(name) => script(name, facts),
        Subject::Agent { name, paths } => agent(name, paths, facts),
    }?;
    Some(finding.into_diagnostic(mention))
}

struct Finding {
    code: Code,
    message: String,
    label: &'static str,
    remedy: String,
    /// What could stand there.
    replacement: Option<String>,
}

impl Finding {
    fn into_diagnostic(self, mention: &Mention) -> Diagnostic {
        let spot = mention.spot.clone().map(|spot| Spot {
            label: self.label.to_owned(),
            ..spot
        });
        Diagnostic {
            code: self.code,
            severity: self.code.severity(),
            message: self.message,
            file: mention.file,
            spot,
            related: None,
            remedy: Some(self.remedy),
            replacement: self.replacement,
        }
    }
}

fn interface(name: &str, need: Need, all: &[Mention], facts: &Facts) -> Option<Finding> {
    let interfaces = facts.interfaces.as_ref()?;
    let Some(interface) = interfaces.iter().find(|i| i.name == name) else {
        return Some(Finding {
            code: Code::InterfaceMissing,
            message: format!("the interface `{name}` does not exist here"),
            label: "not among this machine's interfaces",
            remedy: "hbd waits for it to appear; `ip link` lists those that exist".to_owned(),
            replacement: unnamed_interface(name, interfaces, all),
        });
    };
    let (label, remedy) = lacking(interface, need)?;
    Some(Finding {
        code: Code::InterfaceUnfit,
        message: format!("the interface `{name}` cannot carry this medium"),
        label,
        remedy,
        replacement: None,
    })
}

fn service_interface(name: &str, facts: &Facts) -> Option<Finding> {
    let interfaces = facts.interfaces.as_ref()?;
    if interfaces.iter().any(|interface| interface.name == name) {
        return None;
    }
    let names = interfaces.iter().map(|interface| interface.name.as_str());
    Some(Finding {
        code: Code::InterfaceMissing,
        message: format!("the interface `{name}` does not exist here"),
        label: "the resource cannot start on this node",
        remedy: "`ip link` lists those that exist".to_owned(),
        replacement: suggest::nearest(name, names).map(str::to_owned),
    })
}

/// The agent changes and removes only what hbd has put there.
fn service_address(address: &ServiceAddress, facts: &Facts) -> Option<Finding> {
    if facts.heartbeat.is_some() {
        return None;
    }
    let meant = |place: &&Elsewhere| {
        let named = address.interface.as_ref();
        named.is_none_or(|name| *name == place.interface)
    };
    let ip = address.ip;
    let Elsewhere { interface, prefix } = facts.foreign.get(&ip)?.iter().find(meant)?;
    Some(Finding {
        code: Code::AddressForeign,
        message: format!("{ip} is on {interface} already, and hbd did not put it there"),
        label: "hbd neither starts nor stops it here",
        remedy: format!(
            "`ip address del {ip}/{prefix} dev {interface}`, and see that nothing else puts it there"
        ),
        replacement: None,
    })
}

/// The interface that `name` probably means, among those that no line names.
fn unnamed_interface(name: &str, interfaces: &[Interface], all: &[Mention]) -> Option<String> {
    let named = |name: &str| {
        all.iter().any(|mention| {
            matches!(&mention.subject, Subject::Interface { name: other, .. } if other == name)
        })
    };
    let unnamed = interfaces.iter().map(|interface| interface.name.as_str());
    suggest::nearest(name, unnamed.filter(|name| !named(name))).map(str::to_owned)
}

/// What the interface lacks, and what to do.
fn lacking(interface: &Interface, need: Need) -> Option<(&'static str, String)> {
    let name = &interface.name;
    let v4 = interface.addresses.iter().any(IpAddr::is_ipv4);
    let v6 = interface.addresses.iter().any(IpAddr::is_ipv6);
    let loopback = interface.addresses.iter().any(IpAddr::is_loopback);
    let label = match need {
        _ if !interface.up => {
            let remedy = format!("hbd waits for it; `ip link set {name} up` brings it up");
            return Some(("is down", remedy));
        }
        _ if interface.no_carrier => {
            let remedy = "look at the cable, and at the switch port or machine at its other end";
            return Some(("has no carrier", remedy.to_owned()));
        }
        Need::Frames if loopback => {
            let remedy = "name the interface that leads to the other nodes; `ip link` lists them";
            return Some(("leads to this machine alone", remedy.to_owned()));
        }
        Need::Broadcast if interface.broadcast.is_empty() && !loopback => {
            "has no IPv4 broadcast address"
        }
        Need::Address4 if !v4 => "has no IPv4 address",
        Need::Address6 if !v6 => "has no IPv6 address",
        _ => return None,
    };
    let remedy = format!("hbd waits for it; `ip address show dev {name}` shows its addresses");
    Some((label, remedy))
}

fn host(name: &str, device: Option<&str>, facts: &Facts) -> Option<Finding> {
    let addresses = facts.hosts.get(name)?;
    let mut v4 = addresses
        .iter()
        .filter(|address| address.is_ipv4())
        .peekable();
    if v4.peek().is_none() {
        return Some(Finding {
            code: Code::HostUnresolved,
            message: format!("the host `{name}` has no IPv4 address"),
            label: "cannot be resolved",
            remedy: "write its address, or add it to /etc/hosts".to_owned(),
            replacement: None,
        });
    }
    if matches!(device, None | Some("lo")) || v4.all(|address| !address.is_loopback()) {
        return None;
    }
    Some(Finding {
        code: Code::HostLoopback,
        message: format!("the host `{name}` resolves to a loopback address"),
        label: "leads back to this machine",
        remedy: "write the peer's address; Debian maps the own name to 127.0.1.1 in /etc/hosts"
            .to_owned(),
        replacement: None,
    })
}

fn own_address(address: IpAddr, facts: &Facts) -> Option<Finding> {
    let interfaces = facts.interfaces.as_ref()?;
    let ours = interfaces.iter().any(|i| i.addresses.contains(&address));
    let loopback = address.is_loopback();
    (!ours && !loopback).then(|| Finding {
        code: Code::ListenForeign,
        message: format!("`{address}` is not an address of this machine"),
        label: "no interface has it",
        remedy: "hbd waits for it to appear; `ip address` lists those that exist".to_owned(),
        replacement: None,
    })
}

fn service(port: u16, facts: &Facts) -> Option<Finding> {
    let service = facts.services.get(&port)?;
    (service != SERVICE).then(|| Finding {
        code: Code::ServicePort,
        message: format!("UDP port {port} belongs to the service `{service}`"),
        label: "registered in /etc/services",
        remedy: "choose a port that no other service uses, the same on all nodes".to_owned(),
        replacement: None,
    })
}

/// A kind of accounts.
struct AccountKind {
    code: Code,
    what: &'static str,
    /// The command that makes one, without its name.
    maker: &'static str,
}

const USER: AccountKind = AccountKind {
    code: Code::UserUnknown,
    what: "user",
    maker: "adduser --system",
};
const GROUP: AccountKind = AccountKind {
    code: Code::GroupUnknown,
    what: "group",
    maker: "addgroup --system",
};

fn account(kind: &AccountKind, name: &str, known: &BTreeMap<String, bool>) -> Option<Finding> {
    let AccountKind { code, what, maker } = kind;
    (!known.get(name).copied()?).then(|| Finding {
        code: *code,
        message: format!("the {what} `{name}` does not exist here"),
        label: "not known to this machine",
        remedy: format!("correct the name, or create the {what}: {maker} {name}"),
        replacement: None,
    })
}

fn program(path: &str, facts: &Facts) -> Option<Finding> {
    let label = unusable(*facts.programs.get(path)?)?;
    Some(Finding {
        code: Code::ProgramMissing,
        message: format!("`{path}` cannot be run"),
        label,
        remedy: "install it, or remove the line; Heartbeat 3.0.6 would refuse to start".to_owned(),
        replacement: None,
    })
}

fn fence_program(path: &str, facts: &Facts) -> Option<Finding> {
    let label = unusable(*facts.programs.get(path)?)?;
    Some(Finding {
        code: Code::FenceProgramMissing,
        message: format!("`{path}` cannot be run, so nobody could be fenced with it"),
        label,
        remedy: "install it, or remove the line".to_owned(),
        replacement: None,
    })
}

/// Types that are named after programs which lie elsewhere, and are found by a plugin of their own.
const ELSEWHERE: &str = "rhcs/";

fn stonith_type(name: &str, facts: &Facts) -> Option<Finding> {
    let types = facts.stonith_types.as_ref()?;
    if name.starts_with(ELSEWHERE) || types.iter().any(|known| known == name) {
        return None;
    }
    Some(Finding {
        code: Code::StonithTypeUnknown,
        message: format!("the program stonith has no devices of type `{name}` here"),
        label: "no plugin of cluster-glue",
        remedy: "`stonith -L` lists the types".to_owned(),
        replacement: suggest::nearest(name, types.iter().map(String::as_str)).map(str::to_owned),
    })
}

fn watchdog(path: &str, facts: &Facts) -> Option<Finding> {
    let missing = *facts.programs.get(path)? == Program::Missing;
    missing.then(|| Finding {
        code: Code::WatchdogMissing,
        message: format!("there is no watchdog `{path}`"),
        label: "does not exist",
        remedy: "load the driver of the machine's watchdog, or softdog, which does it in software"
            .to_owned(),
        replacement: None,
    })
}

fn serial_port(path: &str, facts: &Facts) -> Option<Finding> {
    let (code, message, label, remedy) = match facts.ports.get(path)? {
        Port::Terminal => return None,
        Port::Missing => (
            Code::SerialMissing,
            format!("there is no serial port `{path}`"),
            "does not exist",
            "plug its adapter in, or load its driver; `dmesg | grep tty` lists the ports",
        ),
        Port::Another => (
            Code::SerialUnfit,
            format!("`{path}` is no serial port"),
            "is something else",
            "`dmesg | grep tty` lists the ports",
        ),
    };
    Some(Finding {
        code,
        message,
        label,
        remedy: remedy.to_owned(),
        replacement: None,
    })
}

fn pinged(address: IpAddr, facts: &Facts) -> Option<Finding> {
    let interfaces = facts.interfaces.as_ref()?;
    let ours = interfaces.iter().any(|i| i.addresses.contains(&address));
    (ours || address.is_loopback()).then(|| Finding {
        code: Code::PingOwn,
        message: format!("`{address}` is an address of this machine"),
        label: "answers whatever happens to the network",
        remedy: "ping what the services need the network for: a router, a switch".to_owned(),
        replacement: None,
    })
}

fn self_fence(path: &str, facts: &Facts) -> Option<Finding> {
    let label = unusable(*facts.programs.get(path)?)?;
    Some(Finding {
        code: Code::SelfFenceMissing,
        message: format!("`{path}` cannot be run, so this node could not fence itself"),
        label,
        remedy: "install it, or remove the line: hbd then resets the machine itself".to_owned(),
        replacement: None,
    })
}

fn manager_program(path: &str, facts: &Facts) -> Option<Finding> {
    let label = unusable(*facts.programs.get(path)?)?;
    Some(Finding {
        code: Code::ManagerProgramMissing,
        message: format!("`{path}` cannot be run, so nobody would decide which node holds what"),
        label,
        remedy: "install it, or write `manager two_node`".to_owned(),
        replacement: None,
    })
}

fn health_program(path: &str, facts: &Facts) -> Option<Finding> {
    let label = unusable(*facts.programs.get(path)?)?;
    Some(Finding {
        code: Code::HealthProgramMissing,
        message: format!("`{path}` cannot be run, so the health check could not find out anything"),
        label,
        remedy: "install it (Debian: monitoring-plugins-basic, mon), or remove the line".to_owned(),
        replacement: None,
    })
}

fn script(name: &str, facts: &Facts) -> Option<Finding> {
    let label = unusable(*facts.scripts.get(name)?)?;
    Some(Finding {
        code: Code::ScriptMissing,
        message: format!("the resource script `{name}` cannot be run"),
        label,
        remedy: "it must be an executable file in resource.d or /etc/init.d".to_owned(),
        replacement: None,
    })
}

fn agent(name: &str, paths: &[String], facts: &Facts) -> Option<Finding> {
    let look = |path: &String| facts.programs.get(path).copied();
    let found: Vec<Program> = paths.iter().map(look).collect::<Option<_>>()?;
    if found.contains(&Program::Executable) {
        return None;
    }
    let (label, remedy) = match found.iter().position(|f| *f == Program::NotExecutable) {
        Some(at) => (
            "is no executable file",
            format!("make {} an executable file", paths[at]),
        ),
        None => (
            "does not exist",
            format!("install it: there is no {}", paths.join(" and no ")),
        ),
    };
    Some(Finding {
        code: Code::ScriptMissing,
        message: format!("the resource agent `{name}` cannot be run"),
        label,
        remedy,
        replacement: None,
    })
}

fn unusable(found: Program) -> Option<&'static str> {
    match found {
        Program::Missing => Some("does not exist"),
        Program::NotExecutable => Some("is no executable file"),
        Program::Executable => None,
    }
}
