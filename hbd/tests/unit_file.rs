//! The unit file for systemd says what the manual promises of it.

const UNIT: &str = include_str!("../hbd.service");
const PAGE: &str = include_str!("../../man/hbd.8");

/// What keeps hbd alive and its peers calm, by section.
const NEEDED: [(&str, &str); 14] = [
    ("Unit", "StartLimitIntervalSec=0"),
    ("Unit", "After=network.target syslog.target"),
    ("Unit", "Conflicts=heartbeat.service"),
    ("Service", "Type=notify-reload"),
    ("Service", "NotifyAccess=main"),
    ("Service", "Restart=always"),
    ("Service", "RestartPreventExitStatus=2 8"),
    ("Service", "KillMode=process"),
    ("Service", "OOMPolicy=continue"),
    ("Service", "TimeoutStopSec=10min"),
    ("Service", "WatchdogSec=30s"),
    ("Service", "FileDescriptorStoreMax=8"),
    ("Service", "LimitMEMLOCK=infinity"),
    ("Install", "WantedBy=multi-user.target"),
];

#[test]
fn every_setting_that_is_needed_stands_in_its_section() {
    let mut section = "";
    let mut settings = Vec::new();
    for line in UNIT
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        match line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(name) => section = name,
            None => {
                assert!(line.contains('='), "{line}");
                settings.push((section, line));
            }
        }
    }
    for needed in NEEDED {
        assert!(
            settings.contains(&needed),
            "{needed:?} is not in {settings:#?}"
        );
    }
}

#[test]
fn what_agents_may_do_is_not_narrowed() {
    // They are whatever scripts the resources need, and inherit what the unit leaves.
    for word in [
        "CapabilityBoundingSet",
        "NoNewPrivileges",
        "Protect",
        "Private",
    ] {
        let narrows = |line: &str| line.starts_with(word);
        assert!(!UNIT.lines().any(narrows), "{word}");
    }
}

#[test]
fn the_manual_explains_the_settings_that_systemd_sets_otherwise_by_default() {
    for word in [
        "Type",
        "KillMode",
        "OOMPolicy",
        "StartLimitIntervalSec",
        "WatchdogSec",
        "FileDescriptorStoreMax",
        "TimeoutStopSec",
    ] {
        assert!(PAGE.contains(word), "hbd(8) does not tell of {word}");
    }
}
