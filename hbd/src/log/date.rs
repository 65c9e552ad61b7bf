//! The date as log lines begin with it, in this machine's time zone.

use shared::time::Wall;

use crate::sys;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// As syslog begins a line: `Nov 22 14:26:31`.
pub(super) fn of_syslog(wall: Wall) -> String {
    let tm = sys::local_time(wall);
    let month = usize::try_from(tm.tm_mon).unwrap_or(0) % MONTHS.len();
    format!(
        "{} {:2} {:02}:{:02}:{:02}",
        MONTHS[month], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec
    )
}

/// As Heartbeat 3.0.6 dates its own lines: `2026/11/22_14:26:31`.
pub(super) fn of_heartbeat(wall: Wall) -> String {
    let tm = sys::local_time(wall);
    format!(
        "{:04}/{:02}/{:02}_{:02}:{:02}:{:02}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_show_the_same_moment() {
        let wall = Wall(1_795_357_591_000_000_000);
        let (syslog, heartbeat) = (of_syslog(wall), of_heartbeat(wall));
        assert!(syslog.starts_with("Nov 22 "), "{syslog}");
        assert!(heartbeat.starts_with("2026/11/22_"), "{heartbeat}");
        assert_eq!(syslog[syslog.len() - 8..], heartbeat[heartbeat.len() - 8..]);
    }
}
