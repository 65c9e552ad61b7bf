//! Registered UDP ports, from `services(5)`.

use std::fs;

const SERVICES: &str = "/etc/services";

/// The name of the service that a UDP port is registered for.
pub(super) fn of_udp_port(port: u16) -> Option<String> {
    find(&fs::read_to_string(SERVICES).ok()?, port)
}

fn find(services: &str, port: u16) -> Option<String> {
    let wanted = format!("{port}/udp");
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let name = words.next()?;
        (words.next()? == wanted).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    const SERVICES: &str =
        "# comment\nsyslog\t\t514/udp\nshell 514/tcp cmd\nha-cluster 694/udp # Heartbeat\n";

    #[test]
    fn a_port_is_found_by_number_and_protocol() {
        assert_eq!(find(SERVICES, 694).as_deref(), Some("ha-cluster"));
        assert_eq!(find(SERVICES, 514).as_deref(), Some("syslog"));
        assert_eq!(find(SERVICES, 51), None);
    }
}
