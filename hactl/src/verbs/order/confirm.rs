//! Asks the person at the terminal whether an order is meant. Where there is no person nobody is
//! asked: a script says `--yes`.

use std::io::{self, BufRead, IsTerminal, Write};

use shared::names::NodeName;

use crate::error::Error;

/// Demands a yes to what would be done.
pub(super) fn yes(done: &str) -> Result<(), Error> {
    let asked = ask(done, "go on? [y/N] ")?;
    match ["y", "yes"].contains(&asked.as_str()) {
        true => Ok(()),
        false => Err(not_meant()),
    }
}

/// Demands the name of a node after what the order says of it.
pub(super) fn name(says: &str, node: &NodeName) -> Result<(), Error> {
    let asked = ask(says, "to say so, type the name of the node: ")?;
    match asked == node.as_str() {
        true => Ok(()),
        false => Err(not_meant()),
    }
}

fn not_meant() -> Error {
    Error::Refused("not confirmed: nothing was ordered".into())
}

/// The answer of the person at the terminal, without blanks around it.
fn ask(before: &str, question: &str) -> Result<String, Error> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::Refused(format!(
            "{before}\nnothing was ordered: nobody is there to confirm it; say --yes"
        )));
    }
    let mut answer = String::new();
    let mut terminal = io::stderr();
    write!(terminal, "{before}\n{question}")?;
    terminal.flush()?;
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
