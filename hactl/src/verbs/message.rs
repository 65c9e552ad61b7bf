//! `hactl message send` and `hactl message listen`: messages from node to node, for scripts.

use std::io::{Read, Write};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, value_parser};
use serde_json::json;
use shared::api::{ErrorCode, ReceivedMessage, SendMessage};
use shared::client::{Client, ClientError, Incoming, Listener};
use shared::exit::Exit;
use shared::names::{ClientName, NodeName};
use shared::session::{Class, Ending, MESSAGE_BYTES_MAX, Payload};

use crate::cli::{self, Call, Example, Verb, flag};
use crate::completing;
use crate::error::Error;
use crate::print::json as write_json;
use crate::verbs::again;

pub(crate) const VERB: Verb = Verb {
    name: "message",
    about: "Sends a message to a client on another node, or listens for messages",
    text: "\
Messages of one sender arrive in the order in which they were sent, each at most once. A message
counts as delivered when whoever listens has acknowledged it, and not before; hactl message listen
does that when it has written it. A node has at most 32 senders and 32 listeners at a time, and takes
messages of 32 senders, 8 of them on one node; one too many is refused. Needs the role operate. While a living node does not know
sessions, such as a Heartbeat, nothing can be sent, and the refusal names the node. send ends with 0
when the message was delivered; with 2 if it is longer than 1 MiB, 4 if there is no such node or
nobody listens there under that name, 5 without that role, and 7 if it is refused for any other
reason, such as a key that another message had or a --class it is too long for: then nothing was
delivered; with 1 if the session ended, 3 if the connection to hbd did, as when hbd died, and 6 after --timeout: then it is not known
whether it was delivered, and send says so. listen ends with 7 if somebody else listens under that name. It goes on when hbd ends or is
upgraded: it says that sessions were lost, and listens anew as soon as hbd is back.",
    examples: &[
        Example {
            line: "hactl message listen backup --count 1 && start-the-backup",
            about: "on bob: wait until somebody says so",
        },
        Example {
            line: "hactl message send bob backup begin",
            about: "and say so, from another node",
        },
        Example {
            line: "tar c /var/www | hactl message send bob pages --timeout 1m",
            about: "at most 1 MiB from standard input",
        },
        Example {
            line: "hactl message listen pages --raw --count 1 | tar x -C /tmp",
            about: "the bytes as they are",
        },
    ],
    arguments,
    run,
};

const SEND: &str = "send";
const LISTEN: &str = "listen";
/// How long `send` waits unless it is told otherwise.
const SEND_LIMIT: &str = "30s";

fn arguments(command: Command) -> Command {
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(send_arguments(Command::new(SEND)))
        .subcommand(listen_arguments(Command::new(LISTEN)))
}

fn send_arguments(command: Command) -> Command {
    command
        .about("Sends one message and waits until it is delivered")
        .arg(
            Arg::new("node")
                .value_name("NODE")
                .add(completing::nodes())
                .required(true)
                .help("The node to send to"),
        )
        .arg(name_argument("Who listens there"))
        .arg(
            Arg::new("text")
                .value_name("TEXT")
                .help("The message; left out or -, standard input, at most 1 MiB"),
        )
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("NAME")
                .value_parser(client)
                .help("Name of the sender; left out, one that tells the process"),
        )
        .arg(
            Arg::new("class")
                .long("class")
                .value_name("CLASS")
                .value_parser(PossibleValuesParser::new(Class::ALL.map(Class::word)))
                .help(
                    "How urgent; left out, control up to 1200 bytes, which goes before all bulk, \
                     else bulk",
                ),
        )
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("KEY")
                .help("The same message under the same key is sent once within ten minutes"),
        )
        .arg(cli::timeout(
            SEND_LIMIT,
            "How long to wait until it is delivered: 500ms, 30s, 5m",
        ))
}

fn listen_arguments(command: Command) -> Command {
    command
        .about("Writes each message that comes for NAME, and acknowledges it then")
        .arg(name_argument("The name to listen under"))
        .arg(
            Arg::new("count")
                .short('n')
                .long("count")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("End after so many messages; left out, never"),
        )
        .arg(flag(
            "raw",
            "The bytes of the messages as they are, and nothing else",
        ))
        .arg(flag("json", "JSON, one object a line, with all fields").conflicts_with("raw"))
}

fn name_argument(help: &'static str) -> Arg {
    Arg::new("name")
        .value_name("NAME")
        .required(true)
        .value_parser(client)
        .help(help)
}

fn client(text: &str) -> Result<ClientName, String> {
    ClientName::new(text).map_err(|wrong| wrong.to_string())
}

fn run(call: &Call) -> Result<Exit, Error> {
    match call.part {
        Some(SEND) => send(call),
        _ => listen(call),
    }
}

fn name(call: &Call) -> ClientName {
    let name = call.matches.get_one::<ClientName>("name");
    name.cloned().expect("the parser demands a name")
}

fn send(call: &Call) -> Result<Exit, Error> {
    let typed = call.words("node").unwrap_or_default();
    let typed = typed.first().copied().unwrap_or_default();
    let node = NodeName::new(typed)
        .map_err(|wrong| Error::Usage(format!("{typed:?} is no node: {wrong}")))?;
    let to = name(call);
    let class = call.words("class").unwrap_or_default();
    let class = Class::ALL
        .into_iter()
        .find(|known| class.first() == Some(&known.word()));
    let message = SendMessage {
        node: node.clone(),
        to: to.clone(),
        from: call.matches.get_one::<ClientName>("from").cloned(),
        class,
        data: Payload(content(call)?),
    };
    let key = call.words("key").unwrap_or_default();
    let mut client = call.client().map_err(|error| match error {
        Error::Client(error) => not_sent(error),
        other => other,
    })?;
    match client.send(message, key.first().copied()) {
        Ok(()) => {
            let mut out = super::output();
            writeln!(out, "delivered to {to} on {node}")?;
            out.flush()?;
            Ok(Exit::Done)
        }
        Err(ClientError::TimedOut { waited, .. }) => Err(Error::NotReached {
            condition: format!("acknowledged by {to} on {node}"),
            limit: waited,
            missing: Some(NOT_KNOWN.into()),
        }),
        Err(error) if is_silent_on_delivery(&error) => Err(Error::Undecided {
            error,
            what: NOT_KNOWN,
        }),
        Err(error) if is_of_session(&error) => Err(error.into()),
        Err(error) => Err(not_sent(error)),
    }
}

/// Nothing was delivered: never the code that leaves it open.
fn not_sent(error: ClientError) -> Error {
    match Exit::from(&error) {
        Exit::Failed => Error::Refused(error.to_string()),
        _ => error.into(),
    }
}

/// True where the message went into a session that ended: the text says what is known of it.
fn is_of_session(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { failure, .. } if failure.code == ErrorCode::Unavailable)
}

/// What is left to say where the reply did not come.
const NOT_KNOWN: &str = "whether it was delivered is not known";

/// True where the message was on its way to hbd and no reply of it came.
fn is_silent_on_delivery(error: &ClientError) -> bool {
    match error {
        ClientError::Closed { .. }
        | ClientError::Io { .. }
        | ClientError::Unreadable { .. }
        | ClientError::TimedOut { .. } => true,
        ClientError::Connect { .. }
        | ClientError::NoSocket { .. }
        | ClientError::NoHbd { .. }
        | ClientError::Version { .. }
        | ClientError::RequestTooLong { .. }
        | ClientError::Refused { .. } => false,
    }
}

/// The message: what was typed, or what comes in.
fn content(call: &Call) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match call.words("text").unwrap_or_default().first() {
        Some(text) if *text != "-" => bytes.extend_from_slice(text.as_bytes()),
        _ => {
            let most = MESSAGE_BYTES_MAX as u64 + 1;
            let read = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
            read.map_err(|error| {
                Error::Refused(format!(
                    "cannot read standard input: {error}; nothing was delivered"
                ))
            })?;
        }
    }
    match bytes.len() > MESSAGE_BYTES_MAX {
        true => Err(Error::Usage(format!(
            "the message is longer than {MESSAGE_BYTES_MAX} bytes; send it in parts"
        ))),
        false => Ok(bytes),
    }
}

fn listen(call: &Call) -> Result<Exit, Error> {
    let mut listener = call.client()?.listen(name(call))?;
    let count = call.matches.get_one::<u64>("count").copied();
    let mut left = count.unwrap_or(u64::MAX);
    loop {
        let lost = match hear(call, &mut listener, &mut left) {
            Ok(()) => return Ok(Exit::Done),
            Err(Error::Client(error)) if again::passes(&error) => error,
            Err(error) => return Err(error),
        };
        drop(listener);
        if left == 0 {
            // All of it was written; its sender is told that this is not known.
            return Err(lost.into());
        }
        crate::complain(&format!(
            "{lost}; every session with this listener is over, and a sender whose message was not \
             acknowledged is told so; waiting until hbd answers again"
        ));
        let listen = |client: Client| Ok(client.listen(name(call))?);
        match again::connect(call, listen)? {
            Some(next) => listener = next,
            None => return Ok(Exit::Done),
        }
        crate::complain("hbd answers again; listening");
    }
}

/// Takes messages until there were as many as are wanted, or nobody reads.
fn hear(call: &Call, listener: &mut Listener, left: &mut u64) -> Result<(), Error> {
    while *left > 0 {
        match listener.wait(Some(Duration::ZERO))? {
            Some(Incoming::Message(message)) => {
                *left -= 1;
                take(call, listener, &message)?;
            }
            Some(Incoming::Session(change)) => match change.ended {
                // An end in order is no news to whoever counts messages.
                None | Some(Ending::Closed) => {}
                Some(_) => crate::complain(&change.text),
            },
            None if super::something_new(listener)? => {}
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Writes a message, and tells its sender so.
fn take(call: &Call, listener: &mut Listener, message: &ReceivedMessage) -> Result<(), Error> {
    let mut out = super::output();
    let bytes = &message.data.0;
    if call.flag("raw") {
        out.write_all(bytes)?;
    } else if call.flag("json") {
        let text = std::str::from_utf8(bytes).ok();
        let object = json!({
            "node": message.node,
            "from": message.from,
            "number": message.number,
            "bytes": bytes.len(),
            "text": text,
            "data": message.data,
        });
        write_json(&mut out, &object, false)?;
    } else {
        let ReceivedMessage { node, from, .. } = message;
        writeln!(out, "{node}/{from} {}", shown(bytes))?;
    }
    out.flush()?;
    if !listener.acknowledge(message.delivery)? {
        crate::complain("the sender had given up on this message before it was acknowledged");
    }
    Ok(())
}

/// One line, whatever the bytes are: nothing in it moves the cursor.
fn shown(bytes: &[u8]) -> String {
    let mut line = String::new();
    for piece in bytes.utf8_chunks() {
        for c in piece.valid().chars() {
            match c.is_control() || c == '\\' {
                true => line.extend(c.escape_default()),
                false => line.push(c),
            }
        }
        for byte in piece.invalid() {
            line.push_str(&format!("\\x{byte:02x}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_in_one_line_whatever_it_holds() {
        assert_eq!(shown("grüße".as_bytes()), "grüße");
        assert_eq!(shown(b"a\nb\x1b[2J\xff\\"), r"a\nb\u{1b}[2J\xff\\");
    }
}
