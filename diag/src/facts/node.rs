//! The name of this node.

use std::fs;
use std::path::Path;

use shared::names::{NameError, NodeName};

/// The file in the configuration directory that overrides `uname -n`.
pub const NODEINFO: &str = "nodeinfo";

/// The name of this node: the first line of `nodeinfo` in `directory`, else what `uname -n`
/// prints, in lower case, as Heartbeat 3.0.6 does.
pub fn own_name(directory: &Path) -> Result<NodeName, OwnNameError> {
    let file = directory.join(NODEINFO);
    if let Ok(text) = fs::read_to_string(&file) {
        let line = text.lines().next().unwrap_or_default().trim();
        return NodeName::new(line).map_err(|reason| OwnNameError {
            source: file.display().to_string(),
            name: line.to_owned(),
            reason,
        });
    }
    let name = nix::unistd::gethostname()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    NodeName::new(&name).map_err(|reason| OwnNameError {
        source: "uname -n".to_owned(),
        name,
        reason,
    })
}

/// This machine's name cannot be the name of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnNameError {
    /// Where the name comes from.
    pub source: String,
    /// The name.
    pub name: String,
    /// Why it is none.
    pub reason: NameError,
}

impl std::fmt::Display for OwnNameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            source,
            name,
            reason,
        } = self;
        write!(
            f,
            "{source} gives the name {name:?}, which no node can have: {reason}"
        )
    }
}

impl std::error::Error for OwnNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodeinfo_overrides_the_name_of_the_machine() {
        let directory = std::env::temp_dir().join(format!("hbd-nodeinfo-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(NODEINFO), "Alice\nrest\n").unwrap();
        let named = own_name(&directory);
        fs::write(directory.join(NODEINFO), "a b\n").unwrap();
        let refused = own_name(&directory);
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(named.unwrap().as_str(), "alice");
        assert!(refused.unwrap_err().to_string().contains("nodeinfo"));
    }
}
