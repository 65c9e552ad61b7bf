//! Expected output as files.

use std::path::Path;

/// Compares with `tests/expected/NAME.txt`, or writes it where `UPDATE` is set.
pub(crate) fn matches_file(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(name)
        .with_extension("txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, got).unwrap();
        return;
    }
    let want = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE=1 writes it", path.display()));
    assert!(
        got == want,
        "{} is different:\n--- wanted\n{want}\n--- got\n{got}\n(UPDATE=1 rewrites it)",
        path.display()
    );
}
