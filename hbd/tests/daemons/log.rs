//! Where a daemon logs to, and what it does not log.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::event::NodeStatus;

use crate::bcast_and_mcast;
use crate::cluster::{Cluster, PATIENCE, until};

#[test]
fn a_daemon_logs_where_ha_cf_says_and_nothing_when_it_is_asked() {
    let place = Place::new();
    let (file, socket) = (place.0.join("ha-log"), place.0.join("syslog"));
    let logger = UnixDatagram::bind(&socket).unwrap();
    logger.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket: &'static str = socket.display().to_string().leak();
    let media = bcast_and_mcast();
    let with_log = |name: &str| {
        let file = file.display();
        format!("{}\nlogfacility local1\nlogfile {file}", media(name))
    };
    let cluster = Cluster::start_with(&["alice"], with_log, &["--syslog", socket]);
    let alice = &cluster.nodes[0];
    alice.wait_for("a member", |view| {
        view.nodes
            .values()
            .all(|node| node.status == NodeStatus::Active)
    });
    // The core tells of everything that it lacks before it tells its first counters.
    until("the core's first counters", || {
        alice.client().snapshot().unwrap().sample
    });
    let events = alice.events();
    let written = until("a line for each event", || {
        let text = contents(&file);
        (text.lines().count() >= events.len()).then_some(text)
    });
    for event in &events {
        assert!(written.contains(&event.text), "{}\n{written}", event.text);
    }
    for _ in 0..20 {
        alice.client().snapshot().unwrap();
        alice.events();
    }
    assert_eq!(contents(&file), written);
    let mut line = [0; 4096];
    let length = logger.recv(&mut line).unwrap();
    let line = String::from_utf8_lossy(&line[..length]).into_owned();
    assert!(line.starts_with("<1") && line.contains(" hbd["), "{line}");
    assert_eq!(alice.log(), "", "standard error has nothing");
}

#[test]
fn a_full_disk_is_an_event_and_standard_error_gets_the_lines() {
    let media = bcast_and_mcast();
    let with_log = |name: &str| format!("{}\nlogfile /dev/full", media(name));
    let cluster = Cluster::start(&["alice"], with_log);
    let alice = &cluster.nodes[0];
    alice.wait_for("word of the log", |view| {
        let lack = |lack: &shared::view::Lack| {
            lack.what == "the log in /dev/full" && lack.why.starts_with("No space left")
        };
        view.lacks.iter().any(lack)
    });
    alice.wait_for("a member all the same", |view| {
        view.nodes
            .values()
            .all(|node| node.status == NodeStatus::Active)
    });
    until("the line on standard error", || {
        let line = "the log in /dev/full: No space left";
        alice.log().contains(line).then_some(())
    });
}

fn contents(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A directory of its own.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hbd-daemons-log-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
