//! Configuration: from the bytes of the files in `/etc/ha.d` to a [`Config`], or to every reason
//! why there is none.
//!
//! ```text
//!  load      files of a directory -> Files          the only part that reads a disk
//!  lex       bytes -> lines, words, spans
//!  directives  the one table: a word's grammar, default, effect, texts
//!  draft     what the lines said, with the place that said it
//!  crosscheck  draft -> Config, and what only the whole shows
//!  keys, haresources   the files with a grammar of their own
//!  diff      two accepted sets of files -> what changed, and what each change asks for
//!  machine   what the configuration mentions, held against facts about this machine
//!  render    diagnostics -> text for people
//! ```
//!
//! Rules. Nothing stops at the first problem: a run of [`check::text`] reports them all. The old
//! files mean what Heartbeat 3.0.6 makes of them; where it accepts what cannot have been meant,
//! there is a warning, and where it reads past the end of a word, an error. A configuration with
//! an error is never used. A secret is never printed: not by `Debug`, not in the excerpt below a
//! message.
//!
//! Not here: looking at the machine (that is `diag::facts`), and asking other nodes.

mod apiauth;
pub mod check;
mod crosscheck;
pub mod diagnostic;
pub mod diff;
pub mod directives;
mod draft;
mod fencing;
pub mod haresources;
mod health;
mod keyfile;
pub mod keys;
mod lex;
pub mod load;
pub mod machine;
pub mod manual;
mod media;
pub mod migration;
mod model;
mod monitor;
mod reader;
pub mod render;
mod report;
mod running;
pub mod source;
pub mod suggest;
mod value;

pub use check::Checked;
pub use diagnostic::{Code, Diagnostic, Severity};
pub use keys::{DigestMethod, Key, KeyRing, Secret};
pub use media::MEDIA_LINES_MAX;
pub use model::{
    Account, ActionLimits, ApiAccess, ApiRole, AutoFailback, Config, FENCE_AGENTS, FenceDevice,
    FenceMethod, Fencing, GenerationSource, Group, HealthCheck, HealthKind, Host, Ineffective,
    Logging, MANAGER_TIME, ManagerKind, Medium, MediumKind, Monitor, NODES_MAX, Peer6, Realtime,
    Resource, Resources, STONITH_PROGRAM, StartupRule, StonithParameters, StopFailureRule, Timing,
    UuidSource, is_open_setting,
};
pub use running::{Running, RunningKey};
pub use source::{FileName, Files};
