//! Real Heartbeat 3.0.6 nodes, by way of `tests/interop/hb-node`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::error::{self, Error};
use crate::namespaces::Namespace;
use crate::scratch::Scratch;
use crate::wait;

const HB_NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/hb-node");

/// A machine on which Heartbeat is installed. Dropping it kills and removes everything of it.
#[derive(Debug)]
pub struct HeartbeatNode {
    name: String,
    /// `HB_NODE_STATE`: of this node alone, so that equal names in parallel runs do not meet.
    state: Scratch,
}

impl HeartbeatNode {
    /// Makes the machine, with a copy of the files in `config`; Heartbeat is not started.
    ///
    /// # Errors
    /// [`Error::Command`], [`Error::File`].
    pub fn new(name: &str, network: &Namespace, config: &Path) -> Result<Self, Error> {
        let node = Self {
            name: name.to_owned(),
            state: Scratch::new()?,
        };
        node.hb_node(
            "up",
            &[network.name(), &config.to_string_lossy(), "--no-start"],
        )?;
        Ok(node)
    }

    /// Its name in `ha.cf`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts Heartbeat: at first, after [`Self::stop`] and after [`Self::crash`].
    ///
    /// # Errors
    /// [`Error::Command`] when Heartbeat refuses its configuration.
    pub fn start(&self) -> Result<(), Error> {
        self.hb_node("start", &[]).map(drop)
    }

    /// Stops Heartbeat in good order.
    ///
    /// # Errors
    /// [`Error::Command`] when it has not ended after `limit`.
    pub fn stop(&self, limit: Duration) -> Result<(), Error> {
        self.hb_node("stop", &[&limit.as_secs().to_string()])
            .map(drop)
    }

    /// The machine loses power: nothing of it runs, its disk stays.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn crash(&self) -> Result<(), Error> {
        self.hb_node("crash", &[]).map(drop)
    }

    /// Freezes everything in the node until [`Self::resume`].
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn pause(&self) -> Result<(), Error> {
        self.hb_node("pause", &[]).map(drop)
    }

    /// Thaws it.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn resume(&self) -> Result<(), Error> {
        self.hb_node("resume", &[]).map(drop)
    }

    /// What a command says inside the node, whatever its exit code: standard output without the last newline.
    ///
    /// # Errors
    /// [`Error::Command`] when it cannot be run.
    pub fn ask(&self, words: &[&str]) -> Result<String, Error> {
        let output = self.output("exec", words)?;
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    }

    /// Waits until this node gives `node` that status (`active`, `dead`). It answers only once it is active itself.
    ///
    /// # Errors
    /// [`Error::NotWithin`].
    pub fn wait_status(&self, node: &str, status: &str, limit: Duration) -> Result<(), Error> {
        let condition = format!("{} says that {node} is {status}", self.name);
        wait::until_true(limit, &condition, || {
            Ok(self.ask(&["cl_status", "nodestatus", node])? == status)
        })
    }

    /// Everything it has logged so far.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn log(&self) -> Result<String, Error> {
        let path = self.directory("log")?.join("ha-log");
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(reason) => error::file(format!("read {}", path.display()), Err(reason)),
        }
    }

    /// The machine's path of a private directory: `etc`, `lib`, `log` or `run`.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn directory(&self, which: &str) -> Result<PathBuf, Error> {
        Ok(PathBuf::from(self.hb_node("path", &[which])?.trim_end()))
    }

    fn hb_node(&self, verb: &str, arguments: &[&str]) -> Result<String, Error> {
        let output = self.output(verb, arguments)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let said = format!(
            "{} {said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Err(Error::Command {
            command: format!("hb-node {verb} {} {}", self.name, arguments.join(" ")),
            said,
        })
    }

    fn output(&self, verb: &str, arguments: &[&str]) -> Result<Output, Error> {
        Command::new(HB_NODE)
            .args([verb, &self.name])
            .args(arguments)
            .env("HB_NODE_STATE", self.state.path().join("nodes"))
            .stdin(Stdio::null())
            .output()
            .map_err(|reason| Error::Command {
                command: format!("{HB_NODE} {verb}"),
                said: reason.to_string(),
            })
    }
}

impl Drop for HeartbeatNode {
    fn drop(&mut self) {
        if let Err(error) = self.hb_node("down", &["--crash"]) {
            eprintln!("removing Heartbeat node {}: {error}", self.name);
        }
    }
}
