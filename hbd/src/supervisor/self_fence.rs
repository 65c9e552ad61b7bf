//! This node takes itself away: it cannot give up what it holds, and while it is there nobody else may
//! serve that.
//!
//! ```text
//! sick, and a group does not stop ----+
//! no manager, and a release failed ---+--> told --> program of selffence, else reset
//! a group does not stop, and          |      |
//! stop_failure is self-fence ---------+      |
//!                                            +--> still there: told; blocked as before
//! ```
//!
//! An armed watchdog is not fed from there on, and does it where nothing else does.
//!
//! It is done once for one reason: a supervisor that follows another in the middle of it does not
//! begin again. Where nothing came of it and the reason is gone, so is the matter.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};
use nix::unistd::geteuid;
use shared::config::StopFailureRule;
use shared::event::{Cause, Event, EventId, Kind, Severity, Span};
use shared::group::{GroupName, GroupReason, GroupState};
use shared::time::Moment;
use tokio::sync::mpsc;

use super::Supervisor;
use crate::cli::RUN;
use crate::clock;

/// After so long a node that is still there has not taken itself away.
const LIMIT: Duration = Duration::from_secs(60);

/// What is under way, if anything is.
pub(super) struct SelfFence {
    under_way: Option<UnderWay>,
    /// Groups that are stopped because this node is sick, or was when that began.
    given_up: BTreeSet<GroupName>,
    /// Groups that are stopped because a resource did not start.
    half_started: BTreeSet<GroupName>,
    /// No manager can be had, and what is held could not be stopped without one: for good.
    pub(super) stuck: bool,
    ended: mpsc::Sender<Ended>,
}

/// How the program ended; why it is of no use, if it is.
pub(super) type Ended = Result<(), String>;

struct UnderWay {
    until: Moment,
    failed: bool,
}

impl SelfFence {
    /// Nothing; how a program ended comes out of the receiver.
    pub(super) fn new() -> (Self, mpsc::Receiver<Ended>) {
        // One program at a time.
        let (ended, ends) = mpsc::channel(1);
        let fence = Self {
            under_way: None,
            given_up: BTreeSet::new(),
            half_started: BTreeSet::new(),
            stuck: false,
            ended,
        };
        (fence, ends)
    }
}

impl Supervisor {
    /// What a former supervisor began.
    pub(super) fn remember_self_fence(&mut self) {
        let told = self.recorder.view().self_fence.as_ref();
        self.self_fence.under_way = told.map(|fence| UnderWay {
            until: clock::boot() + LIMIT,
            failed: fence.failed.is_some(),
        });
        self.self_fence.given_up = self.stopped_for(&GroupReason::Sick);
        self.self_fence.half_started = self.stopped_for(&GroupReason::StartFailed);
    }

    /// Groups that are being stopped on this node for that reason.
    fn stopped_for(&self, reason: &GroupReason) -> BTreeSet<GroupName> {
        let why = reason.to_string();
        let own = &self.settings.node;
        let groups = self.recorder.view().groups.iter();
        let stopped = groups.filter(|(_, group)| {
            let here = group.nodes.get(own);
            here.is_some_and(|here| here.state == GroupState::Stopping && here.reason == why)
        });
        stopped.map(|(name, _)| name.clone()).collect()
    }

    /// The manager says what a group is. One that is stopped because this node is sick must stop, also
    /// where the node is well before that is known: its peers may have taken over.
    pub(super) fn follow_group(&mut self, event: &Event) {
        let Kind::GroupState {
            group,
            node,
            to,
            reason,
            ..
        } = &event.kind
        else {
            return;
        };
        if *node != self.settings.node {
            return;
        }
        let SelfFence {
            given_up,
            half_started,
            ..
        } = &mut self.self_fence;
        match to {
            GroupState::Stopping if *reason == GroupReason::Sick => {
                given_up.insert(group.clone());
            }
            GroupState::Stopping if *reason == GroupReason::StartFailed => {
                half_started.insert(group.clone());
            }
            GroupState::Stopped | GroupState::Started => {
                given_up.remove(group);
                half_started.remove(group);
            }
            GroupState::Blocked => {
                let was_sick = given_up.remove(group);
                // What cannot even be started here, as for want of its script, is not worth the node.
                let served = !half_started.remove(group);
                let sickness = if was_sick { "it was sick, and " } else { "" };
                if was_sick || (served && self.goes_with_what_does_not_stop()) {
                    let why = format!("{sickness}group {group} does not stop");
                    self.fence_itself(why, Some(Cause::Event(event.id.clone())));
                }
            }
            _ => {}
        }
    }

    /// This node is to go.
    pub(super) fn fence_itself(&mut self, why: String, cause: Option<Cause>) {
        if self.self_fence.under_way.is_some() {
            return;
        }
        let id = self.recorder.note(Kind::SelfFence { why }, cause);
        self.starve_watchdog();
        let watchdog = self.watchdog.armed();
        self.self_fence.under_way = Some(UnderWay {
            until: clock::boot() + LIMIT + watchdog.unwrap_or_default(),
            failed: false,
        });
        let place = Place::of(self.run.path());
        match (self.go(&place), watchdog) {
            (Ok(()), _) => {}
            (Err(why), None) => self.self_fence_failed(why, Some(id)),
            (Err(why), Some(within)) => {
                let text = format!("{why}; the watchdog resets it within {}", Span(within));
                self.recorder.say(Severity::Critical, &text);
            }
        }
    }

    fn go(&self, place: &Place) -> Result<(), String> {
        match means(&self.configured.config.self_fence, place)? {
            Means::Program([program, arguments @ ..]) => {
                run(program, arguments, self.self_fence.ended.clone())
            }
            Means::Program([]) => Ok(()),
            Means::Reset => Err(reset().to_string()),
        }
    }

    /// The program ended, or could not be run.
    pub(super) fn self_fence_ended(&mut self, ended: Ended) {
        if let Err(why) = ended {
            self.self_fence_failed(why, None);
        }
    }

    fn self_fence_failed(&mut self, why: String, event: Option<EventId>) {
        if let Some(under_way) = &mut self.self_fence.under_way
            && !std::mem::replace(&mut under_way.failed, true)
        {
            let cause = event.map(Cause::Event);
            self.recorder.note(Kind::SelfFenceFailed { why }, cause);
        }
    }

    /// Begins it where a sick node holds what does not stop, and looks what became of it.
    pub(super) fn look_at_self_fence(&mut self, now: Moment) {
        let blocked = self.blocked();
        if self.health.is_sick()
            && let Some(group) = &blocked
        {
            let why = format!("it is sick, and group {group} does not stop");
            self.fence_itself(why, None);
        }
        let Some(under_way) = &self.self_fence.under_way else {
            return;
        };
        let (failed, late) = (under_way.failed, now >= under_way.until);
        if failed
            && self.watchdog.armed().is_none()
            && blocked.is_none()
            && !self.health.is_sick()
            && !self.self_fence.stuck
        {
            self.self_fence.under_way = None;
            self.recorder.note(Kind::SelfFenceOver, None);
        } else if late {
            let why = "it is still there a minute later".to_owned();
            self.self_fence_failed(why, None);
        }
    }

    /// A group that does not stop takes the node with it.
    fn goes_with_what_does_not_stop(&self) -> bool {
        self.configured.config.resources.stop_failure == StopFailureRule::SelfFence
    }

    /// A group that does not stop on this node.
    fn blocked(&self) -> Option<GroupName> {
        let groups = self.recorder.view().groups.iter();
        let own = &self.settings.node;
        let mut blocked = groups.filter(|(_, group)| {
            let here = group.nodes.get(own);
            here.is_some_and(|here| here.state == GroupState::Blocked)
        });
        blocked.next().map(|(name, _)| name.clone())
    }
}

/// How a node takes itself away.
#[derive(Debug, PartialEq, Eq)]
enum Means<'c> {
    /// A program and its arguments.
    Program(&'c [String]),
    /// The kernel resets the machine.
    Reset,
}

/// What decides whether hbd may reset the machine it is on.
#[derive(Clone, Copy, Debug)]
struct Place {
    root: bool,
    /// Its processes and its network are those of the machine.
    machine: bool,
    /// It is the instance that a machine has one of.
    only_instance: bool,
}

impl Place {
    fn of(run: &Path) -> Self {
        Self {
            root: geteuid().is_root(),
            machine: is_machine(),
            only_instance: run == Path::new(RUN),
        }
    }
}

/// How, where that can be done here.
fn means<'c>(program: &'c [String], place: &Place) -> Result<Means<'c>, String> {
    let no = |why: &str| Err(format!("{why}, and no selffence program is configured"));
    match place {
        _ if !program.is_empty() => Ok(Means::Program(program)),
        Place { root: false, .. } => no("hbd does not run as root"),
        Place { machine: false, .. } => no("hbd runs in a container"),
        Place {
            only_instance: false,
            ..
        } => no("this may not be the only hbd here: it runs with --run"),
        Place { .. } => Ok(Means::Reset),
    }
}

/// Whether this process is in the first namespaces of its machine. Where that cannot be seen it is not.
fn is_machine() -> bool {
    /// `PROC_PID_INIT_INO` of `linux/proc_ns.h`.
    const FIRST: &str = "pid:[4026531836]";
    let namespace = |path: &str| fs::read_link(path).ok();
    let own_network = namespace("/proc/self/ns/net");
    namespace("/proc/self/ns/pid").is_some_and(|pid| pid == Path::new(FIRST))
        && own_network.is_some()
        && own_network == namespace("/proc/1/ns/net")
}

/// Runs the program in a thread of its own: a disk that does not answer keeps whoever starts a program
/// waiting.
fn run(program: &str, arguments: &[String], ended: mpsc::Sender<Ended>) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    hbd_agents::stand_alone(&mut command);
    let program = program.to_owned();
    let thread = std::thread::Builder::new().name("self-fence".into());
    let started = thread.spawn(move || {
        let ending = match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program}: {status}")),
            Err(error) => Err(format!("{program} cannot be run: {error}")),
        };
        // There is room: it is run once.
        let _ = ended.try_send(ending);
    });
    started
        .map(drop)
        .map_err(|error| format!("cannot start a thread: {error}"))
}

/// Resets the machine, at once and without writing anything to disk. Only for a node whose [`means`]
/// are these.
fn reset() -> io::Error {
    match reboot(RebootMode::RB_AUTOBOOT) {
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Place = Place {
        root: true,
        machine: true,
        only_instance: true,
    };

    #[test]
    fn a_program_is_run_wherever_hbd_runs() {
        let program = ["/bin/true".to_owned()];
        for place in [
            MACHINE,
            Place {
                root: false,
                machine: false,
                only_instance: false,
            },
        ] {
            assert_eq!(means(&program, &place), Ok(Means::Program(&program)));
        }
    }

    #[test]
    fn a_machine_is_reset_by_its_only_hbd_that_is_root_and_in_no_container() {
        assert_eq!(means(&[], &MACHINE), Ok(Means::Reset));
        let others = [
            Place {
                root: false,
                ..MACHINE
            },
            Place {
                machine: false,
                ..MACHINE
            },
            Place {
                only_instance: false,
                ..MACHINE
            },
        ];
        let refused = others.map(|place| means(&[], &place).unwrap_err());
        for (refused, why) in refused.iter().zip(["root", "container", "--run"]) {
            assert!(refused.contains(why), "{refused}");
            assert!(refused.ends_with("no selffence program is configured"));
        }
    }

    #[test]
    fn only_the_default_run_directory_is_that_of_the_only_instance() {
        assert!(!Place::of(Path::new("/tmp/run")).only_instance);
        assert!(Place::of(Path::new("/run/hbd")).only_instance);
    }
}
