//! The program file: where it is, and which build of hbd it is, so that processes of two builds
//! know that they differ.
//!
//! A build is named by version, and a hash of what tells files apart without reading all of them: their length, their
//! first page (the headers and, where the linker writes one, the build identity) and their last
//! page. Copies of one file are one build.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf, absolute};

use crate::process::OWN_PROGRAM;

/// Bytes of the beginning, and of the end, that count.
const PAGE: usize = 4096;

/// What the kernel puts behind the path of a file that another one replaced (`proc(5)`).
const REPLACED: &[u8] = b" (deleted)";

/// The path this process was started by, so that a program that is installed there later is found.
/// Where that is not to be seen, where its file is or was.
pub(crate) fn path() -> io::Result<PathBuf> {
    let here = place(env::current_exe()?);
    let word = env::args_os().next().unwrap_or_default();
    Ok(named(&word).unwrap_or(here))
}

/// True of a file that nobody may execute, whoever asks.
pub(crate) fn is_locked(program: &Path) -> bool {
    fs::metadata(program).is_ok_and(|file| file.mode() & 0o111 == 0)
}

/// The path that the first word of a command names.
fn named(word: &OsStr) -> Option<PathBuf> {
    let path = Path::new(word);
    if path == Path::new(OWN_PROGRAM) {
        return None;
    }
    // So a manager starts a supervisor, and an upgrade the next program, whichever file that is:
    // the file of this process may stand at another place since, and another one there.
    if path.is_absolute() {
        return Some(path.into());
    }
    let found = if word.as_bytes().contains(&b'/') {
        absolute(path).ok()
    } else {
        in_path(word)
    };
    found.filter(|found| is_own(found))
}

fn place(file: PathBuf) -> PathBuf {
    match file.as_os_str().as_bytes().strip_suffix(REPLACED) {
        Some(place) if !file.exists() => OsStr::from_bytes(place).into(),
        _ => file,
    }
}

fn in_path(word: &OsStr) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .filter_map(|directory| absolute(directory.join(word)).ok())
        .find(|path| path.is_file())
}

fn is_own(path: &Path) -> bool {
    match (fs::metadata(path), fs::metadata(OWN_PROGRAM)) {
        (Ok(there), Ok(own)) => (there.ino(), there.dev()) == (own.ino(), own.dev()),
        _ => false,
    }
}

/// The build of this process, as `0.1.0-5f3a9c01`.
pub(crate) fn own() -> String {
    match of(Path::new(OWN_PROGRAM)) {
        Ok(hash) => format!("{}-{hash}", env!("CARGO_PKG_VERSION")),
        // A program that cannot read itself differs from every other, which costs one restart.
        Err(_) => format!("{}-unknown", env!("CARGO_PKG_VERSION")),
    }
}

/// The part of the build that is in the file.
pub(crate) fn of(program: &Path) -> io::Result<String> {
    let file = File::open(program)?;
    let length = file.metadata()?.len();
    let mut first = vec![0; PAGE.min(usize::try_from(length).unwrap_or(PAGE))];
    let mut last = first.clone();
    file.read_exact_at(&mut first, 0)?;
    let tail = length - last.len() as u64;
    file.read_exact_at(&mut last, tail)?;
    let bytes = length.to_le_bytes().into_iter().chain(first).chain(last);
    Ok(format!("{:08x}", fold(hash(bytes))))
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): nobody forges a build of his own.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn fold(hash: u64) -> u64 {
    hash >> 32 ^ hash & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_where_it_was() {
        let there = |path: &str| place(path.into());
        assert_eq!(there("/usr/sbin/hbd"), Path::new("/usr/sbin/hbd"));
        assert_eq!(there("/none/hbd (deleted)"), Path::new("/none/hbd"));
        assert_eq!(path().unwrap(), env::current_exe().unwrap());
    }

    #[test]
    fn a_whole_path_is_believed_and_a_mere_name_only_where_it_leads_here() {
        let named = |word: &str| named(word.as_ref());
        assert_eq!(named("/none/hbd"), Some("/none/hbd".into()));
        assert_eq!(named("/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(named(OWN_PROGRAM), None);
        assert_eq!(named("none/hbd"), None);
        assert_eq!(named("sh"), None);
    }

    #[test]
    fn copies_are_one_build_and_a_byte_more_is_another() {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("hbd-identity-{}", std::process::id()));
        fs::copy(OWN_PROGRAM, &path).unwrap();
        let own = own();
        let copy = of(&path).unwrap();
        assert!(own.ends_with(&format!("-{copy}")), "{own} and {copy}");
        let mut content = fs::read(&path).unwrap();
        content.push(0);
        fs::write(&path, content).unwrap();
        assert_ne!(of(&path).unwrap(), copy);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        assert_ne!(of(&path).unwrap(), copy);
        fs::remove_file(&path).unwrap();
    }
}
