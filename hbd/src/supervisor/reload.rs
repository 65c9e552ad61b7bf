//! The configuration read anew: on SIGHUP, or by order.
//!
//! ```text
//! SIGHUP, order --> a thread reads and checks --> what changed? --> apply it whole, or refuse it whole
//!                   (name servers and directories of   |
//!                   users may be slow)                 |
//!                                                      +--> event, reply
//! ```
//!
//! Whatever goes wrong, what ran before goes on. What cannot change while the core runs asks for a
//! quick restart: the core hands over what it still has to say and ends, and the next one starts
//! from the new settings.

use shared::api::{
    ErrorCode, Failure, Reload, ReloadOutcome, Reloaded, Request, ServerFrame, Success,
};
use shared::config::diff::{self, Change, Consequence};
use shared::config::render::{Style, render_all};
use shared::config::{Config, Diagnostic, Files};
use shared::event::{Cause, Kind, Severity};
use shared::names::NodeName;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

use hbd_core::Command;
use nix::unistd::geteuid;

use super::Supervisor;
use super::cutting::cut_off;
use super::keeping::BAD_FILES;
use super::recorder::line;
use super::removal::removed;
use super::requests::Asked;
use super::rotation::dangers;
use super::worker::Post;
use crate::channel::{Rights, ToCore};
use crate::clock;
use crate::control::access::Access;
use crate::control::{Answer, Repeated};
use crate::rights;
use crate::settings::{self, settings};
use crate::startup::{Accepted, StartError, configuration};

/// Changes and reasons that an event tells at most; a reply has all of them.
const TOLD_MAX: usize = 32;
/// Bytes of one of them.
const TOLD_BYTES_MAX: usize = 300;

/// Why nothing is reloaded on the way out.
const LEAVING: &str = "hbd is leaving the cluster; there is nothing to reload any more";

/// What was read.
pub(super) type Read = Result<Looked, StartError>;

/// A configuration and what depends on users and groups of this machine: whoever keeps them may be
/// slow too.
pub(super) struct Looked {
    accepted: Accepted,
    rights: Rights,
    access: Access,
}

impl Looked {
    fn up(accepted: Accepted) -> Self {
        let own = geteuid().as_raw();
        let config = &accepted.config;
        let (rights, _) = rights::of_core(&config.realtime, &config.timing, own);
        let access = Access::new(&config.api, own, rights.user.map(|(user, _)| user));
        Self {
            accepted,
            rights,
            access,
        }
    }
}

/// The configuration that runs, and how it is read anew.
pub(super) struct Configured {
    directory: PathBuf,
    node: NodeName,
    pub(super) config: Config,
    files: Files,
    /// The last attempt was refused.
    pub(super) refused: bool,
    /// The reload under way.
    reading: Option<Reading>,
    /// SIGHUP came meanwhile.
    again: bool,
    results: mpsc::Sender<Read>,
}

/// A reload under way.
struct Reading {
    wish: Reload,
    cause: Cause,
    order: Option<Order>,
}

/// Whom to answer.
struct Order {
    id: u64,
    key: Option<String>,
    answer: oneshot::Sender<Answer>,
}

impl Configured {
    /// The configuration that a daemon starts with; results of later readings come out of the
    /// receiver.
    pub(super) fn new(
        directory: PathBuf,
        node: NodeName,
        config: Config,
        files: Files,
    ) -> (Self, mpsc::Receiver<Read>) {
        // One reading is under way at a time.
        let (results, reads) = mpsc::channel(1);
        let configured = Self {
            directory,
            node,
            config,
            files,
            refused: false,
            reading: None,
            again: false,
            results,
        };
        (configured, reads)
    }

    /// As `hactl check` shows them.
    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn shown(&self, warnings: &[Diagnostic]) -> String {
        let style = Style {
            directory: Some(&self.directory),
            colour: false,
        };
        render_all(warnings, style)
    }

    fn read_in_a_thread(&self) -> std::io::Result<()> {
        let (directory, node) = (self.directory.clone(), self.node.clone());
        let results = self.results.clone();
        std::thread::Builder::new()
            .name("reload".into())
            .spawn(move || {
                // The supervisor may be gone by then.
                let _ = results.try_send(configuration(&directory, node).map(Looked::up));
            })
            .map(drop)
    }
}

impl Supervisor {
    /// SIGHUP.
    pub(super) fn reload_by_signal(&mut self) {
        if self.configured.reading.is_some() {
            self.configured.again = true;
            return;
        }
        self.begin_reload(Reading {
            wish: Reload::default(),
            cause: Cause::Order("SIGHUP".into()),
            order: None,
        });
    }

    /// The configuration on the disk names hosts that a name server has to be asked for.
    pub(super) fn reload_later(&mut self, why: &str) {
        let text = format!("{why}; until it is resolved, hbd goes on with what it ran with");
        self.recorder.say(Severity::Warning, &text);
        // systemd is told of those it waits for only.
        self.read(Reading {
            wish: Reload::default(),
            cause: Cause::Order("another host in the configuration".into()),
            order: None,
        });
    }

    /// An order, which is answered once the files are read.
    pub(super) fn reload_by_order(&mut self, wish: Reload, key: Option<String>, asked: Asked) {
        let order = Order {
            id: asked.id,
            key,
            answer: asked.answer,
        };
        if let Some(key) = &order.key
            && let Repeated::Yes(outcome) =
                self.orders
                    .look_up(key, &Request::Reload(wish), clock::boot())
        {
            return order.reply(outcome);
        }
        if self.configured.reading.is_some() {
            return order.reply(Err(Failure {
                code: ErrorCode::Unavailable,
                text: "another reload is under way; try again in a moment".into(),
            }));
        }
        self.begin_reload(Reading {
            wish,
            cause: Cause::Order(asked.who.to_string()),
            order: Some(order),
        });
    }

    fn begin_reload(&mut self, reading: Reading) {
        if self.leaving.is_some() {
            return self.end_reload(reading, Err(unavailable(LEAVING.into())));
        }
        self.service.reload_begins();
        self.read(reading);
    }

    fn read(&mut self, reading: Reading) {
        match self.configured.read_in_a_thread() {
            Ok(()) => self.configured.reading = Some(reading),
            Err(error) => {
                let text = format!("cannot start a thread to read the configuration: {error}");
                self.end_reload(reading, Err(unavailable(text)));
            }
        }
    }

    /// The files were read. Who may use the control socket from here on, if that is known anew.
    pub(super) fn reload(&mut self, read: Read) -> Option<Access> {
        let reading = self.configured.reading.take()?;
        if self.leaving.is_some() {
            self.end_reload(reading, Err(unavailable(LEAVING.into())));
            return None;
        }
        let (reloaded, access) = match read {
            Err(error) => (self.invalid(&reading, &error), None),
            Ok(looked) => self.judge_reload(&reading, looked),
        };
        self.end_reload(reading, Ok(reloaded));
        if std::mem::take(&mut self.configured.again) {
            self.reload_by_signal();
        }
        access
    }

    fn invalid(&mut self, reading: &Reading, error: &StartError) -> Reloaded {
        let reasons = reasons(error);
        let diagnostics = match error {
            StartError::Config(report) => report.text(false),
            other => format!("{other}\n"),
        };
        self.refuse_reload(reading, &reasons);
        Reloaded {
            outcome: ReloadOutcome::Invalid,
            changes: Vec::new(),
            reasons,
            notes: Vec::new(),
            diagnostics,
        }
    }

    fn judge_reload(&mut self, reading: &Reading, looked: Looked) -> (Reloaded, Option<Access>) {
        let accepted = &looked.accepted;
        let mut reloaded = Reloaded {
            outcome: ReloadOutcome::Unchanged,
            changes: changes(&self.configured, accepted),
            reasons: try_core(&self.configured.node, accepted, self.settings.uuid),
            notes: Vec::new(),
            diagnostics: self.configured.shown(&accepted.warnings),
        };
        let unfit = !reloaded.reasons.is_empty();
        let dangers = dangers(
            self.present_memory().values(),
            &self.configured.config,
            accepted,
        );
        reloaded.reasons.extend(dangers.reasons);
        let present = self.present_memory();
        let removed = removed(present.values(), &accepted.config);
        reloaded.reasons.extend(removed);
        reloaded.reasons.extend(cut_off(
            self.recorder.view(),
            &self.configured.config,
            &accepted.config,
            &reloaded.changes,
        ));
        reloaded.notes.extend(dangers.notes);
        if unfit || !reloaded.reasons.is_empty() && !reading.wish.force {
            reloaded.outcome = ReloadOutcome::Refused;
            self.refuse_reload(reading, &reloaded.reasons);
            return (reloaded, None);
        }
        match (reloaded.changes.is_empty(), reading.wish.dry_run) {
            (true, true) => {}
            (true, false) if self.configured.refused => {
                self.apply_reload(reading, looked, &[]);
            }
            (true, false) => {
                let text = "reload: the configuration has not changed";
                self.recorder.say(Severity::Notice, text);
                self.lacks_no_more(BAD_FILES);
            }
            (false, true) => reloaded.outcome = ReloadOutcome::WouldApply,
            (false, false) => {
                reloaded.outcome = ReloadOutcome::Applied;
                let access = self.apply_reload(reading, looked, &reloaded.changes);
                return (reloaded, Some(access));
            }
        }
        (reloaded, None)
    }

    /// A dry run changes nothing, not even the record.
    fn refuse_reload(&mut self, reading: &Reading, reasons: &[String]) {
        if !reading.wish.dry_run {
            self.note_refusal(reasons, Some(reading.cause.clone()));
        }
    }

    fn note_refusal(&mut self, reasons: &[String], cause: Option<Cause>) {
        self.configured.refused = true;
        let reasons = told(reasons);
        self.recorder.note(Kind::ConfigRefused { reasons }, cause);
    }

    /// The supervisor started beside workers, and the files on the disk are not what they run
    /// with. A former one may have been killed before its word of that was kept.
    pub(super) fn begin_refusal(&mut self, error: &StartError) {
        if !self.configured.refused {
            self.note_refusal(&reasons(error), None);
        }
    }

    /// The supervisor started from files of which a former one had refused a reload.
    pub(super) fn end_refusal(&mut self) {
        if std::mem::take(&mut self.configured.refused) {
            let changes = Vec::new();
            self.recorder.note(Kind::ConfigReloaded { changes }, None);
        }
    }

    fn apply_reload(&mut self, reading: &Reading, looked: Looked, changes: &[Change]) -> Access {
        let Looked {
            accepted,
            rights,
            access,
        } = looked;
        let texts: Vec<_> = changes.iter().map(ToString::to_string).collect();
        let kind = Kind::ConfigReloaded {
            changes: told(&texts),
        };
        let id = self.recorder.note(kind, Some(reading.cause.clone()));
        self.note_warnings(&accepted.warnings);
        self.keep_accepted(&accepted.files, &accepted.addresses);
        self.configured.refused = false;
        self.configured.files = accepted.files;
        let former_duty = self.duty();
        let former = std::mem::replace(&mut self.configured.config, accepted.config);
        self.name_groups();
        let config = &self.configured.config;
        self.rights = rights;
        if (&former.logging, former.log_badpack) != (&config.logging, config.log_badpack) {
            self.recorder.log_to(&config.logging, config.log_badpack);
        }
        let (files, node) = (&self.configured.files, self.configured.node.clone());
        self.settings = settings(config, files, node, self.settings.uuid);
        if self.duty() != former_duty {
            self.retire_manager(Cause::Event(id.clone()));
        }
        if diff::needs_new_core(&former, &self.configured.config) {
            self.retire_core(Cause::Event(id));
        } else {
            self.change_online(&former);
        }
        access
    }

    /// Tells the core what it can change while it runs.
    fn change_online(&mut self, former: &Config) {
        let config = &self.configured.config;
        if former.timing != config.timing {
            let command = Command::Times(self.settings.times());
            self.tell_core(&ToCore::Command(command), Vec::new());
        }
        let files = Command::Files(self.settings.files.clone());
        self.tell_core(&ToCore::Command(files), Vec::new());
        let config = &self.configured.config;
        if former.keys != config.keys {
            let command = Command::Keys {
                active: config.keys.active,
                keys: settings::keys(&config.keys),
            };
            self.tell_core(&ToCore::Command(command), Vec::new());
        }
    }

    /// Ends the core in favour of the next one. One that is dead has its successor on its way.
    pub(super) fn retire_core(&mut self, cause: Cause) {
        self.reconfigure = true;
        if let Post::Held(_) = self.core {
            self.retiring = Some(cause);
            self.tell_core(&ToCore::Retire, Vec::new());
        }
    }

    fn end_reload(&mut self, reading: Reading, outcome: Result<Reloaded, Failure>) {
        self.service.reload_ends();
        if let (Err(failure), None) = (&outcome, &reading.order) {
            let text = format!("SIGHUP: {}", failure.text);
            self.recorder.say(Severity::Error, &text);
        }
        let Some(order) = reading.order else {
            return;
        };
        let outcome = outcome.map(|reloaded| Success::Reloaded(Box::new(reloaded)));
        if let Some(key) = &order.key {
            let request = Request::Reload(reading.wish);
            self.orders
                .remember(key.clone(), request, outcome.clone(), clock::boot());
        }
        order.reply(outcome);
    }
}

impl Order {
    fn reply(self, outcome: Result<Success, Failure>) {
        let id = self.id;
        let frame = match outcome {
            Ok(ok) => ServerFrame::Ok { id, ok },
            Err(error) => ServerFrame::Error { id, error },
        };
        // The client may have gone meanwhile.
        let _ = self.answer.send(Answer {
            lines: vec![line(&frame)],
            stream: None,
        });
    }
}

/// What the files say otherwise. A line that changes nothing asks for nothing; what changes without
/// a line that does is a change all the same.
fn changes(configured: &Configured, accepted: &Accepted) -> Vec<Change> {
    let mut changes = diff::changes(&configured.files, &accepted.files);
    if !diff::needs_new_core(&configured.config, &accepted.config) {
        for change in &mut changes {
            if change.consequence == Consequence::QuickRestart {
                change.consequence = Consequence::Online;
            }
        }
    } else if changes.iter().all(|change| {
        matches!(
            change.consequence,
            Consequence::Online | Consequence::NewManager
        )
    }) {
        changes.push(Change {
            what: "the order of lines, or the address of a name".into(),
            removed: Vec::new(),
            added: Vec::new(),
            consequence: Consequence::QuickRestart,
            order: None,
        });
    }
    changes
}

/// Settings that no core can run with are refused here, and not by a core that ends.
fn try_core(node: &NodeName, accepted: &Accepted, uuid: shared::names::Uuid) -> Vec<String> {
    let settings = settings(&accepted.config, &accepted.files, node.clone(), uuid);
    let tried = crate::startup::try_core(&settings);
    tried
        .err()
        .map(|error| error.to_string())
        .into_iter()
        .collect()
}

/// Each error with its place, in a line.
fn problems(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(|error| match &error.spot {
            Some(spot) => format!("{}:{}: {}", error.file, spot.line, error.message),
            None => format!("{}: {}", error.file, error.message),
        })
        .collect()
}

/// Why files are not used.
fn reasons(error: &StartError) -> Vec<String> {
    match error {
        StartError::Config(report) => problems(&report.diagnostics),
        other => vec![other.to_string()],
    }
}

/// As much of a list as an event carries.
fn told(texts: &[String]) -> Vec<String> {
    let mut told: Vec<String> = texts
        .iter()
        .take(TOLD_MAX)
        .map(|text| text[..text.floor_char_boundary(TOLD_BYTES_MAX)].to_owned())
        .collect();
    if texts.len() > TOLD_MAX {
        told.push(format!("and {} more", texts.len() - TOLD_MAX));
    }
    told
}

fn unavailable(text: String) -> Failure {
    Failure {
        code: ErrorCode::Unavailable,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_a_bounded_part_of_a_long_list() {
        let many: Vec<_> = (0..40)
            .map(|n| format!("{n}{}", "\u{e4}".repeat(400)))
            .collect();
        let told = told(&many);
        assert_eq!(told.len(), TOLD_MAX + 1);
        assert_eq!(told[TOLD_MAX], "and 8 more");
        assert!(told.iter().all(|text| text.len() <= TOLD_BYTES_MAX));
    }
}
