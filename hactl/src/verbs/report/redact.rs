//! Files of the configuration without what may be secret in them, line for line.
//!
//! What is shown is what is known to be harmless; everything else is replaced by its length, and its
//! words are told, so that they can be masked elsewhere, too.

use shared::config::{DigestMethod, FileName, directives};

/// A file without secrets.
pub(super) struct Redacted {
    /// What is left, with the same lines.
    pub(super) text: String,
    /// The words that were taken out.
    pub(super) hidden: Vec<String>,
}

/// Of what is a secret, shorter words are not masked: they would be found everywhere.
const SECRET_MIN: usize = 6;
/// Of what is perhaps a secret, as in a comment or a line that nobody understands.
const DOUBTFUL_MIN: usize = 16;
/// Directives whose first words alone are shown: what follows may hold a password.
const PARTLY: &[(&str, usize)] = &[
    ("stonith", 1),
    ("stonith_host", 2),
    ("fence", 2),
    ("respawn", 2),
    ("failfast", 2),
    ("env", 0),
];
/// Agents whose arguments are addresses, devices and mount points.
const OPEN_AGENTS: &[&str] = &[
    "IPaddr",
    "IPaddr2",
    "IPv6addr",
    "IPsrcaddr",
    "Filesystem",
    "LVM",
    "drbddisk",
    "SendArp",
];

/// `text` of `file` without secrets.
pub(super) fn file(file: FileName, text: &str) -> Redacted {
    let mut redacted = Redacted {
        text: String::new(),
        hidden: Vec::new(),
    };
    for line in text.lines() {
        let shown = match (line.trim_start(), file) {
            ("", _) => String::new(),
            (comment, _) if comment.starts_with('#') => redacted.take("#", comment, DOUBTFUL_MIN),
            (line, FileName::Authkeys | FileName::HbdKeys) => redacted.key(line),
            (line, FileName::HaCf | FileName::HbdCf) => redacted.directive(line),
            (line, FileName::Haresources) => redacted.group(line),
        };
        redacted.text += &shown;
        redacted.text.push('\n');
    }
    redacted
}

impl Redacted {
    /// `shown`, and how much was taken out behind it. Words of at least `least` bytes are masked
    /// wherever else they occur.
    fn take(&mut self, shown: &str, rest: &str, least: usize) -> String {
        let parts = rest.split(|c: char| c.is_whitespace() || c == '=');
        let words = parts.chain(rest.split_whitespace());
        let telling = words.filter(|word| word.len() >= least);
        self.hidden.extend(telling.map(str::to_owned));
        let text = format!("{shown} (not shown: {} bytes)", rest.len());
        text.trim_start().to_owned()
    }

    /// `auth NUMBER`, or `NUMBER METHOD` and the length of the key.
    fn key(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_number = |word: &str| word.parse::<u8>().is_ok();
        match words[..] {
            ["auth", index] if is_number(index) => format!("auth {index}"),
            [index, method] if is_number(index) && DigestMethod::from_word(method).is_some() => {
                format!("{index} {method}")
            }
            [index, method, key, ..]
                if is_number(index) && DigestMethod::from_word(method).is_some() =>
            {
                let at = line.find(key).unwrap_or(0);
                self.take("", &line[at..], SECRET_MIN);
                format!("{index} {method} (a key of {} bytes)", key.len())
            }
            _ => self.take("", line, SECRET_MIN),
        }
    }

    fn directive(&mut self, line: &str) -> String {
        let word = line.split_whitespace().next().unwrap_or_default();
        let shown = match PARTLY.iter().find(|(partly, _)| *partly == word) {
            Some((_, shown)) => *shown,
            None if directives::find(word).is_some() => return line.to_owned(),
            None => return self.take("", line, DOUBTFUL_MIN),
        };
        let end = line
            .split_whitespace()
            .nth(shown + 1)
            .map_or(line.len(), |next| offset(line, next));
        let (head, rest) = line.split_at(end);
        match rest {
            "" => head.to_owned(),
            rest => self.take(head.trim_end(), rest, SECRET_MIN),
        }
    }

    /// A line of `haresources`: node, agents, and the arguments of those that are known.
    fn group(&mut self, line: &str) -> String {
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| match word.split_once("::") {
                Some((agent, arguments)) if !OPEN_AGENTS.contains(&agent) => {
                    let words = arguments
                        .split("::")
                        .filter(|word| word.len() >= SECRET_MIN);
                    self.hidden.extend(words.map(str::to_owned));
                    format!("{agent}::(not shown: {} bytes)", arguments.len())
                }
                _ => word.to_owned(),
            })
            .collect();
        words.join(" ")
    }
}

/// Where `part`, which is a piece of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "MARKER-of-a-secret";

    #[test]
    fn of_keys_number_method_and_length_are_left() {
        let text = format!(
            "auth 1\n1 sha1 {SECRET}\n2 crc\n# old {SECRET}\n3 rot13 {SECRET}\nauth {SECRET}\n"
        );
        let redacted = file(FileName::Authkeys, &text);
        assert!(!redacted.text.contains(SECRET), "{}", redacted.text);
        assert!(redacted.text.starts_with(
            "auth 1\n1 sha1 (a key of 18 bytes)\n2 crc\n# (not shown: 24 bytes)\n(not shown: "
        ));
        assert_eq!(redacted.text.lines().count(), text.lines().count());
        assert!(redacted.hidden.contains(&SECRET.to_owned()));
    }

    #[test]
    fn of_directives_what_is_known_to_be_harmless_is_left() {
        let text = format!(
            "keepalive 1\n  stonith_host alice baytech 10.0.0.3 admin {SECRET}\nenv PASSWORD={SECRET}\n\
             apiauth hbd-observe uid=nagios\n1 sha1 {SECRET}\nrespawn root /usr/bin/x -p {SECRET}\n"
        );
        let redacted = file(FileName::HaCf, &text);
        assert!(!redacted.text.contains(SECRET), "{}", redacted.text);
        assert!(
            redacted
                .text
                .starts_with("keepalive 1\nstonith_host alice baytech (not shown: ")
        );
        assert!(redacted.text.contains("apiauth hbd-observe uid=nagios\n"));
        assert!(
            redacted
                .text
                .contains("respawn root /usr/bin/x (not shown: ")
        );
        assert!(redacted.hidden.contains(&SECRET.to_owned()));
    }

    #[test]
    fn of_resources_the_arguments_of_unknown_agents_are_taken_out() {
        let text = format!("alice IPaddr2::10.0.0.9/24 db::user::{SECRET} apache\n");
        let redacted = file(FileName::Haresources, &text);
        assert!(
            redacted
                .text
                .starts_with("alice IPaddr2::10.0.0.9/24 db::(not shown: 24 bytes) apache")
        );
        assert!(redacted.hidden.contains(&SECRET.to_owned()));
    }
}
