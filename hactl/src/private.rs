//! Files for their owner alone: what goes into them is not for everybody on the machine.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file of mode 0600. One that exists is replaced by a new one, or left alone; what is no
/// file, such as a pipe, is written into.
pub(crate) fn write(
    path: &Path,
    replace: bool,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    if !replace {
        return create(path, content);
    }
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return content(&mut OpenOptions::new().write(true).open(path)?);
    }
    // What is there stays until the new one is whole, and is not opened: others may read it.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    create(&beside, content)?;
    fs::rename(&beside, path).inspect_err(|_| remove(&beside))
}

/// A new file; none is left where it cannot be written whole.
fn create(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    content(&mut file)
        .and_then(|()| file.sync_all())
        .inspect_err(|_| remove(path))
}

/// Half a file helps nobody; that it cannot be removed is no news beside the failure.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}
