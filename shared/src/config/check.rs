//! The whole check of a configuration's text.

use std::collections::BTreeMap;

use super::crosscheck::{self, Parts};
use super::diagnostic::{Code, Diagnostic};
use super::draft::Draft;
use super::fencing;
use super::haresources::{self, Groups};
use super::keyfile::{self, KeyFile};
use super::keys::{Key, KeyRing};
use super::machine::Mention;
use super::model::Config;
use super::reader;
use super::report::{Report, Sources};
use super::source::{Content, FILE_BYTES_MAX, FileName, Files, Source};
use crate::names::KeyIndex;

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration, if nothing is an error.
    pub config: Option<Config>,
    /// Everything there is to say, by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// What only the machine can confirm, for [`super::machine::check`].
    pub mentions: Vec<Mention>,
}

/// Permission bits: others than the owner may read.
const OTHERS_READ: u32 = 0o044;
/// Permission bits: others than the owner may write.
const OTHERS_WRITE: u32 = 0o022;
/// Permission bits: any right of others than the owner.
const OTHERS_ANY: u32 = 0o077;

/// Checks the text of all files. Pure: what is not in `files` is not looked at.
#[must_use]
pub fn text(files: &Files) -> Checked {
    let sources = sources(files);
    let mut report = Report::new(&sources);
    check_files(files, &mut report);

    let mut draft = Draft::default();
    for name in [FileName::HaCf, FileName::HbdCf] {
        if let Some(source) = sources.get(&name) {
            reader::read(source, &mut draft, &mut report);
        }
    }
    draft.distrust_doubtful();
    let lost = report.lost_a_line();
    draft.node_bad |= lost;
    draft.media.broken |= lost;
    draft.haresources_doubtful = lost || unusable(files, FileName::Haresources);
    let keys = keys(files, &sources, &mut report);
    let groups = groups(&sources, &mut draft, &mut report);
    fencing::check_modes(&draft, files, &mut report);
    fencing::mention_programs(&mut draft, files.node.as_ref(), &report);
    let mentions = std::mem::take(&mut draft.mentions);
    let parts = Parts {
        keys,
        groups,
        has_haresources: sources.contains_key(&FileName::Haresources),
        node: files.node.as_ref(),
    };
    let config = if sources.contains_key(&FileName::HaCf) {
        crosscheck::finish(draft, parts, &mut report)
    } else {
        None
    };
    let diagnostics = report.finish();
    let config = config.filter(|_| !diagnostics.iter().any(Diagnostic::is_error));
    Checked {
        config,
        diagnostics,
        mentions,
    }
}

/// Every key that the key files define, for whoever verifies and does not sign: no `auth` line is needed.
///
/// # Errors
/// What is wrong with the files, where anything is.
pub fn keys_alone(files: &Files) -> Result<BTreeMap<KeyIndex, Key>, Vec<Diagnostic>> {
    let sources = sources(files);
    let mut report = Report::new(&sources);
    let key_files = sources.values().filter(|source| source.file.is_secret());
    let read: Vec<KeyFile> = key_files
        .map(|source| keyfile::read(source, &mut report))
        .collect();
    let mut diagnostics = report.finish();
    diagnostics.retain(Diagnostic::is_error);
    match diagnostics.is_empty() {
        true => Ok(keyfile::all(read)),
        false => Err(diagnostics),
    }
}

pub(super) fn sources(files: &Files) -> Sources {
    let mut sources = BTreeMap::new();
    for (name, content) in &files.contents {
        if let Content::Bytes { bytes, .. } = content {
            sources.insert(*name, Source::new(*name, bytes.clone()));
        }
    }
    sources
}

fn check_files(files: &Files, report: &mut Report<'_>) {
    if files.no_directory {
        report
            .about(
                Code::FileMissing,
                FileName::HaCf,
                "the directory of ha.cf does not exist",
            )
            .remedy(
                "name the directory that holds ha.cf, or create it with files as ha.cf(5) shows",
            );
        return;
    }
    for name in FileName::ALL {
        match files.contents.get(&name).unwrap_or(&Content::Missing) {
            Content::Missing => check_missing(name, files, report),
            Content::NotAFile => {
                report
                    .about(Code::FileNotAFile, name, format!("{name} is no file"))
                    .remedy("put a plain file in its place");
            }
            Content::TooLarge => {
                report
                    .about(
                        Code::FileTooLarge,
                        name,
                        format!("{name} is larger than {FILE_BYTES_MAX} bytes"),
                    )
                    .remedy("put the right file in its place");
            }
            Content::Unreadable(reason) => {
                report
                    .about(
                        Code::FileUnreadable,
                        name,
                        format!("{name} cannot be read: {reason}"),
                    )
                    .remedy(
                        "check its owner and permissions; hbd reads it as the user that starts it",
                    );
            }
            Content::Bytes { mode, .. } => check_mode(name, *mode, report),
        }
    }
}

fn check_missing(name: FileName, files: &Files, report: &mut Report<'_>) {
    let given = |name| !matches!(files.contents.get(&name), None | Some(Content::Missing));
    match name {
        FileName::HaCf => {
            report
                .about(Code::FileMissing, name, "ha.cf does not exist")
                .remedy("create it as ha.cf(5) shows, or name another directory");
        }
        FileName::Authkeys if !given(FileName::HbdKeys) => {
            report
                .about(Code::FileMissing, name, "authkeys does not exist")
                .remedy("create it with mode 600, as authkeys(5) shows");
        }
        FileName::Authkeys | FileName::HbdCf | FileName::HbdKeys | FileName::Haresources => {}
    }
}

fn check_mode(name: FileName, mode: Option<u32>, report: &mut Report<'_>) {
    let Some(mode) = mode else {
        return;
    };
    let shown = format!("{:03o}", mode & 0o777);
    if name.is_secret() && mode & OTHERS_READ != 0 {
        report
            .about(
                Code::SecretReadable,
                name,
                format!("{name} has mode {shown}: others than its owner can read the keys"),
            )
            .remedy(format!(
                "chmod 600 {name}, and take new keys if someone may have read them"
            ));
    } else if name.is_secret() && mode & OTHERS_ANY != 0 {
        report
            .about(
                Code::SecretOpen,
                name,
                format!("{name} has mode {shown}: others than its owner have rights on it"),
            )
            .remedy(format!("chmod 600 {name}"));
    } else if mode & OTHERS_WRITE != 0 {
        report
            .about(
                Code::FileWritable,
                name,
                format!("{name} has mode {shown}: others than its owner can change it"),
            )
            .remedy(format!("chmod go-w {name}"));
    }
}

fn keys(files: &Files, sources: &Sources, report: &mut Report<'_>) -> Option<KeyRing> {
    let mut read = |name| -> Option<KeyFile> {
        sources
            .get(&name)
            .map(|source| keyfile::read(source, report))
    };
    let old = read(FileName::Authkeys);
    let new = read(FileName::HbdKeys);
    if unusable(files, FileName::Authkeys) || unusable(files, FileName::HbdKeys) {
        return None;
    }
    keyfile::join(old, new, report)
}

/// Whether something stands where a file should, and nobody knows what it says.
fn unusable(files: &Files, name: FileName) -> bool {
    matches!(
        files.contents.get(&name),
        Some(Content::NotAFile | Content::TooLarge | Content::Unreadable(_))
    )
}

fn groups(sources: &Sources, draft: &mut Draft, report: &mut Report<'_>) -> Groups {
    let Some(source) = sources.get(&FileName::Haresources) else {
        return Groups::default();
    };
    haresources::read(source, draft, report)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::model::{Host, MediumKind};
    use crate::config::source::LINE_BYTES_MAX;

    const KEYS: &str = "auth 1\n1 sha1 lab-secret-key\n";

    fn check(ha_cf: &str) -> Checked {
        text(
            &Files::default()
                .with(FileName::HaCf, ha_cf)
                .with(FileName::Authkeys, KEYS),
        )
    }

    #[test]
    fn keys_alone_need_no_line_that_chooses_one_of_them() {
        let files = |text| Files::default().with(FileName::HbdKeys, text);
        let keys = keys_alone(&files("1 sha1 lab-secret-key\n3 crc\n")).unwrap();
        let methods: Vec<_> = keys.values().map(|key| key.method.as_str()).collect();
        assert_eq!(methods, ["sha1", "crc"]);
        let errors = keys_alone(&files("1 sha1 lab-secret-key\n2 rot13 x\n")).unwrap_err();
        assert_eq!(errors[0].spot.as_ref().unwrap().line, 2);
    }

    #[test]
    fn a_small_configuration_gets_the_defaults_of_heartbeat() {
        let checked = check("node Alice bob\nbcast eth0\n");
        assert_eq!(checked.diagnostics, []);
        let config = checked.config.unwrap();
        assert_eq!(
            config.nodes.iter().map(|n| n.as_str()).collect::<Vec<_>>(),
            ["alice", "bob"]
        );
        assert_eq!(config.timing.keepalive, Duration::from_secs(1));
        assert_eq!(config.timing.deadtime, Duration::from_secs(30));
        assert_eq!(config.timing.warntime, Duration::from_secs(15));
        assert_eq!(config.timing.initdead, Duration::from_secs(30));
        assert_eq!(config.media[0].name.as_str(), "eth0");
        assert_eq!(config.media[0].kind, MediumKind::Bcast { port: 694 });
        assert_eq!(
            config.keys.get(KeyIndex(1)).unwrap().secret.bytes(),
            b"lab-secret-key"
        );
    }

    #[test]
    fn initdead_defaults_by_deadtime_as_in_heartbeat() {
        for (deadtime, initdead) in [("5", 12), ("6", 12), ("10", 20), ("10.5", 10), ("40", 40)] {
            let config = check(&format!("node a\nbcast e\ndeadtime {deadtime}\n"))
                .config
                .unwrap();
            assert_eq!(config.timing.initdead.as_secs(), initdead, "{deadtime}");
        }
    }

    #[test]
    fn all_ucast_lines_of_a_device_form_one_medium() {
        let config = check(
            "node a b c\nudpport 1694\nucast eth0 10.0.0.1\nucast eth1 10.1.0.1\nucast eth0 peer\n",
        )
        .config
        .unwrap();
        assert_eq!(config.media.len(), 2);
        assert_eq!(
            config.media[0].kind,
            MediumKind::Ucast {
                port: 1694,
                peers: vec![
                    Host::Address([10, 0, 0, 1].into()),
                    Host::Name("peer".to_owned())
                ],
                listen: None
            }
        );
    }

    #[test]
    fn a_configuration_survives_the_way_to_the_core() {
        let config = check("node a\nbcast e\nucast6 e fe80::1\napiauth hbd-admin uid=0,root\n")
            .config
            .unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }

    #[test]
    fn debug_output_of_a_configuration_holds_no_key() {
        let shown = format!("{:?}", check("node a\nbcast e\n").config);
        assert!(!shown.contains("lab-secret"), "{shown}");
    }

    #[test]
    fn any_bytes_in_any_file_give_diagnostics_and_no_panic() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let alphabet = b"node bcast mcast ucast listen auth 1 sha1 :: \\ # / % \n\n\n\xff\xc3\xa4\0\x1b\r\t,=.9-";
        for _ in 0..300 {
            let mut files = Files::default();
            for name in FileName::ALL {
                let bytes = (0..200)
                    .map(|_| {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        alphabet[state as usize % alphabet.len()]
                    })
                    .collect();
                files.contents.insert(
                    name,
                    Content::Bytes {
                        bytes,
                        mode: Some(0o600),
                    },
                );
            }
            let checked = text(&files);
            let rendered =
                crate::config::render::render_all(&checked.diagnostics, Default::default());
            assert!(!rendered.contains('\x1b'));
        }
    }

    #[test]
    fn a_file_of_names_only_takes_bounded_memory() {
        let words = "x y/ 1 ".repeat(LINE_BYTES_MAX / 8);
        for word in ["node", "bcast", "ucast", "apiauth hbd-admin uid=a", "frob"] {
            let line = format!("{word} {words}\n");
            let checked = check(&line.repeat(FILE_BYTES_MAX as usize / line.len()));
            assert!(checked.diagnostics.len() <= 501, "{word}");
            assert!(checked.mentions.len() <= 1000, "{word}");
            assert!(checked.config.is_none(), "{word}");
        }
    }
}
