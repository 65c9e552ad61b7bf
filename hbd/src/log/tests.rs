//! The thread and its targets, with stand-ins at the other ends.

use std::fs;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::event::{Cause, EventSource, Kind, NodeStatus, Role, StatusReason};
use shared::names::Generation;
use shared::time::Now;

use super::*;
use crate::sys;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn syslog_gets_facility_priority_date_and_process() {
    let place = Place::new();
    let logger = place.socket("log");
    let mut log = place.log(|plan| plan.logging.facility = Some(16));
    log.line(Wall(0), Severity::Warning, "two\nlines");
    let line = String::from_utf8(datagram(&logger)).unwrap();
    // local0 and warning: 16 * 8 + 4.
    assert!(line.starts_with("<132>"), "{line}");
    let expected = format!(" hbd[{}]: two lines", std::process::id());
    assert!(line.ends_with(&expected), "{line}");
    assert_eq!(line.len(), "<132>Jan  1 00:00:00".len() + expected.len());
}

#[test]
fn a_logger_that_was_restarted_gets_the_next_line() {
    let place = Place::new();
    let logger = place.socket("log");
    let mut log = place.log(|plan| plan.logging.facility = Some(3));
    log.line(Wall(0), Severity::Info, "before");
    datagram(&logger);
    drop(logger);
    fs::remove_file(place.path("log")).unwrap();
    let logger = place.socket("log");
    log.line(Wall(0), Severity::Info, "after");
    let line = String::from_utf8(datagram(&logger)).unwrap();
    assert!(line.ends_with(": after"), "{line}");
}

#[test]
fn the_journal_gets_a_field_for_each_part_of_an_event() {
    let place = Place::new();
    let journal = place.socket("journal");
    let mut outlet = journal::Journal::new(&place.path("journal"));
    outlet.write(&Record::of(&death())).unwrap();
    let text = String::from_utf8(datagram(&journal)).unwrap();
    let fields: Vec<_> = text.lines().collect();
    let message = format!("MESSAGE={}", death().text);
    assert_eq!(
        fields,
        [
            message.as_str(),
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=hbd",
            "HBD_EVENT=alice:17.1",
            "HBD_KIND=node-status",
            "HBD_NODE=alice",
            "HBD_OBJECT=node bob",
            "HBD_PEER=bob",
            "HBD_CAUSE=SIGTERM",
        ]
    );
}

#[test]
fn a_log_that_is_named_goes_before_the_journal() {
    for (facility, writes_to, leaves) in [(None, "journal", "log"), (Some(3), "log", "journal")] {
        let place = Place::new();
        let (written, left) = (place.socket(writes_to), place.socket(leaves));
        let mut log = place.log(|plan| {
            plan.in_journal = true;
            plan.logging.facility = facility;
        });
        log.line(Wall(0), Severity::Info, "text");
        log.finish();
        assert!(
            String::from_utf8(datagram(&written))
                .unwrap()
                .contains("text")
        );
        left.set_nonblocking(true).unwrap();
        assert!(left.recv(&mut [0; 16]).is_err(), "{leaves} gets nothing");
    }
}

#[test]
fn what_is_too_long_for_a_datagram_reaches_the_journal_as_a_sealed_file() {
    let place = Place::new();
    let journal = place.socket("journal");
    let mut outlet = journal::Journal::new(&place.path("journal"));
    let long = "x".repeat(4_000_000);
    outlet
        .write(&Record::line(Wall(0), Severity::Info, &long))
        .unwrap();
    let mut nothing = [0; 16];
    let (length, descriptors) = sys::receive(journal.as_fd(), &mut nothing).unwrap();
    assert_eq!((length, descriptors.len()), (0, 1));
    let mut file = fs::File::from(descriptors.into_iter().next().unwrap());
    assert!(file.set_len(0).is_err(), "it is sealed");
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("MESSAGE=xxx") && text.ends_with("\nSYSLOG_IDENTIFIER=hbd\n"));
    assert!(text.len() > long.len());
}

#[test]
fn a_file_that_was_renamed_is_opened_anew_under_its_name() {
    let place = Place::new();
    let mut log = place.log(|plan| plan.logging.file = Some(place.path("ha-log")));
    log.line(Wall(0), Severity::Error, "first");
    until(|| contents(&place.path("ha-log")).contains("first"));
    let mode = fs::metadata(place.path("ha-log"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}: others neither read nor write");
    fs::rename(place.path("ha-log"), place.path("ha-log.1")).unwrap();
    log.line(Wall(0), Severity::Info, "second");
    log.finish();
    let (old, new) = (
        contents(&place.path("ha-log.1")),
        contents(&place.path("ha-log")),
    );
    let head = format!(" alice hbd: [{}]: ", std::process::id());
    assert!(old.ends_with(&format!("{head}ERROR: first\n")), "{old}");
    assert!(new.ends_with(&format!("{head}info: second\n")), "{new}");
}

#[test]
fn lines_of_files_can_have_a_date_with_a_year() {
    let place = Place::new();
    let mut log = place.log(|plan| {
        plan.logging.file = Some(place.path("ha-log"));
        plan.logging.syslog_format = false;
    });
    log.line(Wall(1_795_357_591_000_000_000), Severity::Warning, "text");
    log.finish();
    let text = contents(&place.path("ha-log"));
    let head = format!("hbd[{}]: 2026/11/22_", std::process::id());
    assert!(
        text.starts_with(&head) && text.ends_with(" WARN: text\n"),
        "{text}"
    );
}

#[test]
fn another_plan_counts_from_the_next_line_on() {
    let place = Place::new();
    let mut log = place.log(|plan| plan.logging.file = Some(place.path("missing/ha-log")));
    log.line(Wall(0), Severity::Info, "before");
    let mut logging = place.plan().logging;
    logging.file = Some(place.path("ha-log"));
    log.change(&logging, true);
    log.line(Wall(0), Severity::Info, "after");
    log.finish();
    let text = contents(&place.path("ha-log"));
    assert!(
        text.ends_with("info: after\n") && text.lines().count() == 1,
        "{text}"
    );
}

#[test]
fn the_debug_file_has_everything_with_its_data_and_the_log_only_counts() {
    let place = Place::new();
    let mut log = place.log(|plan| {
        plan.logging.file = Some(place.path("ha-log"));
        plan.logging.debug_file = Some(place.path("ha-debug"));
    });
    for _ in 0..51 {
        log.event(&death());
    }
    log.finish();
    let (log, debug) = (
        contents(&place.path("ha-log")),
        contents(&place.path("ha-debug")),
    );
    assert_eq!(log.lines().count(), 11, "{log}");
    assert!(
        log.ends_with("... and 41 more in 60 s: node-status of node bob\n"),
        "{log}"
    );
    assert_eq!(debug.lines().count(), 51);
    assert!(
        debug
            .lines()
            .all(|line| line.ends_with('}') && line.contains("\"alice:17.1\""))
    );
}

#[test]
fn a_full_disk_is_told_once_and_its_lost_lines_are_counted() {
    let full = file::Style {
        node: alice(),
        as_syslog: true,
    };
    let mut outlet = Outlet::new(Box::new(file::LogFile::new(Path::new("/dev/full"), full)));
    let record = Record::line(Wall(0), Severity::Info, "text");
    let at = |seconds: u64| shared::time::Moment(seconds * 1_000_000_000);
    let news = outlet.write(&record, at(1));
    let Some(News::Fails { target, error }) = news else {
        panic!("a failure is news: {news:?}");
    };
    assert_eq!(target, "/dev/full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    for seconds in 2..20 {
        assert!(outlet.write(&record, at(seconds)).is_none());
    }
    assert!(!outlet.works());
}

#[test]
fn a_target_that_works_again_says_what_is_missing() {
    let place = Place::new();
    let file = place.path("not-yet/ha-log");
    let style = file::Style {
        node: alice(),
        as_syslog: true,
    };
    let mut outlet = Outlet::new(Box::new(file::LogFile::new(&file, style)));
    let record = Record::line(Wall(0), Severity::Info, "text");
    let at = |seconds: u64| shared::time::Moment(seconds * 1_000_000_000);
    assert!(matches!(
        outlet.write(&record, at(1)),
        Some(News::Fails { .. })
    ));
    assert!(outlet.write(&record, at(2)).is_none());
    fs::create_dir(place.path("not-yet")).unwrap();
    let early = outlet.write(&record, at(3));
    assert!(early.is_none(), "it is left alone for a while");
    let Some(News::Works { target, lost: 3 }) = outlet.write(&record, at(7)) else {
        panic!("three lines are missing");
    };
    assert_eq!(target, file.display().to_string());
    assert!(outlet.works());
}

#[test]
fn a_target_that_fails_is_tried_again_by_time_with_the_last_line_it_did_not_get() {
    let place = Place::new();
    let file = place.path("not-yet/ha-log");
    let (news, mut told) = mpsc::channel(16);
    let mut plan = place.plan();
    plan.logging.file = Some(file.clone());
    let mut log = Log::start(&plan, news).unwrap();
    log.line(Wall(0), Severity::Info, "first");
    assert!(matches!(told.blocking_recv(), Some(News::Fails { .. })));
    log.line(Wall(0), Severity::Info, "second");
    fs::create_dir(place.path("not-yet")).unwrap();
    until(|| contents(&file).ends_with("info: second\n"));
    assert_eq!(contents(&file).lines().count(), 1);
    assert!(matches!(
        told.blocking_recv(),
        Some(News::Works { lost: 1, .. })
    ));
}

#[test]
fn a_target_that_fails_on_counts_each_line_once() {
    let full = file::Style {
        node: alice(),
        as_syslog: true,
    };
    let mut outlet = Outlet::new(Box::new(file::LogFile::new(Path::new("/dev/full"), full)));
    let record = Record::line(Wall(0), Severity::Info, "text");
    let at = |seconds: u64| Moment(seconds * 1_000_000_000);
    outlet.write(&record, at(1));
    outlet.write(&record, at(2));
    assert!(outlet.retry(at(5)).is_none());
    assert_eq!(outlet.due(), Some(at(6)), "it was too early");
    assert!(outlet.retry(at(6)).is_none());
    assert_eq!(outlet.due(), Some(at(11)));
    let Some(News::Works { lost: 2, .. }) = outlet.given_up() else {
        panic!("two lines are missing");
    };
}

#[test]
fn a_logger_that_does_not_read_delays_no_caller_and_no_other_target() {
    let place = Place::new();
    let _silent = place.socket("log");
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", place.path("log")).is_ok() {}
    let (news, mut heard) = mpsc::channel(16);
    let mut plan = place.plan();
    plan.logging.facility = Some(3);
    plan.logging.file = Some(place.path("ha-log"));
    let mut log = Log::start(&plan, news).unwrap();
    // More than the socket holds, fewer than the queue does.
    let lines = RECORDS_MAX / 2;
    for number in 0..lines {
        log.line(Wall(0), Severity::Info, &format!("line {number}"));
    }
    assert_eq!(log.dropped, 0);
    until(|| contents(&place.path("ha-log")).lines().count() == lines);
    let told = heard.try_recv().unwrap();
    assert!(
        matches!(&told, News::Fails { target, .. } if target == "syslog"),
        "{told:?}"
    );
}

#[test]
fn packets_that_do_not_verify_are_logged_unless_log_badpack_is_off() {
    for (bad_packets, lines) in [(true, 2), (false, 1)] {
        let place = Place::new();
        let mut log = place.log(|plan| {
            plan.logging.file = Some(place.path("ha-log"));
            plan.bad_packets = bad_packets;
        });
        log.event(&event(Kind::UnknownNode {
            name: "mallory".into(),
            medium: "eth0".parse().unwrap(),
            unreported: 0,
        }));
        log.event(&death());
        log.finish();
        assert_eq!(contents(&place.path("ha-log")).lines().count(), lines);
    }
}

fn alice() -> NodeName {
    NodeName::new("alice").unwrap()
}

fn event(kind: Kind) -> Event {
    let cause = Some(Cause::Order("SIGTERM".into()));
    EventSource::new(alice(), Role::Core, Generation(17)).event(kind, cause, Now::default())
}

fn death() -> Event {
    event(Kind::NodeStatus {
        node: NodeName::new("bob").unwrap(),
        from: NodeStatus::Active,
        to: NodeStatus::Dead,
        reason: StatusReason::Silent {
            silent: Duration::from_secs(3),
            deadtime: Duration::from_secs(2),
        },
    })
}

/// A directory of its own.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hbd-log-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn socket(&self, name: &str) -> UnixDatagram {
        let socket = UnixDatagram::bind(self.path(name)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    fn plan(&self) -> Plan {
        Plan {
            logging: Logging {
                facility: None,
                file: None,
                debug_file: None,
                syslog_format: true,
            },
            bad_packets: true,
            node: alice(),
            in_journal: false,
            syslog: self.path("log"),
            journal: self.path("journal"),
        }
    }

    fn log(&self, change: impl FnOnce(&mut Plan)) -> Log {
        let mut plan = self.plan();
        change(&mut plan);
        Log::start(&plan, mpsc::channel(16).0).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn datagram(socket: &UnixDatagram) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

fn contents(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn until(mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
}
