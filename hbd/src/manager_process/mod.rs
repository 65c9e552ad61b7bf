//! The manager's process: the [policy](chief), its [hands](works) and its [memory](record). It also
//! answers the core, so that the core knows that it lives, and it starts a supervisor again.
//!
//! ```text
//! core  --Question, events, Heard-->         <--Start, Core, orders--
//!       <--Answer, Say-------------- manager --events, answers------> supervisor
//!                                     |   |                               ^
//!                          shims <----+   +-- starts another, if it dies -+
//! ```
//!
//! It goes on without a supervisor, and lets the next one in ([`crate::bond`]). Where systemd
//! started hbd that next one comes from systemd, and the manager starts none: never both.

mod addresses;
mod chief;
mod duty;
pub(crate) mod external;
mod fencing;
mod health;
mod notices;
mod policy;
mod reactor;
mod record;
pub(crate) mod release;
mod revival;
mod said;
mod works;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hbd_core::Said;
use hbd_manager::{Life, Order, Refusal};
use nix::unistd::getuid;
use serde::{Deserialize, Serialize};
use shared::event::{Event, Kind};
use shared::exit::Exit;
use shared::group::GroupName;
use shared::health::CheckName;
use shared::names::{Generation, NodeName, Sequence};
use shared::order::Change;
use shared::view::{ClusterView, GroupView, HealthView};
use tokio::runtime::Builder;

pub(crate) use duty::Duty;

use crate::bond::{Bond, Greeting};
use crate::channel::{Channel, Lack};
use crate::{clock, worker};
use chief::{Beginning, Chief};
use reactor::Reactor;
use revival::Revival;

/// What the core tells its manager.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CoreToManager {
    /// Does it live?
    Question,
    /// What the core knows, before anything else it says.
    View(Box<ClusterView>),
    /// Something happened that a manager [decides by](crate::core_process::manager::decides).
    Event(Box<Event>),
    /// The manager of another node says something.
    Heard {
        /// Which node.
        from: NodeName,
        /// Its number among all that this life of the node says.
        #[serde(default)]
        number: Sequence,
        /// What it says.
        said: Said,
    },
}

/// What a manager tells the core.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ManagerToCore {
    /// It lives. Said when asked, and when it begins to hold something.
    Answer {
        /// Something is held.
        holds: bool,
    },
    /// To the managers of all other nodes.
    Say(Said),
}

/// What the supervisor tells a manager.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToManager {
    /// The manager begins. With it come the lock that proves that there is one manager, its
    /// [door](crate::bond), and standard error for a supervisor that it starts.
    Start(Box<Start>),
    /// A supervisor that did not start this manager goes on with it, and has its events up to this
    /// one. Standard error comes along.
    Adopt {
        /// How a supervisor is started again.
        supervisor: Option<Launch>,
        /// The counter of the last event of this manager's generation that is on record.
        after: u64,
    },
    /// Why this node cannot do what a member must; nothing when it can again.
    Sick(Option<String>),
    /// Somebody wants something. Answered with the same number.
    Order {
        /// Counts the orders.
        id: u64,
        /// What.
        order: Order,
        /// Only tell what would happen.
        dry_run: bool,
    },
    /// Give up everything: the node leaves.
    Leave,
    /// The core is at the other end of the socket that comes along. Behind it come what will
    /// [remain](crate::pulse) of that core, to be kept for the next supervisor.
    Core {
        /// The generation of the core.
        generation: Generation,
    },
    /// The supervisor goes and returns within so long: no other is to be started before.
    Returns(Duration),
    /// hbd ends.
    End,
}

/// What a manager begins with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The generation of the supervisor.
    pub(crate) generation: Generation,
    /// How a supervisor is started again.
    pub(crate) supervisor: Option<Launch>,
    /// What it is there for.
    pub(crate) duty: Duty,
    /// How many events the managers of this generation told.
    pub(crate) events: u64,
    /// What former managers told of the groups.
    pub(crate) groups: BTreeMap<GroupName, GroupView>,
    /// What former managers told of health checks.
    #[serde(default)]
    pub(crate) health: BTreeMap<CheckName, HealthView>,
    /// Nothing of hbd ran: what is held is to be released.
    pub(crate) fresh: bool,
}

/// What a manager tells the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromManager {
    /// It answered the core for the first time.
    Answers,
    /// Something happened.
    Event(Box<Event>),
    /// Something happened, which the supervisor numbers.
    Note(Box<Kind>),
    /// What the order of that number does, or why it is not followed.
    Ordered {
        /// Which.
        id: u64,
        /// What it does.
        outcome: Result<Vec<Change>, Refusal>,
    },
    /// After [`ToManager::Leave`]: nothing is held any more.
    Released,
    /// It cannot do everything it should.
    Lacks(Lack),
    /// That is over.
    LacksNoMore(String),
    /// An error that is no event.
    Say(String),
    /// The program that decides is of no use: this manager is to be replaced.
    Fails {
        /// Why.
        why: String,
        /// As where it hangs.
        counts: bool,
    },
}

/// How a supervisor was started: all that another needs to be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The program file.
    pub(crate) program: PathBuf,
    /// Its arguments, without the program's name.
    pub(crate) arguments: Vec<OsString>,
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// Its environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// Runs a manager whose supervisor is at the other end of the inherited descriptor.
pub(crate) fn run(descriptor: RawFd, run: &Path) -> Exit {
    let mut runtime = Builder::new_current_thread();
    worker::run("manager", descriptor, runtime.enable_all(), |supervisor| {
        begin(supervisor, run)
    })
}

/// Waits for the first orders, and follows them.
async fn begin(mut supervisor: Channel<FromManager, ToManager>, run: &Path) -> Exit {
    let Ok(Some((ToManager::Start(start), descriptors))) = supervisor.next().await else {
        return Exit::Failed;
    };
    let Ok([lock, listener, stderr]) = <[OwnedFd; 3]>::try_from(descriptors) else {
        return Exit::Failed;
    };
    let Start {
        generation,
        supervisor: launch,
        duty,
        events,
        groups,
        health,
        fresh,
    } = *start;
    let beginning = Beginning {
        duty,
        life: Life {
            generation,
            began: clock::boot(),
        },
        events,
        groups,
        health,
        fresh,
    };
    let chief = match Chief::new(run, beginning) {
        Ok(chief) => chief,
        Err(error) => {
            let _ = writeln!(
                File::from(stderr),
                "hbd manager: what is held cannot be read from {}: {error}",
                run.display()
            );
            return Exit::Failed;
        }
    };
    let revival = Revival::new(launch, Some(stderr));
    let mut bond = Bond::new(supervisor, getuid().as_raw());
    let reactor = bond
        .set_door(listener, Greeting::own(generation))
        .and_then(|()| Reactor::new(bond, revival, chief));
    let Ok(reactor) = reactor else {
        return Exit::Failed;
    };
    reactor.run().await;
    drop(lock);
    Exit::Done
}
