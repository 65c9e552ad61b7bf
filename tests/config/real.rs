//! The real Heartbeat 3.0.6 is started on every case that it can read. Where its verdict is not ours, `differences.txt`
//! says why; a difference that is not listed fails, and so does a listed one that is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use hbd_tests::error::{Error, file, unexpected};
use hbd_tests::null_modem::NullModem;
use hbd_tests::precondition::{Precondition, trial};
use hbd_tests::scratch::Scratch;
use hbd_tests::tier::Tier;
use libtest_mimic::Trial;
use shared::config::FileName;
use shared::config::source::Content;

use crate::case::{Case, directory};
use crate::{SUITE, corpus};

const SCRIPT: &str = include_str!("real.sh");
const DAEMONS: [&str; 2] = [
    "/usr/libexec/heartbeat/heartbeat",
    "/usr/lib/heartbeat/heartbeat",
];

/// Seconds until a start is given up.
const LIMIT_S: &str = "30";

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[
        Precondition::Root,
        Precondition::Namespaces,
        Precondition::Heartbeat,
    ];
    if Tier::of_this_run() < Tier::Ci {
        return Vec::new();
    }
    vec![trial(
        SUITE,
        "heartbeat_gives_the_same_verdicts",
        needs,
        same_verdicts,
    )]
}

fn same_verdicts() -> Result<(), Error> {
    let expected = differences()?;
    let mut found = BTreeSet::new();
    let mut compared = 0;
    for case in corpus::cases()?.iter().filter(|case| is_readable(case)) {
        compared += 1;
        if heartbeat_starts(case)? != case.name.starts_with("ok/") {
            found.insert(case.name.clone());
        }
    }
    let new: Vec<_> = found
        .iter()
        .filter(|name| !expected.contains_key(*name))
        .collect();
    let gone: Vec<_> = expected
        .keys()
        .filter(|name| !found.contains(*name))
        .collect();
    if new.is_empty() && gone.is_empty() && compared > 0 {
        return Ok(());
    }
    unexpected(format!(
        "{compared} cases compared; not in differences.txt: {new:?}; there, but no difference: {gone:?}"
    ))
}

/// Whether Heartbeat would see the same: no file or word of ours, no thing in place of a file.
fn is_readable(case: &Case) -> bool {
    let contents = &case.files.contents;
    let ours = [FileName::HbdCf, FileName::HbdKeys]
        .iter()
        .any(|name| contents.contains_key(name));
    let plain = contents
        .values()
        .all(|content| matches!(content, Content::Bytes { .. }));
    let alice = case
        .files
        .node
        .as_ref()
        .is_none_or(|node| node.as_str() == "alice");
    !ours && plain && alice && case.facts.is_none()
}

fn heartbeat_starts(case: &Case) -> Result<bool, Error> {
    let scratch = Scratch::new()?;
    write_configuration(case, scratch.path())?;
    let cable = NullModem::new(scratch.path())?;
    let Some(daemon) = DAEMONS.iter().find(|path| Path::new(path).exists()) else {
        return unexpected("no heartbeat daemon");
    };
    let output = Command::new("timeout")
        .args([
            "--kill-after=1",
            LIMIT_S,
            "unshare",
            "--mount",
            "--net",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
        ])
        .args(["--mount-proc", "--kill-child", "sh", "-c", SCRIPT, "sh"])
        .arg(scratch.path())
        .arg(daemon)
        .arg(cable.port(0))
        // What it makes under a relative path goes with the rest.
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .output();
    let output = file("run unshare", output)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.strip_prefix("EXIT ")) {
        Some(code) => Ok(code == "0"),
        None => unexpected(format!(
            "{}: {text}{}",
            case.name,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn write_configuration(case: &Case, target: &Path) -> Result<(), Error> {
    // The daemon looks for its scripts beside the configuration.
    for entry in ["rc.d", "resource.d", "harc", "shellfuncs"] {
        let from = Path::new("/etc/ha.d").join(entry);
        hbd_tests::program::run("cp", &["-a".as_ref(), from.as_os_str(), target.as_os_str()])?;
    }
    let write = |name: FileName, bytes: &[u8], mode: u32| {
        let path = target.join(name.as_str());
        file(format!("write {}", path.display()), fs::write(&path, bytes))?;
        file(
            format!("chmod {}", path.display()),
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)),
        )
    };
    write(FileName::Haresources, b"", 0o644)?;
    for (name, content) in &case.files.contents {
        if let Content::Bytes { bytes, mode } = content {
            write(
                *name,
                bytes,
                mode.unwrap_or(if name.is_secret() { 0o600 } else { 0o644 }),
            )?;
        }
    }
    Ok(())
}

/// Cases with another verdict, and why: `NAME NAME ...: REASON`.
fn differences() -> Result<BTreeMap<String, String>, Error> {
    let path = directory().join("differences.txt");
    let text = file(
        format!("read {}", path.display()),
        fs::read_to_string(&path),
    )?;
    let mut differences = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let Some((names, reason)) = line.split_once(": ") else {
            return unexpected(format!("{}: `{line}` gives no reason", path.display()));
        };
        differences.extend(
            names
                .split(' ')
                .map(|name| (name.to_owned(), reason.to_owned())),
        );
    }
    Ok(differences)
}
