//! Log lines of Heartbeat, freed of all that differs between two runs of the same story.

/// A line without date, host and process, with names written as their roles and each number as `N`.
///
/// `Nov 22 11:55:07 alice heartbeat: [32]: info: Link bob:eth0 up.` is `info: Link PEER:eth0 up.` when `roles` has
/// `("bob", "PEER")`.
#[must_use]
pub fn normal_line(line: &str, roles: &[(&str, &str)]) -> String {
    let text = line
        .split_once("]: ")
        .filter(|(head, _)| head.contains('['))
        .map_or(line, |(_, text)| text);
    let mut normal = String::new();
    let mut word = String::new();
    for character in text.trim().chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() {
            word.push(character);
        } else {
            normal.push_str(role(&word, roles));
            word.clear();
            normal.push(character);
        }
    }
    normal.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `eth0` keeps its digit; `6d` and `600` are numbers.
fn role<'a>(word: &'a str, roles: &[(&str, &'a str)]) -> &'a str {
    if let Some(&(_, role)) = roles.iter().find(|(name, _)| *name == word) {
        return role;
    }
    if word.starts_with(|first: char| first.is_ascii_digit()) {
        "N"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::normal_line;

    #[test]
    fn a_line_keeps_only_what_every_run_has() {
        let normal = |line| normal_line(line, &[("alice", "OBSERVER"), ("bob", "PEER")]);
        assert_eq!(
            normal("Nov 22 11:55:07 alice heartbeat: [32]: info: Link bob:eth0 up."),
            "info: Link PEER:eth0 up."
        );
        assert_eq!(
            normal(
                "2026/11/22_11:55:05  mach_down(default)[100]:    info: mach_down takeover complete for node bob."
            ),
            "info: mach_down takeover complete for node PEER."
        );
        assert_eq!(
            normal("x[1]: WARN: 3 lost packet(s) for [bob] [12:16]"),
            "WARN: N lost packet(s) for [PEER] [N:N]"
        );
    }
}
