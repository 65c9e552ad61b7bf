//! Bugs planted on purpose, one at a time, to prove that exploration by seed would find them.
//!
//! They are compiled with the feature `mutants` only, which nothing but the tests asks for, and even
//! then a manager has one only if it was given it. Everywhere else [`planted!`] is the constant
//! `false`. Each call site stands where a change made in haste would have put the bug.

/// Whether this manager has that bug.
#[cfg(not(feature = "mutants"))]
macro_rules! planted {
    ($manager:expr, $mutant:ident) => {
        false
    };
}
#[cfg(feature = "mutants")]
macro_rules! planted {
    ($manager:expr, $mutant:ident) => {
        $manager.planted == Some($crate::mutant::Mutant::$mutant)
    };
}
pub(crate) use planted;

#[cfg(feature = "mutants")]
shared::mutants! {
    /// A group is taken though the other node has not answered.
    TakesUnanswered "takes-unanswered",
    /// Answers of before a death count.
    OldAnswersCount "old-answers-count",
    /// Both owners keep what both hold.
    NeverYields "never-yields",
    /// Both owners give up what both hold.
    AlwaysYields "always-yields",
    /// A group counts as stopped when its stop begins.
    FreeTooEarly "free-too-early",
    /// A stop that failed counts as done.
    StopFailureIgnored "stop-failure-ignored",
    /// A manager that follows another forgets what was held.
    ForgetsHeld "forgets-held",
    /// A group whose start failed is not stopped.
    LeavesHalfStarted "leaves-half-started",
    /// A group that failed here is tried here at once.
    NoPauseAfterFailure "no-pause-after-failure",
    /// A dead node is succeeded while it may live with another key.
    IgnoresUnauthenticated "ignores-unauthenticated",
    /// A node takes groups before it knows whether the other lives.
    TakesBeforeCommunication "takes-before-communication",
    /// What was not answered is not said again.
    NeverRepeats "never-repeats",
    /// A node that leaves takes what the other gives up.
    TakesWhileLeaving "takes-while-leaving",
    /// What was stopped to be started anew is started, whatever happened meanwhile.
    RestartsRegardless "restarts-regardless",
    /// What does not work is left as it is.
    NeverRepairs "never-repairs",
    /// A sick node keeps what it holds.
    SickKeeps "sick-keeps",
    /// A dead node is succeeded though no device confirmed that it is off.
    TakesUnfenced "takes-unfenced",
    /// A fencing that failed counts as one that succeeded.
    FenceFailureCounts "fence-failure-counts",
    /// A fencing counts for a later death than it was meant for.
    OldFenceCounts "old-fence-counts",
    /// A fencing that failed is not tried again.
    NeverFencesAgain "never-fences-again",
    /// A node that left in order is fenced.
    FencesTheLeft "fences-the-left",
    /// A node that reaches fewer ping nodes keeps what it holds.
    IgnoresPings "ignores-pings",
    /// Who keeps what both hold is decided by a number of ping nodes that the other has not read.
    DecidesByUnread "decides-by-unread",
    /// A node that another one counts as dead keeps what that one holds.
    KeepsThoughDeclaredDead "keeps-though-declared-dead",
}
