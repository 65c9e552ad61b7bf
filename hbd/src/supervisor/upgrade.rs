//! Another build in place: `hactl upgrade`.
//!
//! ```text
//! order --> build of the file = builds that run? --> nothing to do
//!                        | no
//!           FILE --check of the same configuration, FILE --version --> refused
//!                        | both work
//!           reply, handover, exec FILE: the same process is the new supervisor
//!                        |
//!           it adopts manager and core, and replaces what is another build: manager, then core
//! ```
//!
//! The same happens, without the order, where a supervisor of another build is started after the
//! death of one. The process id stays, so that whoever started hbd sees no end.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use hbd_core::PeerMemory;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use shared::api::{ErrorCode, Failure, Process, Success};
use shared::api::{Upgrade, UpgradeOutcome, Upgraded};
use shared::event::{Role, Severity};
use shared::exit::Exit;
use shared::time::Moment;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Supervisor;
use super::recorder::Line;
use super::requests::Asked;
use crate::cli::Options;
use crate::manager_process::ToManager;
use crate::process::OWN_PROGRAM;
use crate::pulse::PulseWatch;
use crate::{clock, program};

/// The new program may take so long to check the configuration, and as long to say its version.
const CHECK_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of its output that are read and passed on.
const OUTPUT_MAX: usize = 16 * 1024;
/// The reply is on its way to the client after this.
const REPLY_LIMIT: Duration = Duration::from_secs(1);
/// The manager starts no supervisor for so long; a handover counts for so long.
const RETURN_LIMIT: Duration = Duration::from_secs(10);
/// The handover's name in the run directory.
const HANDOVER: &str = "handover.json";

/// The order under way.
pub(super) struct Upgrading {
    /// What the new program is started with to check the configuration.
    check: Vec<OsString>,
    under_way: bool,
    results: mpsc::Sender<Checked>,
}

/// An order whose program was looked at.
pub(super) struct Checked {
    ask: Asked,
    wish: Upgrade,
    hash: String,
    /// Its version, or why it is not to run.
    version: Result<String, String>,
}

/// The reply was written when this was taken.
pub(super) struct Told {
    taken: mpsc::Sender<Line>,
    order: String,
}

/// What a supervisor leaves to the one that it becomes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handover {
    at: Moment,
    /// Who ordered it.
    pub(super) order: String,
    /// When the core last sent, if one lived.
    pub(super) sent: Option<Moment>,
    /// What was known of peers then, for a core that speaks otherwise than the one it follows.
    pub(super) memory: Vec<PeerMemory>,
}

impl Handover {
    /// Reads and removes it. One that is not from this very moment, or not to be read, is none.
    pub(super) fn take(run: &Path) -> Option<Self> {
        let path = run.join(HANDOVER);
        let content = fs::read(&path);
        // There is none as a rule.
        let _ = fs::remove_file(&path);
        let handover: Self = serde_json::from_slice(&content.ok()?).ok()?;
        (clock::boot().since(handover.at) < RETURN_LIMIT).then_some(handover)
    }

    fn leave(&self, run: &Path) {
        // Without it the next one sees a death where there was none, and does the same.
        if let Ok(content) = serde_json::to_vec(self) {
            let _ = fs::write(run.join(HANDOVER), content);
        }
    }
}

impl Upgrading {
    /// Nothing under way; looked at programs come out of the receiver.
    pub(super) fn new(options: &Options) -> (Self, mpsc::Receiver<Checked>) {
        let mut check = vec!["--check".into(), "--config".into()];
        check.push(options.config.clone().into_os_string());
        if let Some(node) = &options.node {
            check.extend(["--node".into(), node.as_str().into()]);
        }
        let (results, checks) = mpsc::channel(1);
        let upgrading = Self {
            check,
            under_way: false,
            results,
        };
        (upgrading, checks)
    }
}

impl Supervisor {
    /// An order, which is answered once the program was looked at.
    pub(super) fn begin_upgrade(&mut self, wish: Upgrade, ask: Asked) {
        if self.leaving.is_some() || self.upgrade.under_way {
            let text = match self.leaving {
                Some(_) => "hbd is leaving the cluster",
                None => "another upgrade is under way; try again in a moment",
            };
            return ask.reply(Err(unavailable(text)));
        }
        let hash = match installed(&self.program) {
            Ok(hash) => hash,
            Err(Unusable { build, why }) => {
                let upgraded = self.upgraded(UpgradeOutcome::Refused, build, why);
                return ask.reply(Ok(Success::Upgraded(Box::new(upgraded))));
            }
        };
        if let Some(build) = self.common_build().filter(|build| is_of(build, &hash)) {
            let upgraded = self.upgraded(UpgradeOutcome::Unchanged, build, String::new());
            return ask.reply(Ok(Success::Upgraded(Box::new(upgraded))));
        }
        self.upgrade.under_way = true;
        let (program, check) = (self.program.clone(), self.upgrade.check.clone());
        let results = self.upgrade.results.clone();
        tokio::spawn(async move {
            let version = look_at(program, check).await;
            let checked = Checked {
                ask,
                wish,
                hash,
                version,
            };
            // The supervisor may be gone by then.
            let _ = results.send(checked).await;
        });
    }

    /// The program was looked at. It is to be executed once what this returns was told.
    pub(super) fn checked(&mut self, checked: Checked) -> Option<Told> {
        self.upgrade.under_way = false;
        let Checked {
            ask,
            wish,
            hash,
            version,
        } = checked;
        let (outcome, build, reason) = match version {
            Err(reason) => (UpgradeOutcome::Refused, hash, reason),
            Ok(version) => {
                let outcome = match wish.dry_run {
                    true => UpgradeOutcome::WouldUpgrade,
                    false => UpgradeOutcome::Upgrading,
                };
                (outcome, format!("{version}-{hash}"), String::new())
            }
        };
        let upgraded = self.upgraded(outcome, build, reason);
        if outcome != UpgradeOutcome::Upgrading || self.leaving.is_some() {
            ask.reply(Ok(Success::Upgraded(Box::new(upgraded))));
            return None;
        }
        let order = format!("upgrade by {}", ask.who);
        // An empty frame, which the connection takes when the reply is written.
        let (taken, stream) = mpsc::channel(1);
        let _ = taken.try_send(Line::from(""));
        ask.reply_with(
            Vec::new(),
            Ok(Success::Upgraded(Box::new(upgraded))),
            Some(stream),
        );
        Some(Told { taken, order })
    }

    /// Becomes the program in the file. Returns only where no program can be executed.
    pub(super) async fn become_other(mut self, told: Told) -> Exit {
        // A client that is gone needs no reply.
        let _ = timeout(REPLY_LIMIT, told.taken.reserve()).await;
        if let Some(manager) = self.manager.holder() {
            let _ = manager.tell(&ToManager::Returns(RETURN_LIMIT), Vec::new());
            manager.flush(REPLY_LIMIT).await;
        }
        let text = format!("{}: becoming {}", told.order, self.program.display());
        self.recorder.say(Severity::Notice, &text);
        Handover {
            at: clock::boot(),
            order: told.order,
            sent: self.pulse.as_ref().and_then(PulseWatch::sent),
            memory: self.present_memory().into_values().collect(),
        }
        .leave(self.run.path());
        self.writer.finish();
        self.recorder.finish();
        // The files stay: their locks go with this program and are taken by the next.
        std::mem::forget((self.run, self._state));
        // Signals that ask for something are blocked in every thread: one that was not read is the
        // next program's.
        for program in [&self.program, Path::new(OWN_PROGRAM)] {
            let error = same_words(program).arg0(&self.program).exec();
            eprintln!("hbd: cannot execute {}: {error}", program.display());
        }
        Exit::Failed
    }

    fn upgraded(&self, outcome: UpgradeOutcome, build: String, reason: String) -> Upgraded {
        Upgraded {
            outcome,
            program: self.program.display().to_string(),
            build,
            processes: self.processes(),
            reason,
        }
    }

    /// Every process, the supervisor first.
    fn processes(&self) -> Vec<Process> {
        let own = Process {
            role: Role::Supervisor,
            pid: std::process::id(),
            generation: self.generation,
            build: program::own(),
        };
        let manager = self.manager.worker().map(|worker| Process {
            role: Role::Manager,
            pid: worker.pid(),
            generation: worker.generation,
            build: worker.build.clone(),
        });
        let core = self.core.worker().map(|worker| Process {
            role: Role::Core,
            pid: worker.pid(),
            generation: worker.generation,
            build: worker.build.clone(),
        });
        [Some(own), manager, core].into_iter().flatten().collect()
    }

    /// The build of all processes, if it is the same and stays.
    fn common_build(&self) -> Option<String> {
        let processes = self.processes();
        let build = &processes.first()?.build;
        let same = processes.iter().all(|process| process.build == *build);
        (same && self.retiring.is_none()).then(|| build.clone())
    }
}

/// Whether a build is that of a file with this hash.
fn is_of(build: &str, hash: &str) -> bool {
    build.rsplit_once('-').is_some_and(|(_, own)| own == hash)
}

/// A program that cannot be executed by anybody.
struct Unusable {
    /// As far as it is known, else empty.
    build: String,
    why: String,
}

/// The build of the program that is there, if one is.
fn installed(program: &Path) -> Result<String, Unusable> {
    let name = program.display();
    let build = program::of(program).map_err(|error| Unusable {
        build: String::new(),
        why: match error.kind() {
            ErrorKind::NotFound => {
                format!("{name} is not there; install hbd there, then try again")
            }
            ErrorKind::PermissionDenied => format!(
                "{name} cannot be read: {error}; let the user hbd runs as read it, then try again"
            ),
            _ => format!("{name} cannot be read: {error}; install hbd there, then try again"),
        },
    })?;
    if program::is_locked(program) {
        let why = format!("{name} is not executable; chmod 755 {name}, then try again");
        return Err(Unusable { build, why });
    }
    // Whether it can be executed is seen when it is.
    Ok(build)
}

/// `program` with all that this one was started with.
fn same_words(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(env::args_os().skip(1));
    command
}

/// The version of the program, if it runs and accepts the configuration.
async fn look_at(program: PathBuf, check: Vec<OsString>) -> Result<String, String> {
    let output = output(&program, &check).await?;
    if !output.status.success() {
        let name = program.display();
        let status = output.status;
        return Err(format!(
            "{name} --check: {status}\n{}{}",
            text(&output.stdout),
            text(&output.stderr)
        ));
    }
    let output = self::output(&program, &["--version".into()]).await?;
    match text(&output.stdout).trim().strip_prefix("hbd ") {
        Some(version) => Ok(version.to_owned()),
        None => Err(format!("{} is no hbd", program.display())),
    }
}

/// What `program` says under `words`. One that takes too long is killed, with what it started.
async fn output(program: &Path, words: &[OsString]) -> Result<Output, String> {
    let name = program.display();
    let mut child = tokio::process::Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{name} cannot be executed: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async { tokio::try_join!(child.wait(), first_part(stdout), first_part(stderr)) };
    match timeout(CHECK_LIMIT, ended).await {
        Ok(Ok((status, stdout, stderr))) => Ok(Output {
            status,
            stdout,
            stderr,
        }),
        Ok(Err(error)) => Err(format!("{name}: {error}")),
        Err(_) => {
            if let Some(group) = group {
                // It may have ended just then.
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            let asked = words.first().map(|word| word.to_string_lossy());
            let asked = asked.unwrap_or_default();
            let limit = CHECK_LIMIT.as_secs();
            Err(format!("{name} {asked} did not end within {limit} s"))
        }
    }
}

/// The first [`OUTPUT_MAX`] bytes; whoever writes more meets a closed pipe.
async fn first_part(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let mut part = pipe.take(OUTPUT_MAX as u64);
        part.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn text(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text[..text.floor_char_boundary(OUTPUT_MAX)].to_owned()
}

fn unavailable(text: &str) -> Failure {
    Failure {
        code: ErrorCode::Unavailable,
        text: text.to_owned(),
    }
}
