//! What a check has to say: one value per problem, for people and for programs.

use std::fmt;

use serde::{Serialize, Serializer};

use super::source::FileName;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but probably does not say what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! codes {
    ($($variant:ident $severity:ident $id:literal $meaning:literal)*) => {
        /// Which problem it is. The text form is stable: scripts may rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the manual.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// What it means, as one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    // Files and lines.
    FileMissing Error "file-missing" "A file that must exist does not."
    FileUnreadable Error "file-unreadable" "A file cannot be read."
    FileNotAFile Error "file-not-a-file" "A directory or another special file stands where a file should."
    FileTooLarge Error "file-too-large" "A file is larger than any configuration can be."
    FileWritable Warning "file-writable" "Others than the owner may change a file."
    SecretReadable Error "secret-readable" "Others than the owner may read a file with keys."
    SecretOpen Warning "secret-open" "Others than the owner have other rights on a file with keys."
    NotText Error "not-text" "A line holds a byte that is no printable UTF-8."
    LineTooLong Error "line-too-long" "A line is longer than Heartbeat 3.0.6 reads."

    // Directives.
    UnknownDirective Error "unknown-directive" "A line begins with a word that is no directive."
    ArgumentMissing Error "argument-missing" "A directive lacks a value that it needs."
    NoValue Warning "no-value" "A directive without a value does nothing."
    SeveralValues Warning "several-values" "A directive that takes one value got several; the last one counts."
    ExtraWords Warning "extra-words" "Words after the last value are ignored."
    Repeated Warning "repeated" "A directive stands twice in a file; the last one counts."
    Twice Error "twice" "A directive that may stand once stands twice."
    OwnWord Warning "own-word" "A word of hbd's own stands in a file that Heartbeat 3.0.6 reads too."
    OldName Warning "old-name" "A directive has a newer name."
    NotYet Warning "not-yet" "A directive has no effect in this release."
    NoEffect Warning "no-effect" "A directive has no effect in hbd."
    Refused Error "refused" "A directive would be dangerous to ignore and is not built."

    // Values.
    BadTime Error "bad-time" "A value is no time, or out of bounds."
    BadBoolean Error "bad-boolean" "A value is neither yes nor no."
    BadNumber Error "bad-number" "A value is no number, or out of bounds."
    BadWord Error "bad-word" "A value is none of the words that are allowed."
    BadName Error "bad-name" "A value cannot be the name of a node, user, group or host."
    BadDevice Error "bad-device" "A value cannot be the name of a network interface."
    BadAddress Error "bad-address" "A value is no address of the kind that is needed."
    BadPath Error "bad-path" "A path does not begin with a slash."
    BadAssignment Error "bad-assignment" "A value is not of the form NAME=VALUE."
    BadAccess Error "bad-access" "An apiauth line does not say who has access."
    AccessOfCore Warning "access-of-core" "An apiauth line names hbd-core or nobody, one of which is the user of hbd's core and never has rights."

    // The whole.
    NoNode Error "no-node" "No node is named."
    NodeTwice Warning "node-twice" "A node is named twice."
    TooManyNodes Error "too-many-nodes" "More nodes are named than a cluster can have."
    OwnNodeMissing Error "own-node-missing" "This node is not among the nodes."
    NoMedium Error "no-medium" "No medium is named, so no beat could be sent."
    PingNameTaken Error "ping-name-taken" "A ping node has the name of another node."
    TooManyMedia Error "too-many-media" "More media are named than a node can serve."
    MediumTwice Warning "medium-twice" "A medium is named twice."
    BaudLate Warning "baud-late" "A baud line below a serial line does not change that line."
    SerialSlow Warning "serial-slow" "Beats alone take more than half of a serial line: take a longer keepalive or a higher baud on all nodes, and another medium for large messages."
    UdpportLate Warning "udpport-late" "A udpport line below a medium does not change that medium."
    ListenUnused Warning "listen-unused" "A listen address has no unicast medium of its family."
    DeadtimeTooSmall Error "deadtime-too-small" "deadtime is not larger than two keepalives."
    DeadtimeShort Warning "deadtime-short" "deadtime is smaller than three keepalives."
    DeadpingTooSmall Error "deadping-too-small" "deadping is not larger than two keepalives."
    InitdeadTooSmall Error "initdead-too-small" "initdead is smaller than deadtime."
    InitdeadShort Warning "initdead-short" "initdead is smaller than ten seconds."
    WarntimeLate Warning "warntime-late" "warntime is not smaller than deadtime, so no beat is ever late."
    LoggingOff Error "logging-off" "All logging is switched off."
    AutojoinWithGroups Error "autojoin-with-groups" "Nodes may join by themselves, but there is a haresources file."
    ManagerNone Error "manager-none" "haresources names groups, but manager is none."
    TwoNodeCount Error "two-node-count" "The manager two_node needs exactly two nodes."
    UnknownGroup Error "unknown-group" "A monitor or health line names a group that is not in haresources."
    HealthTimeout Error "health-timeout" "A health check may take as long as the time between two runs of it."
    TooManyHealthChecks Error "too-many-health-checks" "More health checks are named than a node makes."
    FenceUnknownNode Error "fence-unknown-node" "A fence or fencedelay line names a node that is not in ha.cf."
    FenceOneSided Warning "fence-one-sided" "Some nodes have fence lines and others have none."
    FenceUnused Warning "fence-unused" "A line is about fencing, but no device is configured."
    FenceReadable Warning "fence-readable" "Others than the owner may read a file that holds what a fencing device is told."
    FencePretends Warning "fence-pretends" "A fencing device makes nobody sure that a node is off."
    StonithHostUnknown Warning "stonith-host-unknown" "A stonith_host line names a host that is not in ha.cf."
    AutoFailbackMissing Warning "auto-failback-missing" "haresources names groups, but auto_failback is not set."

    // Keys.
    AuthMissing Error "auth-missing" "No auth line says which key signs."
    AuthKeyMissing Error "auth-key-missing" "The key that an auth line names is not defined below it."
    AuthIgnored Warning "auth-ignored" "An auth line has no effect because another one wins."
    AuthOverridden Warning "auth-overridden" "hbd.keys chooses the signing key, so no Heartbeat 3.0.6 node can be a member."
    KeyLine Error "key-line" "A line is neither an auth line nor a key."
    KeyIndex Error "key-index" "The number of a key is not 0 to 15."
    KeyIndexInBoth Error "key-index-in-both" "authkeys and hbd.keys define the same key number."
    KeyTwice Warning "key-twice" "A file defines a key twice; the last definition counts."
    KeyMethod Error "key-method" "The method of a key is not known, or not known in this file."
    KeyTextMissing Error "key-text-missing" "A method that needs a key has none."
    KeyTextUnwanted Error "key-text-unwanted" "crc has a key, but uses none."
    KeyExtraWords Warning "key-extra-words" "A key ends at the first blank; more words follow."
    KeyShort Warning "key-short" "A key is so short that it can be guessed."
    KeyCrc Warning "key-crc" "Packets are signed with crc, which anyone can do."

    // Resource groups.
    UnknownNode Error "unknown-node" "haresources names a node that is not in ha.cf."
    ResourceSyntax Error "resource-syntax" "A resource names no agent, or its arguments are none that its agent takes."
    ClassUnknown Warning "class-unknown" "A resource looks as if it named a class of agents, but is taken for the name of a script."
    IpSyntax Error "ip-syntax" "A service address is not of the form ADDRESS/BITS/INTERFACE/BROADCAST."
    AddressTwice Warning "address-twice" "A service address stands in haresources twice."
    GroupNameTwice Error "group-name-twice" "Two groups begin with the same resource, so that nobody can tell them apart."
    GroupKeyTwice Warning "group-key-twice" "The first resource of a group stands in another group, where Heartbeat 3.0.6 finds it, too."
    GroupEmpty Warning "group-empty" "A line of haresources names a node and no resource."
    CommentInContinuedLine Warning "comment-in-continued-line" "Heartbeat 3.0.6 takes the words of this comment for resources."
    BrokenContinuation Warning "broken-continuation" "A backslash that is not the last byte of its line does not continue it."

    // The machine.
    InterfaceMissing Warning "interface-missing" "A network interface does not exist here."
    InterfaceUnfit Warning "interface-unfit" "A network interface lacks what its medium needs."
    HostUnresolved Error "host-unresolved" "The name of a host has no IPv4 address."
    HostLoopback Error "host-loopback" "The name of a host leads back to this machine."
    UnicastOwn Warning "unicast-own" "A unicast medium only names addresses of this machine."
    NothingReached Warning "nothing-reached" "All media only name addresses of this machine, so no peer hears it."
    AddressForeign Warning "address-foreign" "A service address is on an interface already, and hbd did not put it there."
    ListenForeign Warning "listen-foreign" "A listen address is not an address of this machine."
    UserUnknown Error "user-unknown" "A user does not exist here."
    CoreUserMissing Warning "core-user-missing" "The user hbd-core does not exist, so that hbd's core runs as nobody."
    GroupUnknown Error "group-unknown" "A user group does not exist here."
    ProgramMissing Warning "program-missing" "A program does not exist or cannot be executed."
    FenceProgramMissing Error "fence-program-missing" "The program of a fencing device does not exist or cannot be executed."
    StonithTypeUnknown Warning "stonith-type-unknown" "The program stonith has no devices of such a type here."
    SerialMissing Warning "serial-missing" "A serial port does not exist."
    SerialUnfit Warning "serial-unfit" "What is named as a serial port is something else."
    PingOwn Warning "ping-own" "A host to ping is this machine, which answers whatever happens to the network."
    WatchdogMissing Error "watchdog-missing" "The device of watchdog does not exist."
    SelfFenceMissing Error "self-fence-missing" "The program of selffence does not exist or cannot be executed."
    ManagerProgramMissing Error "manager-program-missing" "The program that is the manager does not exist or cannot be executed."
    HealthProgramMissing Warning "health-program-missing" "The program of a health check does not exist or cannot be executed."
    NotificationNotRun Warning "notification-not-run" "A script in rc.d is never run, since it may move resources or there is no occasion for it."
    ScriptMissing Warning "script-missing" "A resource script or agent does not exist or cannot be executed."
    ServicePort Warning "service-port" "The UDP port belongs to another service."

    TooManyProblems Error "too-many-problems" "There are more problems than are shown."
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spot {
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong with what stands there; may be empty.
    pub label: String,
    /// The line, with keys and passwords masked.
    #[serde(skip)]
    pub excerpt: String,
    /// Bytes of `excerpt` that are meant.
    #[serde(skip)]
    pub range: std::ops::Range<usize>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Which problem.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What is wrong and on what, as one sentence without a full stop.
    pub message: String,
    /// The file it is about.
    pub file: FileName,
    /// Where in the file, unless it is about the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
    /// An earlier place that has to do with it, in the same or another file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What could stand at the spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// A second place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The file.
    pub file: FileName,
    /// Where in it.
    pub spot: Spot,
}

impl Diagnostic {
    /// Whether the configuration cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
