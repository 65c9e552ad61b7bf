//! Directories and names of one test process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{self, Error};
use crate::program;
use crate::sweeper;

static MADE: AtomicU32 = AtomicU32::new(0);

/// What the names of everything this process makes begin with.
#[must_use]
pub fn prefix() -> String {
    prefix_of(process::id())
}

pub(crate) fn prefix_of(pid: u32) -> String {
    format!("hbd-test-{pid}-")
}

/// A name nobody else uses: the prefix and a number.
pub(crate) fn fresh_name() -> String {
    format!("{}{}", prefix(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// A directory directly under `/tmp`, so that socket paths stay short; removed with all it holds on drop.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty directory that others may enter: daemons give up root.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn new() -> Result<Self, Error> {
        sweeper::hire();
        let path = Path::new("/tmp").join(fresh_name());
        error::file(format!("make {}", path.display()), fs::create_dir(&path))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        error::file(
            format!("make {}", path.display()),
            fs::create_dir_all(&path),
        )?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(reason) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {reason}", self.path.display());
        }
    }
}

/// Writes a file whole.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    error::file(format!("write {}", path.display()), fs::write(path, text))
}

/// Writes a file that only its owner may read, as `authkeys` demands.
///
/// # Errors
/// [`Error::File`].
pub fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    write(path, text)?;
    error::file(
        format!("protect {}", path.display()),
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)),
    )
}

/// Writes a script that can be executed. Another process does it: [`program::copy`] says why.
///
/// # Errors
/// [`Error::Command`].
pub fn write_script(path: &Path, text: &str) -> Result<(), Error> {
    let script = "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"";
    program::run("sh", &["-c", script, "sh", &path.to_string_lossy(), text]).map(drop)
}
