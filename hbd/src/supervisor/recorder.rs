//! Where every event goes: into the view, the journal, the ring of recent ones, the log, and to
//! whoever subscribed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shared::api::{ServerFrame, Snapshot};
use shared::config::{Group, Logging};
use shared::event::{Cause, Event, EventId, EventSource, Kind, Severity};
use shared::group::ConfiguredGroup;
use shared::sample::Sample;
use shared::time::Moment;
use shared::view::ClusterView;
use tokio::sync::mpsc;

use crate::clock;
use crate::journal::{History, Journal, Record, Restored};
use crate::log::Log;

/// Events kept in memory.
pub(super) const RECENT_MAX: usize = 1024;
/// Frames that wait for a subscriber. When they are full it gets a snapshot once there is room.
const FRAMES_MAX: usize = 1024;
/// A subscriber that reads nothing for so long after that is dropped.
const SLOW_LIMIT: Duration = Duration::from_secs(10);

/// A frame as it is written, shared by all who get it.
pub(crate) type Line = Arc<str>;

/// The record.
pub(super) struct Recorder {
    source: EventSource,
    log: Log,
    journal: Journal,
    view: ClusterView,
    sample: Option<Sample>,
    /// The directory of the configuration, as clients are told.
    config: Option<String>,
    /// The groups it names.
    groups: Vec<ConfiguredGroup>,
    /// Whether a node that dies is fenced, by a device or an operator.
    fenced: bool,
    recent: VecDeque<Record>,
    subscribers: Vec<Subscriber>,
}

/// What there is of the hbd that the journal tells of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Past<'w> {
    /// The core whose events the journal has. With the warnings of the configuration.
    Lives(&'w [String]),
    /// Another process than that core.
    CoreGone,
    /// No process of it.
    Gone,
}

struct Subscriber {
    frames: mpsc::Sender<Line>,
    /// Since when frames were left out.
    gap: Option<Moment>,
}

impl Recorder {
    /// A record whose state is what the `past` left of it; its events are known anyway. `source` numbers
    /// the supervisor's own.
    pub(super) fn new(
        source: EventSource,
        log: Log,
        mut journal: Journal,
        restored: Restored,
        past: Past<'_>,
    ) -> Self {
        let view = match past {
            Past::Lives(warnings) => restored.view.under_another_supervisor(warnings),
            Past::CoreGone => restored.view.without_its_core(),
            Past::Gone => ClusterView::default(),
        };
        journal.begin(&view);
        let mut recorder = Self {
            source,
            log,
            journal,
            view,
            sample: None,
            config: None,
            groups: Vec::new(),
            fenced: false,
            recent: restored.recent,
            subscribers: Vec::new(),
        };
        for damage in restored.damages {
            let kind = Kind::JournalDamaged {
                file: damage.file.display().to_string(),
                damage: damage.what,
            };
            recorder.note(kind, None);
        }
        recorder
    }

    /// Clients are told that the configuration is there.
    pub(super) fn name_config(&mut self, directory: &Path) {
        let absolute = std::path::absolute(directory);
        let directory = absolute.as_deref().unwrap_or(directory);
        self.config = Some(directory.display().to_string());
    }

    /// Clients are told that these groups are configured, and whether nodes are fenced for them; those
    /// who listen get a snapshot where that is not as before.
    pub(super) fn name_groups(&mut self, groups: &[Group], fenced: bool) {
        let configured = |group: &Group| ConfiguredGroup {
            name: group.name.clone(),
            node: group.node.clone(),
            resources: group.resources.iter().map(|r| r.word.clone()).collect(),
        };
        let groups: Vec<_> = groups.iter().map(configured).collect();
        if (&groups, fenced) != (&self.groups, self.fenced) {
            self.groups = groups;
            self.fenced = fenced;
            let snapshot = Box::new(self.snapshot());
            self.publish(|| ServerFrame::Snapshot { snapshot });
        }
    }

    /// Records something that the supervisor noticed.
    pub(super) fn note(&mut self, kind: Kind, cause: Option<Cause>) -> EventId {
        let event = self.source.event(kind, cause, clock::now());
        let id = event.id.clone();
        self.record(event);
        id
    }

    /// Records an event.
    pub(super) fn record(&mut self, event: Event) {
        self.log.event(&event);
        self.keep(event);
    }

    fn keep(&mut self, event: Event) {
        let (record, dropped) = self.journal.write(event, &self.view);
        self.view.apply(&record.event);
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(record.clone());
        self.publish(|| ServerFrame::Event {
            event: Box::new(Event::clone(&record.event)),
        });
        if dropped > 0 {
            self.note(Kind::EventsDropped { count: dropped }, None);
        }
    }

    /// Records an event that a former supervisor was told: its log has it.
    pub(super) fn restore(&mut self, event: Event) {
        self.keep(event);
    }

    /// Takes over what the core believes, where events of it are missing.
    pub(super) fn take_over(&mut self, view: ClusterView) {
        self.view.take_over(view);
        let snapshot = Box::new(self.snapshot());
        self.publish(|| ServerFrame::Snapshot { snapshot });
    }

    /// The view.
    pub(super) fn view(&self) -> &ClusterView {
        &self.view
    }

    /// Takes the counters of a second.
    pub(super) fn sample(&mut self, sample: Sample) {
        self.sample = Some(sample.clone());
        self.publish(|| ServerFrame::Sample {
            sample: Box::new(sample),
        });
    }

    /// A line that is no event.
    pub(super) fn say(&mut self, severity: Severity, text: &str) {
        self.log.line(clock::now().wall, severity, text);
    }

    /// From here on the log goes where another configuration says.
    pub(super) fn log_to(&mut self, logging: &Logging, bad_packets: bool) {
        self.log.change(logging, bad_packets);
    }

    /// View and counters.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: clock::now(),
            view: self.view.clone(),
            sample: self.sample.clone(),
            config: self.config.clone(),
            groups: self.groups.clone(),
            fenced: self.fenced,
        }
    }

    /// The last events, oldest first.
    pub(super) fn recent(&self, limit: usize) -> impl ExactSizeIterator<Item = &Event> {
        let skip = self.recent.len().saturating_sub(limit);
        self.recent.iter().skip(skip).map(|record| &*record.event)
    }

    /// All of the past.
    pub(super) fn history(&self) -> History {
        self.journal.history(self.recent.iter().cloned().collect())
    }

    /// Everything from here on.
    pub(super) fn subscribe(&mut self) -> mpsc::Receiver<Line> {
        let (frames, stream) = mpsc::channel(FRAMES_MAX);
        self.subscribers.push(Subscriber { frames, gap: None });
        stream
    }

    /// Waits until journal and log are written.
    pub(super) fn finish(self) {
        self.journal.finish();
        self.log.finish();
    }

    fn publish(&mut self, frame: impl FnOnce() -> ServerFrame) {
        self.subscribers.retain(|s| !s.frames.is_closed());
        if self.subscribers.is_empty() {
            return;
        }
        let now = clock::boot();
        let line = line(&frame());
        let mut subscribers = std::mem::take(&mut self.subscribers);
        let mut snapshot = None;
        subscribers.retain_mut(|subscriber| match subscriber.gap {
            None => {
                if subscriber.frames.try_send(line.clone()).is_err() {
                    subscriber.gap = Some(now);
                }
                true
            }
            Some(since) if subscriber.frames.capacity() < FRAMES_MAX / 2 => {
                now.since(since) < SLOW_LIMIT
            }
            Some(_) => {
                let whole = snapshot.get_or_insert_with(|| {
                    let snapshot = Box::new(self.snapshot());
                    self::line(&ServerFrame::Snapshot { snapshot })
                });
                subscriber.gap = None;
                subscriber.frames.try_send(whole.clone()).is_ok()
            }
        });
        self.subscribers = subscribers;
    }
}

/// A frame as it is written.
pub(crate) fn line(frame: &ServerFrame) -> Line {
    let mut text = serde_json::to_string(frame).expect("frames are plain data");
    text.push('\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use shared::config::Resource;
    use shared::event::Role;
    use shared::group::GroupName;
    use shared::names::{Generation, NodeName};

    use super::*;

    fn recorder() -> Recorder {
        let alice = NodeName::new("alice").unwrap();
        let source = EventSource::new(alice, Role::Supervisor, Generation(1));
        // No disk takes anything here: a recorder that works all the same.
        let (journal, mut restored) = Journal::open("/proc".as_ref(), 0, |_| ()).unwrap();
        restored.damages.clear();
        Recorder::new(source, Log::nowhere(), journal, restored, Past::Gone)
    }

    #[test]
    fn the_ring_keeps_the_last_events() {
        let mut recorder = recorder();
        for _ in 0..RECENT_MAX + 10 {
            recorder.note(Kind::CommunicationUp, None);
        }
        let counters: Vec<_> = recorder.recent(3).map(|event| event.id.counter).collect();
        let last = *counters.last().unwrap();
        assert!(last >= (RECENT_MAX + 10) as u64);
        assert_eq!(counters, [last - 2, last - 1, last]);
        assert_eq!(recorder.recent(usize::MAX).count(), RECENT_MAX);
    }

    #[test]
    fn who_listens_is_told_of_other_groups_once() {
        let mut recorder = recorder();
        let mut stream = recorder.subscribe();
        let group = Group {
            name: GroupName::new("web").unwrap(),
            node: NodeName::new("alice").unwrap(),
            resources: vec![Resource::new("web"), Resource::new("apache")],
            monitor: None,
        };
        recorder.name_groups(std::slice::from_ref(&group), false);
        let line = stream.try_recv().unwrap();
        let ServerFrame::Snapshot { snapshot } = serde_json::from_str(&line).unwrap() else {
            panic!("{line}");
        };
        assert_eq!(snapshot.groups[0].resources, ["web", "apache"]);
        recorder.name_groups(std::slice::from_ref(&group), false);
        assert!(stream.try_recv().is_err());
        recorder.name_groups(&[group], true);
        let line = stream.try_recv().unwrap();
        assert!(line.contains("\"fenced\":true"), "{line}");
    }

    #[test]
    fn a_subscriber_that_was_too_slow_for_an_instant_gets_a_snapshot() {
        let mut recorder = recorder();
        let mut stream = recorder.subscribe();
        for _ in 0..FRAMES_MAX + 5 {
            recorder.note(Kind::CommunicationUp, None);
        }
        for _ in 0..FRAMES_MAX {
            let line = stream.try_recv().unwrap();
            assert!(line.starts_with("{\"event\""), "{line}");
        }
        recorder.note(Kind::Leaving, None);
        let line = stream.try_recv().unwrap();
        let ServerFrame::Snapshot { snapshot } = serde_json::from_str(&line).unwrap() else {
            panic!("{line}");
        };
        assert!(snapshot.view.leaving);
        recorder.note(Kind::Leaving, None);
        assert!(stream.try_recv().unwrap().starts_with("{\"event\""));
    }
}
