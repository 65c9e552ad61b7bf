//! `hadiag all`: every check that needs no naming, and each medium of the configuration.
//!
//! It has no list of checks: the table says of each what it finds in a configuration.

use std::path::Path;

use shared::config::load::{DIRECTORY, load};
use shared::config::source::{Content, FileName};
use shared::config::{Config, check as text};
use shared::exit::Health;

use crate::check;
use crate::registry::{CHECKS, Check, Choice, Chosen, Objects, Order, named};
use crate::report::{Evidence, Finding, Report};

const NAME: &str = "all";
const CONFIG: &str = "config";
/// Stands before the directory among the objects, as the name of a check before others.
const CONFIGURATION: &str = "configuration";

/// The check.
pub const CHECK: Check = Check {
    name: NAME,
    objects: Objects::Found(found),
    about: "How is this machine, and how is each medium of its configuration",
    text: "\
Runs the checks that need no naming, and of the others those that find something in the configuration: its serial \
ports, its interfaces, its nodes. They run side by side, and each has a report of its own",
    active: "",
    measured: "",
    options: &[Choice {
        name: CONFIG,
        value: Some("DIR"),
        many: false,
        about: "The directory of the configuration, /etc/ha.d without this option",
    }],
    explanation: "\
Each report is that of a check, and hadiag CHECK --explain tells why what it sees means what it says.
",
    configured: |_| Vec::new(),
    run,
};

fn directory(chosen: &Chosen) -> &Path {
    Path::new(chosen.value(CONFIG).unwrap_or(DIRECTORY))
}

/// The configuration itself by its directory, and everything else as a check and its object.
fn found(chosen: &Chosen) -> Vec<String> {
    let directory = directory(chosen);
    let config = read(directory);
    let of_check = |check: &Check| match (check.objects, &config) {
        (Objects::One(_), _) => vec![check.name.to_owned()],
        (Objects::Named(_), Some(config)) => {
            let mut objects = (check.configured)(config);
            objects.sort();
            objects.dedup();
            let named = objects.iter();
            named
                .map(|object| format!("{} {object}", check.name))
                .collect()
        }
        (Objects::Named(_), None) | (Objects::Found(_), _) => Vec::new(),
    };
    let first = format!("{CONFIGURATION} {}", directory.display());
    [first]
        .into_iter()
        .chain(CHECKS.iter().flat_map(of_check))
        .collect()
}

/// Its media do not depend on keys, which root alone may read.
fn read(directory: &Path) -> Option<Config> {
    let mut files = load(directory, None);
    for name in [FileName::Authkeys, FileName::HbdKeys] {
        if let Some(Content::Unreadable(_)) = files.contents.get(&name) {
            files = files.with(name, "");
            files = files.with(FileName::Authkeys, "auth 1\n1 crc\n");
        }
    }
    text::text(&files).config
}

fn run(order: &Order<'_>, tell: &mut dyn FnMut(Report)) {
    let (name, object) = order.object.split_once(' ').unwrap_or((order.object, ""));
    match named(name) {
        None => tell(configuration(
            object,
            &check::for_node(Path::new(object), None, false),
        )),
        Some(check) => {
            let object = match check.objects {
                Objects::One(name) => name,
                _ => object,
            };
            (check.run)(&Order { object, ..*order }, tell);
        }
    }
}

/// What the text of the configuration is worth.
fn configuration(directory: &str, checked: &check::Report) -> Report {
    let summary = checked.summary();
    let summary = summary.split_once(": ").map_or("", |(_, rest)| rest);
    let mut contents = checked.files.contents.iter();
    let unread = contents.find(|(_, content)| matches!(content, Content::Unreadable(_)));
    let finding = match (&checked.config, unread) {
        (Some(_), _) => Finding::new(
            Health::Ok,
            format!("the configuration is {summary}"),
            "",
            "",
        ),
        (None, _) if checked.files.no_directory => Finding::new(
            Health::Unknown,
            "there is no configuration",
            "so no medium is known that could be looked at",
            "name its directory with --config, or each medium with its own check",
        ),
        (None, Some((name, _))) => Finding::new(
            Health::Unknown,
            format!("{name} cannot be read"),
            "keys are for root alone",
            "run it as root",
        ),
        (None, None) => Finding::new(
            Health::Critical,
            format!("the configuration is {summary}"),
            "hbd does not start with it, and no medium is known that could be looked at",
            format!("hactl check --config {directory}"),
        ),
    };
    let mut report = Report::of(NAME, directory, vec![finding]);
    if let Some(config) = &checked.config {
        let media = config.media.iter().map(|medium| medium.name.as_str());
        let names: Vec<&str> = media.collect();
        report
            .evidence
            .push(Evidence::new("media", names.join(", ")));
    }
    report
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_finds_what_the_table_and_the_configuration_name() {
        let directory = std::env::temp_dir().join(format!("hadiag-all-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(
            directory.join("ha.cf"),
            "node a b\nserial /dev/ttyS7\nserial /dev/ttyS3\n",
        )
        .unwrap();
        let keys = directory.join("authkeys");
        fs::write(&keys, "auth 1\n1 sha1 a-long-enough-key\n").unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let name = directory.to_str().unwrap();
        let chosen = |name: &str| Chosen([(CONFIG, vec![name.to_owned()])].into());
        let both = found(&chosen(name));
        let none = found(&chosen("/no/such/directory"));
        let report = configuration(name, &check::for_node(&directory, None, false));
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(both[0], format!("configuration {name}"));
        assert_eq!(report.verdict, Health::Ok, "{}", report.sentence);
        let ports: Vec<_> = both
            .iter()
            .filter(|object| object.starts_with("serial "))
            .collect();
        assert_eq!(ports, ["serial /dev/ttyS3", "serial /dev/ttyS7"]);
        let without_naming = CHECKS
            .iter()
            .filter(|check| matches!(check.objects, Objects::One(_)));
        let expected: Vec<_> = without_naming.map(|check| check.name).collect();
        assert_eq!(none[1..], expected);
        assert!(!both.iter().any(|object| object == NAME));
    }

    #[test]
    fn a_configuration_that_is_missing_is_not_a_broken_one() {
        let missing = check::for_node(Path::new("/no/such/directory"), None, false);
        assert_eq!(configuration("x", &missing).verdict, Health::Unknown);
        let mut broken = check::for_node(Path::new("/dev"), None, false);
        assert_eq!(configuration("x", &broken).verdict, Health::Critical);
        let unread = Content::Unreadable("Permission denied".to_owned());
        broken.files.contents.insert(FileName::Authkeys, unread);
        let report = configuration("x", &broken);
        assert_eq!(report.sentence, "authkeys cannot be read");
        assert_eq!(report.verdict, Health::Unknown);
    }
}
