//! A snapshot that is kept up to date by what the daemon sends.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use shared::api::Snapshot;
use shared::client::Update;
use shared::time::{Moment, Now, Wall};

/// What is known of the cluster. Nothing before the first snapshot of a subscription: the events
/// that come before it tell what led to it.
#[derive(Debug, Default)]
pub(crate) struct Live {
    snapshot: Option<Snapshot>,
}

impl Live {
    /// Takes an update in.
    pub(crate) fn take(&mut self, update: Update) {
        match (update, &mut self.snapshot) {
            (Update::Snapshot(new), _) => self.snapshot = Some(*new),
            (Update::Event(event), Some(snapshot)) => {
                snapshot.view.apply(&event);
                let at = Now {
                    boot: event.boot,
                    wall: event.wall,
                };
                snapshot.at = if at.boot > snapshot.at.boot {
                    at
                } else {
                    snapshot.at
                };
            }
            (Update::Sample(sample), Some(snapshot)) => {
                snapshot.at = later(snapshot.at, sample.at.since(snapshot.at.boot));
                snapshot.sample = Some(*sample);
            }
            (Update::Event(_) | Update::Sample(_), None) => {}
        }
    }

    /// What is known, as of the last update.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }
}

/// The moment `span` after `at`, on both clocks.
pub(crate) fn later(at: Now, span: Duration) -> Now {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Now {
        boot: at.boot + span,
        wall: Wall(at.wall.0.saturating_add(nanos)),
    }
}

/// What the wall clock says.
pub(crate) fn wall() -> Wall {
    let time = clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from);
    Wall(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The moment it is on the clock that the daemon reads too.
pub(crate) fn boot() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Moment(0) + time
}

#[cfg(test)]
mod tests {
    use shared::event::{EventSource, Kind, Role};
    use shared::names::{Generation, NodeName};
    use shared::sample::Sample;
    use shared::time::Wall;

    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            boot: Moment(seconds * 1_000_000_000),
            wall: Wall((1000 + seconds) * 1_000_000_000),
        }
    }

    fn event(seconds: u64) -> Update {
        let node = NodeName::new("alice").unwrap();
        let mut source = EventSource::new(node, Role::Core, Generation(1));
        Update::Event(Box::new(source.event(Kind::Leaving, None, at(seconds))))
    }

    #[test]
    fn events_before_the_first_snapshot_are_part_of_it_already() {
        let mut live = Live::default();
        live.take(event(3));
        assert!(live.snapshot().is_none());
        live.take(Update::Snapshot(Box::new(Snapshot {
            at: at(4),
            ..Snapshot::default()
        })));
        assert!(!live.snapshot().unwrap().view.leaving);
        live.take(event(5));
        assert!(live.snapshot().unwrap().view.leaving);
    }

    #[test]
    fn both_clocks_go_on_with_what_comes_and_never_back() {
        let mut live = Live::default();
        live.take(Update::Snapshot(Box::new(Snapshot {
            at: at(4),
            ..Snapshot::default()
        })));
        live.take(Update::Sample(Box::new(Sample {
            at: at(9).boot,
            ..Sample::default()
        })));
        assert_eq!(live.snapshot().unwrap().at, at(9));
        live.take(event(5));
        assert_eq!(live.snapshot().unwrap().at, at(9));
    }
}
