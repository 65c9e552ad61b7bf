//! Running helper programs, and finding the workspace's own ones.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::Error;

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// [`Error::Command`] when it cannot be run or does not exit with 0.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, Error> {
    let output = output(program, arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = format!(
        "{} {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Err(Error::Command {
        command: words(program, arguments),
        said,
    })
}

/// Runs a program to its end, whatever its exit code.
///
/// # Errors
/// [`Error::Command`] when it cannot be run.
pub fn output<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<Output, Error> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|reason| Error::Command {
            command: words(program, arguments),
            said: reason.to_string(),
        })
}

/// Copies a program with `more` bytes behind it. Another process does it: a file that this one has open for writing is
/// open in every child that another thread starts just then, and cannot be executed ("text file busy").
///
/// # Errors
/// [`Error::Command`].
pub fn copy(program: &Path, to: &Path, more: usize) -> Result<(), Error> {
    let script = "cp \"$1\" \"$2\" && head -c \"$3\" /dev/zero >>\"$2\" && chmod 755 \"$2\"";
    let (program, to) = (program.to_string_lossy(), to.to_string_lossy());
    let more = more.to_string();
    run("sh", &["-c", script, "sh", &program, &to, &more]).map(drop)
}

fn words<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> String {
    let mut words = program.to_owned();
    for argument in arguments {
        words.push(' ');
        words.push_str(&argument.as_ref().to_string_lossy());
    }
    words
}

/// The workspace's program `name`, built beside the running test: `target/PROFILE/NAME` for a test in
/// `target/PROFILE/deps`. `cargo test --workspace` builds it, because its package has integration tests.
///
/// # Errors
/// [`Error::Unexpected`] when it is not there.
pub fn of_workspace(name: &str) -> Result<PathBuf, Error> {
    let test =
        env::current_exe().map_err(|reason| Error::Unexpected(format!("own path: {reason}")))?;
    let profile = test
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."));
    let program = profile.join(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Unexpected(format!(
        "{}: not built; run `cargo build --workspace`",
        program.display()
    )))
}

/// Whether `name` is an executable on the search path.
#[must_use]
pub fn on_path(name: &str) -> bool {
    let Some(path) = env::var_os("PATH") else {
        return false;
    };
    env::split_paths(&path).any(|directory| directory.join(name).is_file())
}
