//! Checks a configuration directory: what `hactl check` and `hbd --check` show.

use std::path::{Path, PathBuf};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use shared::config::load::load;
use shared::config::machine::{Mention, Subject};
use shared::config::render::{Style, render_all};
use shared::config::{Config, Diagnostic, Files, check, machine};
use shared::exit::Exit;
use shared::names::NodeName;

use crate::facts;

/// What a check of a directory found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The directory.
    pub directory: PathBuf,
    /// The configuration, if nothing is an error.
    pub config: Option<Config>,
    /// Everything there is to say, by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// What was checked, as it was read.
    pub files: Files,
}

/// Checks the files of `directory`. With `on_this_machine` the configuration is also held against
/// this machine: its own name, interfaces, users, programs. That may wait for a name server.
#[must_use]
pub fn directory(directory: &Path, on_this_machine: bool) -> Report {
    let node = if on_this_machine {
        facts::node::own_name(directory).ok()
    } else {
        None
    };
    let look = on_this_machine.then_some(Look::AlsoForCoreUser);
    examine(directory, node, look)
}

/// What is looked up on the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// What the configuration mentions, but for names of hosts.
    ButNoHosts,
    /// What the configuration mentions.
    ForMentions,
    /// The user of the core, too. hbd itself tells of that when it starts the core.
    AlsoForCoreUser,
}

/// As [`directory`], for a node whose name is known.
#[must_use]
pub fn for_node(directory: &Path, node: Option<NodeName>, on_this_machine: bool) -> Report {
    examine(
        directory,
        node,
        on_this_machine.then_some(Look::ForMentions),
    )
}

/// As [`for_node`] on this machine, without any question to a name server: what the names of hosts
/// mean is known, or looked at later.
#[must_use]
pub fn for_node_that_runs(directory: &Path, node: NodeName) -> Report {
    examine(directory, Some(node), Some(Look::ButNoHosts))
}

fn examine(directory: &Path, node: Option<NodeName>, look: Option<Look>) -> Report {
    let files = load(directory, node);
    let mut checked = check::text(&files);
    let mut diagnostics = checked.diagnostics;
    let untold = facts::notifications::untold(directory);
    if let Some(look) = look {
        if look == Look::ButNoHosts {
            let host = |mention: &Mention| matches!(mention.subject, Subject::Host { .. });
            checked.mentions.retain(|mention| !host(mention));
        }
        let mut facts = facts::collect(&checked.mentions, directory);
        facts.untold = untold;
        if look == Look::AlsoForCoreUser {
            facts::look_for_user(machine::CORE_USER, &mut facts);
        }
        diagnostics.extend(machine::check(&checked.mentions, &facts));
        diagnostics.sort_by_key(|d| (d.file, d.spot.as_ref().map_or(usize::MAX, |spot| spot.line)));
    } else {
        // They lie beside the files.
        let facts = machine::Facts {
            untold,
            ..machine::Facts::default()
        };
        diagnostics.extend(machine::check(&[], &facts));
    }
    Report {
        directory: directory.to_owned(),
        config: checked
            .config
            .filter(|_| !diagnostics.iter().any(Diagnostic::is_error)),
        diagnostics,
        files,
    }
}

impl Report {
    /// How many diagnostics are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.is_error()).count()
    }

    /// How many diagnostics are warnings.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// All diagnostics and a closing line, for people.
    #[must_use]
    pub fn text(&self, colour: bool) -> String {
        let style = Style {
            directory: Some(&self.directory),
            colour,
        };
        render_all(&self.diagnostics, style) + &self.summary() + "\n"
    }

    /// One line that says how it went.
    #[must_use]
    pub fn summary(&self) -> String {
        let directory = self.directory.display();
        let warnings = counted(self.warnings(), "warning");
        match (self.errors(), self.warnings()) {
            (0, 0) => format!("{directory}: valid"),
            (0, _) => format!("{directory}: valid, {warnings}"),
            (errors, 0) => format!("{directory}: invalid, {}", counted(errors, "error")),
            (errors, _) => format!(
                "{directory}: invalid, {}, {warnings}",
                counted(errors, "error")
            ),
        }
    }

    /// The exit code: 8 with errors, 1 with warnings if `strict`, else 0.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        match (self.errors(), self.warnings()) {
            (0, 0) => Exit::Done,
            (0, _) if strict => Exit::Failed,
            (0, _) => Exit::Done,
            _ => Exit::ConfigInvalid,
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// `{"directory", "valid", "errors", "warnings", "diagnostics"}`, without the configuration: that
/// holds keys.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Report", 5)?;
        fields.serialize_field("directory", &self.directory.display().to_string())?;
        fields.serialize_field("valid", &(self.errors() == 0))?;
        fields.serialize_field("errors", &self.errors())?;
        fields.serialize_field("warnings", &self.warnings())?;
        fields.serialize_field("diagnostics", &self.diagnostics)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, ha_cf: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("hbd-check-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("ha.cf"), ha_cf).unwrap();
            let keys = path.join("authkeys");
            fs::write(&keys, "auth 1\n1 sha1 a-long-enough-key\n").unwrap();
            fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_valid_directory_ends_with_0_even_if_strict() {
        let scratch = Scratch::new("valid", "node alice\nbcast lo\n");
        let report = directory(&scratch.0, false);
        assert_eq!(
            report.text(false),
            format!("{}: valid\n", scratch.0.display())
        );
        assert_eq!(report.exit(true), Exit::Done);
        assert!(report.config.is_some());
    }

    #[test]
    fn a_script_that_moves_resources_is_named_with_its_line() {
        let scratch = Scratch::new("rc.d", "node alice\nbcast lo\n");
        let scripts = scratch.0.join("rc.d");
        fs::create_dir(&scripts).unwrap();
        let put = |name: &str, text: &str, mode| {
            fs::write(scripts.join(name), text).unwrap();
            fs::set_permissions(scripts.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        put("status", "#!/bin/sh\nlogger $HA_src\n", 0o755);
        put("README", "mach_down", 0o644);
        assert_eq!(directory(&scratch.0, false).diagnostics, []);
        put("status", "#!/bin/sh\nmach_down $HA_src\n", 0o755);
        put("ip-request", "exit 0\n", 0o755);
        let report = directory(&scratch.0, false);
        let said: Vec<&str> = report
            .diagnostics
            .iter()
            .map(|d| d.message.as_str())
            .collect();
        let expected = [
            "`rc.d/ip-request` is never run: a script of that name moves resources for Heartbeat",
            "`rc.d/status` is never run: line 2 names mach_down, and hbd alone moves resources",
        ];
        assert_eq!(said, expected);
        assert_eq!(report.errors(), 0);
    }

    #[test]
    fn warnings_count_only_if_strict() {
        let scratch = Scratch::new("warning", "node alice\nbcast lo\ndebug 1\n");
        let report = directory(&scratch.0, false);
        assert_eq!(
            (report.exit(false), report.exit(true)),
            (Exit::Done, Exit::Failed)
        );
    }

    /// The kernel puts 127.0.0.1 there.
    #[test]
    fn an_address_that_hbd_did_not_put_there_is_named() {
        let ha_cf = "node alice bob\nbcast lo\nauto_failback on\n";
        let scratch = Scratch::new("address", ha_cf);
        let groups = "alice 127.0.0.1/8/lo 127.9.9.9/8/lo\n";
        fs::write(scratch.0.join("haresources"), groups).unwrap();
        let foreign = |on_this_machine| {
            let node = NodeName::new("alice").ok();
            let report = for_node(&scratch.0, node, on_this_machine);
            let of_address = report
                .diagnostics
                .into_iter()
                .filter(|d| d.code.as_str() == "address-foreign");
            of_address.map(|d| d.message).collect::<Vec<_>>()
        };
        assert_eq!(foreign(false), Vec::<String>::new());
        let expected = "127.0.0.1 is on lo already, and hbd did not put it there";
        assert_eq!(foreign(true), [expected]);
    }

    #[test]
    fn the_machine_level_knows_this_machine() {
        let ha_cf = "node no-such-node-of-hbd\nbcast lo no-such-device\napiauth hbd-admin uid=no-such-user-of-hbd\n";
        let scratch = Scratch::new("machine", ha_cf);
        assert_eq!(directory(&scratch.0, false).errors(), 0);
        let report = directory(&scratch.0, true);
        let codes: Vec<_> = report
            .diagnostics
            .iter()
            .map(|d| d.code.as_str())
            .filter(|code| *code != "core-user-missing")
            .collect();
        assert_eq!(
            codes,
            ["own-node-missing", "interface-missing", "user-unknown"]
        );
        assert_eq!(report.exit(false), Exit::ConfigInvalid);
        assert!(report.config.is_none());
    }
}
