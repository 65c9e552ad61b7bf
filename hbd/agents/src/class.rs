//! Which agent a resource of `haresources` means.
//!
//! | spelled | class |
//! |---|---|
//! | `NAME::ARGUMENT…` | built-in, if there is one of that name |
//! | | else `heartbeat`: a script in `resource.d`, else in `/etc/init.d` |
//! | `ocf:PROVIDER:AGENT::KEY=VALUE…` | `ocf` |
//! | `lsb:NAME` | `lsb`: a script in `/etc/init.d` |
//! | `systemd:UNIT` | `systemd` |
//!
//! The names of built-in agents come first: a script of such a name is not looked for, so that
//! `IPaddr` means the same on each node, whether or not Heartbeat's own scripts are installed.

use std::collections::BTreeMap;
use std::error;
use std::fmt;
use std::path::{Path, PathBuf};

use shared::config::Resource;
use shared::config::machine::Program;

use crate::builtin::Agent;

/// A resource whose agent was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// An agent that is part of hbd.
    BuiltIn {
        /// With what its resource says.
        agent: Agent,
        /// As it stands in `haresources`: its name, and what follows it.
        words: Vec<String>,
    },
    /// A script as Heartbeat 3.0.6 runs it: the text that it prints decides.
    Heartbeat {
        /// The script.
        script: PathBuf,
        /// What it is called with, before the operation.
        arguments: Vec<String>,
    },
    /// An agent of the Open Cluster Framework.
    Ocf {
        /// Its file.
        script: PathBuf,
        /// Who provides it, `heartbeat` for one.
        provider: String,
        /// Its name.
        agent: String,
        /// What it is told.
        parameters: BTreeMap<String, String>,
    },
    /// An init script: its exit status decides.
    Lsb {
        /// The script.
        script: PathBuf,
    },
    /// A unit of systemd.
    Systemd {
        /// The program that asks it.
        systemctl: PathBuf,
        /// The unit.
        unit: String,
    },
}

/// Where agents lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Scripts of Heartbeat.
    pub resource_scripts: PathBuf,
    /// Init scripts.
    pub init_scripts: PathBuf,
    /// What is called `OCF_ROOT`.
    pub ocf_root: PathBuf,
    /// Where `systemctl` may be, the first choice first.
    pub systemctl: Vec<PathBuf>,
}

impl Places {
    /// The usual ones, for a configuration directory.
    #[must_use]
    pub fn of(configuration: &Path) -> Self {
        Self {
            resource_scripts: configuration.join("resource.d"),
            init_scripts: "/etc/init.d".into(),
            ocf_root: "/usr/lib/ocf".into(),
            systemctl: vec!["/usr/bin/systemctl".into(), "/bin/systemctl".into()],
        }
    }
}

/// Why a resource has no agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A built-in agent cannot be given these arguments.
    BuiltIn {
        /// What is wrong with them, and what would be right.
        why: String,
    },
    /// No class is spelled like this.
    Spelling {
        /// As it stands in `haresources`.
        agent: String,
        /// How it should look.
        expected: &'static str,
    },
    /// An argument that the agent cannot be given.
    Argument {
        /// As it stands in `haresources`.
        agent: String,
        /// The argument.
        argument: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such file.
    Missing {
        /// As it stands in `haresources`.
        agent: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// There is one, and it may not be executed.
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn { why } => f.write_str(why),
            Self::Spelling { agent, expected } => {
                write!(f, "`{agent}` names no agent: write {expected}")
            }
            Self::Argument {
                agent,
                argument,
                why,
            } => write!(f, "`{argument}` is no argument for {agent}: {why}"),
            Self::Missing { agent, searched } => {
                let paths: Vec<_> = searched.iter().map(|path| path.to_string_lossy()).collect();
                write!(
                    f,
                    "no agent {agent}: there is no {}",
                    paths.join(" and no ")
                )
            }
            Self::NotExecutable { path } => {
                let path = path.display();
                write!(f, "{path} is no executable file: chmod +x {path}")
            }
        }
    }
}

impl error::Error for Error {}

/// Finds the agent of a resource; `look` says what lies at a path ([`Program::at`]).
pub fn find(
    resource: &Resource,
    places: &Places,
    look: impl Fn(&Path) -> Program,
) -> Result<Class, Error> {
    let agent = resource.agent.as_str();
    if let Some(class) = built_in(resource)? {
        return Ok(class);
    }
    match agent.split_once(':') {
        Some(("ocf", rest)) => ocf(resource, rest, places, look),
        Some(("lsb", name)) => lsb(resource, name, places, look),
        Some(("systemd", unit)) => systemd(resource, unit, places, look),
        // A script may be called so.
        _ => heartbeat(resource, places, look),
    }
}

fn built_in(resource: &Resource) -> Result<Option<Class>, Error> {
    let Resource {
        agent, arguments, ..
    } = resource;
    let found = Agent::parse(agent, arguments).map_err(|error| Error::BuiltIn {
        why: error.to_string(),
    })?;
    Ok(found.map(|built_in| Class::BuiltIn {
        agent: built_in,
        words: [std::slice::from_ref(agent), arguments].concat(),
    }))
}

fn heartbeat(
    resource: &Resource,
    places: &Places,
    look: impl Fn(&Path) -> Program,
) -> Result<Class, Error> {
    let name = &resource.agent;
    let expected = "the name of a script, ocf:PROVIDER:AGENT, lsb:NAME or systemd:UNIT";
    check_name(resource, name, expected)?;
    let paths = vec![
        places.resource_scripts.join(name),
        places.init_scripts.join(name),
    ];
    Ok(Class::Heartbeat {
        script: first(resource, paths, look)?,
        arguments: resource.arguments.clone(),
    })
}

fn ocf(
    resource: &Resource,
    rest: &str,
    places: &Places,
    look: impl Fn(&Path) -> Program,
) -> Result<Class, Error> {
    let expected = "ocf:PROVIDER:AGENT::KEY=VALUE";
    let (provider, agent) = rest.split_once(':').unwrap_or_default();
    check_name(resource, provider, expected)?;
    check_name(resource, agent, expected)?;
    let directory = places.ocf_root.join("resource.d").join(provider);
    Ok(Class::Ocf {
        script: first(resource, vec![directory.join(agent)], look)?,
        provider: provider.to_owned(),
        agent: agent.to_owned(),
        parameters: parameters(resource)?,
    })
}

fn parameters(resource: &Resource) -> Result<BTreeMap<String, String>, Error> {
    let mut parameters = BTreeMap::new();
    for argument in &resource.arguments {
        let refused = |why| Error::Argument {
            agent: resource.agent.clone(),
            argument: argument.clone(),
            why,
        };
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| refused("write KEY=VALUE"))?;
        // It becomes the name of a variable of a shell.
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if key.is_empty() || !key.bytes().all(letters) {
            return Err(refused("a key is made of letters, digits and `_`"));
        }
        if parameters
            .insert(key.to_owned(), value.to_owned())
            .is_some()
        {
            return Err(refused("the key stands there twice"));
        }
    }
    Ok(parameters)
}

fn lsb(
    resource: &Resource,
    name: &str,
    places: &Places,
    look: impl Fn(&Path) -> Program,
) -> Result<Class, Error> {
    check_name(resource, name, "lsb:NAME")?;
    no_arguments(resource, "an lsb script is called with the operation only")?;
    let script = first(resource, vec![places.init_scripts.join(name)], look)?;
    Ok(Class::Lsb { script })
}

fn systemd(
    resource: &Resource,
    unit: &str,
    places: &Places,
    look: impl Fn(&Path) -> Program,
) -> Result<Class, Error> {
    check_name(resource, unit, "systemd:UNIT")?;
    no_arguments(resource, "write an instance as systemd:NAME@INSTANCE")?;
    Ok(Class::Systemd {
        systemctl: first(resource, places.systemctl.clone(), look)?,
        unit: unit.to_owned(),
    })
}

/// A name stays in its directory.
fn check_name(resource: &Resource, name: &str, expected: &'static str) -> Result<(), Error> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        let agent = resource.agent.clone();
        return Err(Error::Spelling { agent, expected });
    }
    Ok(())
}

fn no_arguments(resource: &Resource, why: &'static str) -> Result<(), Error> {
    match resource.arguments.first() {
        None => Ok(()),
        Some(argument) => Err(Error::Argument {
            agent: resource.agent.clone(),
            argument: argument.clone(),
            why,
        }),
    }
}

/// The first that can be executed.
fn first(
    resource: &Resource,
    paths: Vec<PathBuf>,
    look: impl Fn(&Path) -> Program,
) -> Result<PathBuf, Error> {
    let with = |wanted| paths.iter().find(|path| look(path) == wanted).cloned();
    if let Some(path) = with(Program::Executable) {
        return Ok(path);
    }
    Err(match with(Program::NotExecutable) {
        Some(path) => Error::NotExecutable { path },
        None => Error::Missing {
            agent: resource.agent.clone(),
            searched: paths,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_looked_for_in_resource_d_and_then_in_init_d() {
        let both = |_: &Path| Program::Executable;
        assert_eq!(script("apache", both), "/etc/ha.d/resource.d/apache");
        let init = |path: &Path| executable_if(path.starts_with("/etc/init.d"));
        assert_eq!(script("apache", init), "/etc/init.d/apache");
        let first_is_no_program = |path: &Path| match path.starts_with("/etc/ha.d") {
            true => Program::NotExecutable,
            false => Program::Executable,
        };
        assert_eq!(script("apache", first_is_no_program), "/etc/init.d/apache");
    }

    #[test]
    fn arguments_of_a_script_stay_in_order() {
        let found = found("apache::a=1::b").unwrap();
        let Class::Heartbeat { arguments, .. } = found else {
            panic!("{found:?}");
        };
        assert_eq!(arguments, ["a=1", "b"]);
    }

    #[test]
    fn an_ocf_agent_has_a_provider_and_parameters() {
        let class = found("ocf:heartbeat:IPaddr2::ip=10.0.0.5::opt=a=b::none=").unwrap();
        let pairs = [("ip", "10.0.0.5"), ("none", ""), ("opt", "a=b")];
        assert_eq!(
            class,
            Class::Ocf {
                script: "/usr/lib/ocf/resource.d/heartbeat/IPaddr2".into(),
                provider: "heartbeat".into(),
                agent: "IPaddr2".into(),
                parameters: pairs.map(|(k, v)| (k.into(), v.into())).into(),
            }
        );
    }

    #[test]
    fn init_scripts_and_units_are_found_by_class() {
        let script = "/etc/init.d/apache2".into();
        assert_eq!(found("lsb:apache2"), Ok(Class::Lsb { script }));
        let unit = |unit: &str| Class::Systemd {
            systemctl: "/usr/bin/systemctl".into(),
            unit: unit.into(),
        };
        assert_eq!(found("systemd:a@b.service"), Ok(unit("a@b.service")));
    }

    #[test]
    fn a_built_in_agent_comes_before_a_script_of_its_name() {
        let Class::BuiltIn { agent, words } = found("IPaddr::10.0.0.5/24/eth0").unwrap() else {
            panic!("both are there");
        };
        assert!(matches!(agent, Agent::Address(_)));
        assert_eq!(words, ["IPaddr", "10.0.0.5/24/eth0"]);
    }

    #[test]
    fn what_a_built_in_agent_cannot_be_given_is_told() {
        let error = found("Delay::soon").unwrap_err().to_string();
        assert!(error.starts_with("`Delay::soon` is no resource"), "{error}");
    }

    #[test]
    fn no_name_leaves_its_directory() {
        for text in [
            "../x",
            ".x",
            "a/b",
            "lsb:../x",
            "lsb:",
            "ocf:..:x",
            "ocf:a:../x",
            "ocf:a",
            "ocf",
            "systemd:a/b",
            "ocf::heartbeat:x",
        ] {
            let resource = spelled(text);
            let refused = find(&resource, &places(), |path| {
                // Where `ocf` is taken for the name of a script, there is none.
                executable_if(!path.ends_with("ocf"))
            });
            let refused = refused.unwrap_err();
            let of_spelling = matches!(refused, Error::Spelling { .. });
            assert!(of_spelling || resource.agent == "ocf", "{text}: {refused}");
        }
    }

    #[test]
    fn refused_arguments_are_told_with_the_reason() {
        for (text, reason) in [
            (
                "ocf:a:b::c",
                "`c` is no argument for ocf:a:b: write KEY=VALUE",
            ),
            (
                "ocf:a:b::c d=1",
                "`c d=1` is no argument for ocf:a:b: a key is made of letters, digits and `_`",
            ),
            (
                "ocf:a:b::c=1::c=2",
                "`c=2` is no argument for ocf:a:b: the key stands there twice",
            ),
            (
                "lsb:a::b",
                "`b` is no argument for lsb:a: an lsb script is called with the operation only",
            ),
        ] {
            assert_eq!(found(text).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn what_is_missing_is_told_with_all_places() {
        let error = find(&spelled("apache"), &places(), |_| Program::Missing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no agent apache: there is no /etc/ha.d/resource.d/apache and no /etc/init.d/apache"
        );
        let error = find(&spelled("lsb:a"), &places(), |_| Program::NotExecutable).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/etc/init.d/a is no executable file: chmod +x /etc/init.d/a"
        );
    }

    fn executable_if(yes: bool) -> Program {
        match yes {
            true => Program::Executable,
            false => Program::Missing,
        }
    }

    fn script(name: &str, look: impl Fn(&Path) -> Program) -> String {
        match find(&spelled(name), &places(), look).unwrap() {
            Class::Heartbeat { script, .. } => script.display().to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn found(text: &str) -> Result<Class, Error> {
        find(&spelled(text), &places(), |_| Program::Executable)
    }

    fn places() -> Places {
        Places::of(Path::new("/etc/ha.d"))
    }

    /// As `haresources` is read.
    fn spelled(text: &str) -> Resource {
        Resource::new(text)
    }
}
