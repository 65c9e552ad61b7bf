//! The tables of the manual pages come from the code.

use std::path::{Path, PathBuf};

use hbd_tests::error::{Error, file, unexpected};
use shared::config::manual;

use crate::compare;

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../man")
        .join(name)
}

pub(crate) fn tables_are_those_of_the_code() -> Result<(), Error> {
    fill("ha.cf.5", "directives", &manual::directives())?;
    fill("ha.cf.5", "diagnostics", &manual::diagnostics())
}

/// Compares what stands between the markers of a page with `table`.
fn fill(name: &str, marker: &str, table: &str) -> Result<(), Error> {
    let path = page(name);
    let text = file(
        format!("read {}", path.display()),
        std::fs::read_to_string(&path),
    )?;
    let begin = format!(".\\\" BEGIN {marker}\n");
    let end = format!(".\\\" END {marker}\n");
    let split = text
        .split_once(&begin)
        .and_then(|(above, rest)| Some((above, rest.split_once(&end)?.1)));
    let Some((above, below)) = split else {
        return unexpected(format!(
            "{} lacks the markers of `{marker}`",
            path.display()
        ));
    };
    compare(&path, &format!("{above}{begin}{table}{end}{below}"))
}
