//! Scripts that an operator has told what happens to other nodes, as Heartbeat 3.0.6 tells them: the
//! script `rc.d/status`, whenever the status of another node is a new one.
//!
//! ```text
//! event --> notice --(turn)--> is the script harmless? --> shim --> nothing, or an event why not
//! ```
//!
//! One runs at a time, in the order of arrival, and none for longer than [`LIMIT`]. At most
//! [`NOTICES_MAX`] wait: of what is dropped an event tells. A script that moves resources is
//! [never run](shared::notification). What happened while no manager was there is not told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hbd_agents::class::Class;
use hbd_agents::command::{Variables, notification};
use hbd_agents::shim::Job;
use hbd_agents::verdict;
use shared::event::{Event, Kind, NodeStatus};
use shared::group::Operation;
use shared::names::{Generation, NodeName};
use shared::notification::{DIRECTORY, RUNNER, Refusal, STATUS, examine};
use shared::view::ClusterView;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::duty::Duty;
use super::works::{self, GRACE};

/// How many may wait, or run.
const NOTICES_MAX: usize = 32;
/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(60);
/// What the names of their shims have in them.
const NAME: &str = "notice";

/// What is known of the nodes, for what is to be told.
pub(super) struct Notices {
    node: NodeName,
    own: NodeStatus,
    generations: BTreeMap<NodeName, Generation>,
    turn: Arc<Semaphore>,
    waiting: usize,
    made: u64,
}

/// Something to be told.
pub(super) struct Notice {
    node: NodeName,
    status: NodeStatus,
    fields: Variables,
    /// This node's status.
    own: NodeStatus,
}

impl Notices {
    /// For that node.
    pub(super) fn new(node: NodeName) -> Self {
        Self {
            node,
            own: NodeStatus::Init,
            generations: BTreeMap::new(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: 0,
            made: 0,
        }
    }

    /// What the core knows.
    pub(super) fn see(&mut self, view: &ClusterView) {
        let nodes = view.nodes.iter();
        let lives = nodes.filter_map(|(name, node)| Some((name.clone(), node.generation?)));
        self.generations = lives.collect();
        if let Some(own) = view.nodes.get(&self.node) {
            self.own = own.status;
        }
    }

    /// What happened, and is to be told.
    pub(super) fn note(&mut self, event: &Event) -> Option<Notice> {
        match &event.kind {
            Kind::NodeHeard {
                node, generation, ..
            }
            | Kind::NodeRestarted {
                node,
                to: generation,
                ..
            } => {
                self.generations.insert(node.clone(), *generation);
                None
            }
            Kind::NodeStatus { node, to, .. } if *node == self.node => {
                self.own = *to;
                None
            }
            Kind::NodeStatus { node, to, .. } => Some(Notice {
                fields: self.fields(event, node, *to),
                node: node.clone(),
                status: *to,
                own: self.own,
            }),
            _ => None,
        }
    }

    /// As the message of a Heartbeat has them: of a dead node those of the message that a Heartbeat
    /// makes itself.
    fn fields(&self, event: &Event, node: &NodeName, status: NodeStatus) -> Variables {
        let seconds = event.wall.0 / 1_000_000_000;
        let mut fields = Variables::from([
            ("t".to_owned(), STATUS.to_owned()),
            ("src".to_owned(), node.to_string()),
            ("st".to_owned(), status.word().to_owned()),
            ("ts".to_owned(), format!("{seconds:x}")),
        ]);
        let mut add = |name: &str, value: String| fields.insert(name.to_owned(), value);
        match (status, self.generations.get(node)) {
            (NodeStatus::Dead, _) => drop(add("seq", "1".into())),
            (_, Some(generation)) => drop(add("hg", format!("{:x}", generation.0))),
            (_, None) => {}
        }
        fields
    }

    /// Takes a place among those that wait, if there is one: its turn, and a name for its shim.
    pub(super) fn enter(&mut self, manager: &str) -> Option<(Arc<Semaphore>, String)> {
        if self.waiting == NOTICES_MAX {
            return None;
        }
        self.waiting += 1;
        self.made += 1;
        let name = format!("{manager}-{NAME}-{}", self.made);
        Some((Arc::clone(&self.turn), name))
    }

    /// One has ended.
    pub(super) fn leave(&mut self) {
        self.waiting -= 1;
    }
}

/// Whether a shim of that name tells something. Nobody has to wait for its end.
pub(super) fn is_notice(name: &str) -> bool {
    name.contains(NAME)
}

impl Notice {
    /// That nobody was told.
    pub(super) fn failed(&self, why: String) -> Kind {
        Kind::NotificationFailed {
            node: self.node.clone(),
            status: self.status,
            why,
        }
    }

    /// That it was dropped.
    pub(super) fn dropped(&self) -> Kind {
        self.failed(format!("{NOTICES_MAX} others wait already"))
    }

    /// Has the script told; what comes of it is why not.
    pub(super) async fn give(self, run: &Path, name: &str, duty: Duty) -> Option<Kind> {
        let (fields, own) = (self.fields.clone(), self.own.word());
        let directory = run.to_owned();
        // It reads files, and nothing that the core waits for may wait for a disk.
        let command = spawn_blocking(move || {
            let program = program(duty.configuration())?;
            let setting = duty.common_setting(&directory, LIMIT);
            Ok(notification(program, STATUS, (&fields, own), &setting))
        });
        let command = match command.await.ok()? {
            Ok(command) => command,
            Err(Nothing::ToDo) => return None,
            Err(Nothing::Allowed(why)) => return Some(self.failed(why)),
        };
        let class = Class::Lsb {
            script: command.program.clone(),
        };
        let job = Job {
            operation: Operation::Start,
            command,
            limit: LIMIT,
            grace: GRACE,
        };
        let outcome = match works::report(run, name, &job).await {
            Ok(report) => verdict::judge(&class, job.operation, &report),
            Err(error) => works::failed(format!("no shim could do it: {error}")),
        };
        outcome.failure().map(|why| self.failed(why.to_owned()))
    }
}

/// Why nothing is run.
enum Nothing {
    /// There is no script, or Heartbeat's.
    ToDo,
    /// There is one that may not.
    Allowed(String),
}

/// What is run: what runs scripts, where it exists, else the script.
fn program(configuration: &Path) -> Result<PathBuf, Nothing> {
    let script = configuration.join(DIRECTORY).join(STATUS);
    look_through(&script)?;
    let runner = configuration.join(RUNNER);
    match look_through(&runner) {
        Ok(()) => Ok(runner),
        Err(Nothing::ToDo) => Ok(script),
        Err(refused) => Err(refused),
    }
}

/// Heartbeat's own is none.
fn look_through(path: &Path) -> Result<(), Nothing> {
    match examine(path) {
        None | Some(Err(Refusal::Installed)) => Err(Nothing::ToDo),
        Some(Ok(())) => Ok(()),
        Some(Err(refusal)) => Err(Nothing::Allowed(format!(
            "{} is never run: {refusal}",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use shared::event::{EventSource, Role, StatusReason};
    use shared::time::{Moment, Now, Wall};

    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn notices() -> (Notices, EventSource) {
        let source = EventSource::new(name("alice"), Role::Core, Generation(7));
        (Notices::new(name("alice")), source)
    }

    fn becomes(node: &str, to: NodeStatus) -> Kind {
        Kind::NodeStatus {
            node: name(node),
            from: NodeStatus::Init,
            to,
            reason: StatusReason::Announced,
        }
    }

    #[test]
    fn of_other_nodes_each_status_is_told_and_of_this_one_none() {
        let (mut notices, mut source) = notices();
        let now = Now {
            boot: Moment(1),
            wall: Wall(0x6b04_78b0 * 1_000_000_000),
        };
        let mut note = |kind| notices.note(&source.event(kind, None, now));
        assert!(note(becomes("alice", NodeStatus::Active)).is_none());
        let notice = note(becomes("bob", NodeStatus::Dead)).unwrap();
        let fields: Vec<_> = (notice.fields.iter())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            fields,
            ["seq=1", "src=bob", "st=dead", "t=status", "ts=6b0478b0"]
        );
        assert_eq!(notice.own, NodeStatus::Active);
        let said = "rc.d/status did not tell that node bob is dead: 32 others wait already";
        assert_eq!(notice.dropped().to_string(), said);
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let (mut notices, _) = notices();
        for _ in 0..NOTICES_MAX {
            assert!(notices.enter("7-1").is_some());
        }
        assert!(notices.enter("7-1").is_none());
        notices.leave();
        let (turn, shim) = notices.enter("7-1").unwrap();
        assert!(is_notice(&shim));
        assert_eq!(turn.available_permits(), 1);
    }
}
