//! Scripts of the operator that would be told what happens, and are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use shared::notification::{DIRECTORY, RUNNER, Refusal, examine};

/// Most scripts that are looked at.
const SCRIPTS_MAX: usize = 100;

/// What is never run and was not installed so, by its path in `directory`, and why.
pub(crate) fn untold(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory.join(DIRECTORY));
    let entries = entries.into_iter().flatten().take(SCRIPTS_MAX);
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let runner = directory.join(RUNNER);
    let untold = |path: PathBuf| {
        let refusal = examine(&path)?.err()?;
        let shown = path.strip_prefix(directory).ok()?.display().to_string();
        (refusal != Refusal::Installed).then(|| (shown, refusal.to_string()))
    };
    paths.chain([runner]).filter_map(untold).collect()
}
