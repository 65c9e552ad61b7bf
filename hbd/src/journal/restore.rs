//! The state and the last events, from the newest segments.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::record::{Entry, State};
use super::segment::{Damage, numbers, path, read};
use super::{Lives, Restored};

/// Reads segments, newest first, until there is a checkpoint and enough events; then folds them.
pub(super) fn restore(directory: &Path, recent: usize) -> Restored {
    let mut damages = Vec::new();
    let mut entries: VecDeque<Entry> = VecDeque::new();
    for number in listed(directory, &mut damages).into_iter().rev() {
        let file = path(directory, number);
        let content = match read(&file) {
            Ok(content) => content,
            Err(error) => {
                let what = error.to_string();
                damages.push(Damage { file, what });
                continue;
            }
        };
        if let Some(what) = content.damage {
            damages.push(Damage { file, what });
        }
        for entry in content.entries.into_iter().rev() {
            entries.push_front(entry);
        }
        if has_checkpoint(&entries) && events(&entries) >= recent {
            break;
        }
    }
    fold(entries, recent, damages)
}

/// The segments; a journal that does not exist yet has none.
fn listed(directory: &Path, damages: &mut Vec<Damage>) -> Vec<u64> {
    match numbers(directory) {
        Ok(numbers) => numbers,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            damages.push(Damage {
                file: directory.to_owned(),
                what: error.to_string(),
            });
            Vec::new()
        }
    }
}

fn has_checkpoint(entries: &VecDeque<Entry>) -> bool {
    let checkpoint = |entry: &Entry| matches!(entry, Entry::Checkpoint { view: Some(_), .. });
    entries.iter().any(checkpoint)
}

fn events(entries: &VecDeque<Entry>) -> usize {
    let event = |entry: &&Entry| matches!(entry, Entry::Event(_));
    entries.iter().filter(event).count()
}

fn fold(entries: VecDeque<Entry>, recent: usize, damages: Vec<Damage>) -> Restored {
    let mut state = State::default();
    let mut last = VecDeque::new();
    let mut next = 1;
    for entry in entries {
        match entry {
            Entry::Event(record) => {
                next = next.max(record.number + 1);
                state.apply(&record.event);
                if last.len() == recent {
                    last.pop_front();
                }
                last.push_back(record);
            }
            Entry::Checkpoint {
                next: number,
                view,
                lives,
            } => {
                next = next.max(number);
                state.lives = merge(state.lives, lives);
                if let Some(view) = view {
                    state.view = *view;
                }
            }
        }
    }
    Restored {
        view: state.view,
        lives: state.lives,
        recent: last,
        damages,
        next,
    }
}

/// A checkpoint knows what was lost before it; what was read may be more than it knows.
fn merge(mut read: Lives, checkpoint: Lives) -> Lives {
    for id in &checkpoint.0 {
        read.note(id);
    }
    read
}
