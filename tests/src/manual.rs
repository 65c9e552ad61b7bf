//! Tables of the man pages that come from the code.
//!
//! A page in `man/` marks such a table with two comment lines:
//!
//! ```text
//! .\" BEGIN fields
//! .\" END fields
//! ```
//!
//! What stands between them is compared with the text that the code gives; `UPDATE=1` writes it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Held while a page is read and written: the tables of one page are updated by several tests at once.
static PAGES: Mutex<()> = Mutex::new(());

/// Compares the table `name` of the page `man/PAGE` with `generated`, or writes it under `UPDATE=1`.
///
/// # Panics
/// If the page cannot be read, lacks the two lines, or differs.
pub fn compare(page: &str, name: &str, generated: &str) {
    let _guard = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder().join(page);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, table, after) = split(&text, name)
        .unwrap_or_else(|| panic!("{page}: no lines `.\\\" BEGIN {name}` and `.\\\" END {name}`"));
    if table == generated {
        return;
    }
    assert!(
        std::env::var_os("UPDATE").is_some(),
        "{page}: table `{name}` is not what the code says; run with UPDATE=1 and review the diff\n\
         --- the page\n{table}--- the code\n{generated}"
    );
    std::fs::write(&path, [before, generated, after].concat())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The page `man/PAGE`, as it is.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn page(page: &str) -> String {
    let _guard = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder().join(page);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Text for mdoc: backslashes are shown, and a control character at the start of a line has no effect.
#[must_use]
pub fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../man")
}

fn split<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let begin = format!(".\\\" BEGIN {name}\n");
    let start = text.find(&begin)? + begin.len();
    let length = text[start..].find(&format!(".\\\" END {name}\n"))?;
    let (before, rest) = text.split_at(start);
    let (table, after) = rest.split_at(length);
    Some((before, table, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lies_between_its_two_lines() {
        let page = "a\n.\\\" BEGIN x\nold\n.\\\" END x\nb\n";
        assert_eq!(
            split(page, "x"),
            Some(("a\n.\\\" BEGIN x\n", "old\n", ".\\\" END x\nb\n"))
        );
        assert_eq!(split(page, "y"), None);
    }

    #[test]
    fn escaped_text_is_no_request() {
        assert_eq!(escape(".Sh"), "\\&.Sh");
        assert_eq!(escape("a\\b"), "a\\eb");
    }
}
