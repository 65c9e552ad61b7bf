//! Programs and resource scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shared::config::machine::Program;

/// Where resource scripts lie besides the configuration directory's own `resource.d`.
const INIT_SCRIPTS: &str = "/etc/init.d";

/// Permission bits: somebody may execute.
const EXECUTE: u32 = 0o111;

/// What lies at a path.
pub(super) fn at(path: &Path) -> Program {
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.permissions().mode() & EXECUTE != 0 => {
            Program::Executable
        }
        Ok(_) => Program::NotExecutable,
        Err(_) => Program::Missing,
    }
}

/// What lies where a resource script is searched: the best of both directories.
pub(super) fn script(name: &str, directory: &Path) -> Program {
    let own = at(&directory.join("resource.d").join(name));
    let init = at(&Path::new(INIT_SCRIPTS).join(name));
    match (own, init) {
        (Program::Executable, _) | (_, Program::Executable) => Program::Executable,
        (Program::Missing, Program::Missing) => Program::Missing,
        _ => Program::NotExecutable,
    }
}
