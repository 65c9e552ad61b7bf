//! What this node holds, in the file `held` of the run directory: for the manager that follows.
//!
//! It is replaced by a rename before anything is done that it tells of. It need not outlive the
//! machine: what was held before a reboot is held no more, so it is not synced, and one of another
//! boot is not read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hbd_agents::builtin::ip::Address;
use hbd_manager::Kept;
use serde::{Deserialize, Serialize};
use shared::group::GroupName;

use super::addresses::Place;
use super::duty::Resources;
use super::works;

const NAME: &str = "held";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Longest file that is read.
const BYTES_MAX: u64 = 16 << 20;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Of which boot.
    boot: String,
    /// What the policy keeps.
    pub(super) kept: Kept,
    /// The resources of the groups, in the order of each.
    pub(super) resources: Resources,
}

/// The file.
pub(super) struct Record {
    path: PathBuf,
    held: Held,
}

impl Record {
    /// That of a run directory, with what it says.
    pub(super) fn open(run: &Path) -> io::Result<Self> {
        let path = run.join(NAME);
        let boot = fs::read_to_string(BOOT_ID)?.trim().to_owned();
        let held = read(&path)?.filter(|held| held.boot == boot);
        let held = held.unwrap_or(Held {
            boot,
            ..Held::default()
        });
        Ok(Self { path, held })
    }

    /// What it says.
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// Nothing of hbd ran for a while: whatever is held is in doubt.
    pub(super) fn unsettle(&mut self) {
        for kept in self.held.kept.groups.values_mut() {
            (kept.started, kept.blocked) = (false, false);
        }
        self.held.kept.inherited = true;
    }

    /// Says something else from here on. `known` are the resources of the groups there are; of
    /// others it says what it said.
    pub(super) fn keep(&mut self, kept: Kept, known: &Resources) -> io::Result<()> {
        let mut next = self.held.clone();
        next.kept = kept;
        next.resources.extend(known.clone());
        next.resources
            .retain(|group, _| next.kept.groups.contains_key(group));
        self.write(next)
    }

    /// The group is not held any more.
    pub(super) fn forget(&mut self, group: &GroupName) -> io::Result<()> {
        let mut next = self.held.clone();
        next.kept.groups.remove(group);
        next.resources.remove(group);
        self.write(next)
    }

    /// The addresses of groups that were started, with their places.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (Place, Address)> {
        let started = self.held.kept.groups.iter();
        let started = started.filter(|(_, kept)| kept.held && kept.started);
        started.flat_map(|(group, _)| {
            let resources = self.held.resources.get(group).into_iter().flatten();
            let addresses = resources.enumerate().filter_map(|(place, resource)| {
                let address = works::address(resource)?;
                Some(((group.clone(), place), address))
            });
            addresses.collect::<Vec<_>>()
        })
    }

    /// Groups that are held and are not among those that are `known`, or have other resources
    /// there; with the resources that they were held with.
    pub(super) fn orphans(&self, known: &Resources) -> Resources {
        let kept = &self.held.kept.groups;
        let held = |group: &GroupName| kept.get(group).is_some_and(|kept| kept.held);
        let mut orphans = self.held.resources.clone();
        orphans.retain(|group, resources| held(group) && known.get(group) != Some(resources));
        orphans
    }

    fn write(&mut self, held: Held) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let written = write(&beside, &held).and_then(|()| fs::rename(&beside, &self.path));
        if written.is_err() {
            // What is left of it would only take room.
            let _ = fs::remove_file(&beside);
        }
        written.map(|()| self.held = held)
    }
}

fn write(path: &Path, held: &Held) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(&serde_json::to_vec(held)?)
}

fn read(path: &Path) -> io::Result<Option<Held>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let reader = io::BufReader::new(io::Read::take(file, BYTES_MAX));
    Ok(Some(serde_json::from_reader(reader)?))
}

#[cfg(test)]
mod tests {
    use shared::config::Resource;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hbd_manager::KeptGroup;

    use super::*;

    /// A run directory of one test.
    struct Run(PathBuf);

    impl Run {
        fn new() -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("hbd-record-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    fn resources(words: &[&str]) -> Resources {
        let named = words
            .iter()
            .map(|word| (group(word), vec![Resource::new(word)]));
        named.collect()
    }

    fn kept(words: &[&str]) -> Kept {
        let held = KeptGroup {
            held: true,
            started: true,
            ..KeptGroup::default()
        };
        Kept {
            freed: None,
            inherited: false,
            groups: words
                .iter()
                .map(|word| (group(word), held.clone()))
                .collect(),
            frozen: None,
            memory: None,
        }
    }

    #[test]
    fn what_is_kept_is_there_for_the_next_manager() {
        let run = Run::new();
        let mut record = Record::open(&run.0).unwrap();
        assert_eq!(record.held().kept, Kept::default());
        record.keep(kept(&["web"]), &resources(&["web"])).unwrap();
        let next = Record::open(&run.0).unwrap();
        assert_eq!(next.held(), record.held());
        assert_eq!(next.held().kept, kept(&["web"]));
    }

    #[test]
    fn what_was_held_before_a_reboot_is_held_no_more() {
        let run = Run::new();
        let mut record = Record::open(&run.0).unwrap();
        record.keep(kept(&["web"]), &resources(&["web"])).unwrap();
        let text = fs::read_to_string(run.0.join(NAME)).unwrap();
        let boot = &record.held().boot;
        fs::write(run.0.join(NAME), text.replace(boot, "another")).unwrap();
        assert_eq!(Record::open(&run.0).unwrap().held().kept, Kept::default());
    }

    #[test]
    fn a_group_that_is_held_and_not_known_or_changed_is_an_orphan() {
        let run = Run::new();
        let mut record = Record::open(&run.0).unwrap();
        let all = resources(&["web", "mail", "app"]);
        record.keep(kept(&["web", "mail", "app"]), &all).unwrap();
        let mut known = resources(&["web", "mail"]);
        known
            .get_mut(&group("mail"))
            .unwrap()
            .push(Resource::new("more"));
        let orphans: Vec<_> = record.orphans(&known).into_keys().collect();
        assert_eq!(orphans, [group("app"), group("mail")]);
        record.forget(&group("app")).unwrap();
        let orphans: Vec<_> = record.orphans(&known).into_keys().collect();
        assert_eq!(orphans, [group("mail")]);
    }

    #[test]
    fn a_record_that_cannot_be_written_says_what_it_said() {
        let run = Run::new();
        let mut record = Record::open(&run.0).unwrap();
        record.keep(kept(&["web"]), &resources(&["web"])).unwrap();
        fs::create_dir(run.0.join("held.new")).unwrap();
        assert!(record.keep(Kept::default(), &Resources::new()).is_err());
        assert_eq!(record.held().kept, kept(&["web"]));
        assert_eq!(Record::open(&run.0).unwrap().held(), record.held());
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error() {
        let run = Run::new();
        fs::write(run.0.join(NAME), "{\"boot\":").unwrap();
        assert!(Record::open(&run.0).is_err());
    }
}
