//! Which logs could not be written, before anything runs.
//!
//! Nothing is written and no file is made: the kernel is asked whether this user may (`access(2)`), so
//! that another user may get another answer.

use std::io;
use std::path::Path;

use nix::unistd::{AccessFlags, eaccess};
use shared::config::Logging;

use super::{stderr_is_journal, syslog};
use crate::channel::Lack;
use crate::cli::Options;

/// What hbd would have to do without, started here with that configuration.
pub(crate) fn predict(logging: &Logging, options: &Options) -> Vec<Lack> {
    let files = logging.file.iter().chain(&logging.debug_file);
    let mut lacks: Vec<Lack> = files.filter_map(|path| of_file(path)).collect();
    if logging.facility.is_some() {
        let remedy = "start a syslog daemon, or take the logfacility line out";
        lacks.extend(of_socket(&options.syslog, "syslog", remedy));
    } else if logging.file.is_none() && stderr_is_journal() {
        let remedy = "start systemd-journald, or name a logfile in ha.cf";
        lacks.extend(of_socket(&options.journal, "systemd's journal", remedy));
    }
    lacks
}

fn of_file(path: &Path) -> Option<Lack> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let (why, remedy) = if path.is_dir() {
        (
            "it is a directory".to_owned(),
            "name a file in ha.cf".to_owned(),
        )
    } else if path.exists() {
        let error = eaccess(path, AccessFlags::W_OK).err()?;
        (
            io::Error::from(error).to_string(),
            format!("let the user hbd runs as write {}", path.display()),
        )
    } else {
        let named = directory.display();
        let error = eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
        let remedy = match error {
            nix::errno::Errno::ENOENT => format!("mkdir -p {named}"),
            nix::errno::Errno::ENOTDIR => "name a file in a directory in ha.cf".to_owned(),
            _ => format!("let the user hbd runs as write in {named}"),
        };
        (format!("{named}: {}", io::Error::from(error)), remedy)
    };
    Some(lack(&path.display().to_string(), why, remedy))
}

fn of_socket(path: &Path, name: &str, remedy: &str) -> Option<Lack> {
    let error = syslog::connect(path).err()?;
    Some(lack(name, error.to_string(), remedy.to_owned()))
}

fn lack(target: &str, why: String, remedy: String) -> Lack {
    Lack {
        what: format!("the log in {target}"),
        why,
        remedy,
    }
}
