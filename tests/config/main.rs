//! The corpus of configurations, Debian's example files, and the tables of the manual.
//!
//! A case is one file in `ok` or `bad`: some lines that say the point, then the files of a configuration, each below a
//! line of dashes with its name (see `case.rs`). Beside it stands the whole expected output. `UPDATE=1` writes that
//! anew; the difference is then to be read as carefully as code.

mod case;
mod corpus;
mod debian;
mod describe;
mod manual;
mod real;

use std::process::ExitCode;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::precondition::trial;
use libtest_mimic::Arguments;

const SUITE: &str = "config";

fn main() -> ExitCode {
    let mut trials = vec![
        trial(
            SUITE,
            "every_directive_has_a_case",
            &[],
            corpus::every_directive_has_a_case,
        ),
        trial(
            SUITE,
            "every_diagnostic_has_a_case",
            &[],
            corpus::every_diagnostic_has_a_case,
        ),
        trial(
            SUITE,
            "every_output_belongs_to_a_case",
            &[],
            corpus::every_output_belongs_to_a_case,
        ),
        trial(
            SUITE,
            "no_output_holds_a_key",
            &[],
            corpus::no_output_holds_a_key,
        ),
        trial(
            SUITE,
            "tables_of_the_manual_are_those_of_the_code",
            &[],
            manual::tables_are_those_of_the_code,
        ),
    ];
    trials.extend(debian::trials());
    trials.extend(real::trials());
    match corpus::cases() {
        Ok(cases) => trials.extend(cases.into_iter().map(|case| {
            let name = case.name.clone();
            trial(SUITE, &name, &[], move || corpus::check(&case))
        })),
        Err(error) => trials.push(trial(SUITE, "the_corpus_can_be_read", &[], move || {
            Err(error)
        })),
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Whether expected output is to be written anew.
fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Compares with what a file holds, or writes it.
fn compare(path: &std::path::Path, found: &str) -> Result<(), Error> {
    if updating() {
        return hbd_tests::scratch::write(path, found);
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    unexpected(format!(
        "{} differs (UPDATE=1 writes it anew)\n--- expected\n{expected}\n--- found\n{found}",
        path.display()
    ))
}
