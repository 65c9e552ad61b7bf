//! A null modem cable with all its wires, between two pseudo-terminals that have modem lines, for programs that know
//! nothing of it.
//!
//! The ports are those of `null-modem/bridge.c`, and a program sees their lines that has [`ModemCable::environment`]:
//! `null-modem/lines.c` is loaded into it then, and into every process that it starts with that environment. Both are
//! compiled for each cable. What of a real port is not shown stands in `PLAN.md`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::{Error, file, unexpected};
use crate::program;

/// Where the sources are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/null-modem");
/// Which shared file `lines.c` looks at.
const FILE: &str = "HBD_NULL_MODEM";
const PRELOAD: &str = "LD_PRELOAD";

/// What is between the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RTS leads to CTS of the other end, DTR to its DSR and DCD: the cable of hbd-serial(7).
    FullHandshake,
    /// The same, and nothing leads to DCD.
    SevenWires,
    /// RTS leads to the own CTS and the other's DCD, DTR to the other's DSR.
    PartialHandshake,
    /// RTS leads to the own CTS, DTR to the own DSR and DCD.
    LoopbackHandshake,
    /// Bytes and nothing else.
    ThreeWires,
    /// No cable: in each port a plug that leads everything back.
    LoopbackPlug,
    /// Each pin to the same pin: outputs meet outputs, inputs meet inputs.
    StraightThrough,
    /// No cable.
    Unplugged,
    /// No cable: at each port a modem that is on and has no carrier, and repeats what it is told.
    Modem,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::FullHandshake,
        Self::SevenWires,
        Self::PartialHandshake,
        Self::LoopbackHandshake,
        Self::ThreeWires,
        Self::LoopbackPlug,
        Self::StraightThrough,
        Self::Unplugged,
        Self::Modem,
    ];

    /// What CTS, DSR, DCD, RI and RxD of an end follow: small letters its own outputs, capital ones those of the other
    /// end, `r` RTS, `d` DTR, `t` TxD; `1` is always raised.
    fn wiring(self) -> [&'static str; INPUTS] {
        match self {
            Self::FullHandshake => ["R", "D", "D", "-", "T"],
            Self::SevenWires => ["R", "D", "-", "-", "T"],
            Self::PartialHandshake => ["r", "D", "R", "-", "T"],
            Self::LoopbackHandshake => ["r", "d", "d", "-", "T"],
            Self::ThreeWires => ["-", "-", "-", "-", "T"],
            Self::LoopbackPlug => ["r", "d", "d", "-", "t"],
            Self::StraightThrough | Self::Unplugged => ["-", "-", "-", "-", "-"],
            Self::Modem => ["1", "1", "-", "-", "t"],
        }
    }
}

const INPUTS: usize = 5;

/// What a port hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// May it send.
    Cts,
    /// Is somebody there.
    Dsr,
    /// Is somebody there.
    Dcd,
    /// Does it ring.
    Ri,
    /// Bytes.
    RxD,
}

/// What a port says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The other one may send.
    Rts,
    /// Somebody is there.
    Dtr,
    /// Bytes.
    TxD,
}

/// The cable. Dropped, both ports hang up.
#[derive(Debug)]
pub struct ModemCable {
    directory: PathBuf,
    paths: [PathBuf; 2],
    wiring: [[String; INPUTS]; 2],
    bridge: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl ModemCable {
    /// Makes one, with the ports `line0` and `line1` in that directory.
    ///
    /// # Errors
    /// [`Error::Command`] without a C compiler; [`Error`] where the system has no pseudo-terminals left.
    pub fn new(directory: &Path, kind: Kind) -> Result<Self, Error> {
        let bridge = compile(directory, "bridge", &[])?;
        compile(directory, "lines", &["-shared", "-fPIC"])?;
        let mut command = Command::new(&bridge);
        command.arg(directory.join("cable"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bridge = file("start the bridge", command.spawn())?;
        let (Some(orders), Some(answers)) = (bridge.stdin.take(), bridge.stdout.take()) else {
            return unexpected("the bridge has no pipes");
        };
        let mut cable = Self {
            directory: directory.to_owned(),
            paths: [directory.join("line0"), directory.join("line1")],
            wiring: wiring(kind),
            bridge,
            orders: Some(orders),
            answers: BufReader::new(answers),
        };
        cable.wire()?;
        cable.plug(0)?;
        cable.plug(1)?;
        Ok(cable)
    }

    /// The path of a port, end 0 or 1.
    #[must_use]
    pub fn port(&self, end: usize) -> &Path {
        &self.paths[end]
    }

    /// With this a program sees the lines.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [
            (PRELOAD, self.directory.join("lines")),
            (FILE, self.directory.join("cable")),
        ]
    }

    /// Another one of that kind takes its place, with all wires whole. A pulled plug is [`Kind::Unplugged`].
    ///
    /// # Errors
    /// [`Error`] where the bridge is gone.
    pub fn replace(&mut self, kind: Kind) -> Result<(), Error> {
        self.wiring = wiring(kind);
        self.wire()
    }

    /// Cuts the wire that leaves an end there.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn cut_from(&mut self, end: usize, output: Output) -> Result<(), Error> {
        let letter = match output {
            Output::Rts => 'r',
            Output::Dtr => 'd',
            Output::TxD => 't',
        };
        for wire in &mut self.wiring[end] {
            *wire = wire.replace(letter, "-");
        }
        for wire in &mut self.wiring[1 - end] {
            *wire = wire.replace(letter.to_ascii_uppercase(), "-");
        }
        self.wire()
    }

    /// Cuts the wire that comes in at an end there, and none that leaves from where it comes.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn cut_to(&mut self, end: usize, input: Input) -> Result<(), Error> {
        self.stick(end, input, false)
    }

    /// Whatever the others do, this input is raised, or is not.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn stick(&mut self, end: usize, input: Input, raised: bool) -> Result<(), Error> {
        self.join(end, input, if raised { "1" } else { "-" })
    }

    /// This input follows these, in the letters of a wiring: its own `r` and `d`, the other end's `R` and `D`.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn join(&mut self, end: usize, input: Input, letters: &str) -> Result<(), Error> {
        letters.clone_into(&mut self.wiring[end][input as usize]);
        self.wire()
    }

    /// From now on every so many bytes one arrives as another; 0: none.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn set_noise(&mut self, every: usize) -> Result<(), Error> {
        self.order(&format!("noise {every}")).map(drop)
    }

    /// The adapter of that end vanishes, with its port.
    ///
    /// # Errors
    /// [`Error`] where its path cannot be removed.
    pub fn unplug(&mut self, end: usize) -> Result<(), Error> {
        let path = &self.paths[end];
        file(
            format!("remove {}", path.display()),
            std::fs::remove_file(path),
        )?;
        self.order(&format!("unplug {end}")).map(drop)
    }

    /// It is there again.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn plug(&mut self, end: usize) -> Result<(), Error> {
        let name = self.order(&format!("plug {end}"))?;
        let path = &self.paths[end];
        file(format!("link {}", path.display()), symlink(name, path))
    }

    fn wire(&mut self) -> Result<(), Error> {
        let words: Vec<String> = (0..2).flat_map(|end| self.words(end)).collect();
        self.order(&format!("wires {}", words.join(" "))).map(drop)
    }

    /// The bridge wants to know whom the bytes of an end reach, not where those that it hears come from.
    fn words(&self, end: usize) -> [String; INPUTS] {
        let mut words = self.wiring[end].clone();
        let heard = |at: usize, by: &str| self.wiring[at][Input::RxD as usize] == by;
        let reach = match (heard(1 - end, "T"), heard(end, "t")) {
            (true, _) => "p",
            (false, true) => "s",
            (false, false) => "-",
        };
        reach.clone_into(&mut words[Input::RxD as usize]);
        words
    }

    /// What it answers besides "ok".
    fn order(&mut self, order: &str) -> Result<String, Error> {
        let mut answer = String::new();
        if let Some(orders) = &mut self.orders {
            file("tell the bridge", writeln!(orders, "{order}"))?;
        }
        file("hear the bridge", self.answers.read_line(&mut answer))?;
        match answer.trim().strip_prefix("ok") {
            Some(more) => Ok(more.trim().to_owned()),
            None => unexpected(format!("bridge: {order}: {answer:?}")),
        }
    }
}

impl Drop for ModemCable {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.bridge.wait();
    }
}

fn wiring(kind: Kind) -> [[String; INPUTS]; 2] {
    let end = kind.wiring().map(str::to_owned);
    [end.clone(), end]
}

/// Compiles `null-modem/NAME.c` to the file NAME in that directory.
///
/// # Errors
/// [`Error::Command`].
pub fn compile(directory: &Path, name: &str, options: &[&str]) -> Result<PathBuf, Error> {
    let made = directory.join(name);
    let source = format!("{SOURCES}/{name}.c");
    let to = made.display().to_string();
    let mut words = vec!["-std=gnu11", "-O1"];
    words.extend_from_slice(options);
    words.extend_from_slice(&["-o", &to, &source]);
    program::run("cc", &words)?;
    Ok(made)
}
