//! What is known of peers across restarts: who they are, and the highest generation heard, so
//! that an old recording of a peer's packets does not bring it back to life.

use std::fs;
use std::path::Path;

use hbd_core::PeerMemory;
use serde::{Deserialize, Serialize};

use super::{On, StateError, file};

/// The file.
pub(super) const NAME: &str = "peers.json";

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peers {
    /// One entry a peer.
    pub(crate) peers: Vec<PeerMemory>,
}

impl Peers {
    /// Reads the file; nothing known if there is none. One that cannot be read is put aside, so
    /// that the next start does not stumble again, and the error tells what was lost.
    pub(crate) fn load(directory: &Path) -> (Self, Option<StateError>) {
        let path = directory.join(NAME);
        let content = match file::read(directory, NAME).on("read", &path) {
            Ok(Some(content)) => content,
            Ok(None) => return (Self::default(), None),
            Err(error) => return (Self::default(), Some(error)),
        };
        match serde_json::from_slice(&content) {
            Ok(peers) => (peers, None),
            Err(error) => {
                let aside = directory.join(format!("{NAME}.corrupt"));
                let moved = fs::rename(&path, &aside);
                let problem = StateError::Corrupt {
                    path,
                    reason: format!("cannot be read ({error})"),
                    remedy: match moved {
                        Ok(()) => {
                            "it was renamed to peers.json.corrupt, and until each peer was heard \
                             once old recordings of its packets are not told from new ones"
                        }
                        Err(_) => "remove it",
                    },
                };
                (Self::default(), Some(problem))
            }
        }
    }

    /// Writes the file.
    pub(super) fn save(&self, directory: &Path) -> Result<(), StateError> {
        let path = directory.join(NAME);
        let mut content = serde_json::to_vec_pretty(self)
            .map_err(Into::into)
            .on("write", &path)?;
        content.push(b'\n');
        file::replace(directory, NAME, &content).on("write", &path)
    }
}
