//! `hactl keygen`: a key from the kernel's source of random bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, ValueHint, value_parser};
use shared::config::keys::KEY_INDEX_MAX;
use shared::config::{DigestMethod, FileName};
use shared::exit::Exit;

use crate::cli::{Call, Example, Verb, flag};
use crate::error::Error;

pub(crate) const VERB: Verb = Verb {
    name: "keygen",
    about: "Makes a key at random, as a line or as a whole key file",
    text: "\
Writes a line NUMBER METHOD KEY to standard output, or with --into a file with it and an auth line,
of mode 0600; a file that exists is left alone unless --force is given. The method is sha1 unless
--method says another, and sha256 in a file of the name hbd.keys, since Heartbeat does not know that
one. How a key is changed while the cluster runs stands on standard error. Asks no daemon.",
    examples: &[
        Example {
            line: "hactl keygen --into /etc/ha.d/authkeys",
            about: "for a new cluster; copy it to all nodes",
        },
        Example {
            line: "hactl keygen --index 2 >> /etc/ha.d/authkeys",
            about: "the first of three steps to another key",
        },
    ],
    arguments,
    run,
};

/// Random bytes of a key; as many as the strongest digest has.
const KEY_BYTES: usize = 32;
/// Blocks until the kernel has gathered enough since boot (`random(4)`).
const RANDOM: &str = "/dev/random";

fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("method")
                .long("method")
                .value_name("METHOD")
                .value_parser(["sha256", "sha1", "md5"])
                .help("How it signs"),
        )
        .arg(
            Arg::new("index")
                .long("index")
                .value_name("N")
                .value_parser(value_parser!(u8).range(0..=i64::from(KEY_INDEX_MAX)))
                .default_value("1")
                .help("Its number, 0 to 15, that no other key has"),
        )
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Make this key file"),
        )
        .arg(flag("force", "Replace FILE and the keys in it").requires("into"))
}

fn run(call: &Call) -> Result<Exit, Error> {
    let into = call.matches.get_one::<PathBuf>("into");
    let index = call.matches.get_one::<u8>("index").copied().unwrap_or(1);
    let method = method(call.words("method").as_deref(), into)?;
    let secret = secret().map_err(|error| Error::Read {
        path: RANDOM.into(),
        error,
    })?;
    let line = format!("{index} {method} {secret}\n");
    match into {
        None => {
            let mut out = super::output();
            out.write_all(line.as_bytes())?;
            out.flush()?;
            crate::complain(&steps(index));
        }
        Some(path) => {
            let text = format!("auth {index}\n{line}");
            write(path, &text, call.flag("force"))?;
            let path = path.display();
            crate::complain(&format!("{path} holds key {index} ({method}), which signs"));
        }
    }
    Ok(Exit::Done)
}

fn method(wish: Option<&[&str]>, into: Option<&PathBuf>) -> Result<DigestMethod, Error> {
    let name = into.and_then(|path| path.file_name());
    let file = name.and_then(|name| FileName::from_name(&name.to_string_lossy()));
    let wish = wish.and_then(|words| words.first().copied());
    match (wish.and_then(DigestMethod::from_word), file) {
        (Some(DigestMethod::Sha256), Some(FileName::Authkeys)) => Err(Error::Usage(
            "authkeys cannot hold a key of sha256, which Heartbeat does not know; write it into \
             hbd.keys"
                .into(),
        )),
        (Some(method), _) => Ok(method),
        (None, Some(FileName::HbdKeys)) => Ok(DigestMethod::Sha256),
        (None, _) => Ok(DigestMethod::Sha1),
    }
}

/// Random bytes in hexadecimal.
fn secret() -> io::Result<String> {
    let mut bytes = [0; KEY_BYTES];
    File::open(RANDOM)?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that nobody else may read, whole or not at all.
fn write(path: &Path, text: &str, force: bool) -> Result<(), Error> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Refused(format!(
            "{} exists; add a line to it with hactl keygen --index N >> FILE, or replace it and its \
             keys with --force",
            path.display()
        )),
        _ => Error::Write {
            path: path.to_owned(),
            error,
        },
    };
    if !force && path.symlink_metadata().is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write_new(&beside, text).and_then(|()| match force {
        true => fs::rename(&beside, path),
        // Somebody else may have made it meanwhile.
        false => fs::hard_link(&beside, path),
    });
    // Nothing is left of it after a renaming.
    let _ = fs::remove_file(&beside);
    written.map_err(failed)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn steps(index: u8) -> String {
    format!(
        "another key for a cluster that runs, in three steps, each on all nodes before the next:\n  \
         1. add this line to the key file, leave its auth line, and reload hbd: all verify with both\n  \
         2. write auth {index} in place of the auth line, and reload: all sign with the new one\n  \
         3. remove the line of the old key, and reload; see authkeys(5)"
    )
}
