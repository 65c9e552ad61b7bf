//! Collectors. Each reads one source; none of them judges.
//!
//! A source that cannot be read yields no fact, and what is no fact is not judged.

mod accounts;
mod addresses;
pub mod arp;
pub mod capture;
pub mod ether;
pub mod heartbeat;
mod hosts;
mod interfaces;
pub mod links;
pub mod neighbours;
pub mod node;
pub(crate) mod notifications;
pub mod ports;
mod programs;
pub mod serial;
mod services;
mod stonith;
pub mod users;

use std::path::Path;

use shared::config::machine::{Facts, Mention, Program, Subject};

/// Looks up everything that a configuration in `directory` mentions. May wait for a name server.
#[must_use]
pub fn collect(mentions: &[Mention], directory: &Path) -> Facts {
    let mut facts = Facts::default();
    for mention in mentions {
        match &mention.subject {
            Subject::Interface { .. }
            | Subject::ServiceInterface(_)
            | Subject::OwnAddress(_)
            | Subject::Pinged(_)
            | Subject::Destination { .. } => {
                if facts.interfaces.is_none() {
                    facts.interfaces = interfaces::all();
                }
            }
            Subject::ServiceAddress(address) => {
                let places = addresses::put_by_others(address);
                if !places.is_empty() {
                    facts.heartbeat = heartbeat::process();
                    facts.foreign.entry(address.ip).or_default().extend(places);
                }
            }
            Subject::Host { name, .. } => {
                facts
                    .hosts
                    .entry(name.clone())
                    .or_insert_with(|| hosts::addresses(name));
            }
            Subject::Port(port) => facts
                .services
                .extend(services::of_udp_port(*port).map(|name| (*port, name))),
            Subject::User(name) => look_for_user(name, &mut facts),
            Subject::UserGroup(name) => {
                facts
                    .groups
                    .extend(accounts::group_exists(name).map(|known| (name.clone(), known)));
            }
            Subject::Program(path)
            | Subject::FenceProgram(path)
            | Subject::SelfFence(path)
            | Subject::ManagerProgram(path)
            | Subject::HealthProgram(path)
            | Subject::Watchdog(path) => drop(
                facts
                    .programs
                    .insert(path.clone(), Program::at(Path::new(path))),
            ),
            Subject::SerialPort(path) => {
                let port = ports::at(Path::new(path));
                facts.ports.insert(path.clone(), port);
            }
            Subject::StonithType(_) => {
                if facts.stonith_types.is_none() {
                    facts.stonith_types = stonith::types();
                }
            }
            Subject::Agent { paths, .. } => facts.programs.extend(
                paths
                    .iter()
                    .map(|path| (path.clone(), Program::at(Path::new(path)))),
            ),
            Subject::Script(name) => drop(
                facts
                    .scripts
                    .insert(name.clone(), programs::script(name, directory)),
            ),
        }
    }
    facts
}

/// Looks up one more user.
pub fn look_for_user(name: &str, facts: &mut Facts) {
    facts
        .users
        .extend(accounts::user_exists(name).map(|known| (name.to_owned(), known)));
}

#[cfg(test)]
mod tests {
    use shared::config::machine::Port;
    use shared::config::source::{FileName, Files};

    use super::*;

    const HA_CF: &str = "node a\nbcast lo\nucast lo localhost\nlisten 127.0.0.1\n\
        apiauth hbd-admin uid=root,no-such-user-of-hbd gid=root\nrespawn root /bin/sh\n\
        serial /dev/null\nserial /dev/no-such-port\n";

    #[test]
    fn what_a_configuration_mentions_is_looked_up_on_this_machine() {
        let files = Files::default().with(FileName::HaCf, HA_CF);
        let mentions = shared::config::check::text(&files).mentions;
        let facts = collect(&mentions, Path::new("/nonexistent"));
        let interfaces = facts.interfaces.unwrap();
        let lo = interfaces
            .iter()
            .find(|interface| interface.name == "lo")
            .unwrap();
        assert!(lo.up && lo.addresses.iter().any(std::net::IpAddr::is_loopback));
        assert!(
            facts.hosts["localhost"]
                .iter()
                .any(std::net::IpAddr::is_loopback)
        );
        assert!(facts.users["root"] && facts.groups["root"]);
        assert!(!facts.users["no-such-user-of-hbd"]);
        assert_eq!(facts.ports["/dev/null"], Port::Another);
        assert_eq!(facts.ports["/dev/no-such-port"], Port::Missing);
        assert_eq!(
            facts.programs["/bin/sh"],
            shared::config::machine::Program::Executable
        );
    }
}
