//! The cases of `ok` and `bad`.

use std::collections::BTreeSet;
use std::fs;

use hbd_tests::error::{Error, file, unexpected};
use shared::config::render::{Style, render_all};
use shared::config::{Code, Diagnostic, check, directives, machine};

use crate::case::{Case, directory};
use crate::describe::describe;
use crate::{compare, updating};

/// Fewer cases than this are no corpus.
const CASES_MIN: usize = 150;

/// All cases, by name.
pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for folder in ["ok", "bad"] {
        for name in names(folder, "case")? {
            let path = directory().join(folder).join(format!("{name}.case"));
            cases.push(Case::read(format!("{folder}/{name}"), path)?);
        }
    }
    if cases.len() < CASES_MIN {
        return unexpected(format!(
            "only {} cases, expected at least {CASES_MIN}",
            cases.len()
        ));
    }
    Ok(cases)
}

fn names(folder: &str, extension: &str) -> Result<Vec<String>, Error> {
    let path = directory().join(folder);
    let mut names = Vec::new();
    for entry in file(format!("read {}", path.display()), fs::read_dir(&path))? {
        let name = file(format!("read {}", path.display()), entry)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        names.extend(
            name.strip_suffix(&format!(".{extension}"))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

/// Whatever there is to say about a case, and its configuration.
fn run(case: &Case) -> (Vec<Diagnostic>, String) {
    let checked = check::text(&case.files);
    let mut diagnostics = checked.diagnostics;
    if let Some(facts) = &case.facts {
        diagnostics.extend(machine::check(&checked.mentions, facts));
    }
    let mut output = render_all(&diagnostics, Style::default());
    if let Some(config) = checked
        .config
        .filter(|_| !diagnostics.iter().any(Diagnostic::is_error))
    {
        output += &describe(&config);
    }
    (diagnostics, output)
}

/// Compares a case with its expected output, and its verdict with its folder.
pub(crate) fn check(case: &Case) -> Result<(), Error> {
    let (diagnostics, output) = run(case);
    let good = !diagnostics.iter().any(Diagnostic::is_error);
    if good != case.name.starts_with("ok/") {
        return unexpected(format!("{} is in the wrong folder\n{output}", case.name));
    }
    compare(&case.output(), &output)
}

pub(crate) fn every_directive_has_a_case() -> Result<(), Error> {
    let mut stems = BTreeSet::new();
    for folder in ["ok", "bad"] {
        let all = names(folder, "case")?;
        stems.extend(
            all.iter()
                .map(|name| name.split('-').next().unwrap_or(name).to_owned()),
        );
    }
    let without: Vec<&str> = directives::words()
        .filter(|word| !stems.contains(*word))
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    unexpected(format!(
        "no case ok/NAME or bad/NAME, with or without -POINT, for {}",
        without.join(", ")
    ))
}

pub(crate) fn every_diagnostic_has_a_case() -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for case in cases()? {
        seen.extend(run(&case).0.iter().map(|diagnostic| diagnostic.code));
    }
    // A case of 500 problems would be all output; a unit test covers this one.
    seen.insert(Code::TooManyProblems);
    let without: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !seen.contains(code))
        .map(|code| code.as_str())
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    unexpected(format!("no case shows {}", without.join(", ")))
}

pub(crate) fn every_output_belongs_to_a_case() -> Result<(), Error> {
    for folder in ["ok", "bad"] {
        let cases: BTreeSet<String> = names(folder, "case")?.into_iter().collect();
        for name in names(folder, "out")? {
            if !cases.contains(&name) {
                return unexpected(format!("{folder}/{name}.out has no case"));
            }
        }
    }
    Ok(())
}

/// Keys of the corpus contain this word; outputs may not.
const KEY_MARK: &str = "corpus-key";

pub(crate) fn no_output_holds_a_key() -> Result<(), Error> {
    if updating() {
        return Ok(());
    }
    for case in cases()? {
        let (diagnostics, output) = run(&case);
        let json =
            serde_json::to_string(&diagnostics).or_else(|error| unexpected(error.to_string()))?;
        if output.contains(KEY_MARK) || json.contains(KEY_MARK) {
            return unexpected(format!("{} shows a key", case.name));
        }
    }
    Ok(())
}
