//! The loop of the supervisor: the only place in its process that waits.

use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::unix::AsyncFd;
use tokio::io::{self, Interest};
use tokio::net::UnixStream;

use shared::event::Span;
use shared::exit::Exit;

use super::flight::Kept;
use super::upgrade::Checked;
use super::watch::Watch;
use super::{Sources, Supervisor, modem, self_fence, silence_limit};
use crate::channel::FromCore;
use crate::clock;
use crate::control::Ask;
use crate::journal::Report;
use crate::log::News;
use crate::manager_process::FromManager;
use crate::manager_process::release::Released;
use crate::pulse::PulseWatch;
use crate::state::{Job, StateError};
use crate::sys;
use crate::timer::Timer;

/// What happened.
enum Wake {
    Leave(&'static str),
    Reload,
    Core(Option<FromCore>),
    Manager(Option<FromManager>),
    Interfaces(bool),
    Client(io::Result<UnixStream>),
    Ask(Ask),
    Checked(Box<Checked>),
    Disk(Result<Job, StateError>),
    Journal(Report),
    Flight(Kept),
    Read(Box<super::reload::Read>),
    Log(News),
    Released(std::io::Result<Vec<Released>>),
    SelfFenced(self_fence::Ended),
    Modem(modem::Seen),
    Looked(super::probing::Looked),
    /// The core did not come round in time.
    Silent,
    Look,
}

/// Runs until the daemon is to end.
pub(super) async fn run(
    signals: Signals,
    mut timer: Timer,
    started: (Supervisor, Sources),
) -> Exit {
    let (mut supervisor, mut sources) = started;
    let mut looked = clock::boot();
    while supervisor.exit.is_none() {
        let pause = supervisor.look_pause();
        // Fails for an invalid time only.
        let _ = timer.set(Some(looked + pause));
        let wake = tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::SIGHUP => Wake::Reload,
                signal => Wake::Leave(signal.as_str()),
            },
            message = supervisor.core.next() => Wake::Core(message.map(|(message, _)| message)),
            message = supervisor.manager.next() => {
                Wake::Manager(message.map(|(message, _)| message))
            }
            () = silent(&mut supervisor.pulse) => Wake::Silent,
            watched = changed(sources.watch.as_ref()) => Wake::Interfaces(watched),
            Some(ask) = sources.asks.recv() => Wake::Ask(ask),
            Some(checked) = sources.checks.recv() => Wake::Checked(Box::new(checked)),
            Some(done) = sources.disk.recv() => Wake::Disk(done),
            Some(report) = sources.journal.recv() => Wake::Journal(report),
            Some(kept) = sources.flights.recv() => Wake::Flight(kept),
            Some(read) = sources.reads.recv() => Wake::Read(Box::new(read)),
            Some(news) = sources.log.recv() => Wake::Log(news),
            Some(released) = sources.releases.recv() => Wake::Released(released),
            Some(ended) = sources.self_fences.recv() => Wake::SelfFenced(ended),
            Some(seen) = sources.modems.recv() => Wake::Modem(seen),
            Some(looked) = sources.looks.recv() => Wake::Looked(looked),
            // Behind everything else: whoever may connect could do so without end.
            stream = sources.control.accept() => Wake::Client(stream),
            _ = expired(&mut timer) => Wake::Look,
        };
        match wake {
            Wake::Leave(signal) => supervisor.leave(signal),
            Wake::Reload => supervisor.reload_by_signal(),
            Wake::Read(read) => {
                if let Some(access) = supervisor.reload(*read) {
                    sources.control.admit(access);
                }
            }
            Wake::Core(Some(message)) => {
                if let Some(silent) = supervisor.heard(message) {
                    bury_manager(&mut supervisor, Some(silent)).await;
                }
            }
            Wake::Core(None) => bury(&mut supervisor, None).await,
            Wake::Manager(Some(FromManager::Fails { why, counts })) => {
                replace_manager(&mut supervisor, why, counts).await;
            }
            Wake::Manager(Some(message)) => supervisor.heard_manager(message),
            Wake::Manager(None) => bury_manager(&mut supervisor, None).await,
            Wake::Interfaces(true) => supervisor.refresh_media(),
            // Looking around every few seconds has to do.
            Wake::Interfaces(false) => sources.watch = None,
            Wake::Client(Ok(stream)) => sources.control.serve(stream),
            // No descriptors left: those who connect wait for the next look.
            Wake::Client(Err(_)) => {
                let _ = expired(&mut timer).await;
            }
            Wake::Ask(ask) => supervisor.answer(ask),
            Wake::Checked(checked) => {
                if let Some(told) = supervisor.checked(*checked) {
                    return supervisor.become_other(told).await;
                }
            }
            Wake::Disk(result) => supervisor.kept(result),
            Wake::Journal(report) => supervisor.journalled(report),
            Wake::Flight(kept) => supervisor.flight_kept(kept),
            Wake::Log(news) => supervisor.log_changed(news),
            Wake::Released(released) => supervisor.released_without_manager(released),
            Wake::SelfFenced(ended) => supervisor.self_fence_ended(ended),
            Wake::Modem(seen) => supervisor.seen_on_port(seen),
            Wake::Looked(looked) => supervisor.looked(looked),
            Wake::Silent => {
                let limit = silence_limit(&supervisor.settings);
                bury(&mut supervisor, Some(limit)).await;
            }
            Wake::Look => {}
        }
        // An early look, since this process is awake, saves a wake-up for it.
        let now = clock::boot();
        if now >= looked + pause / 2 {
            supervisor.came_round(now.since(looked + pause), now);
            looked = now;
            supervisor.look_around();
        }
    }
    end_core(&mut supervisor).await;
    supervisor.end_manager().await;
    supervisor.finish()
}

/// Takes the core's last words, makes sure that it is gone, and goes on from there.
async fn bury(supervisor: &mut Supervisor, silent: Option<Duration>) {
    if let Some(core) = supervisor.core.take() {
        let since = core.since;
        let how = core.end().await;
        let flight = supervisor.read_slate();
        if let (None, Some(cause)) = (silent, supervisor.retiring.take()) {
            return supervisor.relaunch(Some(cause));
        }
        supervisor.core_died(death(silent, how), since, flight);
    }
}

/// The same for the manager.
async fn bury_manager(supervisor: &mut Supervisor, silent: Option<Duration>) {
    if let Some(manager) = supervisor.manager.take() {
        let since = manager.since;
        let how = death(silent, manager.end().await);
        if let (None, Some(cause)) = (silent, supervisor.managed.retiring.take()) {
            supervisor.orders_are_lost();
            return supervisor.relaunch_manager(Some(cause));
        }
        supervisor.manager_died(how, since, silent.is_some());
    }
}

/// Ends a manager that says that it is of no use. `counts`: as if it hung.
async fn replace_manager(supervisor: &mut Supervisor, why: String, counts: bool) {
    if let Some(manager) = supervisor.manager.take() {
        let since = manager.since;
        manager.end().await;
        if let Some(cause) = supervisor.managed.retiring.take() {
            supervisor.orders_are_lost();
            return supervisor.relaunch_manager(Some(cause));
        }
        supervisor.manager_died(why, since, counts);
    }
}

/// How a worker died that was killed if it was silent for so long, and ended like this.
fn death(silent: Option<Duration>, how: Option<String>) -> String {
    let silent = silent.map(|silent| format!("it was silent for {}", Span(silent)));
    match (silent, how) {
        (Some(silent), Some(_)) => format!("{silent} and killed"),
        (Some(silent), None) => format!("{silent} and killed, and is not gone yet"),
        (None, Some(how)) => how,
        (None, None) => "it was killed, and is not gone yet".into(),
    }
}

/// Lets a core that has left end by itself; kills any other.
async fn end_core(supervisor: &mut Supervisor) {
    if let Some(core) = supervisor.core.take() {
        if supervisor.exit == Some(Exit::Done) {
            core.ended(LAST_LIMIT).await;
        }
        core.end().await;
    }
}

/// A core that has left may take so long to end.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// Signals that ask for something. They are blocked and read (`signalfd(2)`): one that was not read
/// stays with the process, also when it becomes another program.
pub(super) struct Signals {
    waiting: SignalFd,
    arrived: AsyncFd<OwnedFd>,
}

impl Signals {
    /// To be called before there is another thread, so that the mask is everybody's. Others are
    /// unblocked: whoever started hbd may have blocked them, which is inherited.
    pub(super) fn new() -> io::Result<Self> {
        let asking: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
            .into_iter()
            .collect();
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&asking), None)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let waiting = SignalFd::with_flags(&asking, flags)?;
        let arrived = waiting.as_fd().try_clone_to_owned()?;
        Ok(Self {
            waiting,
            arrived: sys::watch(arrived, Interest::READABLE)?,
        })
    }

    /// The next one. May be given up and called again.
    async fn next(&self) -> Signal {
        loop {
            let Ok(mut ready) = self.arrived.readable().await else {
                return std::future::pending().await;
            };
            let number = match self.waiting.read_signal() {
                Ok(Some(signal)) => i32::try_from(signal.ssi_signo),
                _ => {
                    ready.clear_ready();
                    continue;
                }
            };
            if let Some(signal) = number.ok().and_then(|number| number.try_into().ok()) {
                return signal;
            }
        }
    }
}

async fn expired(timer: &mut Timer) -> io::Result<()> {
    poll_fn(|context| timer.poll_expired(context)).await
}

/// Ends when the core does not come round; never while there is none.
async fn silent(pulse: &mut Option<PulseWatch>) {
    if let Some(pulse) = pulse
        && pulse.silent().await.is_ok()
    {
        return;
    }
    // A timer that cannot be watched tells nothing of the core.
    std::future::pending().await
}

/// True after a change, false if changes cannot be seen any more.
async fn changed(watch: Option<&Watch>) -> bool {
    match watch {
        Some(watch) => watch.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_says_whether_it_is_over() {
        let silent = Some(Duration::from_millis(750));
        let gone = || Some("signal 9 (SIGKILL)".to_owned());
        assert_eq!(death(None, gone()), "signal 9 (SIGKILL)");
        assert_eq!(death(silent, gone()), "it was silent for 750 ms and killed");
        let stays = "it was silent for 750 ms and killed, and is not gone yet";
        assert_eq!(death(silent, None), stays);
        assert_eq!(death(None, None), "it was killed, and is not gone yet");
    }
}
