//! Starting a supervisor again: at once, then with growing pauses.
//!
//! A supervisor that dies closes its end of the bond before it gives up its lock: the next one is
//! started when it is gone altogether, or it would meet a lock that is held.
//!
//! The program is the one the last supervisor was started by; where that does not come up, this
//! very program is tried in turn with it, so that a broken installation leaves a node with the
//! supervisor it had. A file that lost its execute permission is no help by either name: the kernel
//! looks at the file and not at its name.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::Launch;
use crate::pauses::{PAUSE_MAX, Pauses};
use crate::process::{OWN_PROGRAM, Process};
use crate::program;

/// How the next supervisor comes to be.
pub(super) struct Revival {
    launch: Option<Launch>,
    stderr: Option<OwnedFd>,
    /// When one is to be started.
    due: Option<Instant>,
    /// None is started before.
    not_before: Option<Instant>,
    /// The supervisor that goes is back within so long.
    returns: Duration,
    started: Option<Started>,
    /// The supervisor that lives, or has not ended altogether.
    former: Option<Process>,
    pauses: Pauses,
}

struct Started {
    process: Process,
    at: Instant,
}

impl Revival {
    /// Without `launch` somebody else starts supervisors. `stderr` is theirs.
    pub(super) fn new(launch: Option<Launch>, stderr: Option<OwnedFd>) -> Self {
        Self {
            launch,
            stderr,
            due: None,
            not_before: None,
            returns: Duration::ZERO,
            started: None,
            former: None,
            pauses: Pauses::default(),
        }
    }

    /// None is started before this one has ended.
    pub(super) fn follow(&mut self, former: Option<Process>) {
        self.former = former;
    }

    /// Ends when the last supervisor has ended altogether and another one is to be started. Never
    /// while none is.
    pub(super) async fn former_is_gone(&self) {
        match &self.former {
            Some(former) if self.due.is_some() => former.gone().await,
            _ => std::future::pending().await,
        }
    }

    /// A supervisor is there, and this is how the next is started.
    pub(super) fn learn(&mut self, launch: Option<Launch>, stderr: Option<OwnedFd>) {
        self.launch = launch;
        self.stderr = stderr;
        self.due = None;
        self.returns = Duration::ZERO;
    }

    /// The supervisor will go, and be back within so long.
    pub(super) fn expect_return(&mut self, within: Duration) {
        self.returns = within;
    }

    /// There is no supervisor.
    pub(super) fn plan(&mut self, now: Instant) {
        // Where one ends that this manager started, that is told too, and then is the time.
        if self.launch.is_some() && self.started.is_none() {
            let due = now + self.returns;
            self.due = Some(self.not_before.map_or(due, |before| due.max(before)));
            self.returns = Duration::ZERO;
        }
    }

    /// When [`Revival::start`] is to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.former.is_none())
    }

    /// Starts a supervisor.
    pub(super) fn start(&mut self, now: Instant) {
        self.due = None;
        let Some(launch) = &self.launch else {
            return;
        };
        let own = Path::new(OWN_PROGRAM);
        let program = match self.pauses.count() % 2 {
            0 => &launch.program,
            _ => own,
        };
        match spawn(program, launch, self.stderr.as_ref()) {
            Ok(process) => self.started = Some(Started { process, at: now }),
            Err(error) => {
                let remedy = remedy(&launch.program);
                let program = program.display();
                self.say(&format!("{program} cannot be started: {error}{remedy}"));
                self.pause(Duration::ZERO, now);
                self.plan(now);
            }
        }
    }

    /// How the supervisor ended that this manager started. Never while there is none.
    pub(super) async fn ended(&self) -> String {
        match &self.started {
            Some(started) => started.process.ended().await,
            None => std::future::pending().await,
        }
    }

    /// The supervisor that this manager started ended. `alone`: there is no other.
    pub(super) fn bury(&mut self, how: &str, alone: bool, now: Instant) {
        let Some(started) = self.started.take() else {
            return;
        };
        self.say(&format!("the supervisor died ({how})"));
        self.pause(now.duration_since(started.at), now);
        if alone {
            self.plan(now);
        }
    }

    fn pause(&mut self, lived: Duration, now: Instant) {
        self.not_before = Some(now + self.pauses.after(lived));
    }

    /// A line where the supervisor's log went.
    fn say(&self, text: &str) {
        if let Some(Ok(copy)) = self.stderr.as_ref().map(OwnedFd::try_clone) {
            // Nobody is left to tell that there is nobody to tell.
            let _ = writeln!(File::from(copy), "hbd manager: {text}");
        }
    }
}

/// What to do about a program that nobody may execute.
fn remedy(program: &Path) -> String {
    if !program::is_locked(program) {
        return String::new();
    }
    let program = program.display();
    format!(
        "; chmod 755 {program} and hbd goes on within {} s",
        PAUSE_MAX.as_secs()
    )
}

fn spawn(program: &Path, launch: &Launch, stderr: Option<&OwnedFd>) -> io::Result<Process> {
    let stderr = match stderr {
        Some(stderr) => Stdio::from(stderr.try_clone()?),
        None => Stdio::null(),
    };
    // By its name it finds what is installed there later, whichever file it is itself.
    let child = Command::new(program)
        .arg0(&launch.program)
        .args(&launch.arguments)
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()?;
    Process::started(&child)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revival(program: &str) -> Revival {
        let launch = Launch {
            program: program.into(),
            arguments: Vec::new(),
            directory: "/".into(),
            environment: Vec::new(),
        };
        Revival::new(Some(launch), None)
    }

    fn run(test: impl AsyncFnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    }

    /// Starts one, waits for its end, and returns the pause before the next.
    async fn die_once(revival: &mut Revival) -> Duration {
        let now = Instant::now();
        revival.start(now);
        let how = revival.ended().await;
        assert_eq!(how, "exit status 1");
        revival.bury(&how, true, now);
        revival.due().unwrap() - now
    }

    #[test]
    fn a_supervisor_that_dies_at_once_is_started_with_growing_pauses() {
        run(async || {
            let mut revival = revival("/bin/false");
            revival.plan(Instant::now());
            assert!(revival.due().unwrap() <= Instant::now());
            assert_eq!(die_once(&mut revival).await, Duration::ZERO);
            // This program in turn: a test program ends with another status.
            revival.pauses.after(Duration::ZERO);
            assert_eq!(die_once(&mut revival).await.as_millis(), 200);
        });
    }

    #[test]
    fn a_supervisor_that_says_that_it_returns_is_waited_for() {
        run(async || {
            let mut revival = revival("/bin/false");
            let now = Instant::now();
            revival.expect_return(Duration::from_secs(10));
            revival.plan(now);
            assert_eq!(revival.due(), Some(now + Duration::from_secs(10)));
            revival.learn(None, None);
            assert_eq!(revival.due(), None);
        });
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "`ended` waits for it")]
    fn none_is_started_before_the_last_one_has_ended() {
        run(async || {
            let mut revival = revival("/bin/false");
            let last = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let killer = Process::started(&last).unwrap();
            revival.follow(Some(Process::started(&last).unwrap()));
            revival.plan(Instant::now());
            assert_eq!(revival.due(), None);
            killer.kill();
            revival.former_is_gone().await;
            revival.follow(None);
            assert!(revival.due().is_some());
            killer.ended().await;
        });
    }

    #[test]
    fn nothing_is_started_where_somebody_else_does() {
        let mut revival = Revival::new(None, None);
        revival.plan(Instant::now());
        assert_eq!(revival.due(), None);
    }

    #[test]
    fn a_program_that_is_gone_is_tried_again_later() {
        run(async || {
            let mut revival = revival("/nonexistent/hbd");
            let now = Instant::now();
            revival.start(now);
            assert_eq!(revival.due(), Some(now));
            assert_eq!(revival.pauses.count(), 1);
        });
    }
}
