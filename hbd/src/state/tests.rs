use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use hbd_core::PeerMemory;
use shared::config::GenerationSource::{File, Time};
use shared::names::{Generation, NodeName};
use shared::time::Wall;

use super::*;

const NOON: Wall = Wall(1_800_000_000_000_000_000);

#[test]
fn a_node_without_a_generation_file_counts_from_the_current_time() {
    let directory = Directory::new();
    let mut generations = open(&directory.0, File).unwrap();
    assert_eq!(generations.take(), Generation(1_800_000_001));
}

#[test]
fn the_generation_file_has_the_format_of_heartbeat() {
    let directory = Directory::new();
    directory.write("hb_generation", "     1795000000\n");
    let mut generations = open(&directory.0, File).unwrap();
    assert_eq!(generations.take(), Generation(1_795_000_001));
    assert_eq!(directory.read("hb_generation"), "     1795000016\n");
}

#[test]
fn after_a_crash_no_generation_is_used_again() {
    let directory = Directory::new();
    let mut first = open(&directory.0, File).unwrap();
    let highest = (0..5).map(|_| first.take()).max().unwrap();
    let mut second = open(&directory.0, File).unwrap();
    assert!(second.take() > highest);
}

#[test]
fn a_higher_generation_on_the_disk_is_never_overwritten() {
    let directory = Directory::new();
    for (there, expected) in [(70, 80), (80, 80), (90, 90)] {
        directory.write("hb_generation", &format!("{there:15}\n"));
        generation::save(&directory.0, Generation(80)).unwrap();
        let expected = format!("{expected:15}\n");
        assert_eq!(directory.read("hb_generation"), expected);
    }
}

#[test]
fn a_directory_has_one_instance_and_the_second_is_told_its_pid() {
    let directory = Directory::new();
    let first = claim(&directory.0).unwrap();
    let text = claim(&directory.0).unwrap_err().to_string();
    let (pid, place) = (std::process::id(), directory.0.display());
    assert_eq!(
        text,
        format!(
            "another hbd (pid {pid}) keeps its state in {place}; stop it, or name another \
             directory with --state"
        )
    );
    drop(first);
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
    claim(&directory.0).unwrap();
}

#[test]
fn more_generations_are_reserved_before_they_run_out() {
    let directory = Directory::new();
    let mut generations = open(&directory.0, File).unwrap();
    assert_eq!(generations.short_of(), None);
    let used = (0..10).map(|_| generations.take()).last().unwrap();
    let to = generations.short_of().expect("few are left");
    assert!(to > used);
    generations.reserved_to(to);
    assert_eq!(generations.short_of(), None);
}

#[test]
fn generations_that_a_full_disk_does_not_take_are_above_those_it_holds_and_reserved_later() {
    let directory = Directory::new();
    let former = open(&directory.0, File).map(|mut former| former.take());
    directory.refuse("hb_generation");
    let mut generations = Generations::read(&directory.0, File, NOON).unwrap();
    let error = generations
        .reserve(&directory.0, None)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot write"), "{error}");
    let next = generations.take();
    assert!(next > former.unwrap());
    let to = generations.short_of().expect("none is reserved");
    assert!(to > next);
    fs::remove_dir(directory.0.join(".hb_generation.new")).unwrap();
    generation::save(&directory.0, to).unwrap();
    generations.reserved_to(to);
    assert_eq!(generations.short_of(), None);
    assert!(open(&directory.0, File).unwrap().take() > to);
}

#[test]
fn under_hbgenmethod_time_the_clock_is_the_generation_and_nothing_is_kept() {
    let directory = Directory::new();
    let mut generations = open(&directory.0, Time).unwrap();
    assert_eq!(generations.take(), Generation(1_800_000_000));
    assert_eq!(generations.take(), Generation(1_800_000_001));
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
}

#[test]
fn a_corrupt_generation_file_is_refused_with_a_remedy() {
    let directory = Directory::new();
    directory.write("hb_generation", "\0\0\0\0");
    let error = open(&directory.0, File).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("hb_generation holds no generation; remove it"),
        "{text}"
    );
}

#[test]
fn the_identity_is_made_once() {
    let directory = Directory::new();
    let uuid = own_uuid(&directory.0).unwrap();
    assert_eq!(own_uuid(&directory.0).unwrap(), uuid);
    assert_eq!(fs::read(directory.0.join("hb_uuid")).unwrap(), uuid.0);
}

#[test]
fn a_truncated_identity_is_refused_with_a_remedy() {
    let directory = Directory::new();
    directory.write("hb_uuid", "short");
    let text = own_uuid(&directory.0).unwrap_err().to_string();
    assert!(text.contains("5 bytes, not 16"), "{text}");
}

#[test]
fn what_is_known_of_peers_survives() {
    let directory = Directory::new();
    let peers = Peers {
        peers: vec![PeerMemory {
            node: NodeName::new("bob").unwrap(),
            uuid: None,
            generation: Generation(7),
            live: None,
        }],
    };
    let (send, done) = channel();
    let writer = Writer::start(directory.0.clone(), None, move |result| {
        send.send(result.is_ok()).unwrap();
    })
    .unwrap();
    assert!(writer.submit(Job::Peers(peers.clone())));
    writer.finish();
    assert_eq!(done.recv_timeout(Duration::from_secs(10)), Ok(true));
    let (loaded, problem) = Peers::load(&directory.0);
    assert_eq!(loaded, peers);
    assert!(problem.is_none(), "{problem:?}");
}

#[test]
fn what_cannot_be_kept_is_told() {
    let directory = Directory::new();
    let gone = directory.0.join("gone");
    let (send, done) = channel();
    let writer = Writer::start(gone.clone(), None, move |result| {
        send.send(result.map(drop).map_err(|error| error.to_string()))
            .unwrap();
    })
    .unwrap();
    assert!(writer.submit(Job::Generation(Generation(7))));
    let text = done.recv_timeout(Duration::from_secs(10)).unwrap();
    let text = text.expect_err("there is no such directory");
    assert!(text.contains(gone.to_str().unwrap()), "{text}");
    writer.finish();
}

#[test]
fn a_corrupt_memory_of_peers_is_put_aside_and_told() {
    let directory = Directory::new();
    directory.write("peers.json", "{");
    let (loaded, problem) = Peers::load(&directory.0);
    assert_eq!(loaded, Peers::default());
    let text = problem.expect("it is told").to_string();
    assert!(text.contains("renamed to peers.json.corrupt"), "{text}");
    assert_eq!(directory.read("peers.json.corrupt"), "{");
    let (_, problem) = Peers::load(&directory.0);
    assert!(problem.is_none(), "{problem:?}");
}

#[test]
fn identity_and_generation_of_heartbeat_are_taken_over_once() {
    let (from, to) = (Directory::new(), Directory::new());
    from.write("hb_uuid", "0123456789abcdef");
    from.write("hb_generation", "     1795000000\n");
    assert_eq!(
        take_over(&from.0, &to.0, None).unwrap(),
        ["hb_uuid", "hb_generation"]
    );
    assert_eq!(own_uuid(&to.0).unwrap().0, *b"0123456789abcdef");
    let mut generations = open(&to.0, File).unwrap();
    assert_eq!(generations.take(), Generation(1_795_000_001));
    assert!(take_over(&from.0, &to.0, None).unwrap().is_empty());
}

#[test]
fn nothing_is_taken_over_from_a_heartbeat_that_runs() {
    let (from, to) = (Directory::new(), Directory::new());
    assert!(take_over(&from.0, &to.0, Some(42)).unwrap().is_empty());
    from.write("hb_uuid", "0123456789abcdef");
    let text = take_over(&from.0, &to.0, Some(42)).unwrap_err().to_string();
    assert!(text.contains("Heartbeat runs here (pid 42)"), "{text}");
    assert!(
        text.ends_with("stop Heartbeat first"),
        "no other way is safe: {text}"
    );
    assert!(!to.0.join("hb_uuid").exists());
}

#[test]
fn heartbeat_and_hbd_take_turns_and_no_generation_is_used_twice() {
    let (theirs, own) = (Directory::new(), Directory::new());
    theirs.write("hb_generation", "             40\n");
    let mut last = 40;
    for turn in 0..3 {
        let taken = take_over(&theirs.0, &own.0, None).unwrap();
        assert_eq!(taken, ["hb_generation"], "{turn}");
        let mut generations = Generations::read(&own.0, File, NOON).unwrap();
        generations.reserve(&own.0, Some(&theirs.0)).unwrap();
        for _ in 0..3 {
            let Generation(next) = generations.take();
            assert!(next > last, "{turn}: {next} after {last}");
            last = next;
        }
        let text = theirs.read("hb_generation");
        assert_eq!(text.len(), 16, "as Heartbeat writes it: {text:?}");
        let next = text.trim().parse::<u64>().unwrap() + 1;
        assert!(next > last, "{turn}: {next} after {last}");
        theirs.write("hb_generation", &format!("{next:15}\n"));
        last = next;
    }
}

#[test]
fn a_lower_or_unreadable_generation_of_heartbeat_changes_nothing() {
    for text in ["7", "8", "junk"] {
        let (theirs, own) = (Directory::new(), Directory::new());
        theirs.write("hb_generation", text);
        own.write("hb_generation", "8");
        let taken = take_over(&theirs.0, &own.0, Some(42)).unwrap();
        assert!(taken.is_empty(), "{text}");
        assert_eq!(own.read("hb_generation"), "8");
    }
}

#[test]
fn while_heartbeat_runs_a_higher_generation_of_it_keeps_hbd_from_starting() {
    let (theirs, own) = (Directory::new(), Directory::new());
    theirs.write("hb_generation", "9");
    own.write("hb_generation", "8");
    assert!(take_over(&theirs.0, &own.0, Some(42)).is_err());
    assert_eq!(own.read("hb_generation"), "8");
}

#[test]
fn a_machine_that_never_ran_heartbeat_gets_no_file_of_its() {
    let (theirs, own) = (Directory::new(), Directory::new());
    let mut generations = Generations::read(&own.0, File, NOON).unwrap();
    generations.reserve(&own.0, Some(&theirs.0)).unwrap();
    assert!(!theirs.0.join("hb_generation").exists());
}

#[test]
fn a_generation_that_cannot_be_given_back_is_told_and_reserved_all_the_same() {
    let (theirs, own) = (Directory::new(), Directory::new());
    fs::create_dir(theirs.0.join("hb_generation")).unwrap();
    let mut generations = Generations::read(&own.0, File, NOON).unwrap();
    let text = generations.reserve(&own.0, Some(&theirs.0)).unwrap_err();
    let path = theirs.0.join("hb_generation");
    assert!(text.to_string().contains(path.to_str().unwrap()), "{text}");
    assert_eq!(generations.short_of(), None);
}

#[test]
fn generations_that_are_reserved_later_are_given_back_too() {
    let (theirs, own) = (Directory::new(), Directory::new());
    theirs.write("hb_generation", "7");
    let heartbeat: &'static Path = Box::leak(theirs.0.clone().into_boxed_path());
    let (send, done) = channel();
    let writer = Writer::start(own.0.clone(), Some(heartbeat), move |result| {
        send.send(result.is_ok()).unwrap();
    })
    .unwrap();
    assert!(writer.submit(Job::Generation(Generation(23))));
    writer.finish();
    assert_eq!(done.recv_timeout(Duration::from_secs(10)), Ok(true));
    assert_eq!(theirs.read("hb_generation"), format!("{:15}\n", 23));
}

#[test]
fn a_damaged_heartbeat_state_is_not_taken_over() {
    let (from, to) = (Directory::new(), Directory::new());
    from.write("hb_uuid", "short");
    let text = take_over(&from.0, &to.0, None).unwrap_err().to_string();
    assert!(text.contains("cannot be taken over"), "{text}");
}

#[test]
fn a_state_directory_that_cannot_be_made_names_path_and_remedy() {
    let text = claim(Path::new("/nonexistent/hbd"))
        .unwrap_err()
        .to_string();
    assert!(text.contains("/nonexistent/hbd"), "{text}");
    assert!(text.contains("make /nonexistent first"), "{text}");
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    let error = StateError::Io {
        operation: "write",
        path: "/var/lib/hbd/peers.json".into(),
        error: io::Error::from_raw_os_error(libc::ENOSPC),
    };
    assert!(
        error
            .to_string()
            .ends_with("; make room on that file system")
    );
}

struct Directory(PathBuf);

/// As a supervisor that finds no workers does.
fn open(
    directory: &Path,
    source: shared::config::GenerationSource,
) -> Result<Generations, StateError> {
    let mut generations = Generations::read(directory, source, NOON)?;
    generations.reserve(directory, None)?;
    Ok(generations)
}

impl Directory {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hbd-state-{}-{count}", std::process::id()));
        drop(claim(&path).unwrap());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o022,
            0,
            "others must not write"
        );
        Self(path)
    }

    /// From here on nothing takes the place of that file.
    fn refuse(&self, name: &str) {
        fs::create_dir(self.0.join(format!(".{name}.new"))).unwrap();
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
