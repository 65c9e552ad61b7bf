use super::*;
use crate::config::check;
use crate::config::directives::Effect;

const KEYS: &str = "auth 1\n1 sha1 a-long-enough-key\n";
const PAIR: &str = "node alice bob\nbcast eth0\nauto_failback on\n";

fn files(ha_cf: &str, haresources: &str) -> Files {
    Files::default()
        .with(FileName::HaCf, ha_cf)
        .with(FileName::Authkeys, KEYS)
        .with(FileName::Haresources, haresources)
}

/// Bearing, file, line and what stands there, in order.
fn told(files: &Files) -> Vec<String> {
    let notes = notes(files, &check::text(files).diagnostics);
    let told = notes.iter().map(|note| {
        let line = note.line.map_or("-".to_owned(), |line| line.to_string());
        format!("{:?} {}:{line} {}", note.bearing, note.file, note.stands)
    });
    told.collect()
}

#[test]
fn each_line_is_told_once_by_urgency_and_place() {
    let ha_cf = format!("{PAIR}debug 1\nrespawn root /usr/lib/heartbeat/hbagent # watch\n");
    let found = told(&files(&ha_cf, "alice 10.0.0.5/24/eth0 httpd\n"));
    let expected = [
        "MustChange ha.cf:5 respawn root /usr/lib/heartbeat/hbagent # watch",
        "Better haresources:1 alice 10.0.0.5/24/eth0",
        "Better haresources:1 10.0.0.5/24/eth0",
        "NoUse ha.cf:4 debug 1",
        "Same ha.cf:1 node alice bob",
        "Same ha.cf:2 bcast eth0",
        "Same ha.cf:3 auto_failback on",
        "Same authkeys:1 auth 1",
        "Same authkeys:2 1 sha1 *****************",
        "Same haresources:1 httpd",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_directive_of_heartbeat_is_told_as_the_table_has_it() {
    for directive in directives::all() {
        if directive.owner == Owner::Hbd || directive.example.is_empty() {
            continue;
        }
        let files = files(&format!("{PAIR}{}\n", directive.example), "");
        let notes = notes(&files, &check::text(&files).diagnostics);
        let bearings: Vec<Bearing> = notes
            .iter()
            .filter(|note| (note.file, note.line) == (FileName::HaCf, Some(4)))
            .map(|note| note.bearing)
            .collect();
        assert!(!bearings.is_empty(), "{}", directive.example);
        let must = match directive.effect {
            Effect::Refused(_) | Effect::NotYet(_) => Some(Bearing::MustChange),
            Effect::None(_) => Some(Bearing::NoUse),
            Effect::Full | Effect::Depends(_) => None,
        };
        if let Some(must) = must {
            assert!(
                bearings.contains(&must),
                "{}: {bearings:?}",
                directive.example
            );
        }
    }
}

#[test]
fn legacy_matters_only_where_there_is_something_to_hold() {
    let better = |ha_cf: &str, haresources: &str| -> Vec<String> {
        let told = told(&files(ha_cf, haresources)).into_iter();
        told.filter(|line| line.starts_with("Better ha.cf"))
            .collect()
    };
    let absent = "node alice bob\nbcast eth0\n";
    let written = format!("{absent}auto_failback Legacy\n");
    let group = "alice 10.0.0.5\n";
    assert_eq!(better(absent, group), ["Better ha.cf:- "]);
    let line = "Better ha.cf:3 auto_failback Legacy";
    assert_eq!(better(&written, group), [line]);
    assert!(better(absent, "").is_empty());
    assert!(better(&written, "# alice 10.0.0.5\n").is_empty());
}

#[test]
fn weak_keys_can_become_better_and_none_is_shown() {
    let keys = "auth 2\n1 md5 a-long-enough-key\n2 crc\n";
    let files = files(PAIR, "").with(FileName::Authkeys, keys);
    let found = told(&files);
    for line in [
        "Better authkeys:2 1 md5 *****************",
        "Better authkeys:3 2 crc",
    ] {
        assert!(found.iter().any(|told| told == line), "{found:?}");
    }
}

#[test]
fn what_is_wrong_with_one_resource_hides_none_of_the_others() {
    let found = told(&files(PAIR, "alice IPaddr::10.0.0.5/33 httpd\n"));
    let of_haresources: Vec<&String> = found
        .iter()
        .filter(|line| line.contains("haresources"))
        .collect();
    assert_eq!(of_haresources.len(), 3, "{found:?}");
    assert!(of_haresources[0].starts_with("MustChange haresources:1"));
    assert!(found.contains(&"Same haresources:1 httpd".to_owned()));
}

#[test]
fn a_word_of_ours_in_ha_cf_must_move() {
    let found = told(&files(&format!("{PAIR}addrlease 20\n"), ""));
    assert_eq!(found[0], "MustChange ha.cf:4 addrlease 20");
}

#[test]
fn three_nodes_with_groups_must_become_two() {
    let ha_cf = PAIR.replace("bob", "bob carol");
    let found = told(&files(&ha_cf, "alice 10.0.0.5\n"));
    assert!(
        found[0].starts_with("MustChange haresources:1"),
        "{found:?}"
    );
}

#[test]
fn any_bytes_give_notes_and_no_panic() {
    let mut files = files(PAIR, "");
    let junk = b"alice \xff\xfe::\x1b[2J \\\n\xc3\xa4 10.0.0.5 \xc3\xa4\xff::x\n".to_vec();
    for name in FileName::ALL {
        let bytes = super::super::source::Content::Bytes {
            bytes: junk.clone(),
            mode: Some(0o600),
        };
        files.contents.insert(name, bytes);
    }
    for line in told(&files) {
        assert!(!line.contains('\x1b'), "{line:?}");
    }
}
