//! `hb_standby` and `hb_takeover`: hactl under the names of two commands of Heartbeat, with their
//! words and their meaning.
//!
//! It looks at the name it is called by, so a link is all that is installed: no interpreter, no path
//! to find hactl in, and `ln -s` fails where Heartbeat's own command is.

use std::ffi::OsString;
use std::path::Path;

use shared::exit::Exit;

/// The commands, and the verb that each is.
const COMMANDS: [(&str, &str); 2] = [("hb_standby", "standby"), ("hb_takeover", "takeover")];
const WHICH: [&str; 4] = ["all", "foreign", "local", "failback"];

/// The command line of hactl, or what is to be said in place of following it.
pub(crate) fn translated(line: Vec<OsString>) -> Result<Vec<OsString>, (String, Exit)> {
    let Some((command, verb)) = command(&line) else {
        return Ok(line);
    };
    let usage = format!("usage: {command} [{}]", WHICH.join("|"));
    let which = match &line[1..] {
        [] => WHICH[0],
        [only] if *only == *"--help" || *only == *"-h" => {
            let text = format!("{usage}\nall is what is done without a word; see hactl(1).");
            return Err((text, Exit::Done));
        }
        [only] if let Some(which) = WHICH.into_iter().find(|word| *only == **word) => which,
        wrong => {
            let wrong = wrong.join(" ".as_ref());
            let wrong = wrong.display();
            let text = format!("{command}: `{wrong}` is no choice of groups; {usage}");
            return Err((text, Exit::Usage));
        }
    };
    let words = ["hactl", verb, "--yes", "--for", "together", which];
    Ok(words.map(OsString::from).into())
}

/// What errors begin with.
pub(crate) fn name() -> &'static str {
    let line: Vec<OsString> = std::env::args_os().take(1).collect();
    command(&line).map_or("hactl", |(command, _)| command)
}

fn command(line: &[OsString]) -> Option<(&'static str, &'static str)> {
    let name = Path::new(line.first()?).file_name()?;
    COMMANDS.into_iter().find(|(command, _)| *name == **command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str) -> Vec<OsString> {
        words.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn heartbeats_commands_are_verbs_that_last_while_both_nodes_live() {
        for (typed, meant) in [
            ("hactl status", "hactl status"),
            ("hb_standby", "hactl standby --yes --for together all"),
            (
                "/usr/share/heartbeat/hb_takeover failback",
                "hactl takeover --yes --for together failback",
            ),
        ] {
            assert_eq!(translated(line(typed)), Ok(line(meant)), "{typed}");
        }
    }

    #[test]
    fn what_heartbeats_commands_do_not_know_is_refused_in_their_words() {
        for typed in [
            "hb_standby web",
            "hb_standby --for",
            "hb_standby local all x",
        ] {
            let (said, exit) = translated(line(typed)).unwrap_err();
            assert_eq!(exit, Exit::Usage, "{typed}");
            let usage = "is no choice of groups; usage: hb_standby [all|foreign|local|failback]";
            assert!(said.ends_with(usage), "{said}");
        }
    }
}
