//! hbd-api(7): every request and frame with an example, roles, error codes, limits.

use std::fmt::Write as _;
use std::time::Duration;

use hbd_core::session::{INBOUND_MAX, INBOUND_OF_PEER_MAX, LISTENERS_MAX, OUTBOUND_MAX};
use hbd_tests::manual::{compare, escape};
use shared::api::{
    API_NEWEST, API_OLDEST, ClientFrame, ClientRole, ErrorCode, FRAME_MAX, Failure, Fault, Hello,
    KEY_BYTES_MAX, LONG_REQUEST_MAX, Process, REQUEST_MAX, ReceivedMessage, Reload, ReloadOutcome,
    Reloaded, Request, SendMessage, ServerFrame, SessionChange, Snapshot, Success, Upgrade,
    UpgradeOutcome, Upgraded,
};
use shared::config::diff::{Change, Consequence, Line};
use shared::config::{FileName, Files, Running, check};
use shared::event::{Event, EventSource, Kind, NodeStatus, Role, StatusReason};
use shared::group::GroupName;
use shared::names::{ClientName, Generation, MediumName, NodeName};
use shared::order::{self, Choice, GroupOrder, GroupVerb};
use shared::probe::{Answer, LineOrder, Lines, Outputs, Probe, Question, Reading, Settings};
use shared::query::{Bound, EventQuery, PAGE_BYTES, PAGE_EVENTS};
use shared::sample::Sample;
use shared::session::{Ending, Payload};
use shared::time::{Moment, Now, Wall};

const PAGE: &str = "hbd-api.7";

#[test]
fn the_greeting_is_that_of_the_code() {
    let hbd = Hello {
        api: (API_OLDEST, API_NEWEST),
        version: env!("CARGO_PKG_VERSION").into(),
        node: node("alice"),
        role: ClientRole::Observe,
    };
    compare(PAGE, "greeting", &example(&ServerFrame::Hello { hbd }));
}

#[test]
fn the_requests_are_those_of_the_code() {
    let mut table = String::from(".Bl -tag -width Ds\n");
    for (id, request) in (1..).zip(requests()) {
        let key = match request {
            Request::Fault(_) => Some("cut-eth0-1".to_owned()),
            Request::Reload(_) => Some("reload-1".to_owned()),
            Request::Upgrade(_) => Some("upgrade-1".to_owned()),
            _ => None,
        };
        let word = word(&request);
        let needs = json(&request.needs());
        writeln!(table, ".It Cm {word} Pq {needs}").expect("a string");
        table.push_str(meaning(&request));
        let ok = reply(&request);
        table.push_str(&example(&ClientFrame { id, request, key }));
        table.push_str(&example(&ServerFrame::Ok { id, ok }));
    }
    table.push_str(".El\n");
    compare(PAGE, "requests", &table);
}

#[test]
fn the_refusal_is_one_of_the_code() {
    let error = Failure {
        code: ErrorCode::NotPermitted,
        text:
            "carol (uid 1000, pid 4711) has no role here; add \"apiauth hbd-observe uid=1000\" to hbd.cf \
               and reload hbd, or ask root"
                .into(),
    };
    compare(
        PAGE,
        "refusal",
        &example(&ServerFrame::Error { id: 1, error }),
    );
}

#[test]
fn the_error_codes_are_those_of_the_code() {
    let all = [
        ErrorCode::BadRequest,
        ErrorCode::NotPermitted,
        ErrorCode::NotFound,
        ErrorCode::Refused,
        ErrorCode::Unavailable,
    ];
    let meaning = |code| match code {
        ErrorCode::BadRequest => "the line is no request of this interface, or contradicts itself",
        ErrorCode::NotPermitted => "the client's role does not allow it",
        ErrorCode::NotFound => "it names something that does not exist",
        ErrorCode::Refused => "hbd does not do it as things stand, and has done nothing of it",
        ErrorCode::Unavailable => "hbd cannot do it at the moment",
    };
    compare(
        PAGE,
        "errors",
        &list(all.map(|code| (json(&code), meaning(code)))),
    );
}

#[test]
fn the_stream_is_that_of_the_code() {
    let event = Box::new(event());
    let sample = Box::new(Sample::default());
    let text = example(&ServerFrame::Event { event }) + &example(&ServerFrame::Sample { sample });
    compare(PAGE, "stream", &text);
    let snapshot = Box::new(Snapshot::default());
    compare(PAGE, "gap", &example(&ServerFrame::Snapshot { snapshot }));
}

#[test]
fn the_frames_of_a_listener_are_those_of_the_code() {
    let message = Box::new(ReceivedMessage {
        delivery: 1,
        node: node("alice"),
        from: client("cron"),
        number: 1,
        data: Payload(b"begin".to_vec()),
    });
    let change = |ended: Option<Ending>, text: &str| SessionChange {
        node: node("alice"),
        from: client("cron"),
        ended,
        text: text.into(),
    };
    let began = change(None, "cron on alice sends");
    let text = "session of cron on alice is over: the sender closed it";
    let ended = change(Some(Ending::Closed), text);
    let frames = example(&ServerFrame::Session { session: began })
        + &example(&ServerFrame::Message { message })
        + &example(&ServerFrame::Session { session: ended });
    compare(PAGE, "messages", &frames);
}

#[test]
fn the_endings_are_those_of_the_code() {
    let all = [
        Ending::Closed,
        Ending::GaveUp,
        Ending::Restarted,
        Ending::Left,
        Ending::NotAlive,
        Ending::NobodyListens,
        Ending::ClientGone,
        Ending::Busy,
        Ending::NotAnnounced { node: node("bob") },
        Ending::NoSuchNode,
        Ending::Broken,
    ];
    let entries: String = all
        .iter()
        .map(|ending| format!(".It Li {}\n{ending}\n", escape(ending.word())))
        .collect();
    let table = format!(".Bl -tag -width \"not-permitted\"\n{entries}.El\n");
    compare(PAGE, "endings", &table);
}

#[test]
fn the_roles_are_those_of_the_code() {
    let all = [
        ClientRole::None,
        ClientRole::Observe,
        ClientRole::Operate,
        ClientRole::Admin,
    ];
    let meaning = |role| match role {
        ClientRole::None => {
            "reads the greeting; everyone who has no other role, and the core's user always"
        }
        ClientRole::Observe => "reads; granted by \\(lqapiauth hbd-observe\\(rq",
        ClientRole::Operate => {
            "gives everyday orders; members of group haclient, and by \\(lqapiauth hbd-operate\\(rq"
        }
        ClientRole::Admin => {
            "everything; root, the user hbd runs as, and by \\(lqapiauth hbd-admin\\(rq"
        }
    };
    compare(
        PAGE,
        "roles",
        &list(all.map(|role| (json(&role), meaning(role)))),
    );
}

#[test]
fn the_limits_are_those_of_the_code() {
    let text = format!(
        "A request has at most {REQUEST_MAX} bytes, that of a client that may send messages \
         {LONG_REQUEST_MAX}, a frame of hbd at most {FRAME_MAX}, newlines \
         included.\nThe key of an order has at most {KEY_BYTES_MAX} bytes.\nA reply of\n.Ic events\nhas at most {PAGE_EVENTS} events, and no further one beyond {PAGE_BYTES} bytes.\nIt serves 32 administrators at a time, 32 clients that observe or operate, and 8 \
         without a role.\nOf messages, a node sends in at most {OUTBOUND_MAX} streams at a time, takes \
         {INBOUND_MAX} that come in, {INBOUND_OF_PEER_MAX} of them from one node, and has \
         {LISTENERS_MAX} listeners, hbd's own for probes included; what is beyond that is\n.Li refused .\n"
    );
    compare(PAGE, "limits", &text);
}

#[test]
fn who_sends_messages_from_scripts_is_told_how_many_may_be_on_their_way() {
    let text = format!(
        "A node has at most {OUTBOUND_MAX} senders and {LISTENERS_MAX} listeners at a time, and takes \
         messages of {INBOUND_MAX} senders, {INBOUND_OF_PEER_MAX} of them on one node"
    );
    let page = hbd_tests::manual::page("hactl.1");
    assert!(page.contains(&text), "hactl.1 lacks: {text}");
}

fn requests() -> [Request; 13] {
    [
        Request::Snapshot,
        Request::Config,
        Request::Events(Box::new(EventQuery {
            limit: 1,
            since: Some(Bound::Time(Wall(1_795_350_000_000_000_000))),
            kinds: vec!["node-status".into()],
            ..EventQuery::default()
        })),
        Request::Subscribe { recent: 10 },
        Request::Record,
        Request::Send(Box::new(SendMessage {
            node: node("bob"),
            to: client("backup"),
            from: Some(client("cron")),
            class: None,
            data: Payload(b"begin".to_vec()),
        })),
        Request::Listen {
            name: client("backup"),
        },
        Request::Acknowledge { delivery: 1 },
        Request::Probe(Box::new(Probe {
            node: node("bob"),
            question: Question::Line(LineOrder {
                medium: MediumName::new("ttyS0").expect("a name"),
                outputs: Some(Outputs {
                    dtr: true,
                    rts: false,
                }),
                send: false,
            }),
        })),
        Request::Order(Box::new(GroupOrder {
            verb: GroupVerb::Move {
                groups: Choice::Named(vec![group()]),
                to: Some(node("bob")),
                lasts: Some(Duration::from_secs(3600)),
                together: false,
            },
            reason: Some("new disk".into()),
            dry_run: true,
        })),
        Request::Fault(Fault {
            medium: MediumName::new("eth0").expect("a name"),
            cut_in: true,
            cut_out: false,
            loss_percent: 0,
        }),
        Request::Reload(Reload {
            dry_run: true,
            force: false,
        }),
        Request::Upgrade(Upgrade { dry_run: true }),
    ]
}

fn word(request: &Request) -> &'static str {
    match request {
        Request::Snapshot => "snapshot",
        Request::Config => "config",
        Request::Events(_) => "events",
        Request::Subscribe { .. } => "subscribe",
        Request::Record => "record",
        Request::Send(_) => "send",
        Request::Listen { .. } => "listen",
        Request::Acknowledge { .. } => "acknowledge",
        Request::Probe(_) => "probe",
        Request::Order(_) => "order",
        Request::Fault(_) => "fault",
        Request::Reload(_) => "reload",
        Request::Upgrade(_) => "upgrade",
    }
}

fn meaning(request: &Request) -> &'static str {
    match request {
        Request::Snapshot => "View and counters, once.\n",
        Request::Config => {
            "What hbd runs with: times, by directive the values of its lines, methods of keys.\n\
             Nothing secret.\n"
        }
        Request::Events(_) => EVENTS,
        Request::Subscribe { .. } => {
            "View and counters, and then all that happens.\nBefore the reply come the\n.Li recent\n\
             last events.\n"
        }
        Request::Record => {
            "An order: keep what the core's flight recorder holds in a file of the state \
             directory,\n.Xr hbd 8 ,\nwhich the reply names.\n"
        }
        Request::Send(_) => {
            "Sends a message, at most 1 MiB in base64, to the client that listens as\n.Li to\non a \
             node.\nThe reply comes when that client has acknowledged it, or when it is certain that \
             this will not happen.\n.Li from\nand\n.Li class\n.Pq control or bulk\nmay be left \
             out.\nMay carry a key, as an order.\n"
        }
        Request::Listen { .. } => {
            "Hands this connection the messages for a name, under which nobody else listens; see\n.Sx \
             Messages .\n"
        }
        Request::Acknowledge { .. } => {
            "The listener of this connection took a message, and those before it from the same \
             sender.\n"
        }
        Request::Probe(_) => PROBE,
        Request::Order(_) => ORDER,
        Request::Fault(_) => {
            "An order: cut a medium inwards or outwards, or let it lose so many of 100 packets in \
             each direction.\nAll false and zero heals it.\nRefused unless hbd runs under\n.Fl \
             -allow-faults .\n"
        }
        Request::Reload(_) => {
            "An order: read the configuration anew, and take it over whole or refuse it whole.\n\
             .Li outcome\nis unchanged, applied, would-apply\n.Pq of a dry run ,\ninvalid\n\
             .Pq it has errors\nor refused\n\
             .Pq it endangers the cluster; Li force No carries it out all the same .\n\
             .Li diagnostics\nhas every error and warning, as\n.Ic hactl check\nshows them.\n\
             .Li consequence\nof a change is online, quick-restart, new-manager, all-nodes or next-start.\n"
        }
        Request::Upgrade(_) => {
            "An order: become the program that lies where hbd was started from, if it accepts the \
             configuration, and\nreplace manager and core by it.\n.Li outcome\nis unchanged, \
             would-upgrade\n.Pq of a dry run ,\nupgrading or refused, with\n.Li reason ;\n.Li build\nis empty where \
             the program is missing or cannot be read.\n\
             After upgrading the connection ends; connect again and ask for a dry run until it is \
             unchanged.\n"
        }
    }
}

/// What `probe` takes.
const PROBE: &str = "\
What a node sees at its end of a path; the node that is asked may be meant, too.
Another node is asked over any path that carries messages, and has four seconds.
.Pp
.Bl -tag -width view -compact
.It Li view
What it sees of the cluster, as
.Ic snapshot .
.It Li ports
The serial ports that its configuration names.
.It Li line
A look at one of them.
With
.Li outputs
these lines are set first; without it, or after two seconds, they are raised again.
With
.Li send
32 bytes are sent first, whatever flow control says.
With either it is an order that needs the role operate, and refused on the only path to a living node.
.El
";

/// What `order` takes.
const ORDER: &str = "\
An order about groups, which the manager carries out;
.Li dry_run
only tells what it would do.
The reply names each group with where it is and where it goes.
Of a
.Li verb ,
.Li groups
is
.Li {\"named\":[...]} ,
all, local
.Pq those that prefer this node
or foreign;
.Li lasts
is for ever where it is left out;
.Li reason
is one line of at most 200 bytes.
.Bl -tag -width \"confirm-fence\" -compact
.It Li move
The groups are wanted on the node
.Li to ;
without it on the other node.
With
.Li together
this ends when a node dies or leaves, and needs the other node alive.
.It Li unmove
What was said of the groups with
.Li move
counts no more.
.It Li cleanup
What failed with the groups is forgotten, and tried again.
.It Li freeze
No group is started, stopped or moved; with
.Li maintenance
none is looked at either.
.It Li unfreeze
Ends that.
Without fields: the verb is its word.
.It Li confirm-fence
Needs admin: the
.Li node ,
which is dead, is off; it may be succeeded.
.It Li fence
Needs admin: the
.Li node
is switched off by its fencing device, be it dead or alive; each device is tried once.
.El
";

/// What `events` takes.
const EVENTS: &str = "\
Events of the journal, oldest first: of those that fit all conditions the last
.Li limit .
Every field but
.Li limit
may be left out.
.Bl -tag -width \"objects\" -compact
.It Li since , until
From here on, up to here: a wall time in nanoseconds,
.Li {\"time\":0} ,
or an event,
.Li {\"event\":\"alice:1795350107.17\"} .
.It Li nodes
Names; only what concerns one of them or a link to it.
.It Li kinds
Words of
.Xr hbd-events 7 .
.It Li objects
Only what is about one of these, as
.Li bob/eth0
or
.Li link bob/eth0 .
.It Li severity
Only what is at least so severe.
.It Li related
.Li {\"causes-of\":ID} ,
an event, its cause, the cause of that, and so on; or
.Li {\"effects-of\":ID} ,
an event and all that came of it.
.It Li before
Only what was recorded before this event.
.El
A reply that is full, with 1000 events or 4194304 bytes of them, may not be all: ask again with
.Li before
naming its first event.
An event that is no longer kept is
.Li not-found .
";

fn reply(request: &Request) -> Success {
    match request {
        Request::Snapshot | Request::Subscribe { .. } => Success::Snapshot(Box::default()),
        Request::Config => Success::Config(Box::new(running())),
        Request::Events(_) => Success::Events(vec![event()]),
        Request::Record => Success::Recorded {
            file: "/var/lib/hbd/records/2026-11-22T122212.128Z.order.flight".into(),
        },
        Request::Send(_) => Success::Delivered,
        Request::Listen { .. } | Request::Acknowledge { .. } | Request::Fault(_) => Success::Done,
        Request::Probe(_) => Success::Probed(Box::new(Answer::Line(Reading {
            settings: Settings {
                baud: 19200,
                bits: 8,
                parity: 'N',
                stop: 1,
                hardware_flow: true,
                software_flow: false,
            },
            lines: Some(Lines {
                dtr: true,
                dsr: true,
                dcd: true,
                ..Lines::default()
            }),
            counters: None,
            unsent: Some(0),
        }))),
        Request::Order(_) => Success::Ordered(vec![order::Change {
            group: group(),
            from: Some(node("alice")),
            to: Some(node("bob")),
        }]),
        Request::Reload(_) => Success::Reloaded(Box::new(Reloaded {
            outcome: ReloadOutcome::WouldApply,
            changes: vec![Change {
                what: "deadtime".into(),
                removed: vec![line("deadtime 10")],
                added: vec![line("deadtime 20")],
                consequence: Consequence::Online,
                order: None,
            }],
            reasons: Vec::new(),
            notes: Vec::new(),
            diagnostics: String::new(),
        })),
        Request::Upgrade(_) => Success::Upgraded(Box::new(Upgraded {
            outcome: UpgradeOutcome::WouldUpgrade,
            program: "/usr/sbin/hbd".into(),
            build: "0.2.0-8d1f03a7".into(),
            processes: vec![Process {
                role: Role::Supervisor,
                pid: 4711,
                generation: Generation(1_795_350_107),
                build: "0.1.0-5f3a9c01".into(),
            }],
            reason: String::new(),
        })),
    }
}

fn group() -> GroupName {
    GroupName::new("10.0.0.5/24/eth0").expect("a name")
}

fn line(text: &str) -> Line {
    Line {
        file: FileName::HaCf,
        line: 3,
        text: text.into(),
    }
}

fn running() -> Running {
    let files = Files::default()
        .with(FileName::HaCf, "node alice bob\nbcast eth0\ndeadtime 10\n")
        .with(FileName::Authkeys, "auth 1\n1 sha1 long-enough\n");
    Running::of(&check::text(&files).config.expect("no errors"))
}

fn event() -> Event {
    let mut source = EventSource::new(node("alice"), Role::Core, Generation(1_795_350_107));
    let kind = Kind::NodeStatus {
        node: node("bob"),
        from: NodeStatus::Up,
        to: NodeStatus::Active,
        reason: StatusReason::Announced,
    };
    let now = Now {
        boot: Moment(3_125_128_000_000),
        wall: Wall(1_795_350_132_128_000_000),
    };
    source.event(kind, None, now)
}

fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("a name")
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("a name")
}

/// The word of a value that is written as one.
fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).expect("plain data");
    text.trim_matches('"').to_owned()
}

/// A frame as it is written, in pieces that fit a page: a line ends before a name.
fn example(frame: &impl serde::Serialize) -> String {
    const WIDTH: usize = 70;
    let text = serde_json::to_string(frame).expect("plain data");
    let mut lines = vec![String::new()];
    for piece in text.replace(",\"", ",\n\"").lines() {
        let last = lines.last_mut().expect("one line at least");
        if !last.is_empty() && last.len() + piece.len() > WIDTH {
            lines.push(format!("  {piece}"));
        } else {
            last.push_str(piece);
        }
    }
    let lines: String = lines.iter().map(|line| escape(line) + "\n").collect();
    format!(".Bd -literal -offset indent\n{lines}.Ed\n")
}

fn list<const N: usize>(entries: [(String, &str); N]) -> String {
    let entries: String = entries
        .iter()
        .map(|(word, text)| format!(".It Li {word}\n{text}\n"))
        .collect();
    format!(".Bl -tag -width \"not-permitted\"\n{entries}.El\n")
}
