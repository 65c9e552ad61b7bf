//! Words for completion that the tables of the parser do not have: names that the running daemon
//! knows, and what can be explained or waited for.
//!
//! Whoever presses the key waits, so a daemon that does not answer at once is as none, and nothing
//! is ever said about it.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter,
};
use shared::api::Snapshot;
use shared::client::Client;
use shared::event::{Kind, NodeStatus};
use shared::verdict::Path;

use crate::cli::{SOCKET, SOCKET_VARIABLE};
use crate::verbs::{self, explain, wait_for};

/// In which the scripts of bash and zsh say which word is being completed, from 0.
const INDEX_VARIABLE: &str = "_CLAP_COMPLETE_INDEX";
/// How long the daemon has to greet, and then to answer.
const LIMIT: Duration = Duration::from_millis(150);

/// Names of nodes.
pub(crate) fn nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(node_names()))
}

/// Names of groups.
pub(crate) fn groups() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(group_names()))
}

/// Names of groups, and of the nodes to which they can go.
pub(crate) fn groups_and_nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(group_names().into_iter().chain(node_names())))
}

/// Words that can be explained.
pub(crate) fn explainable() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(explain::words().map(str::to_owned)))
}

/// Sockets, and the directories on the way to them.
pub(crate) fn sockets() -> ArgValueCompleter {
    let is_socket = |path: &std::path::Path| {
        path.metadata()
            .is_ok_and(|found| found.file_type().is_socket())
    };
    ArgValueCompleter::new(PathCompleter::any().filter(is_socket))
}

/// Conditions, word for word.
pub(crate) fn condition() -> ArgValueCompleter {
    ArgValueCompleter::new(condition_words)
}

fn condition_words(current: &OsStr) -> Vec<CompletionCandidate> {
    let before = words_before(wait_for::NAME);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let words = match before[..] {
        [] => wait_for::words().map(str::to_owned).collect(),
        ["node"] | ["event", _] => node_names(),
        ["link"] => link_names(),
        ["group"] => group_names(),
        ["group", _] => ["started", "on"].map(str::to_owned).to_vec(),
        ["group", _, "on"] => node_names(),
        ["event"] => Kind::WORDS.map(str::to_owned).to_vec(),
        ["node", _] => NodeStatus::ALL.map(|s| s.word().to_owned()).to_vec(),
        ["link", _] => Path::ALL.map(|path| path.word().to_owned()).to_vec(),
        _ => Vec::new(),
    };
    let current = current.to_string_lossy();
    let fits = |word: &String| word.starts_with(&*current);
    candidates(words.into_iter().filter(fits))
}

fn candidates(words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

fn node_names() -> Vec<String> {
    let snapshot = snapshot().unwrap_or_default();
    snapshot
        .view
        .nodes
        .keys()
        .map(ToString::to_string)
        .collect()
}

fn group_names() -> Vec<String> {
    let snapshot = snapshot().unwrap_or_default();
    let names = verbs::group_names(&snapshot);
    names.iter().map(ToString::to_string).collect()
}

fn link_names() -> Vec<String> {
    let view = snapshot().unwrap_or_default().view;
    let nodes = view.nodes.iter();
    nodes
        .flat_map(|(peer, node)| {
            node.links
                .keys()
                .map(move |medium| format!("{peer}/{medium}"))
        })
        .collect()
}

fn snapshot() -> Option<Snapshot> {
    Client::connect(&socket(), LIMIT).ok()?.snapshot().ok()
}

/// The socket that the line which is being completed names, or the usual one.
fn socket() -> PathBuf {
    let mut words = line().into_iter();
    while let Some(word) = words.next() {
        let word = word.to_string_lossy().into_owned();
        match word.strip_prefix("--socket") {
            Some("") => return words.next().unwrap_or_default().into(),
            Some(value) => return value.trim_start_matches('=').into(),
            None => {}
        }
    }
    std::env::var_os(SOCKET_VARIABLE).map_or_else(|| SOCKET.into(), PathBuf::from)
}

/// The words between `verb` and the one that is being completed, without options.
fn words_before(verb: &str) -> Vec<String> {
    let line = line();
    // Where the shell does not tell the place, it is the last.
    let index = std::env::var(INDEX_VARIABLE).ok();
    let place = index.and_then(|index| index.parse().ok());
    let place: usize = place.unwrap_or(line.len().saturating_sub(1));
    let words = line.iter().take(place).map(|word| word.to_string_lossy());
    let words = words.skip_while(|word| word != verb).skip(1);
    let words = words.filter(|word| !word.starts_with('-'));
    words.map(|word| word.into_owned()).collect()
}

/// The line that is being completed: the shell hands it over behind `--`.
fn line() -> Vec<OsString> {
    let words = std::env::args_os().skip_while(|word| word != "--");
    words.skip(1).collect()
}
