//! Scripts that a Heartbeat runs when it hears something: `rc.d/TYPE`, for messages of that type.
//!
//! hbd runs what an operator put there for the one type that it has itself, `status`. Those that
//! Heartbeat installs start and stop resources, which hbd does itself: they are never run, and no
//! script is that names what they do it with.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::config::machine::Program;

/// The directory, in that of `ha.cf`.
pub const DIRECTORY: &str = "rc.d";
/// The type of message that is told: the status of another node is a new one.
pub const STATUS: &str = "status";
/// Runs the scripts, where it exists, in the directory of `ha.cf`.
pub const RUNNER: &str = "harc";
/// Largest script in bytes that is run: it is read before.
const SCRIPT_MAX: u64 = 1 << 20;

/// Types whose scripts are parts of Heartbeat's own machinery.
const PARTS: [&str; 4] = [
    "ask_resources",
    "hb_takeover",
    "ip-request",
    "ip-request-resp",
];
/// What resources are started and stopped with behind the back of hbd, in lower case.
const HANDS: [&str; 5] = [
    "mach_down",
    "resourcemanager",
    "req_resource",
    "ha_clustermsg",
    "fifo",
];
/// The scripts of Heartbeat 3.0.6, by their [mark].
const INSTALLED: [(&str, u64); 5] = [
    ("ask_resources", 0x3c19_bbc3_2a8a_562e),
    ("hb_takeover", 0xb507_b802_27d9_0341),
    ("ip-request", 0xc4d8_7f8b_b934_13df),
    ("ip-request-resp", 0x71fe_0d5c_fba0_6c3f),
    ("status", 0xefc1_b276_bb2c_568d),
];

/// Why a script is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Heartbeat installed it, and nobody changed it.
    Installed,
    /// Its name is that of a part of Heartbeat.
    Part,
    /// It starts or stops resources, or has a Heartbeat do it.
    Meddles {
        /// What it names.
        word: &'static str,
        /// Where, from 1.
        line: usize,
    },
    /// There is no message of that type.
    NoType,
    /// Nobody looks through that much.
    TooLarge,
    /// It cannot be read, for that reason.
    Unreadable(String),
}

impl fmt::Display for Refusal {
    /// What follows "it is never run: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => f.write_str("it is Heartbeat's own"),
            Self::Part => f.write_str("a script of that name moves resources for Heartbeat"),
            Self::Meddles { word, line } => {
                write!(f, "line {line} names {word}, and hbd alone moves resources")
            }
            Self::NoType => write!(f, "{STATUS} is the only type of message that hbd has"),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::TooLarge => write!(f, "it is larger than {SCRIPT_MAX} bytes"),
        }
    }
}

/// Whether the script at that path may be run; nothing where there is none.
#[must_use]
pub fn examine(path: &Path) -> Option<Result<(), Refusal>> {
    if Program::at(path) != Program::Executable {
        return None;
    }
    let name = path.file_name()?.to_str()?;
    Some(match read(path) {
        Ok(content) => judge(name, &content),
        Err(error) => Err(Refusal::Unreadable(error.to_string())),
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path)?;
    file.take(SCRIPT_MAX + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Whether a script of that name, for messages of that type, may be run; also the [`RUNNER`].
fn judge(name: &str, content: &[u8]) -> Result<(), Refusal> {
    if u64::try_from(content.len()).is_ok_and(|length| length > SCRIPT_MAX) {
        return Err(Refusal::TooLarge);
    }
    if INSTALLED.contains(&(name, mark(content))) {
        return Err(Refusal::Installed);
    }
    if PARTS.contains(&name) {
        return Err(Refusal::Part);
    }
    for (line, text) in (1..).zip(content.split(|byte| *byte == b'\n')) {
        let text = text.to_ascii_lowercase();
        let names = |word: &&str| text.windows(word.len()).any(|part| part == word.as_bytes());
        if let Some(word) = HANDS.into_iter().find(names) {
            return Err(Refusal::Meddles { word, line });
        }
    }
    match name {
        STATUS | RUNNER => Ok(()),
        _ => Err(Refusal::NoType),
    }
}

/// The same for scripts that differ in comments, empty lines and indentation only: FNV-1a
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>) of the words. It only tells what a warning is worth.
fn mark(content: &[u8]) -> u64 {
    let lines = content.split(|byte| *byte == b'\n');
    let lines = lines.map(<[u8]>::trim_ascii);
    let code = lines.filter(|line| !line.is_empty() && line[0] != b'#');
    let bytes = code.flat_map(|line| line.iter().chain(b"\n"));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_moves_resources_is_not_run_and_its_line_is_named() {
        let of = |text: &str| judge(STATUS, text.as_bytes());
        assert_eq!(of("#!/bin/sh\nmail -s \"$HA_src $HA_st\" root\n"), Ok(()));
        for (text, word, line) in [
            (
                "#!/bin/sh\n/usr/share/heartbeat/mach_down $HA_src\n",
                "mach_down",
                2,
            ),
            (
                "x\ny\n$HA_NOARCHBIN/ResourceManager takegroup w",
                "resourcemanager",
                3,
            ),
            ("echo >$HA_FIFO", "fifo", 1),
        ] {
            assert_eq!(of(text), Err(Refusal::Meddles { word, line }), "{text}");
        }
    }

    #[test]
    fn scripts_of_heartbeats_names_and_of_unknown_types_are_not_run_whatever_they_say() {
        for name in PARTS {
            assert_eq!(judge(name, b"exit 0"), Err(Refusal::Part));
        }
        assert_eq!(judge("backup", b"exit 0"), Err(Refusal::NoType));
        assert_eq!(judge(RUNNER, b"exec $HA_DIR/rc.d/$1"), Ok(()));
        let large = vec![b' '; 1 + usize::try_from(SCRIPT_MAX).unwrap()];
        assert_eq!(judge(STATUS, &large), Err(Refusal::TooLarge));
    }

    #[test]
    fn comments_and_indentation_do_not_make_another_script() {
        assert_eq!(mark(b"# a\n\n  x y\n"), mark(b"x y"));
        assert_ne!(mark(b"x y"), mark(b"x z"));
    }
}
