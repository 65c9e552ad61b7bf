//! `hactl report`: one archive with everything that helps to find out what happened.
//!
//! ```text
//! hbd, if it answers --+
//! configuration -------+--> Collection --> masked --> FILE (tar, gzip, mode 0600)
//! state, machine ------+    files, and     of every
//!                           what is not    secret known
//!                           there and why
//! ```
//!
//! No secret goes in, in two ways. What may hold one is taken out where it stands ([`redact`]); and
//! every word that was taken out is masked wherever else it occurs ([`Collection::mask`]), whoever
//! wrote it there.

mod collection;
mod machine;
mod redact;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::parser::ValueSource;
use clap::{Arg, Command, ValueHint, value_parser};
use flate2::Compression;
use flate2::write::GzEncoder;
use shared::api::{Request, Snapshot, Success};
use shared::client::{Client, ClientError, Update};
use shared::config::FileName;
use shared::config::load::DIRECTORY;
use shared::exit::Exit;
use shared::verdict::Verdict;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;
use crate::print::Colour;
use crate::print::clock::Clock;
use crate::private;
use crate::verbs::status::Screen;
use collection::Collection;

pub(crate) const VERB: Verb = Verb {
    name: "report",
    about: "Puts everything that helps to find a fault into one archive, without secrets",
    text: "\
The archive (tar, gzip, mode 0600) holds versions, the state and the counters, the events, the
journal, the flight records (the present one among them, see record), the configuration with what
the check says, facts about this machine, listings of the directories, and a README that says what
each file is and what is missing. It works while hbd does not answer, too. Keys, comments and
parameters that may hold a password are left out, and masked wherever else they occur in clear; but
what clients sent by hactl message stands in the flight records as it went over the wire. So read it
all the same before you give it away. Configuration and state are those of the hbd that answers; where
none does, give --config and --state as hbd has them, and --state also where it has no core to record. FILE is hbd-report-DATE.tar.gz in the
current directory unless it is named; one that
exists is left alone unless --force is given.",
    examples: &[
        Example {
            line: "hactl report",
            about: "after something that nobody understands",
        },
        Example {
            line: "hactl report /tmp/alice.tar.gz && tar tzf /tmp/alice.tar.gz",
            about: "and what is in it",
        },
    ],
    arguments,
    run,
};

/// What outlives hbd, unless hbd was told otherwise.
const STATE: &str = "/var/lib/hbd";
/// Where in it the flight records are.
const RECORDS: &str = "records";
/// Counters come once a second; so long are they listened to.
const SAMPLES_FOR: Duration = Duration::from_millis(3500);
/// So many of them.
const SAMPLES: usize = 3;
/// More events than hbd keeps at hand.
const ALL_KEPT: usize = 1_000_000;
/// Bytes of a file that go into the archive; the end of a larger one is left out.
const FILE_MAX: u64 = 16 * 1024 * 1024;

fn arguments(command: Command) -> Command {
    let directory = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::DirPath)
            .default_value(default)
            .help(help)
    };
    command
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The archive"),
        )
        .arg(flag("force", "Replace FILE").requires("file"))
        .arg(directory(
            "config",
            DIRECTORY,
            "The configuration of hbd, in place of what it says",
        ))
        .arg(directory(
            "state",
            STATE,
            "What outlives hbd, in place of what it says",
        ))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let now = crate::live::wall();
    let stamp: String = now
        .to_string()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let name = format!("hbd-report-{}", stamp.get(..15).unwrap_or(&stamp));
    let file = match call.matches.get_one::<PathBuf>("file") {
        Some(file) => file.clone(),
        None => PathBuf::from(format!("{name}.tar.gz")),
    };
    if !call.flag("force") && file.symlink_metadata().is_ok() {
        return Err(super::exists(&file));
    }
    let mut all = Collection::new(&name, now);
    let Told {
        config: running,
        state: kept_in,
    } = ask(call, &mut all);
    let path = |name| call.matches.get_one::<PathBuf>(name).map(PathBuf::as_path);
    let typed = |name| call.matches.value_source(name) == Some(ValueSource::CommandLine);
    let running = running.filter(|_| !typed("config"));
    let config = running.as_deref().or(path("config"));
    let config = config.unwrap_or(Path::new(DIRECTORY));
    let kept_in = kept_in.filter(|_| !typed("state"));
    let state = kept_in.as_deref().or(path("state"));
    let state = state.unwrap_or(Path::new(STATE));
    configuration(config, &mut all);
    kept(state, "journal", "events on the disk", &mut all);
    let flight = "what went into a core, to be replayed as hbd(8) says";
    kept(state, RECORDS, flight, &mut all);
    machine::collect(config, &mut all);
    let run = call.socket.parent().unwrap_or(Path::new("/"));
    machine::listings(
        &[("config", config), ("state", state), ("run", run)],
        &mut all,
    );
    all.finish();
    write(&file, &all, call.flag("force"))?;
    crate::complain(&format!(
        "{} holds {} files{}; read it before you give it away",
        file.display(),
        all.files().len(),
        match all.missing().len() {
            0 => String::new(),
            n => format!(", {n} things are missing, as its README says"),
        }
    ));
    Ok(Exit::Done)
}

/// Where hbd says that its directories are.
#[derive(Default)]
struct Told {
    config: Option<PathBuf>,
    state: Option<PathBuf>,
}

/// Everything that hbd itself can say.
fn ask(call: &Call, all: &mut Collection) -> Told {
    let mut told = Told::default();
    let mut client = match Client::connect(&call.socket, call.limit) {
        Ok(client) => client,
        Err(error) => {
            all.miss("status, events, samples: what hbd says", &error);
            return told;
        }
    };
    let hello = client.hello().clone();
    all.json("hello.json", "version of the hbd that answered", &hello);
    match client.snapshot() {
        Ok(snapshot) => {
            status(&hello, &snapshot, all);
            told.config = snapshot.config.map(PathBuf::from);
        }
        Err(error) => all.miss("status: state and verdict", &error),
    }
    match client.config() {
        Ok(running) => all.json(
            "running.json",
            "what hbd runs with, as hbd-api(7) says",
            &running,
        ),
        Err(error) => all.miss("running.json: what hbd runs with", &error),
    }
    match client.events(ALL_KEPT) {
        Ok(events) => all.lines("events.jsonl", "the events that hbd has at hand", &events),
        Err(error) => all.miss("events.jsonl: the events that hbd has at hand", &error),
    }
    match client.request(Request::Record) {
        Ok(Success::Recorded { file }) => told.state = state_with(Path::new(&file)),
        Ok(_) => {}
        Err(error) => all.miss("the present flight record of the core", &error),
    }
    match samples(client) {
        Ok(samples) => all.lines(
            "samples.jsonl",
            "counters, one second after the other",
            &samples,
        ),
        Err(error) => all.miss("samples.jsonl: counters", &error),
    }
    told
}

/// The state directory that a flight record is kept in.
fn state_with(record: &Path) -> Option<PathBuf> {
    let records = record.parent().filter(|records| records.is_absolute())?;
    let state = records.parent()?;
    (records == state.join(RECORDS)).then(|| state.to_owned())
}

fn status(hello: &shared::api::Hello, snapshot: &Snapshot, all: &mut Collection) {
    let verdict = Verdict::of(&hello.node, snapshot);
    let mut text = Vec::new();
    let screen = Screen {
        hello,
        verdict: &verdict,
        snapshot,
        clock: Clock {
            at: snapshot.at,
            absolute: true,
        },
        colour: Colour::Off,
    };
    // Memory takes all that is written.
    let _ = screen.draw(&mut text);
    all.add("status.txt", "hactl status --absolute", text);
    all.json("verdict.json", "the verdict and its findings", &verdict);
    all.json(
        "snapshot.json",
        "view and counters, as hbd-api(7) says",
        snapshot,
    );
}

fn samples(client: Client) -> Result<Vec<shared::sample::Sample>, ClientError> {
    let end = Instant::now() + SAMPLES_FOR;
    let mut stream = client.subscribe(0)?;
    let mut samples = Vec::new();
    while samples.len() < SAMPLES {
        let left = end.saturating_duration_since(Instant::now());
        match stream.wait(Some(left))? {
            Some(Update::Sample(sample)) => samples.push(*sample),
            Some(_) => {}
            None => break,
        }
    }
    Ok(samples)
}

/// The files of the configuration without what is secret in them.
fn configuration(directory: &Path, all: &mut Collection) {
    for file in FileName::ALL {
        let path = directory.join(file.as_str());
        match read(&path) {
            Ok(bytes) => {
                let redacted = redact::file(file, &String::from_utf8_lossy(&bytes));
                all.hide(redacted.hidden);
                let name = format!("config/{file}");
                all.add(
                    &name,
                    "as it stands, without secrets",
                    redacted.text.into_bytes(),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => all.miss(&path.display().to_string(), &error),
        }
    }
    let report = diag::check::directory(directory, false);
    let found: Vec<_> = report
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let line = diagnostic.spot.as_ref().map(|spot| spot.line);
            serde_json::json!({
                "code": diagnostic.code.as_str(),
                "file": diagnostic.file.as_str(),
                "line": line,
            })
        })
        .collect();
    all.lines(
        "check.jsonl",
        "what hactl check says, without the lines",
        &found,
    );
}

/// What hbd keeps in a directory of the disk, as it is: there it outlives hbd.
fn kept(state: &Path, directory: &str, meaning: &str, all: &mut Collection) {
    let path = state.join(directory);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) => {
            let what = format!("{directory}: {meaning}");
            let why = format!(
                "{}: {error}; give --state DIR if hbd keeps it elsewhere",
                path.display()
            );
            return all.miss(&what, &why);
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match read(path) {
            Ok(bytes) => all.add(&format!("{directory}/{name}"), meaning, bytes),
            Err(error) => all.miss(&path.display().to_string(), &error),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(FILE_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes the archive: a new file, for its owner alone.
fn write(file: &Path, all: &Collection, force: bool) -> Result<(), Error> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => super::exists(file),
        _ => Error::Write {
            path: file.to_owned(),
            error,
        },
    };
    private::write(file, force, |file| pack(file, all)).map_err(failed)
}

fn pack(file: &mut fs::File, all: &Collection) -> io::Result<()> {
    let zip = GzEncoder::new(file, Compression::default());
    let mut tar = tar::Builder::new(zip);
    for (name, bytes) in all.files() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(all.time().seconds());
        tar.append_data(
            &mut header,
            format!("{}/{name}", all.name()),
            bytes.as_slice(),
        )?;
    }
    tar.into_inner()?.finish()?.flush()
}
