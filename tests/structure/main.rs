//! The house rules that a compiler does not know: who may import whom, where `unsafe` may stand, what
//! the core may not reach.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Package -> which of our packages it may use outside its tests.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("hbd-shared", &[]),
    ("hbd-core", &["hbd-shared"]),
    ("hbd-manager", &["hbd-shared"]),
    ("hbd-agents", &["hbd-shared"]),
    ("hbd-diag", &["hbd-shared", "hbd-core", "hbd-agents"]),
    (
        "hbd",
        &[
            "hbd-shared",
            "hbd-core",
            "hbd-manager",
            "hbd-agents",
            "hbd-diag",
        ],
    ),
    ("hactl", &["hbd-shared", "hbd-diag"]),
    (
        "hbd-tests",
        &[
            "hbd-shared",
            "hbd-core",
            "hbd-manager",
            "hbd-agents",
            "hbd-diag",
        ],
    ),
];

/// What each file that may hold `unsafe` is called.
const UNSAFE_FILE: &str = "sys.rs";

#[test]
fn packages_import_only_what_they_may() {
    let rules: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    for manifest in manifests() {
        let text = read(&manifest);
        let package = value_of(&text, "name");
        let Some(allowed) = rules.get(package.as_str()) else {
            panic!("{package} has no rule: add it to MAY_IMPORT and to CONTRIBUTING.md");
        };
        for used in dependencies(&text).filter(|name| rules.contains_key(name.as_str())) {
            assert!(
                allowed.contains(&used.as_str()),
                "{package} may not use {used}"
            );
        }
    }
}

#[test]
fn unsafe_stands_in_one_small_module_of_a_package() {
    for file in sources() {
        if file.file_name().is_some_and(|name| name == UNSAFE_FILE) {
            continue;
        }
        // The compiler denies it wherever this exception is not made.
        let exception = concat!("(unsafe", "_code");
        assert!(
            !read(&file).contains(exception),
            "{}: unsafe outside {UNSAFE_FILE}",
            file.display()
        );
    }
}

#[test]
fn core_and_manager_have_no_standard_library() {
    for package in ["core", "manager"] {
        let text = read(&root().join(format!("hbd/{package}/src/lib.rs")));
        assert!(
            text.contains("#![cfg_attr(not(test), no_std)]"),
            "{package}"
        );
    }
}

#[test]
fn the_readme_names_every_top_folder() {
    let readme = read(&root().join("README.md"));
    let folders = fs::read_dir(root())
        .expect("the repository can be listed")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| !name.starts_with('.') && name != "target");
    for folder in folders {
        assert!(
            readme.contains(&format!("{folder}/")),
            "README lacks {folder}/"
        );
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the repository")
        .to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifests() -> Vec<PathBuf> {
    let text = read(&root().join("Cargo.toml"));
    let members = text
        .lines()
        .find(|line| line.starts_with("members"))
        .expect("the workspace lists its members");
    let found: Vec<PathBuf> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|member| root().join(member).join("Cargo.toml"))
        .collect();
    assert_eq!(found.len(), MAY_IMPORT.len(), "{members}");
    found
}

fn value_of(manifest: &str, key: &str) -> String {
    let prefix = format!("{key} = \"");
    let line = manifest.lines().find(|line| line.starts_with(&prefix));
    line.and_then(|line| line[prefix.len()..].split('"').next())
        .unwrap_or_else(|| panic!("no {key} in a manifest"))
        .to_owned()
}

/// Names below `[dependencies]`; what tests use is their own affair.
fn dependencies(manifest: &str) -> impl Iterator<Item = String> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = manifests()
        .iter()
        .filter_map(|manifest| manifest.parent().map(Path::to_owned))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be listed") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}
