//! Bugs planted on purpose, one at a time, to prove that exploration by seed would find them.
//!
//! They are compiled with the feature `mutants` only, which nothing but the tests asks for, and even
//! then a core has one only if [`Core::with_mutant`](crate::Core::with_mutant) gave it. Everywhere
//! else [`planted!`] is the constant `false`. Each call site stands where a change made in haste
//! would have put the bug.

/// Whether this core has that bug.
#[cfg(not(feature = "mutants"))]
macro_rules! planted {
    ($core:expr, $mutant:ident) => {
        false
    };
}
#[cfg(feature = "mutants")]
macro_rules! planted {
    ($core:expr, $mutant:ident) => {
        $core.planted == Some($crate::mutant::Mutant::$mutant)
    };
}
pub(crate) use planted;

#[cfg(feature = "mutants")]
shared::mutants! {
    /// Messages of a former life count.
    NoGenerationCheck "no-generation-check",
    /// Who seems silent is judged before what arrived is looked at.
    NoDrain "no-drain",
    /// The dead time that a peer announces is ignored.
    DeadtimeIgnored "deadtime-ignored",
    /// A message counts each time it comes.
    DuplicateCounts "duplicate-counts",
    /// A death is not reported.
    DeathUnreported "death-unreported",
    /// A node is declared dead a dead time too late.
    DeathTooLate "death-too-late",
    /// A link that was up stays up.
    LinkNeverDies "link-never-dies",
    /// The numbers of a former life go on in the next.
    SequenceNotReset "sequence-not-reset",
    /// Nodes that start are given deadtime, not initdead.
    InitdeadIgnored "initdead-ignored",
    /// A node that was dead and lived on is welcomed as if nothing had been.
    HealUnnoticed "heal-unnoticed",
    /// A beat from before its death brings a node back.
    ReplayRevives "replay-revives",
    /// Nobody looks at what peers heard.
    OneWayUnseen "one-way-unseen",
    /// Two nodes may have one identity.
    CloneAccepted "clone-accepted",
    /// After a quick restart nobody is known.
    RestartForgets "restart-forgets",
    /// What is remembered for the next core is from the beginning of the peer's life.
    MemoryStale "memory-stale",
    /// Jeopardy never ends.
    JeopardyForEver "jeopardy-for-ever",
    /// Once in doubt, a node is never trusted again.
    DoubtForEver "doubt-for-ever",
    /// A status is reported with each beat.
    StatusRepeated "status-repeated",
    /// A fragment is passed on each time it comes.
    FragmentTwice "fragment-twice",
    /// A message counts as delivered when its last fragment has arrived.
    DeliveredTooEarly "delivered-too-early",
    /// Fragments go over slow media as over any other.
    BulkAnywhere "bulk-anywhere",
    /// Nothing is acknowledged.
    NoAcknowledgement "no-acknowledgement",
    /// What was heard is listed in every beat on slow media, too.
    HeardAnywhere "heard-anywhere",
    /// On a serial line a beat waits for what was sent before it.
    BeatsWait "beats-wait",
    /// What is missing is asked for over a slow path as over any other.
    AsksTooMuch "asks-too-much",
    /// What peers tell of their configuration is not read.
    ConfigUnread "config-unread",
    /// Other keys count after a restart only.
    KeysLate "keys-late",
    /// What managers say is passed on each time it comes.
    SaidTwice "said-twice",
    /// What managers say is not sent again.
    SaidLost "said-lost",
    /// What managers say is passed on from the dead too.
    SaidByTheDead "said-by-the-dead",
}
