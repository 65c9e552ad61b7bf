use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::channel;

use shared::event::{Cause, EventSource, Kind, Role, Severity};
use shared::names::{Generation, MediumName, NodeName};
use shared::query::{Bound, EventQuery, Related};
use shared::time::{Now, Wall};

use super::*;

#[test]
fn a_new_daemon_finds_what_the_last_one_wrote() {
    let place = Place::new();
    let mut alice = Alice::new(1);
    let (mut journal, restored) = place.open(10);
    assert_eq!(restored.recent.len(), 0);
    assert_eq!(restored.damages, []);
    let (written, dropped) = journal.write(alice.event(Kind::Leaving), &ClusterView::default());
    assert_eq!((written.number, dropped), (1, 0));
    journal.finish();
    let (mut journal, restored) = place.open(10);
    assert_eq!(restored.recent, [written]);
    assert!(restored.view.leaving, "the view is the fold of the events");
    assert_eq!(restored.lives.last(alice.life()), 1);
    let event = alice.event(Kind::Left);
    assert_eq!(journal.write(event, &restored.view).0.number, 2);
    journal.finish();
    assert_eq!(place.open(10).1.recent.len(), 2);
    assert_eq!(place.open(1).1.recent[0].number, 2, "the last one");
}

#[test]
fn a_life_that_begins_anew_does_not_inherit_the_view() {
    let place = Place::new();
    let (mut journal, _) = place.open(10);
    journal.write(Alice::new(1).event(Kind::Leaving), &ClusterView::default());
    journal.finish();
    let (mut journal, restored) = place.open(10);
    assert!(restored.view.leaving);
    journal.begin(&ClusterView::default());
    journal.finish();
    let (_, restored) = place.open(10);
    assert_eq!(restored.view, ClusterView::default());
    assert_eq!(restored.recent.len(), 1, "the past stays");
}

#[test]
fn a_death_at_any_byte_costs_the_line_that_was_being_written_and_no_other() {
    let place = Place::new();
    place.fill(3);
    let file = place.segments().remove(0);
    let whole = fs::read(&file).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for length in last..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let (mut journal, restored) = place.open(10);
        let complete = length == whole.len() - 1;
        let left = if complete { 3 } else { 2 };
        assert_eq!(restored.recent.len(), left, "{length} bytes");
        let torn = length - last;
        let what = format!("its last {torn} bytes are the beginning of a line");
        let expected = (torn > 0 && !complete).then(|| Damage {
            file: file.clone(),
            what,
        });
        assert_eq!(restored.damages, Vec::from_iter(expected), "{length} bytes");
        journal.write(Alice::new(2).event(Kind::Left), &restored.view);
        journal.finish();
        let (_, restored) = place.open(10);
        assert_eq!(restored.recent.len(), left + 1, "{length} bytes");
        assert_eq!(restored.damages, [], "{length} bytes");
    }
}

#[test]
fn a_damaged_line_is_skipped_and_named() {
    let place = Place::new();
    place.fill(3);
    let file = place.segments().remove(0);
    let text = fs::read_to_string(&file).unwrap();
    // The second event says something else than what its checksum proves.
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[2] = lines[2].replace("alice:1.2", "alice:1.9");
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let (_, restored) = place.open(10);
    let numbers: Vec<_> = restored.recent.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [1, 3]);
    let what = "1 damaged line, the first is line 3".to_owned();
    assert_eq!(restored.damages, [Damage { file, what }]);
}

#[test]
fn bytes_of_any_kind_in_the_directory_are_survived() {
    let place = Place::new();
    place.fill(1);
    let directory = directory(&place.0);
    fs::write(directory.join("00000002.jsonl"), [0; 5000]).unwrap();
    fs::write(directory.join("00000003.jsonl"), b"\xff\n{}\n\n").unwrap();
    fs::write(directory.join("notes.txt"), b"mine").unwrap();
    fs::create_dir(directory.join("00000004.jsonl")).unwrap();
    let (mut journal, restored) = place.open(10);
    assert_eq!(restored.recent.len(), 1);
    assert_eq!(restored.damages.len(), 3);
    fs::remove_dir(directory.join("00000004.jsonl")).unwrap();
    journal.write(Alice::new(2).event(Kind::Left), &restored.view);
    journal.finish();
    assert_eq!(place.open(10).1.recent.len(), 2);
    assert!(directory.join("notes.txt").exists());
}

#[test]
fn the_journal_keeps_its_size_and_the_latest_events() {
    let place = Place::new();
    let long = "x".repeat(200_000);
    let (mut journal, _) = place.open(10);
    let mut alice = Alice::new(1);
    journal.write(alice.event(Kind::Leaving), &ClusterView::default());
    for _ in 0..100 {
        let kind = Kind::PacketRefused {
            medium: MediumName::new("eth0").unwrap(),
            reason: long.clone(),
            claims: None,
            unreported: 0,
        };
        journal.write(alice.event(kind), &ClusterView::default());
    }
    journal.finish();
    let sizes: Vec<_> = place
        .segments()
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .collect();
    assert_eq!(sizes.len(), SEGMENTS_MAX);
    assert!(
        sizes.iter().all(|size| *size <= SEGMENT_MAX as u64),
        "{sizes:?}"
    );
    let (_, restored) = place.open(10);
    assert_eq!(restored.recent.back().unwrap().number, 101);
    assert_eq!(restored.recent.len(), 10);
    assert!(restored.view.leaving, "what went is in the checkpoints");
}

#[test]
fn an_event_longer_than_a_line_is_left_out_and_counted() {
    let place = Place::new();
    let (reports, told) = channel();
    let (mut journal, _) =
        Journal::open(&place.0, 10, move |report| reports.send(report).unwrap()).unwrap();
    let mut alice = Alice::new(1);
    let kind = Kind::ConfigWarning {
        place: "here".into(),
        warning: "x".repeat(LINE_MAX),
    };
    journal.write(alice.event(kind), &ClusterView::default());
    journal.write(alice.event(Kind::Left), &ClusterView::default());
    journal.finish();
    assert!(matches!(told.recv().unwrap(), Report::Lost(1)));
    assert_eq!(place.open(10).1.recent.len(), 1);
}

#[test]
fn a_disk_that_fails_is_told_and_tried_again_and_the_gap_is_bridged() {
    let place = Place::new();
    // What is to be the directory is a file.
    fs::write(directory(&place.0), b"").unwrap();
    let (reports, told) = channel();
    let retry = Duration::from_millis(20);
    let (mut journal, restored) = Journal::start(&place.0, 10, retry, move |report| {
        reports.send(report).unwrap()
    })
    .unwrap();
    assert_eq!(restored.damages.len(), 1);
    let mut alice = Alice::new(1);
    journal.write(alice.event(Kind::Leaving), &ClusterView::default());
    journal.write(alice.event(Kind::Left), &ClusterView::default());
    assert!(matches!(told.recv().unwrap(), Report::Fails { .. }));
    fs::remove_file(directory(&place.0)).unwrap();
    assert!(matches!(told.recv().unwrap(), Report::Works));
    assert!(matches!(told.recv().unwrap(), Report::Lost(2)));
    journal.write(alice.event(Kind::ImpostorGone), &ClusterView::default());
    journal.finish();
    let (_, restored) = place.open(10);
    assert_eq!(restored.recent.len(), 1);
    assert_eq!(restored.recent[0].number, 3);
    assert!(restored.view.leaving, "from the checkpoint");
    assert_eq!(restored.lives.last(alice.life()), 3);
}

#[test]
fn a_journal_that_is_removed_begins_anew() {
    let place = Place::new();
    let (mut journal, _) = place.open(10);
    journal.begin(&ClusterView::default());
    let file = place.first_segment();
    fs::remove_file(&file).unwrap();
    journal.write(Alice::new(1).event(Kind::Left), &ClusterView::default());
    journal.finish();
    assert_eq!(place.open(10).1.recent.len(), 1);
}

#[test]
fn events_that_find_no_room_in_the_queue_are_counted_and_bridged() {
    let place = Place::new();
    let (jobs, inbox) = sync_channel(2);
    let (_end, ended) = sync_channel(1);
    let mut journal = Journal {
        directory: directory(&place.0),
        jobs,
        ended,
        next: 1,
        lives: Lives::default(),
        dropped: 0,
    };
    let mut alice = Alice::new(1);
    let mut view = ClusterView::default();
    let mut write = |journal: &mut Journal, kind| {
        let event = alice.event(kind);
        let dropped = journal.write(event.clone(), &view).1;
        view.apply(&event);
        dropped
    };
    for kind in [Kind::Left, Kind::Left, Kind::Leaving, Kind::Left] {
        assert_eq!(write(&mut journal, kind), 0);
    }
    assert_eq!(inbox.try_iter().count(), 2);
    assert_eq!(write(&mut journal, Kind::Left), 2);
    drop(journal.jobs);
    let directory = directory(&place.0);
    writer::run(directory, State::default(), 1, &inbox, RETRY, |_| ());
    let (_, restored) = place.open(10);
    assert_eq!(restored.recent[0].number, 5);
    assert!(restored.view.leaving, "from the checkpoint");
}

#[test]
fn the_past_is_one_over_segments_and_memory() {
    let place = Place::new();
    let (journal, recent) = place.filled_past_memory();
    let history = journal.history(recent);
    assert!(place.segments().len() > 2);
    let all = pages(&history, EventQuery::last(usize::MAX));
    assert_eq!(counters(&all), (1..=EVENTS).collect::<Vec<_>>());
    let last = history.answer(&EventQuery::last(3)).unwrap();
    assert_eq!(counters(&last), [EVENTS - 2, EVENTS - 1, EVENTS]);
}

#[test]
fn bounds_are_ids_or_times_and_an_unknown_id_is_told() {
    let place = Place::new();
    let (journal, recent) = place.filled_past_memory();
    let history = journal.history(recent);
    let at = |counter: u64| format!("alice:1.{counter}").parse::<EventId>().unwrap();
    let query = EventQuery {
        since: Some(Bound::Event(at(7))),
        until: Some(Bound::Event(at(9))),
        ..EventQuery::last(100)
    };
    assert_eq!(counters(&history.answer(&query).unwrap()), [7, 8, 9]);
    let query = EventQuery {
        since: Some(Bound::Time(Wall(EVENTS - 1))),
        ..EventQuery::last(100)
    };
    assert_eq!(
        counters(&history.answer(&query).unwrap()),
        [EVENTS - 1, EVENTS]
    );
    let query = EventQuery {
        before: Some("alice:2.1".parse().unwrap()),
        ..EventQuery::last(100)
    };
    let failure = history.answer(&query).unwrap_err();
    assert_eq!(failure.code, shared::api::ErrorCode::NotFound);
    assert!(
        failure
            .text
            .contains("no event alice:2.1 is kept; the oldest is alice:1.1")
    );
}

#[test]
fn why_and_what_came_of_it_are_followed_through_the_past() {
    let place = Place::new();
    let (journal, recent) = place.filled_past_memory();
    let history = journal.history(recent);
    // Every tenth event has the one ten before as its cause.
    let related = |related| EventQuery {
        related: Some(related),
        ..EventQuery::last(100)
    };
    let id = |counter: u64| format!("alice:1.{counter}").parse::<EventId>().unwrap();
    let causes = history.answer(&related(Related::CausesOf(id(30)))).unwrap();
    assert_eq!(counters(&causes), [10, 20, 30]);
    let effects = history
        .answer(&related(Related::EffectsOf(id(EVENTS - 20))))
        .unwrap();
    assert_eq!(counters(&effects), [EVENTS - 20, EVENTS - 10, EVENTS]);
    let severe = EventQuery {
        severity: Some(Severity::Critical),
        ..related(Related::CausesOf(id(30)))
    };
    assert_eq!(history.answer(&severe).unwrap(), []);
}

#[test]
fn what_happens_after_the_question_is_no_part_of_the_answer() {
    let place = Place::new();
    let (mut journal, _) = place.open(10);
    let mut alice = Alice::new(1);
    let view = ClusterView::default();
    let first = journal.write(alice.event(Kind::Leaving), &view).0;
    let history = journal.history(vec![first]);
    journal.write(alice.event(Kind::Left), &view);
    journal.finish();
    let all = history.answer(&EventQuery::last(100)).unwrap();
    assert_eq!(counters(&all), [1]);
}

/// Events of [`Place::filled_past_memory`].
const EVENTS: u64 = 2_500;

fn counters(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.counter).collect()
}

/// All pages, as a client asks for them.
fn pages(history: &History, mut query: EventQuery) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let mut page = history.answer(&query).unwrap();
        assert!(page.len() <= shared::query::PAGE_EVENTS);
        let Some(first) = page.first() else {
            return all;
        };
        query.before = Some(first.id.clone());
        page.append(&mut all);
        all = page;
    }
}

/// A state directory.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hbd-journal-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self, recent: usize) -> (Journal, Restored) {
        Journal::open(&self.0, recent, |report| panic!("{report:?}")).unwrap()
    }

    fn fill(&self, events: usize) {
        let (mut journal, _) = self.open(10);
        let mut alice = Alice::new(1);
        for _ in 0..events {
            journal.write(alice.event(Kind::CommunicationUp), &ClusterView::default());
        }
        journal.finish();
    }

    /// Segments and a memory that holds the last events only. An event counts its wall time, and
    /// every tenth is the effect of the tenth before.
    fn filled_past_memory(&self) -> (Journal, Vec<Record>) {
        let (mut journal, _) = self.open(10);
        let mut alice = Alice::new(1);
        let mut records = Vec::new();
        for number in 1..=EVENTS {
            let kind = Kind::ConfigWarning {
                place: number.to_string(),
                warning: "x".repeat(1_000),
            };
            let former = (number % 10 == 0 && number > 10).then(|| number - 10);
            let cause = former.map(|former| {
                let id = format!("alice:1.{former}").parse().unwrap();
                Cause::Event(id)
            });
            let now = Now {
                wall: Wall(number),
                ..Now::default()
            };
            let event = alice.0.event(kind, cause, now);
            records.push(journal.write(event, &ClusterView::default()).0);
        }
        journal.finish();
        let (journal, restored) = self.open(10);
        assert_eq!(restored.recent.len(), 10);
        (journal, restored.recent.into())
    }

    /// Waits until the writer has made it.
    fn first_segment(&self) -> PathBuf {
        let file = segment::path(&directory(&self.0), 1);
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !fs::metadata(&file).is_ok_and(|file| file.len() > 0) {
            assert!(std::time::Instant::now() < deadline, "no segment");
            std::thread::yield_now();
        }
        file
    }

    fn segments(&self) -> Vec<PathBuf> {
        let directory = directory(&self.0);
        let numbers = segment::numbers(&directory).unwrap();
        let path = |number: u64| segment::path(&directory, number);
        numbers.into_iter().map(path).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A source of events.
struct Alice(EventSource, Incarnation);

impl Alice {
    fn new(generation: u64) -> Self {
        let name = NodeName::new("alice").unwrap();
        let life = Incarnation {
            role: Role::Core,
            generation: Generation(generation),
        };
        Self(EventSource::new(name, life.role, life.generation), life)
    }

    fn event(&mut self, kind: Kind) -> Event {
        self.0.event(kind, None, Now::default())
    }

    fn life(&self) -> Incarnation {
        self.1
    }
}
