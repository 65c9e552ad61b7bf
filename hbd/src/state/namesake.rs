//! A Heartbeat that runs as the node that hbd would be: its peers would hear two of one name, and
//! both would hold what is theirs. That does not depend on where hbd keeps its state.
//!
//! Several daemons on one machine are as many nodes where each has a name, ports, or a network of
//! its own.

use std::path::Path;

use shared::config::Config;
use shared::config::load::DIRECTORY;
use shared::names::NodeName;

use super::StateError;

/// Refuses where such a Heartbeat runs.
pub(crate) fn refuse_namesake(node: &NodeName, config: &Config) -> Result<(), StateError> {
    let Some(pid) = diag::facts::heartbeat::process_of_this_network() else {
        return Ok(());
    };
    // Heartbeat reads no other directory.
    let directory = Path::new(DIRECTORY);
    let name = diag::facts::node::own_name(directory).ok();
    let theirs = diag::check::for_node(directory, name.clone(), false).config;
    match name.as_ref() == Some(node) && may_meet(config, theirs.as_ref()) {
        true => Err(StateError::Namesake {
            pid,
            node: node.clone(),
        }),
        false => Ok(()),
    }
}

/// Whether two daemons hear the same peers. A configuration that hbd cannot read may say anything.
fn may_meet(own: &Config, theirs: Option<&Config>) -> bool {
    let Some(theirs) = theirs else {
        return true;
    };
    let ports = |config: &Config| -> Vec<u16> {
        let media = config.media.iter();
        media.filter_map(|medium| medium.kind.port()).collect()
    };
    let own = ports(own);
    ports(theirs).iter().any(|port| own.contains(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::check;
    use shared::config::source::{FileName, Files};

    fn config(media: &str) -> Config {
        let ha_cf = format!("node alice bob\n{media}\n");
        let files = Files::default()
            .with(FileName::HaCf, &ha_cf)
            .with(FileName::Authkeys, "auth 1\n1 sha1 a-long-enough-key\n");
        check::text(&files).config.unwrap()
    }

    #[test]
    fn daemons_with_ports_of_their_own_do_not_meet() {
        let own = config("udpport 694\nbcast eth0\nucast eth1 10.0.0.2");
        let other = config("udpport 1694\nbcast eth0");
        assert!(may_meet(&own, Some(&own)));
        assert!(!may_meet(&own, Some(&other)));
        assert!(may_meet(&own, None), "it may say anything");
    }
}
