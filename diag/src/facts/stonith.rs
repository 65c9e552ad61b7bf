//! Types of devices that the program `stonith` of cluster-glue has, from the files of its plugins.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use shared::config::machine::Program;

/// Where systems put libraries; some have a directory below for each kind of processor.
const LIBRARIES: [&str; 2] = ["/usr/lib", "/usr/lib64"];
const PLUGINS: &str = "stonith/plugins";
/// Plugins that are no type: they find programs, each of which is one.
const FINDERS: [&str; 2] = ["external", "rhcs"];

/// Every type; nothing where cluster-glue is not found.
pub(super) fn types() -> Option<Vec<String>> {
    let libraries = LIBRARIES.map(PathBuf::from);
    let below = libraries.iter().filter_map(|path| fs::read_dir(path).ok());
    let below = below.flatten().flatten().map(|entry| entry.path());
    let found: Vec<BTreeSet<String>> = libraries
        .iter()
        .cloned()
        .chain(below)
        .filter_map(|library| types_in(&library.join(PLUGINS)))
        .collect();
    let types: BTreeSet<String> = found.into_iter().flatten().collect();
    (!types.is_empty()).then(|| types.into_iter().collect())
}

fn types_in(plugins: &Path) -> Option<BTreeSet<String>> {
    let library = |path: &PathBuf| path.extension() == Some(OsStr::new("so"));
    let built_in = fs::read_dir(plugins.join("stonith2")).ok()?;
    let built_in = built_in.flatten().map(|entry| entry.path()).filter(library);
    let built_in = built_in.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let built_in = built_in.filter(|name| !FINDERS.contains(&name.as_str()));
    let programs = fs::read_dir(plugins.join("external")).into_iter().flatten();
    let programs = programs.flatten().map(|entry| entry.path());
    let programs = programs.filter(|path| Program::at(path) == Program::Executable);
    let programs = programs.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let programs = programs.filter(|name| !name.starts_with('.'));
    let external = programs.map(|name| format!("external/{name}"));
    Some(built_in.chain(external).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn types_are_plugins_and_programs_that_can_be_run() {
        let home = std::env::temp_dir().join(format!("hbd-stonith-{}", std::process::id()));
        assert_eq!(types_in(&home), None);
        for (name, mode) in [
            ("stonith2/baytech.so", 0o644),
            ("stonith2/external.so", 0o644),
            ("stonith2/ribcl.py", 0o755),
            ("external/ipmi", 0o755),
            ("external/notes", 0o644),
            ("external/.hidden", 0o755),
        ] {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let found: Vec<String> = types_in(&home).unwrap().into_iter().collect();
        fs::remove_dir_all(&home).unwrap();
        assert_eq!(found, ["baytech", "external/ipmi"]);
    }
}
