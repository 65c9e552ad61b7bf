//! What `hactl check` says about a resource is what becomes of it.

use std::path::Path;

use hbd_agents::class::{self, Class, Error, Places};
use shared::builtin::BUILT_IN_AGENTS;
use shared::config::machine::{Facts, Program, Subject};
use shared::config::source::{FileName, Files};
use shared::config::{Code, Resource, check, machine};

const WORDS: [&str; 46] = [
    "apache",
    "apache::a::b=c",
    "Filesystem::/dev/sdb1::/srv::ext4",
    "../x",
    ".x",
    "a/b",
    "10.0.0.5",
    "10.0.0.5/24/eth0",
    "10.0.0.5/0",
    "10.0.0.5/24::x",
    "224.0.0.1",
    "IPaddr",
    "IPaddr::fd00::5/64/eth0",
    "IPaddr2::10.0.0.5/24/eth0/x",
    "IPv6addr::fd00::5/129",
    "MACaddr",
    "MACaddr::02:00:5e:00:00:01",
    "MACaddr::02:00:5e:00:00:01::eth0",
    "MACaddr::01:00:5e:00:00:01::eth0",
    "Http::10.0.0.5:80",
    "Http::10.0.0.5",
    "Delay::1::2",
    "Delay::abc",
    "Dummy::a",
    "Dummy::a::b",
    "ocf:heartbeat:Dummy",
    "ocf:heartbeat:Dummy::state=/run/a=b::op_sleep=",
    "ocf:heartbeat:Dummy::state",
    "ocf:heartbeat:Dummy::=x",
    "ocf:heartbeat:Dummy::a-b=x",
    "ocf:heartbeat:Dummy::a=x::a=y",
    "ocf:heartbeat",
    "ocf:..:x",
    "ocf:a:../x",
    "ocf::heartbeat:x",
    "ocf",
    "lsb:apache2",
    "lsb:apache2::x",
    "lsb:../x",
    "lsb:",
    "systemd:a@b.service",
    "systemd:a::b",
    "systemd:a/b",
    "heartbeat:apache",
    "upstart:apache",
    "of:heartbeat:Dummy",
];

fn checked(word: &str) -> check::Checked {
    let haresources = format!("alice {word}\n");
    check::text(
        &Files::default()
            .with(FileName::HaCf, "node alice bob\nbcast eth0\n")
            .with(FileName::Authkeys, "auth 1\n1 sha1 any-key-will-do\n")
            .with(FileName::Haresources, &haresources),
    )
}

fn places() -> Places {
    Places::of(Path::new("/etc/ha.d"))
}

#[test]
fn a_word_is_refused_by_the_check_where_it_names_no_agent() {
    for word in WORDS {
        let wrong = [Code::ResourceSyntax, Code::IpSyntax];
        let codes = checked(word).diagnostics;
        let accepted = !codes.iter().any(|found| wrong.contains(&found.code));
        let found = class::find(&Resource::new(word), &places(), |_| Program::Executable);
        let usable = match &found {
            Err(Error::Spelling { .. } | Error::Argument { .. } | Error::BuiltIn { .. }) => false,
            Ok(_) | Err(_) => true,
        };
        assert_eq!(accepted, usable, "{word}: {found:?}");
    }
}

#[test]
fn the_check_of_a_machine_looks_where_agents_are_looked_for() {
    for word in WORDS {
        let find = |found| class::find(&Resource::new(word), &places(), |_| found);
        let (Ok(_), Err(Error::Missing { searched, .. })) =
            (find(Program::Executable), find(Program::Missing))
        else {
            continue;
        };
        let mentions = checked(word).mentions;
        let looked = mentions.iter().find_map(|mention| match &mention.subject {
            Subject::Agent { paths, .. } => Some(paths.iter().map(Into::into).collect()),
            Subject::Script(name) => Some(
                ["/etc/ha.d/resource.d", "/etc/init.d"]
                    .map(|directory| Path::new(directory).join(name))
                    .into(),
            ),
            _ => None,
        });
        assert_eq!(looked, Some(searched), "{word}");
    }
}

#[test]
fn an_agent_that_is_missing_is_told_and_one_that_is_there_is_not() {
    let mentions = checked("systemd:mysql").mentions;
    let told = |first, second| {
        let programs = [("/usr/bin/systemctl", first), ("/bin/systemctl", second)];
        let facts = Facts {
            programs: programs
                .map(|(path, found)| (path.to_owned(), found))
                .into(),
            ..Facts::default()
        };
        let found = machine::check(&mentions, &facts);
        found.iter().any(|told| told.code == Code::ScriptMissing)
    };
    assert!(told(Program::Missing, Program::Missing));
    assert!(told(Program::Missing, Program::NotExecutable));
    assert!(!told(Program::Missing, Program::Executable));
    assert!(!told(Program::Executable, Program::Missing));
}

#[test]
fn the_names_of_built_in_agents_are_what_the_check_takes_them_for() {
    for name in BUILT_IN_AGENTS {
        let found = class::find(&Resource::new(name), &places(), |_| Program::Executable);
        let built_in = matches!(
            found,
            Ok(Class::BuiltIn { .. }) | Err(Error::BuiltIn { .. })
        );
        assert!(built_in, "{name}: {found:?}");
    }
}
