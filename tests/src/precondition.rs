//! What a test needs of the machine, and what becomes of a test whose machine lacks it.
//!
//! Such a test is shown as ignored with the reason in front of its name. Under `HBD_TESTS=strict` it fails instead,
//! unless `tests/PLAN.md` admits it by name: a suite that silently shrinks proves nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use nix::unistd::User;
use shared::config::STONITH_PROGRAM;

use crate::error::Error;
use crate::program;

const PLAN: &str = include_str!("../PLAN.md");
const ADMITTED_HEADING: &str = "## Admitted to be ignored";

/// Something a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Effective user 0.
    Root,
    /// Network namespaces with veth pairs and bridges may be made (and `ip` is there to make them).
    Namespaces,
    /// `nft` with bridge tables.
    PacketFilter,
    /// Debian's package `heartbeat`, its own service not running.
    Heartbeat,
    /// The program `stonith` of Debian's package `cluster-glue`.
    Stonith,
    /// Debian's package `keepalived`.
    Keepalived,
    /// A C compiler with the C library's headers.
    Compiler,
    /// What the failover lab is written in: Python 3 and a C compiler.
    Lab,
    /// What the virtual machine lab is made of.
    Machines,
    /// Debian's packages `resource-agents` and `heartbeat`, whose agents are used; nothing of it need run.
    ResourceAgents,
    /// Debian's package `postgresql`; no database need run.
    Postgresql,
    /// Debian's package `mon`, with its monitors; it need not run.
    Mon,
    /// Plugins of Debian's package `monitoring-plugins-basic`.
    MonitoringPlugins,
}

/// Where the scripts of Heartbeat's kind are.
pub const HEARTBEAT_SCRIPTS: &str = "/etc/ha.d/resource.d";
/// As whom PostgreSQL runs: it refuses to be root.
pub const POSTGRES_USER: &str = "postgres";
/// The program that schedules monitors.
pub const MON: &str = "/usr/sbin/mon";
/// Where the monitors are that come with it.
pub const MONITORS: &str = "/usr/lib/mon/mon.d";
/// Where plugins of Nagios are.
pub const PLUGINS: &str = "/usr/lib/nagios/plugins";
/// What the virtual machine lab runs, and of which Debian package it is.
const MACHINE_PROGRAMS: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mke2fs", "e2fsprogs"),
    ("depmod", "kmod"),
    ("cpio", "cpio"),
    ("apt-get", "apt"),
    ("python3", "python3"),
];
const C_HEADER: &str = "/usr/include/stdio.h";
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";
const OCF_AGENT: &str = "/usr/lib/ocf/resource.d/heartbeat/IPaddr2";

impl Precondition {
    /// Why the machine does not meet it, with the remedy; `None` when it does.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "needs root".to_owned()),
            Self::Namespaces => remembered(&NAMESPACES, namespaces_missing),
            Self::PacketFilter => remembered(&PACKET_FILTER, packet_filter_missing),
            Self::Heartbeat => heartbeat_missing(),
            Self::Compiler => {
                (!program::on_path("cc") || !Path::new(C_HEADER).exists()).then(|| {
                    "needs a C compiler: install the Debian packages gcc and libc6-dev".to_owned()
                })
            }
            Self::Lab => (!program::on_path("python3") || !program::on_path("gcc"))
                .then(|| "needs python3 and gcc: install these Debian packages".to_owned()),
            Self::Machines => machines_missing(),
            Self::Stonith => (!Path::new(STONITH_PROGRAM).exists())
                .then(|| "needs stonith: install the Debian package cluster-glue".to_owned()),
            Self::Keepalived => (!program::on_path("keepalived"))
                .then(|| "needs keepalived: install the Debian package keepalived".to_owned()),
            Self::ResourceAgents => resource_agents_missing(),
            Self::Postgresql => postgresql().err(),
            Self::Mon => lacks(MON, "mon"),
            Self::MonitoringPlugins => {
                lacks(&format!("{PLUGINS}/check_tcp"), "monitoring-plugins-basic")
            }
        }
    }
}

static NAMESPACES: OnceLock<Option<String>> = OnceLock::new();
static PACKET_FILTER: OnceLock<Option<String>> = OnceLock::new();

fn remembered(
    cell: &'static OnceLock<Option<String>>,
    find: fn() -> Option<String>,
) -> Option<String> {
    cell.get_or_init(find).clone()
}

fn namespaces_missing() -> Option<String> {
    if !program::on_path("ip") || !program::on_path("nsenter") {
        return Some("needs ip and nsenter: install iproute2 and util-linux".to_owned());
    }
    let script = "ip link add end0 type veth peer name end1 && ip link add br0 type bridge";
    in_new_network(script)
        .err()
        .map(|reason| format!("needs network namespaces with veth and bridge: {reason}"))
}

fn packet_filter_missing() -> Option<String> {
    if !program::on_path("nft") {
        return Some("needs nft: install nftables".to_owned());
    }
    let script =
        "nft 'add table bridge t; add chain bridge t f { type filter hook forward priority 0; }'";
    in_new_network(script)
        .err()
        .map(|reason| format!("needs nft bridge tables in the kernel: {reason}"))
}

/// A network namespace that lives as long as one shell.
fn in_new_network(script: &str) -> Result<String, Error> {
    program::run("unshare", &["--net", "sh", "-c", script])
}

fn heartbeat_missing() -> Option<String> {
    if !Path::new("/usr/libexec/heartbeat/heartbeat").exists()
        && !Path::new("/usr/lib/heartbeat/heartbeat").exists()
    {
        return Some("needs Heartbeat 3.0.6: install the Debian package heartbeat".to_owned());
    }
    Path::new("/run/heartbeat.pid")
        .exists()
        .then(|| "Heartbeat runs on this machine: stop it".to_owned())
}

fn machines_missing() -> Option<String> {
    let (program, package) = MACHINE_PROGRAMS
        .into_iter()
        .find(|(program, _)| !program::on_path(program) && !in_sbin(program))?;
    Some(format!(
        "needs {program}: install the Debian package {package}"
    ))
}

/// Where programs of root are, which may not be on everybody's search path.
fn in_sbin(program: &str) -> bool {
    Path::new("/usr/sbin").join(program).exists()
}

fn lacks(file: &str, package: &str) -> Option<String> {
    let missing = !Path::new(file).exists();
    missing.then(|| format!("needs {file}: install the Debian package {package}"))
}

fn resource_agents_missing() -> Option<String> {
    let script = format!("{HEARTBEAT_SCRIPTS}/IPaddr2");
    let missing = [&*script, OCF_AGENT]
        .into_iter()
        .find(|file| !Path::new(file).exists())?;
    Some(format!(
        "needs {missing}: install the Debian packages heartbeat and resource-agents"
    ))
}

/// Where the programs of PostgreSQL are, of the versions that are installed the last by name.
///
/// # Errors
/// What is missing, with the remedy.
pub fn postgresql() -> Result<PathBuf, String> {
    let versions = fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten();
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let last = programs.filter(|bin| bin.join("initdb").exists()).max();
    let last = last.ok_or("needs PostgreSQL: install the Debian package postgresql")?;
    if !matches!(User::from_name(POSTGRES_USER), Ok(Some(_))) {
        return Err(format!(
            "needs the user {POSTGRES_USER}: install the Debian package postgresql"
        ));
    }
    Ok(last)
}

/// A test of suite `suite` that needs `needs`.
pub fn trial(
    suite: &str,
    name: &str,
    needs: &[Precondition],
    test: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Trial {
    let Some(reason) = needs.iter().find_map(|need| need.missing()) else {
        return Trial::test(name, move || test().map_err(Failed::from));
    };
    if is_strict() && !is_admitted(PLAN, suite, name) {
        let failure = format!(
            "{reason} (HBD_TESTS=strict, and tests/PLAN.md does not admit {suite}::{name})"
        );
        return Trial::test(name, move || Err(failure.into()));
    }
    Trial::test(name, || Ok(()))
        .with_kind(reason)
        .with_ignored_flag(true)
}

fn is_strict() -> bool {
    env::var("HBD_TESTS").is_ok_and(|word| word == "strict")
}

/// Lines ``- `suite::name` `` below the heading.
fn is_admitted(plan: &str, suite: &str, name: &str) -> bool {
    let Some((_, admitted)) = plan.split_once(ADMITTED_HEADING) else {
        return false;
    };
    let line = format!("- `{suite}::{name}`");
    admitted.lines().any(|found| found.starts_with(&line))
}

#[cfg(test)]
mod tests {
    use super::{ADMITTED_HEADING, PLAN, is_admitted};

    #[test]
    fn the_plan_has_the_heading_that_is_looked_for() {
        assert!(PLAN.contains(ADMITTED_HEADING));
    }

    #[test]
    fn only_a_whole_name_below_the_heading_is_admitted() {
        let plan = format!("- `net::early`\n{ADMITTED_HEADING}\n- `net::late`: no kernel has it\n");
        assert!(is_admitted(&plan, "net", "late"));
        assert!(!is_admitted(&plan, "net", "early"));
        assert!(!is_admitted(&plan, "net", "lat"));
        assert!(!is_admitted(&plan, "interop", "late"));
    }
}
