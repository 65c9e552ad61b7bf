//! A cable with a program at each end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::modem_cable::{Kind, ModemCable, compile};
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;

/// Long enough for anything here, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);
const OUTPUTS: [&str; 2] = ["DTR", "RTS"];

/// Fields are dropped in this order.
pub(crate) struct Stage {
    pub(crate) ends: [Program; 2],
    pub(crate) cable: ModemCable,
    _scratch: Scratch,
}

impl Stage {
    /// Both programs have their port open, and it is noticed: a port whose lines are asked for is open at once.
    pub(crate) fn new(kind: Kind) -> Result<Self, Error> {
        let mut stage = Self::closed(kind)?;
        stage.open(0)?;
        stage.open(1)?;
        for end in &mut stage.ends {
            end.ask("lines")?;
        }
        Ok(stage)
    }

    /// Neither has.
    pub(crate) fn closed(kind: Kind) -> Result<Self, Error> {
        let scratch = Scratch::new()?;
        let cable = ModemCable::new(scratch.path(), kind)?;
        let program = compile(scratch.path(), "port", &[])?;
        let start = || {
            let mut command = Command::new(&program);
            command.envs(cable.environment());
            Program::start(command)
        };
        Ok(Self {
            ends: [start()?, start()?],
            cable,
            _scratch: scratch,
        })
    }

    pub(crate) fn open(&mut self, end: usize) -> Result<(), Error> {
        let order = format!("open {}", self.cable.port(end).display());
        self.ends[end].expect(&order, "0")
    }

    /// The lines that are raised of those that come in.
    pub(crate) fn inputs(&mut self, end: usize) -> Result<String, Error> {
        let lines = self.ends[end].ask("lines")?;
        let inputs = lines.split(' ').filter(|line| !OUTPUTS.contains(line));
        Ok(inputs.collect::<Vec<_>>().join(" "))
    }

    /// They become these.
    pub(crate) fn wait_inputs(&mut self, end: usize, expected: &str) -> Result<(), Error> {
        let what = format!("raised at end {end}: {expected:?}");
        wait::until_true(SOON, &what, || Ok(self.inputs(end)? == expected))
    }

    /// What else follows from it has happened when a byte is counted as sent.
    pub(crate) fn send(&mut self, end: usize, text: &str) -> Result<(), Error> {
        let before = self.count(end, "tx")?;
        self.ends[end].expect(&format!("write {text}"), &text.len().to_string())?;
        wait::until_true(SOON, "all is sent", || {
            Ok(self.count(end, "tx")? == before + text.len())
        })
    }

    /// What an end sends, and what each end then reads.
    pub(crate) fn carried(&mut self, end: usize, text: &str) -> Result<[String; 2], Error> {
        let counts =
            |stage: &mut Self| Ok::<_, Error>([stage.count(0, "rx")?, stage.count(1, "rx")?]);
        let before = counts(self)?;
        self.send(end, text)?;
        let after = counts(self)?;
        let mut read = [String::new(), String::new()];
        for (end, read) in read.iter_mut().enumerate() {
            let come = after[end] - before[end];
            wait::until_true(SOON, "what has come can be read", || {
                *read += &self.ends[end].ask("read")?;
                Ok(length(read) == come)
            })?;
        }
        Ok(read)
    }

    /// Of TIOCGICOUNT.
    pub(crate) fn count(&mut self, end: usize, name: &str) -> Result<usize, Error> {
        let counts = self.ends[end].ask("counts")?;
        let found = counts.split(' ').find_map(|count| {
            let (found, number) = count.split_once('=')?;
            (found == name).then_some(number)?.parse().ok()
        });
        found.map_or_else(|| unexpected(format!("no count of {name}: {counts}")), Ok)
    }
}

/// Bytes that are no letters are shown in four characters.
fn length(shown: &str) -> usize {
    shown.len() - 3 * shown.matches('<').count()
}

/// `port.c`, running.
pub(crate) struct Program {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Program {
    fn start(mut command: Command) -> Result<Self, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = file("start a program", command.spawn())?;
        let (Some(orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return unexpected("a program has no pipes");
        };
        let (sender, answers) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let _ = lines.map(|line| sender.send(line)).all(|sent| sent.is_ok());
        });
        Ok(Self {
            child,
            orders,
            answers,
        })
    }

    pub(crate) fn order(&mut self, order: &str) -> Result<(), Error> {
        file("tell a program", writeln!(self.orders, "{order}"))
    }

    /// What it answers within that time.
    pub(crate) fn answer(&mut self, limit: Duration) -> Option<String> {
        self.answers.recv_timeout(limit).ok()
    }

    pub(crate) fn ask(&mut self, order: &str) -> Result<String, Error> {
        self.order(order)?;
        let answer = self.answer(SOON);
        answer.map_or_else(|| unexpected(format!("no answer to {order}")), Ok)
    }

    /// It ends at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn expect(&mut self, order: &str, expected: &str) -> Result<(), Error> {
        let answer = self.ask(order)?;
        same(&answer, expected, order)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn same(found: &str, expected: &str, what: &str) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    unexpected(format!("{what}: {found:?}, not {expected:?}"))
}
