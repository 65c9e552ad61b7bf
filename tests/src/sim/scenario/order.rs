//! What a scenario can order, as read from its lines. `tests/README.md` lists them for authors.

use std::time::Duration;

use hbd_core::{KeySpec, Said};
use shared::names::{ClientName, Generation, KeyIndex, NodeName};
use shared::session::Class;

use super::super::segment::Quality;

/// One line of a scenario.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// What it orders.
    pub order: Order,
}

/// An order.
#[derive(Clone, Debug)]
pub enum Order {
    /// `nodes NAME...`: the nodes of `ha.cf`, each a machine with a daemon that is off.
    Nodes(Vec<NodeName>),
    /// `puppet NAME [generation=N]`: this node of `ha.cf` has no core; the scenario speaks for it.
    Puppet(NodeName, Generation),
    /// `stranger NAME [generation=N]`: a speaker that is in nobody's `ha.cf`.
    Stranger(NodeName, Generation),
    /// `ping NAME NODE...`: a host that these nodes ping.
    Ping(NodeName, Vec<NodeName>),
    /// `link NAME NODE... [QUALITY...] [baud=N] [echo]`: a segment.
    Link(Link),
    /// `set [NODE] SETTING=SPAN...`: for the next start of a core.
    Set(Option<NodeName>, Vec<(Setting, Duration)>),
    /// `reload [NODE]`: the running core takes the times over that `set` named.
    Reload(Option<NodeName>),
    /// `keys [NODE] active=N N:METHOD:SECRET...`: at once where a core runs, else at its start.
    Keys(Option<NodeName>, KeyIndex, Vec<KeySpec>),
    /// `strike NODE FROM...`: no more in the `ha.cf` of these nodes, at the next start of a core.
    Strike(NodeName, Vec<NodeName>),
    /// `enter NODE IN...`: in it again.
    Enter(NodeName, Vec<NodeName>),
    /// `boot`: start every daemon and run until quiet, showing nothing.
    Boot,
    /// `start NODE... [without-disk] [after-reboot]`: start the daemon.
    Start(Vec<NodeName>, Start),
    /// `kill NODE...`: end every process of hbd there.
    Kill(Vec<NodeName>),
    /// `restart-core NODE [after=SPAN]`: kill the core, the supervisor starts another.
    RestartCore(NodeName, Duration),
    /// `freeze NODE [SPAN]`: stop the machine, for a span or until `thaw`.
    Freeze(NodeName, Option<Duration>),
    /// `thaw NODE`.
    Thaw(NodeName),
    /// `leave NODE...`: leave in order.
    Leave(Vec<NodeName>),
    /// `clock NODE +SPAN|-SPAN`: step the wall clock.
    Clock(NodeName, Duration, bool),
    /// `clone FROM TO`: TO's disk gets FROM's UUID.
    Clone(NodeName, NodeName),
    /// `cut [LINK] [A->B | NODE]`: nothing passes.
    Cut(Paths),
    /// `heal [LINK] [A->B | NODE]`: everything passes.
    Heal(Paths),
    /// `quality [LINK] [A->B | NODE] QUALITY...`.
    Quality(Paths, Changes),
    /// `answer NAME yes|no`: whether a pinged host answers.
    Answer(NodeName, bool),
    /// `send SPEAKER TYPE FIELD=VALUE...`: one message of a puppet or stranger.
    Send(NodeName, Speech),
    /// `beats SPEAKER FIELD=VALUE...`: such a `status`, at once and every keepalive.
    Beats(NodeName, Speech),
    /// `hush SPEAKER`: no beats from here on.
    Hush(NodeName),
    /// `say NODE TYPE FIELD=VALUE...`: what its manager says to those of all nodes.
    Say(NodeName, Said),
    /// `listen NODE/CLIENT [silent]`: a client listens; unless it is silent it acknowledges each
    /// message at once.
    Listen(Client, bool),
    /// `unlisten NODE/CLIENT`.
    Unlisten(Client),
    /// `acknowledge NODE/CLIENT`: everything it has.
    Acknowledge(Client),
    /// `message NODE/CLIENT NODE/CLIENT TEXT|bytes=N [times=N] [class=CLASS]`: one client sends
    /// another a message, or so many.
    Message(Letter),
    /// `close NODE/CLIENT NODE/CLIENT`: the sender closes its stream.
    Close(Client, Client),
    /// `give-up NODE/CLIENT NODE/CLIENT`: the sender does not wait any longer.
    GiveUp(Client, Client),
    /// `keep NODE as NAME [TYPE]`: remember the last packet (of that type) that NODE sent.
    Keep(NodeName, String, Option<String>),
    /// `replay NAME [over=LINK]`: send a remembered packet to everyone.
    Replay(String, Option<String>),
    /// `raw LINK "TEXT"`: send bytes that are no message; `\n`, `\xHH` as in Rust.
    Raw(String, Vec<u8>),
    /// `run SPAN | deadtime | initdead | until quiet`.
    Run(Until),
    /// `look [NODE...]`: print what these nodes (or all) believe.
    Look(Vec<NodeName>),
    /// `note TEXT`: print it.
    Note(String),
    /// `show times`, `show packets TYPE...`, `show KIND...`.
    Show(Shown),
    /// `hide KIND...`: print no such events from here on.
    Hide(Vec<String>),
}

/// A client on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// The node.
    pub node: NodeName,
    /// Its name there.
    pub name: ClientName,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.node, self.name)
    }
}

/// Messages to be sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Who sends.
    pub from: Client,
    /// To whom.
    pub to: Client,
    /// What; where it is sent several times each gets its number at the end.
    pub bytes: Vec<u8>,
    /// How often.
    pub times: usize,
    /// As what; else by its length.
    pub class: Option<Class>,
}

/// A segment to be.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its members.
    pub members: Vec<NodeName>,
    /// All its paths.
    pub quality: Changes,
    /// Bits per second; makes it a serial line.
    pub baud: Option<u32>,
    /// Members hear themselves.
    pub echo: bool,
}

/// How a daemon is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// The disk is empty.
    pub without_disk: bool,
    /// The machine was switched off and on.
    pub after_reboot: bool,
}

/// A setting of the core that scenarios change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `keepalive`
    Keepalive,
    /// `warntime`
    Warntime,
    /// `deadtime`
    Deadtime,
    /// `initdead`
    Initdead,
    /// `deadping`
    Deadping,
    /// `link_up_delay`
    LinkUpDelay,
    /// `link_down_delay`
    LinkDownDelay,
    /// `max_rexmit_delay`
    MaxRexmitDelay,
    /// `unauth_hold`
    UnauthHold,
}

impl Setting {
    /// Every setting with its word.
    pub const ALL: [(&'static str, Self); 9] = [
        ("keepalive", Self::Keepalive),
        ("warntime", Self::Warntime),
        ("deadtime", Self::Deadtime),
        ("initdead", Self::Initdead),
        ("deadping", Self::Deadping),
        ("link_up_delay", Self::LinkUpDelay),
        ("link_down_delay", Self::LinkDownDelay),
        ("max_rexmit_delay", Self::MaxRexmitDelay),
        ("unauth_hold", Self::UnauthHold),
    ];
}

/// Some paths of some segments.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// Of this segment; else of all.
    pub link: Option<String>,
    /// From this node; else from any.
    pub from: Option<NodeName>,
    /// To this node; else to any.
    pub to: Option<NodeName>,
    /// From or to this node.
    pub either: Option<NodeName>,
}

/// Changes of a path's quality: those given.
#[derive(Clone, Debug, Default)]
pub struct Changes(pub Vec<Change>);

/// One change of a path's quality.
#[derive(Clone, Debug)]
pub enum Change {
    /// `latency=SPAN`
    Latency(Duration),
    /// `jitter=SPAN`
    Jitter(Duration),
    /// `loss=N%`
    Loss(super::super::Chance),
    /// `duplicate=N%`
    Duplicate(super::super::Chance),
    /// `corrupt=N%`
    Corrupt(super::super::Chance),
}

impl Changes {
    /// Makes the changes.
    pub fn apply(&self, quality: &mut Quality) {
        for change in &self.0 {
            match *change {
                Change::Latency(span) => quality.latency = span,
                Change::Jitter(span) => quality.jitter = span,
                Change::Loss(chance) => quality.loss = chance,
                Change::Duplicate(chance) => quality.duplicate = chance,
                Change::Corrupt(chance) => quality.corrupt = chance,
            }
        }
    }
}

/// What a puppet says.
#[derive(Clone, Debug, Default)]
pub struct Speech {
    /// The type, `t`.
    pub message_type: String,
    /// Fields with their text, in order.
    pub fields: Vec<(String, String)>,
    /// Over this segment only.
    pub over: Option<String>,
    /// Signed with this key of the default keys.
    pub key: Option<KeyIndex>,
}

/// How long to run.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// For so long.
    Span(Duration),
    /// For the dead time and a keepalive.
    Deadtime,
    /// For initdead and a keepalive.
    Initdead,
    /// Until nothing has happened for twice the dead time.
    Quiet,
}

/// What to print from here on.
#[derive(Clone, Debug)]
pub enum Shown {
    /// When each event happens, in seconds since the beginning.
    Times,
    /// Messages of these types that cores send.
    Packets(Vec<String>),
    /// Events of these kinds, hidden before.
    Kinds(Vec<String>),
}
