//! What is run for an operation on a resource.
//!
//! Nothing is inherited: a script sees the same environment wherever and however hbd was started.
//! Names and values are those of Heartbeat 3.0.6 (`HA_*`) and of the OCF agent API 1.0 (`OCF_*`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::config::directives::facility_word;
use shared::config::{Logging, Secret};
use shared::group::Operation;
use shared::names::NodeName;
use shared::notification::DIRECTORY;

use crate::class::Class;

pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How scripts write the time into `HA_LOGFILE` (`date(1)`), with a tab behind it.
const DATE_FORMAT: &str = "%Y/%m/%d_%T\t";

/// Longest input of a command in bytes: what an empty pipe takes at once (`pipe(7)`).
pub const INPUT_MAX: usize = 64 * 1024;

/// A program and all it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program.
    pub program: PathBuf,
    /// What it is called with.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// What it reads on standard input; nothing, if absent. What nobody else may see is here and
    /// not in its arguments. At most [`INPUT_MAX`] bytes.
    #[serde(default)]
    pub input: Option<Secret>,
}

/// What an agent may want to know of the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The program of hbd, which is a built-in agent's too.
    pub program: &'a Path,
    /// The run directory.
    pub run: &'a Path,
    /// This node.
    pub node: &'a NodeName,
    /// The directory of `ha.cf`.
    pub configuration: &'a Path,
    /// What is called `OCF_ROOT`.
    pub ocf_root: &'a Path,
    /// Where the log goes.
    pub logging: &'a Logging,
    /// What scripts are told besides, by name without `HA_`: directives as `ha.cf` says them, `env`.
    pub environment: &'a Variables,
    /// How long the operation may take.
    pub limit: Duration,
}

/// What is run; nothing where nothing is to be done: only built-in agents announce, and not all.
#[must_use]
pub fn command(class: &Class, operation: Operation, setting: &Setting<'_>) -> Option<Command> {
    if operation == Operation::Announce && !announces(class) {
        return None;
    }
    let operation = asked(class, operation);
    let word = operation.word();
    let mut environment = common(setting);
    let (program, arguments) = match class {
        Class::BuiltIn { words, .. } => (setting.program, of_agent(words, operation, setting)),
        Class::Heartbeat { script, arguments } => {
            environment.extend(of_heartbeat(setting));
            let mut arguments = arguments.clone();
            arguments.push(word.to_owned());
            (script.as_path(), arguments)
        }
        Class::Ocf { script, .. } => {
            environment.extend(of_heartbeat(setting));
            environment.extend(of_ocf(class, setting));
            let word = match operation {
                Operation::Status => "monitor",
                _ => word,
            };
            (script.as_path(), vec![word.to_owned()])
        }
        Class::Lsb { script } => (script.as_path(), vec![word.to_owned()]),
        Class::Systemd { systemctl, unit } => (systemctl.as_path(), of_systemctl(operation, unit)),
    };
    Some(Command {
        program: program.to_owned(),
        arguments,
        environment,
        input: None,
    })
}

fn announces(class: &Class) -> bool {
    matches!(class, Class::BuiltIn { agent, .. } if agent.announces())
}

/// Agents of other classes know one question, so that a look at a started resource asks the same.
pub(crate) fn asked(class: &Class, operation: Operation) -> Operation {
    match (class, operation) {
        (Class::BuiltIn { .. }, operation) => operation,
        (_, Operation::Monitor) => Operation::Status,
        (_, other) => other,
    }
}

/// `hbd agent --run DIR NAME ARGUMENT... OPERATION`.
fn of_agent(words: &[String], operation: Operation, setting: &Setting<'_>) -> Vec<String> {
    let mut arguments: Vec<String> = ["agent", "--run"].map(str::to_owned).into();
    arguments.push(setting.run.display().to_string());
    arguments.extend_from_slice(words);
    arguments.push(operation.word().to_owned());
    arguments
}

/// Of an environment, by name.
pub type Variables = BTreeMap<String, String>;

pub(crate) fn variables<const N: usize>(pairs: [(&str, String); N]) -> Variables {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(crate) fn common(setting: &Setting<'_>) -> Variables {
    variables([
        ("PATH", PATH.into()),
        ("HOME", "/".into()),
        ("HA_CURHOST", setting.node.as_str().into()),
    ])
}

/// What Heartbeat 3.0.6 tells a resource script of itself, without what only its own programs use.
fn of_heartbeat(setting: &Setting<'_>) -> Variables {
    let directory = setting.configuration.display();
    let ocf_root = setting.ocf_root.display().to_string();
    let facility = setting.logging.facility.and_then(facility_word);
    let told = setting.environment.iter();
    let mut found: Variables = told
        .map(|(name, value)| (format!("HA_{name}"), value.clone()))
        .collect();
    found.extend(variables([
        ("HA_DIR", format!("{directory}/")),
        ("HA_FUNCS", format!("{directory}/shellfuncs")),
        ("HA_RCDIR", format!("{directory}/{DIRECTORY}")),
        ("HA_RESOURCEDIR", format!("{directory}/resource.d")),
        ("HA_DATEFMT", DATE_FORMAT.into()),
        ("HA_LOGD", "no".into()),
        ("HA_LOGFACILITY", facility.unwrap_or_default().into()),
        ("HA_logfacility", facility.unwrap_or("none").into()),
        // Scripts write into it without asking whether it is there.
        ("HA_DEBUGLOG", "/dev/null".into()),
        ("OCF_ROOT", ocf_root.clone()),
        ("OCF_AGENTS", format!("{ocf_root}/resource.d/heartbeat/")),
    ]));
    let logging = setting.logging;
    for (names, file) in [
        (["HA_LOGFILE", "HA_logfile"], &logging.file),
        (["HA_DEBUGLOG", "HA_debugfile"], &logging.debug_file),
    ] {
        if let Some(file) = file {
            found.extend(names.map(|name| (name.to_owned(), file.display().to_string())));
        }
    }
    found
}

/// A script that is told of a message of that type with these fields, on a node with that status.
#[must_use]
pub fn notification(
    program: PathBuf,
    message_type: &str,
    (fields, own): (&Variables, &str),
    setting: &Setting<'_>,
) -> Command {
    let mut environment = common(setting);
    environment.extend(of_heartbeat(setting));
    let fields = fields.iter();
    environment.extend(fields.map(|(name, value)| (format!("HA_{name}"), value.clone())));
    environment.insert("HA_OSTATUS".into(), own.into());
    Command {
        program,
        arguments: vec![message_type.to_owned()],
        environment,
        input: None,
    }
}

fn of_ocf(class: &Class, setting: &Setting<'_>) -> Variables {
    let Class::Ocf {
        provider,
        agent,
        parameters,
        ..
    } = class
    else {
        return Variables::new();
    };
    let mut found = variables([
        ("OCF_RA_VERSION_MAJOR", "1".into()),
        ("OCF_RA_VERSION_MINOR", "0".into()),
        ("OCF_RESOURCE_PROVIDER", provider.clone()),
        ("OCF_RESOURCE_TYPE", agent.clone()),
        (
            "OCF_RESOURCE_INSTANCE",
            instance(provider, agent, parameters),
        ),
        // As Pacemaker says it. An interval of 0 makes `monitor` the question whether it runs,
        // which an agent answers although what it needs is on another node at the moment.
        ("OCF_RESKEY_CRM_meta_interval", "0".into()),
        (
            "OCF_RESKEY_CRM_meta_timeout",
            setting.limit.as_millis().to_string(),
        ),
    ]);
    for (key, value) in parameters {
        found.insert(format!("OCF_RESKEY_{key}"), value.clone());
    }
    found
}

/// A name for this resource and no other. Agents make files of it, so it is of letters and digits,
/// and it is the same for each operation and in each version of hbd.
fn instance(provider: &str, agent: &str, parameters: &Variables) -> String {
    let mut hash = fnv(0xcbf2_9ce4_8422_2325, provider);
    for (key, value) in parameters {
        hash = fnv(fnv(hash, key), value);
    }
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let agent: String = agent.chars().map(safe).collect();
    format!("{agent}_{hash:016x}")
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>) of the text and its end.
fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes().chain([0]).fold(hash, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn of_systemctl(operation: Operation, unit: &str) -> Vec<String> {
    let words: &[&str] = match operation {
        Operation::Status => &["is-active", "--", unit],
        _ => &["--no-ask-password", operation.word(), "--", unit],
    };
    words.iter().copied().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::Agent;

    #[test]
    fn a_script_of_heartbeat_gets_its_arguments_and_then_the_operation() {
        let class = Class::Heartbeat {
            script: "/etc/ha.d/resource.d/apache".into(),
            arguments: vec!["a".into(), "b".into()],
        };
        let command = made(&class, Operation::Status);
        assert_eq!(command.program, Path::new("/etc/ha.d/resource.d/apache"));
        assert_eq!(command.arguments, ["a", "b", "status"]);
        let expected = [
            "HA_CURHOST=alice",
            "HA_DATEFMT=%Y/%m/%d_%T\t",
            "HA_DEBUGLOG=/var/log/ha-debug",
            "HA_DIR=/etc/ha.d/",
            "HA_FUNCS=/etc/ha.d/shellfuncs",
            "HA_LANG=C",
            "HA_LOGD=no",
            "HA_LOGFACILITY=local0",
            "HA_RCDIR=/etc/ha.d/rc.d",
            "HA_RESOURCEDIR=/etc/ha.d/resource.d",
            "HA_deadtime=6",
            "HA_debugfile=/var/log/ha-debug",
            "HA_logfacility=local0",
            "HOME=/",
            "OCF_AGENTS=/usr/lib/ocf/resource.d/heartbeat/",
            "OCF_ROOT=/usr/lib/ocf",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ];
        assert_eq!(lines(&command), expected);
    }

    #[test]
    fn status_is_monitor_to_an_ocf_agent_and_its_parameters_are_variables() {
        let command = made(&ocf("/dev/sda"), Operation::Status);
        assert_eq!(command.arguments, ["monitor"]);
        assert_eq!(made(&ocf("/dev/sda"), Operation::Stop).arguments, ["stop"]);
        let of_ocf: Vec<_> = lines(&command)
            .into_iter()
            .filter(|line| line.starts_with("OCF_"))
            .collect();
        let expected = [
            "OCF_AGENTS=/usr/lib/ocf/resource.d/heartbeat/",
            "OCF_RA_VERSION_MAJOR=1",
            "OCF_RA_VERSION_MINOR=0",
            "OCF_RESKEY_CRM_meta_interval=0",
            "OCF_RESKEY_CRM_meta_timeout=20000",
            "OCF_RESKEY_device=/dev/sda",
            "OCF_RESOURCE_INSTANCE=Filesystem_406b0531b9b8ba44",
            "OCF_RESOURCE_PROVIDER=heartbeat",
            "OCF_RESOURCE_TYPE=Filesystem",
            "OCF_ROOT=/usr/lib/ocf",
        ];
        assert_eq!(of_ocf, expected);
    }

    #[test]
    fn an_instance_is_one_resource_and_never_another() {
        let of = |device| {
            let command = made(&ocf(device), Operation::Start);
            command.environment["OCF_RESOURCE_INSTANCE"].clone()
        };
        assert_eq!(of("/dev/sda"), of("/dev/sda"));
        assert_ne!(of("/dev/sda"), of("/dev/sdb"));
        assert_ne!(fnv(fnv(1, "a"), "bc"), fnv(fnv(1, "ab"), "c"));
    }

    #[test]
    fn init_scripts_and_units_are_told_the_operation_in_their_words() {
        let lsb = Class::Lsb {
            script: "/etc/init.d/apache2".into(),
        };
        assert_eq!(made(&lsb, Operation::Start).arguments, ["start"]);
        let systemd = Class::Systemd {
            systemctl: "/usr/bin/systemctl".into(),
            unit: "-.mount".into(),
        };
        let words = |operation| made(&systemd, operation).arguments.join(" ");
        assert_eq!(
            words(Operation::Start),
            "--no-ask-password start -- -.mount"
        );
        assert_eq!(words(Operation::Status), "is-active -- -.mount");
    }

    #[test]
    fn a_look_asks_what_status_asks() {
        let lsb = Class::Lsb {
            script: "/etc/init.d/apache2".into(),
        };
        for class in [lsb, ocf("/dev/sda")] {
            let status = made(&class, Operation::Status);
            assert_eq!(made(&class, Operation::Monitor), status);
        }
    }

    #[test]
    fn a_built_in_agent_is_the_program_of_hbd() {
        let command = made(&built_in(&["Dummy", "a b"]), Operation::Monitor);
        assert_eq!(command.program, Path::new("/usr/sbin/hbd"));
        let expected = ["agent", "--run", "/run/hbd", "Dummy", "a b", "monitor"];
        assert_eq!(command.arguments, expected);
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        assert_eq!(lines(&command), ["HA_CURHOST=alice", "HOME=/", path]);
    }

    #[test]
    fn only_agents_that_neighbours_must_know_of_announce() {
        assert_eq!(with(&ocf("/dev/sda"), Operation::Announce), None);
        assert_eq!(with(&built_in(&["Dummy"]), Operation::Announce), None);
        let mac = built_in(&["MACaddr", "02:00:5e:00:00:01", "eth0"]);
        let command = made(&mac, Operation::Announce);
        assert_eq!(command.arguments.last().unwrap(), "announce");
    }

    fn built_in(words: &[&str]) -> Class {
        let words: Vec<String> = words.iter().copied().map(str::to_owned).collect();
        let agent = Agent::parse(&words[0], &words[1..]).unwrap().unwrap();
        Class::BuiltIn { agent, words }
    }

    fn ocf(device: &str) -> Class {
        Class::Ocf {
            script: "/usr/lib/ocf/resource.d/heartbeat/Filesystem".into(),
            provider: "heartbeat".into(),
            agent: "Filesystem".into(),
            parameters: variables([("device", device.into())]),
        }
    }

    fn lines(command: &Command) -> Vec<String> {
        let pairs = command.environment.iter();
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn made(class: &Class, operation: Operation) -> Command {
        with(class, operation).unwrap()
    }

    fn with(class: &Class, operation: Operation) -> Option<Command> {
        let seconds = Duration::from_secs;
        let setting = Setting {
            program: Path::new("/usr/sbin/hbd"),
            run: Path::new("/run/hbd"),
            node: &NodeName::new("alice").unwrap(),
            configuration: Path::new("/etc/ha.d"),
            ocf_root: Path::new("/usr/lib/ocf"),
            logging: &Logging {
                facility: Some(16),
                file: None,
                debug_file: Some("/var/log/ha-debug".into()),
                syslog_format: false,
            },
            environment: &variables([("LANG", "C".into()), ("deadtime", "6".into())]),
            limit: seconds(20),
        };
        command(class, operation, &setting)
    }
}
