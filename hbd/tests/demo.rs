//! `hbd demo` as a newcomer runs it: as an ordinary user, with an empty environment, and with a
//! program that lies where everybody may read it.
//!
//! Whatever a run starts is known by its executable, a copy that belongs to this one run, and
//! whatever it writes lies in a directory for temporary files that belongs to it as well. So
//! "nothing is left" means: no process has that executable, and that directory is empty.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::precondition::{Precondition, trial};
use hbd_tests::scratch::Scratch;
use hbd_tests::tier::Tier;
use hbd_tests::{program, wait};
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// Whom root becomes: `nobody`.
const ORDINARY: u32 = 65_534;
/// A story takes 15 s; a machine may be slow.
const STORY: Duration = Duration::from_secs(150);
/// For whatever should take no time.
const SOON: Duration = Duration::from_secs(20);

/// One of the two stories.
struct Story {
    options: &'static [&'static str],
    /// The steps of the table, in order.
    steps: &'static [&'static str],
    /// A line of a run in which all nodes are up.
    all_up: &'static str,
    /// What runs then: teller, keeper, and per node supervisor, core and manager; with a pair its
    /// client and the server.
    processes: usize,
}

const PAIR: Story = Story {
    options: &[],
    steps: &[
        "start",
        "core killed",
        "manager killed",
        "networks cut",
        "networks healed",
        "machine dead",
        "machine back",
        "planned move",
    ],
    all_up: "2  Processes of hbd are killed",
    processes: 2 + 2 * 3 + 2,
};
const PAIR_ON_LOOPBACK: Story = Story {
    options: &["--loopback"],
    ..PAIR
};
const THREE: Story = Story {
    options: &["--nodes", "3"],
    steps: &[
        "boot",
        "core killed",
        "node frozen",
        "node thawed",
        "node killed",
        "node restarted",
        "link cut",
        "link healed",
        "node stopped",
        "wrong key",
        "right key",
    ],
    all_up: "2  A core is killed",
    processes: 2 + 3 * 3,
};
const THREE_ON_LOOPBACK: Story = Story {
    options: &["--nodes", "3", "--loopback"],
    ..THREE
};
/// A line while a node is frozen.
const FROZEN: &str = "   do      let carol go on";
/// A line while a machine has no power.
const DEAD: &str = "   do      boot alice";

fn main() -> ExitCode {
    let mut trials = vec![
        simple("the_story_holds", || story_holds(&PAIR)),
        simple(
            "after_the_story_what_it_says_to_try_works",
            suggestions_work,
        ),
        simple("killing_the_demo_leaves_nothing", || killed_at(&PAIR, DEAD)),
        simple("without_a_demo_nobody_is_asked", nobody_asked),
    ];
    let tier = Tier::of_this_run();
    if tier >= Tier::Ci {
        trials.extend([
            simple("the_story_holds_on_loopback", || {
                story_holds(&PAIR_ON_LOOPBACK)
            }),
            simple("the_story_of_three_holds", || story_holds(&THREE)),
            simple("the_story_of_three_holds_on_loopback", || {
                story_holds(&THREE_ON_LOOPBACK)
            }),
            simple("after_the_story_of_three_two_things_to_try", three_stay),
            simple("two_stories_at_once_hold", || both(1, &PAIR)),
            simple("two_stories_at_once_hold_on_loopback", || {
                both(1, &PAIR_ON_LOOPBACK)
            }),
            simple("killing_the_demo_at_its_first_word_leaves_nothing", || {
                killed_at(&PAIR, "hbd demo:")
            }),
            simple("killing_the_demo_of_three_leaves_nothing", || {
                killed_at(&THREE, FROZEN)
            }),
            simple("killing_the_demo_while_all_runs_leaves_nothing", || {
                killed_at(&PAIR, PAIR.all_up)
            }),
            simple("killing_the_demo_on_loopback_leaves_nothing", || {
                killed_at(&PAIR_ON_LOOPBACK, PAIR.all_up)
            }),
            simple(
                "killing_the_keeper_ends_the_demo_and_leaves_nothing",
                || killed("demo-keeper"),
            ),
            simple(
                "killing_the_client_ends_the_demo_and_leaves_nothing",
                || killed("demo-client"),
            ),
            simple("any_signal_that_asks_for_an_end_is_obeyed", signals_obeyed),
            simple("a_closed_output_ends_the_demo", output_closed),
            trial(
                "demo",
                "where_namespaces_are_refused_the_story_holds_on_loopback",
                &[Precondition::Root, Precondition::Namespaces],
                refused_namespaces,
            ),
        ]);
    }
    if tier >= Tier::Long {
        trials.push(simple("twenty_stories_two_at_once_hold", || {
            both(10, &PAIR)
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn simple(name: &str, test: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Trial {
    trial("demo", name, &[], test)
}

fn story_holds(story: &Story) -> Result<(), Error> {
    let stage = Stage::new()?;
    let mut demo = stage.start(&[&["--script"], story.options].concat())?;
    let text = demo.rest()?;
    let status = demo.end(STORY)?;
    demand(status.success(), &text)?;
    demand_table(&text, story)?;
    stage.demand_empty()
}

fn both(times: usize, story: &'static Story) -> Result<(), Error> {
    let other = thread::spawn(move || one_after_another(times, story));
    let own = one_after_another(times, story);
    own.and(other.join().unwrap())
}

fn one_after_another(times: usize, story: &Story) -> Result<(), Error> {
    (0..times).try_for_each(|_| story_holds(story))
}

fn suggestions_work() -> Result<(), Error> {
    let (stage, mut demo, lines) = suggestions(&PAIR)?;
    let [export, groups, move_group, curl, status, events, kill_core] = &lines[..] else {
        return unexpected(format!("seven lines to try: {lines:?}"));
    };
    let typed = |line: &str| format!("{export}\nexec {}", line.trim());
    let said = stage.run(&typed(groups))?;
    demand(said.contains("alice"), &format!("alice is in:\n{said}"))?;
    demand_answer(&stage, curl, "alice")?;
    stage.run(&typed(move_group))?;
    // In the middle of the move nobody does.
    wait::until_true(SOON, "bob answers", || {
        Ok(stage.shell(curl)?.rest()? == "bob\n")
    })?;
    demand_names(&stage.run(&typed(status))?, &["alice", "bob"])?;
    demand_restart_seen(&stage, &typed(events), kill_core)?;
    demand_answer(&stage, curl, "bob")?;
    demo.signal(Signal::SIGINT)?;
    let status = demo.end(SOON)?;
    demand(status.success(), "it ends well when it is asked to")?;
    stage.demand_empty()
}

fn three_stay() -> Result<(), Error> {
    let (stage, mut demo, lines) = suggestions(&THREE)?;
    let [export, status, events, kill_core] = &lines[..] else {
        return unexpected(format!("four lines to try: {lines:?}"));
    };
    let typed = |line: &str| format!("{export}\nexec {}", line.trim());
    demand_names(&stage.run(&typed(status))?, &["alice", "bob", "carol"])?;
    demand_restart_seen(&stage, &typed(events), kill_core)?;
    demo.signal(Signal::SIGINT)?;
    let status = demo.end(SOON)?;
    demand(status.success(), "it ends well when it is asked to")?;
    stage.demand_empty()
}

/// A demo that stays up after its story, and the lines it says to try.
fn suggestions(story: &Story) -> Result<(Stage, Running, Vec<String>), Error> {
    let stage = Stage::new()?;
    copy(&program::of_workspace("hactl")?, &stage.bin.join("hactl"))?;
    let mut demo = stage.start(story.options)?;
    let told = demo.until("To try in another terminal")?;
    demand_table(&told, story)?;
    let told = demo.until("  kill -9 ")?;
    let lines = told.lines().filter(|line| line.starts_with("  "));
    let lines = lines.map(str::to_owned).collect();
    Ok((stage, demo, lines))
}

fn demand_answer(stage: &Stage, curl: &str, node: &str) -> Result<(), Error> {
    let said = stage.run(curl)?;
    demand(
        said == format!("{node}\n"),
        &format!("{node} answers: {said:?}"),
    )
}

fn demand_names(said: &str, names: &[&str]) -> Result<(), Error> {
    let mut names = names.iter();
    names.try_for_each(|name| demand(said.contains(name), &format!("{name} is in:\n{said}")))
}

fn demand_restart_seen(stage: &Stage, events: &str, kill_core: &str) -> Result<(), Error> {
    let mut events = stage.shell(events)?;
    stage.run(kill_core)?;
    events.until("bob restarted")?;
    events.signal(Signal::SIGKILL)?;
    events.end(SOON).map(drop)
}

fn nobody_asked() -> Result<(), Error> {
    let stage = Stage::new()?;
    let mut curl = stage.start(&["curl"])?;
    let said = curl.rest()?;
    demand(said.is_empty(), &format!("nothing is answered: {said}"))?;
    let status = curl.end(SOON)?;
    demand(status.code() == Some(1), &format!("exit code 1: {status}"))
}

/// Kills the demo when it says so.
fn killed_at(story: &Story, line: &str) -> Result<(), Error> {
    let stage = Stage::new()?;
    let mut demo = stage.start(&[&["--script"], story.options].concat())?;
    demo.until(line)?;
    if line == FROZEN || line == story.all_up {
        stage.demand_all(story)?;
    }
    demo.signal(Signal::SIGKILL)?;
    demo.end(SOON)?;
    stage.demand_empty()
}

/// Kills the process of the demo that has that role.
fn killed(role: &str) -> Result<(), Error> {
    let stage = Stage::new()?;
    let mut demo = stage.start(&["--script"])?;
    demo.until(PAIR.all_up)?;
    let processes = stage.processes()?.into_iter();
    let found = processes.filter(|pid| arguments(*pid).split('\0').nth(1) == Some(role));
    let [process] = found.collect::<Vec<_>>()[..] else {
        return unexpected(format!("there is no {role}"));
    };
    kill(process, Signal::SIGKILL).unwrap();
    let status = demo.end(SOON)?;
    demand(status.code() == Some(1), &format!("exit code 1: {status}"))?;
    stage.demand_empty()
}

fn signals_obeyed() -> Result<(), Error> {
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let stage = Stage::new()?;
        let mut demo = stage.start(&["--script"])?;
        demo.until(PAIR.all_up)?;
        demo.signal(signal)?;
        let status = demo.end(SOON)?;
        demand(status.code() == Some(1), &format!("{signal}: {status}"))?;
        stage.demand_empty()?;
    }
    Ok(())
}

fn output_closed() -> Result<(), Error> {
    let stage = Stage::new()?;
    let mut demo = stage.start(&["--script"])?;
    demo.until(PAIR.all_up)?;
    demo.close();
    let status = demo.end(SOON)?;
    demand(status.code() == Some(1), &format!("exit code 1: {status}"))?;
    stage.demand_empty()
}

/// In a user namespace in which no further one may be made (`user_namespaces(7)`).
fn refused_namespaces() -> Result<(), Error> {
    let stage = Stage::new()?;
    // A second shell, since only a program started after it has a name gets root's rights there.
    let script = format!(
        "until [ $(id -u) = 0 ]; do sleep 0.05; done; exec sh -c \"\
         echo 0 > /proc/sys/user/max_user_namespaces && \
         exec setpriv --reuid {ORDINARY} --regid {ORDINARY} --clear-groups {} demo --script\"",
        stage.program().display()
    );
    let mut demo = Running::start(
        Command::new("unshare")
            .args(["--user", "sh", "-c", &script])
            .env("TMPDIR", &stage.tmp),
    )?;
    demo.name_users()?;
    let text = demo.rest()?;
    let status = demo.end(STORY)?;
    demand(status.success(), &text)?;
    demand(text.contains("user namespaces are not allowed here"), &text)?;
    demand(text.contains("no address moves"), &text)?;
    demand_table(&text, &PAIR)?;
    stage.demand_empty()
}

/// What one run has for itself.
struct Stage {
    bin: PathBuf,
    tmp: PathBuf,
    // Removed last.
    _scratch: Scratch,
}

impl Stage {
    fn new() -> Result<Self, Error> {
        let scratch = Scratch::new()?;
        let stage = Self {
            bin: scratch.directory("bin")?,
            tmp: scratch.directory("tmp")?,
            _scratch: scratch,
        };
        file("open tmp to all", set_mode(&stage.tmp, 0o1777))?;
        copy(Path::new(env!("CARGO_BIN_EXE_hbd")), &stage.program())?;
        Ok(stage)
    }

    fn program(&self) -> PathBuf {
        self.bin.join("hbd")
    }

    fn start(&self, options: &[&str]) -> Result<Running, Error> {
        Running::start(self.command(&self.program()).arg("demo").args(options))
    }

    /// Lines as a person types them, the last of which becomes the program.
    fn shell(&self, line: &str) -> Result<Running, Error> {
        Running::start(self.command(Path::new("/bin/sh")).args(["-c", line.trim()]))
    }

    /// The same to its end, and what it says.
    fn run(&self, line: &str) -> Result<String, Error> {
        let mut command = self.command(Path::new("/bin/sh"));
        let mut shell = Running::start(command.args(["-c", line]))?;
        let text = shell.rest()?;
        let status = shell.end(SOON)?;
        demand(status.success(), &format!("{line}: {status}\n{text}"))?;
        Ok(text)
    }

    /// A program for an ordinary user, who has nothing.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("TMPDIR", &self.tmp)
            .current_dir("/");
        if geteuid().is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }

    fn processes(&self) -> Result<Vec<Pid>, Error> {
        let own = self.program();
        let entries = file("read /proc", fs::read_dir("/proc"))?;
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == own))
            .map(Pid::from_raw)
            .collect())
    }

    /// That a process is known by its executable, or its absence would prove nothing.
    fn demand_all(&self, story: &Story) -> Result<(), Error> {
        let count = format!("{} processes run", story.processes);
        wait::until_true(SOON, &count, || {
            Ok(self.processes()?.len() == story.processes)
        })?;
        let files = fs::read_dir(&self.tmp).unwrap().count();
        demand(files == 1, &format!("{files} directories"))
    }

    fn demand_empty(&self) -> Result<(), Error> {
        wait::until_true(SOON, "no process and no file is left", || {
            let files = file("read tmp", fs::read_dir(&self.tmp))?.count();
            Ok(files == 0 && self.processes()?.is_empty())
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // All are stopped first, so that none starts another.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in self.processes().unwrap_or_default() {
                let _ = kill(pid, signal);
            }
        }
    }
}

/// A program that runs, and the lines it prints.
struct Running {
    child: Child,
    lines: Option<Receiver<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self, Error> {
        let words = format!("run {command:?}");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = file(words, child)?;
        let output = BufReader::new(child.stdout.take().unwrap());
        // A line at a time, so that dropping the receiver closes the pipe with the next.
        let (sender, lines) = sync_channel(0);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            lines: Some(lines),
        })
    }

    /// Gives the users of the user namespace that the program moves to the names they have here.
    fn name_users(&self) -> Result<(), Error> {
        let home = format!("/proc/{}", self.child.id());
        let namespace = |of: &str| {
            file(
                "look at a namespace",
                fs::read_link(format!("{of}/ns/user")),
            )
        };
        wait::until_true(SOON, "it is in a user namespace", || {
            Ok(namespace(&home)? != namespace("/proc/self")?)
        })?;
        for map in ["uid_map", "gid_map"] {
            let path = format!("{home}/{map}");
            file(format!("write {path}"), fs::write(&path, "0 0 65536"))?;
        }
        Ok(())
    }

    /// Everything up to the first line that holds `needle`.
    fn until(&mut self, needle: &str) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            let line = self.lines.as_ref().unwrap().recv_timeout(STORY);
            let Ok(line) = line else {
                return unexpected(format!("{needle:?} does not come: {line:?}\n{text}"));
            };
            text.push_str(&line);
            text.push('\n');
            if line.contains(needle) {
                return Ok(text);
            }
        }
    }

    /// Everything up to the end of its output.
    fn rest(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            match self.lines.as_ref().unwrap().recv_timeout(STORY) {
                Ok(line) => text.push_str(&(line + "\n")),
                Err(RecvTimeoutError::Disconnected) => return Ok(text),
                Err(RecvTimeoutError::Timeout) => {
                    return unexpected(format!("silent for {STORY:?} after:\n{text}"));
                }
            }
        }
    }

    /// Reads no more.
    fn close(&mut self) {
        self.lines = None;
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).map_err(|error| Error::Unexpected(format!("{signal}: {error}")))
    }

    fn end(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        wait::until(limit, "the program ends", || {
            file("wait for the program", self.child.try_wait())
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every step once, in order, and every promise held.
fn demand_table(text: &str, story: &Story) -> Result<(), Error> {
    let table: Vec<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("step "))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    let right = table.len() == story.steps.len()
        && table.iter().zip(story.steps).all(|(line, step)| {
            line.starts_with(step) && line.contains(" ms  held") && line.ends_with("held")
        });
    demand(right, &format!("the table is complete:\n{text}"))
}

fn demand(holds: bool, what: &str) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    unexpected(what)
}

/// By another process: were the copy open for writing here while another test forks, the kernel
/// would refuse to run it until that child has become its program (`ETXTBSY`, `execve(2)`).
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    program::run("cp", &[from, to])?;
    file(format!("open {} to all", to.display()), set_mode(to, 0o755))
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn arguments(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}
