//! Programs and resource scripts.

use std::path::Path;

use shared::config::machine::Program;

/// Where resource scripts lie besides the configuration directory's own `resource.d`.
const INIT_SCRIPTS: &str = "/etc/init.d";

/// What lies where a resource script is searched: the best of both directories.
pub(super) fn script(name: &str, directory: &Path) -> Program {
    let own = Program::at(&directory.join("resource.d").join(name));
    let init = Program::at(&Path::new(INIT_SCRIPTS).join(name));
    match (own, init) {
        (Program::Executable, _) | (_, Program::Executable) => Program::Executable,
        (Program::Missing, Program::Missing) => Program::Missing,
        _ => Program::NotExecutable,
    }
}
