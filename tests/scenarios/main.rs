//! Plays every scenario of `tests/scenarios/` and compares what is seen with what stands there.
//!
//! `UPDATE=1` writes what is seen into the files; the diff is then to be read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hbd_tests::sim::scenario::{DASHES, parse, play};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let update = std::env::var_os("UPDATE").is_some();
    let trials = files().into_iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Trial::test(name.into_owned(), move || check(&path, update))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|why| panic!("cannot list {}: {why}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder entry is readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    files.sort();
    files
}

fn check(path: &Path, update: bool) -> Result<(), Failed> {
    let at = |line: usize, text: &str| format!("{}:{line}: {text}", path.display());
    let text = fs::read_to_string(path).map_err(|why| at(0, &why.to_string()))?;
    let script = parse(&text).map_err(|bad| at(bad.line, &bad.text))?;
    let seen = play(&script).map_err(|bad| at(bad.line, &bad.text))?;
    if seen == script.expected {
        return Ok(());
    }
    if update {
        let whole = format!("{}\n{DASHES}\n{seen}", script.text);
        return Ok(fs::write(path, whole)?);
    }
    let below = script.text.lines().count() + 2;
    Err(at(below, &difference(&script.expected, &seen)).into())
}

/// From the first line that differs on: what was expected and what is seen.
fn difference(expected: &str, seen: &str) -> String {
    let same = expected
        .lines()
        .zip(seen.lines())
        .take_while(|(one, other)| one == other)
        .count();
    let tail = |text: &str| -> String {
        let rest = text.lines().skip(same);
        rest.map(|line| format!("    {line}\n")).collect()
    };
    format!(
        "after {same} equal lines\n  expected:\n{}  seen:\n{}  \
         (UPDATE=1 writes what is seen into the file)",
        tail(expected),
        tail(seen)
    )
}
