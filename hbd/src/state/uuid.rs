//! The lasting identity of this node.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use shared::names::Uuid;

use super::{On, StateError, file};

/// The file.
pub(super) const NAME: &str = "hb_uuid";

/// Reads the identity, or makes one at random and keeps it.
pub(crate) fn own_uuid(directory: &Path) -> Result<Uuid, StateError> {
    let path = directory.join(NAME);
    if let Some(content) = file::read(directory, NAME).on("read", &path)? {
        return parse(&content).ok_or_else(|| StateError::Corrupt {
            path,
            reason: format!("holds no identity: {} bytes, not 16", content.len()),
            remedy: "restore it, or remove it: peers then see a node that was installed anew",
        });
    }
    let uuid = random().on("read", Path::new(RANDOM))?;
    file::replace(directory, NAME, &uuid.0).on("write", &path)?;
    Ok(uuid)
}

/// The identity in the file's content. One of zeroes only is what a crash leaves of a file.
pub(super) fn parse(content: &[u8]) -> Option<Uuid> {
    let bytes: [u8; 16] = content.try_into().ok()?;
    (bytes != [0; 16]).then_some(Uuid(bytes))
}

/// The kernel's source of random bytes (`random(4)`).
const RANDOM: &str = "/dev/urandom";

/// Version 4 of RFC 9562.
fn random() -> io::Result<Uuid> {
    let mut bytes = [0; 16];
    File::open(RANDOM)?.read_exact(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(Uuid(bytes))
}
