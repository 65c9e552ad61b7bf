//! The keeper as the teller has it.
//!
//! However the story ends, nothing is left: dropping this closes the keeper's socket, waits until
//! the keeper has removed everything, and does it here where the keeper could not.

use std::fmt;
use std::io::{self, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cast::{Cast, Node};
use super::dice::Dice;
use super::ground::Ground;
use super::keeper;
use super::order::{Answer, Order, hear, say};

/// Longest path of a socket: 108 bytes with the zero at the end (`unix(7)`).
const SOCKET_PATH_MAX: usize = 107;
/// More than the rest of a socket's path in the directory takes.
const INSIDE_MAX: usize = 32;
/// Random bytes in the directory's name.
const NAME_BYTES: usize = 4;
/// How long the keeper may take to answer, and to end.
const LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A keeper that runs.
pub(super) struct Hired {
    child: Child,
    /// Nothing once it was dismissed.
    socket: Option<BufReader<UnixStream>>,
    directory: PathBuf,
    ground: Ground,
    serial: Option<[String; 2]>,
}

/// Why there is no keeper.
pub(super) enum Refusal {
    /// The ground cannot be had here, and why.
    Ground(String),
    /// It could not be started or asked.
    Trouble(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Trouble(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ground(reason) => f.write_str(reason),
            Self::Trouble(error) => write!(f, "starting the keeper of the nodes failed: {error}"),
        }
    }
}

impl Hired {
    /// Starts a keeper and waits until it has made ground and directory.
    pub(super) fn new(dice: &mut Dice, cast: Cast, loopback: bool) -> Result<Self, Refusal> {
        let directory = directory(&dice.word(NAME_BYTES)?);
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(LIMIT))?;
        ours.set_write_timeout(Some(LIMIT))?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("hbd")
            .arg("demo-keeper")
            .arg("--directory")
            .arg(&directory)
            .arg("--nodes")
            .arg(cast.nodes().len().to_string());
        if loopback {
            command.arg("--loopback");
        }
        let child = command
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        // The command still holds the keeper's end, and the end of the keeper would not show.
        drop(command);
        let mut hired = Self {
            child,
            socket: Some(BufReader::new(ours)),
            directory,
            ground: Ground::Namespaces,
            serial: None,
        };
        match hired.hear()? {
            Answer::Ready { ground, serial } => {
                hired.ground = ground;
                hired.serial = serial;
            }
            Answer::Failed(reason) => return Err(Refusal::Ground(reason)),
            other => return Err(nonsense(&other).into()),
        }
        Ok(hired)
    }

    /// The directory of the demo.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the nodes live.
    pub(super) fn ground(&self) -> Ground {
        self.ground
    }

    /// The serial port of a node, if it has one.
    pub(super) fn serial(&self, node: Node) -> Option<&str> {
        let ports = self.serial.as_ref()?;
        ports.get(node as usize).map(String::as_str)
    }

    /// Sends an order.
    pub(super) fn order(&mut self, order: Order) -> io::Result<()> {
        let socket = self.socket.as_mut().ok_or_else(gone)?;
        match say(socket.get_mut(), &order) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(gone()),
            said => said,
        }
    }

    /// The next thing it says.
    pub(super) fn hear(&mut self) -> io::Result<Answer> {
        let socket = self.socket.as_mut().ok_or_else(gone)?;
        hear(socket)?.ok_or_else(gone)
    }

    /// Readable when it says something, or is gone.
    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(|socket| socket.get_ref().as_fd())
    }

    /// Waits for its end, up to a limit.
    fn ended_well(&mut self) -> bool {
        let limit = Instant::now() + LIMIT;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < limit => std::thread::sleep(LOOK),
                Ok(None) | Err(_) => return false,
            }
        }
    }

    /// True if it said something that was not taken.
    pub(super) fn is_heard(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(|socket| !socket.buffer().is_empty())
    }
}

impl Drop for Hired {
    fn drop(&mut self) {
        self.socket = None;
        if self.ended_well() && !self.directory.exists() {
            return;
        }
        // It may be stopped, or already gone.
        let _ = self.child.kill();
        if let Err(error) = keeper::sweep(&self.directory) {
            super::complain(&format!(
                "{} may be left: {error}; remove it",
                self.directory.display()
            ));
        }
    }
}

/// An answer that does not fit.
pub(super) fn nonsense(answer: &Answer) -> io::Error {
    io::Error::other(format!("the keeper gave the wrong answer: {answer:?}"))
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the process that keeps the nodes is gone",
    )
}

/// What the name of a demo's directory begins with.
pub(super) const PREFIX: &str = "hbd-demo-";

/// Where the directories of demos are: that for temporary files, or `/tmp` where sockets in the
/// former would have too long a path.
pub(super) fn place() -> PathBuf {
    let usual = std::path::absolute(std::env::temp_dir()).unwrap_or_default();
    let name = 1 + PREFIX.len() + 2 * NAME_BYTES;
    if usual.as_os_str().len() + name + INSIDE_MAX <= SOCKET_PATH_MAX {
        usual
    } else {
        PathBuf::from("/tmp")
    }
}

fn directory(word: &str) -> PathBuf {
    place().join(format!("{PREFIX}{word}"))
}
