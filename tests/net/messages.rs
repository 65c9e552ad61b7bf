//! Messages from client to client: over bad links, over the deaths of cores, and beside beats.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{self, Error, unexpected};
use hbd_tests::namespaces::Fault;
use hbd_tests::{program, wait};
use shared::api::{ReceivedMessage, SendMessage};
use shared::client::{Client, ClientError, Incoming};
use shared::event::Kind;
use shared::exit::Exit;
use shared::names::{ClientName, NodeName};
use shared::session::{MESSAGE_BYTES_MAX, Payload};

use crate::cluster::{Cluster, SOON, demand};

const ALICE: usize = 0;
const BOB: usize = 1;
/// Longest wait for a message, many times what it takes on a good day.
const PATIENCE: Duration = Duration::from_secs(60);

fn one_medium(_node: usize) -> String {
    "bcast eth0\n".to_owned()
}

/// `hactl` on both sides: what is sent is written, in order, and then called delivered.
pub(crate) fn hactl_to_hactl() -> Result<(), Error> {
    let cluster = Cluster::running(2, 1, one_medium)?;
    let listener = hactl(
        &cluster.daemons[BOB],
        &["message", "listen", "jobs", "-n", "3"],
    )?;
    for text in ["one", "two\tlines\n", "three"] {
        wait::until_true(SOON, "the message is delivered", || {
            let sent = hactl(&cluster.daemons[ALICE], &send("--from=cron", text))?;
            let sent = end(sent)?;
            // Until hactl listens there is nobody to take it.
            match (sent.code, sent.stdout.as_str()) {
                (Some(0), "delivered to jobs on bob\n") => Ok(true),
                (Some(code), "") if code == Exit::NotFound as i32 => Ok(false),
                _ => unexpected(format!("hactl message send: {sent:?}")),
            }
        })?;
    }
    let heard = end(listener)?;
    demand(
        heard.stdout == "alice/cron one\nalice/cron two\\tlines\\n\nalice/cron three\n",
        &format!("what was written: {heard:?}"),
    )?;
    demand(heard.code == Some(0), "hactl listen ends well")
}

fn send<'a>(from: &'a str, text: &'a str) -> [&'a str; 6] {
    ["message", "send", "bob", "jobs", text, from]
}

/// A million bytes from standard input to standard output over a link that loses every fifth packet.
pub(crate) fn million_bytes() -> Result<(), Error> {
    million_bytes_over(&lossy()?)
}

/// The same over whatever media two nodes have.
pub(crate) fn million_bytes_over(cluster: &Cluster) -> Result<(), Error> {
    bytes_over(cluster, MESSAGE_BYTES_MAX)
}

/// The same with fewer bytes.
pub(crate) fn bytes_over(cluster: &Cluster, bytes: usize) -> Result<(), Error> {
    let bob = &cluster.daemons[BOB];
    let words = ["message", "listen", "jobs", "--raw", "--count=1"];
    let listener = hactl(bob, &words)?;
    // It acknowledges what it has written, and a pipe that nobody reads holds less than a message.
    let heard = thread::spawn(move || end(listener));
    let content: Vec<u8> = (0..bytes).map(|n| ((n * n) >> 7) as u8).collect();
    wait::until_true(PATIENCE, "the message is delivered", || {
        let words = ["message", "send", "bob", "jobs", "--timeout=60s"];
        let mut sender = hactl(&cluster.daemons[ALICE], &words)?;
        let input = sender.stdin.take();
        let writer = input.map(|mut input| {
            let content = content.clone();
            thread::spawn(move || input.write_all(&content))
        });
        let sent = end(sender)?;
        drop(writer.map(JoinHandle::join));
        match sent.code {
            Some(0) => Ok(true),
            Some(code) if code == Exit::NotFound as i32 => Ok(false),
            _ => unexpected(format!("hactl message send: {sent:?}")),
        }
    })?;
    let Ok(heard) = heard.join() else {
        return unexpected("the reader panicked");
    };
    demand(
        heard?.bytes == content,
        "every byte arrived where it should",
    )
}

/// Two senders, a link that loses packets, and the death of either core in between: all messages arrive
/// in the order of their sender, each once.
pub(crate) fn cores_killed() -> Result<(), Error> {
    const EACH: u8 = 6;
    let cluster = lossy()?;
    let (heard, listener) = listen(&cluster.daemons[BOB], usize::from(EACH) * 2)?;
    let senders: Vec<_> = ["cron", "backup"]
        .map(|from| sender(&cluster.daemons[ALICE], from, EACH))
        .into();
    let mut got: BTreeMap<ClientName, Vec<u8>> = BTreeMap::new();
    for count in 1..=usize::from(EACH) * 2 {
        let message = heard.recv_timeout(PATIENCE);
        let message = message.map_err(|_| Error::Unexpected(format!("{count} is missing")))?;
        let content = &message.data.0;
        demand(
            content.iter().all(|byte| *byte == content[0]),
            "a message arrives as it was sent",
        )?;
        got.entry(message.from).or_default().push(content[0]);
        match count {
            2 => drop(cluster.daemons[ALICE].kill_core()?),
            5 => drop(cluster.daemons[BOB].kill_core()?),
            _ => {}
        }
    }
    joined(listener)?;
    for sender in senders {
        joined(sender)?;
    }
    let expected: Vec<u8> = (1..=EACH).collect();
    demand(
        got.len() == 2 && got.values().all(|numbers| *numbers == expected),
        &format!("each sender's messages in order and once: {got:?}"),
    )
}

/// Both daemons are replaced by another build while messages flow: what was called delivered was
/// written once and in order, and nothing else but what is in doubt.
pub(crate) fn upgraded() -> Result<(), Error> {
    let mut cluster = Cluster::new(2, 1, one_medium)?;
    for daemon in &mut cluster.daemons {
        daemon.install(0)?;
    }
    cluster.start()?;
    cluster.wait_agreed()?;
    let mut listener = hactl(&cluster.daemons[BOB], &["message", "listen", "jobs"])?;
    let mut outbox = Outbox::default();
    outbox.deliver(&cluster.daemons[ALICE])?;
    for replaced in [ALICE, BOB] {
        // One is under way meanwhile.
        let under_way = outbox.post(&cluster.daemons[ALICE])?;
        cluster.daemons[replaced].install(1)?;
        let said = end(hactl(&cluster.daemons[replaced], &["upgrade"])?)?;
        demand(said.code == Some(0), &format!("hactl upgrade: {said:?}"))?;
        outbox.note(under_way)?;
        outbox.deliver(&cluster.daemons[ALICE])?;
    }
    error::file("end hactl", listener.kill())?;
    let heard = end(listener)?;
    let written = heard.stdout.lines();
    let written: Vec<&str> = written
        .filter_map(|line| line.strip_prefix("alice/cron "))
        .filter(|text| !outbox.doubtful.iter().any(|doubtful| doubtful == text))
        .collect();
    let statement = format!("what was delivered was written: {outbox:?}, {heard:?}");
    demand(written == outbox.delivered, &statement)
}

/// What was sent, each with another text.
#[derive(Debug, Default)]
struct Outbox {
    count: usize,
    delivered: Vec<String>,
    doubtful: Vec<String>,
}

impl Outbox {
    fn post(&mut self, daemon: &Daemon) -> Result<(String, Child), Error> {
        self.count += 1;
        let text = format!("number-{}", self.count);
        let sender = hactl(daemon, &send("--from=cron", &text))?;
        Ok((text, sender))
    }

    /// Whether it was delivered. Of what is not known to be, it may have been.
    fn note(&mut self, (text, sender): (String, Child)) -> Result<bool, Error> {
        let sent = end(sender)?;
        match sent.code {
            Some(0) => self.delivered.push(text),
            // Nobody listens, or hbd is not there: nothing was delivered.
            Some(code) if code == Exit::NotFound as i32 => {}
            _ if sent.stderr.contains("not known whether") => self.doubtful.push(text),
            _ => return unexpected(format!("hactl message send: {sent:?}")),
        }
        Ok(sent.code == Some(0))
    }

    /// Sends until one is delivered.
    fn deliver(&mut self, daemon: &Daemon) -> Result<(), Error> {
        wait::until_true(SOON, "a message is delivered", || {
            let sent = self.post(daemon)?;
            self.note(sent)
        })
    }
}

/// Beats are not late while as much bulk flows as the link takes.
pub(crate) fn beats_beside_bulk() -> Result<(), Error> {
    const MESSAGES: u8 = 12;
    let cluster = Cluster::running(2, 1, one_medium)?;
    let (heard, listener) = listen(&cluster.daemons[BOB], usize::from(MESSAGES))?;
    let sender = sender(&cluster.daemons[ALICE], "backup", MESSAGES);
    for count in 1..=MESSAGES {
        let message = heard.recv_timeout(PATIENCE);
        message.map_err(|_| Error::Unexpected(format!("{count} is missing")))?;
    }
    joined(listener)?;
    joined(sender)?;
    for node in [ALICE, BOB] {
        let late = cluster.events(node, |event| match &event.kind {
            Kind::LateBeat { .. } => Some(event.text.clone()),
            _ => None,
        })?;
        demand(late.is_empty(), &format!("no beat is late: {late:?}"))?;
    }
    Ok(())
}

/// What cannot be delivered says why, at once, and by its exit code.
pub(crate) fn refused() -> Result<(), Error> {
    let mut cluster = Cluster::running(2, 1, one_medium)?;
    let nobody = end(hactl(&cluster.daemons[ALICE], &send("--from=a", "x"))?)?;
    demand(
        nobody.code == Some(Exit::NotFound as i32)
            && nobody
                .stderr
                .contains("nobody listens there under that name; nothing was delivered"),
        &format!("nobody listens: {nobody:?}"),
    )?;
    let words = ["message", "send", "dora", "jobs", "x"];
    let unknown = end(hactl(&cluster.daemons[ALICE], &words)?)?;
    demand(
        unknown.code == Some(Exit::NotFound as i32) && unknown.stderr.contains("no such node"),
        &format!("no such node: {unknown:?}"),
    )?;
    let (_heard, _listener) = listen(&cluster.daemons[BOB], 1)?;
    let taken = end(hactl(
        &cluster.daemons[BOB],
        &["message", "listen", "jobs"],
    )?)?;
    demand(
        taken.code == Some(Exit::Refused as i32) && taken.stderr.contains("uses that name"),
        &format!("the name is taken: {taken:?}"),
    )?;
    cluster.daemons[BOB].terminate(SOON)?;
    let gone = end(hactl(&cluster.daemons[ALICE], &send("--from=b", "x"))?)?;
    demand(
        gone.code == Some(Exit::Refused as i32)
            && gone.stderr.contains("dead")
            && gone.stderr.contains("nothing was delivered"),
        &format!("the node is gone: {gone:?}"),
    )
}

/// While a message waits, its key stands for it: the same message under it waits along, another one is refused.
pub(crate) fn one_key() -> Result<(), Error> {
    let cluster = Cluster::running(2, 1, one_medium)?;
    let client = Client::connect(&cluster.daemons[BOB].socket(), PATIENCE);
    let name = ClientName::new("jobs").expect("a name");
    let listener = client.and_then(|client| client.listen(name));
    let mut listener = listener.map_err(|error| Error::Unexpected(error.to_string()))?;
    let keyed = |text: &str| {
        let words = ["message", "send", "bob", "jobs", text, "--key=k"];
        hactl(&cluster.daemons[ALICE], &words)
    };
    let mut first = keyed("one")?;
    let delivery = wait::until(PATIENCE, "the message arrives", || {
        match listener.wait(Some(Duration::from_secs(1))) {
            Ok(Some(Incoming::Message(message))) => return Ok(Some(message.delivery)),
            Ok(_) => {}
            Err(error) => return unexpected(error.to_string()),
        }
        // Until bob's core knows the listener there is nobody to take it.
        if error::file("wait for hactl", first.try_wait())?.is_some() {
            first = keyed("one")?;
        }
        Ok(None)
    })?;
    let other = end(keyed("two")?)?;
    demand(
        other.code.is_some_and(|code| code != 0)
            && other.stderr.contains("was used for another order"),
        &format!("another message under the key is refused: {other:?}"),
    )?;
    let same = keyed("one")?;
    let acknowledged = listener.acknowledge(delivery);
    demand(
        matches!(acknowledged, Ok(true)),
        &format!("the listener acknowledges: {acknowledged:?}"),
    )?;
    for sent in [end(first)?, end(same)?] {
        demand(sent.code == Some(0), &format!("delivered: {sent:?}"))?;
    }
    let again = listener.wait(Some(Duration::ZERO));
    demand(
        !matches!(again, Ok(Some(Incoming::Message(_)))),
        "it is delivered once",
    )
}

/// Two nodes over one link that loses every fifth packet in each direction.
fn lossy() -> Result<Cluster, Error> {
    let cluster = Cluster::running(2, 1, one_medium)?;
    let [alice, bob] = &cluster.cables[0][..] else {
        unreachable!("two nodes")
    };
    cluster.switches[0].set_faults(&[Fault::loss(alice, bob, 20), Fault::loss(bob, alice, 20)])?;
    Ok(cluster)
}

/// How a program ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    bytes: Vec<u8>,
}

fn hactl(daemon: &Daemon, words: &[&str]) -> Result<Child, Error> {
    let hactl: PathBuf = program::of_workspace("hactl")?;
    let mut command = Command::new(&hactl);
    command.arg("--socket").arg(daemon.socket()).args(words);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    error::file(format!("start {}", hactl.display()), command.spawn())
}

fn end(child: Child) -> Result<Ended, Error> {
    let output = error::file("wait for hactl", child.wait_with_output())?;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    })
}

type Task = JoinHandle<Result<(), ClientError>>;

/// Listens for so many messages, and acknowledges each.
fn listen(daemon: &Daemon, count: usize) -> Result<(Receiver<ReceivedMessage>, Task), Error> {
    let (tell, heard): (Sender<ReceivedMessage>, _) = channel();
    let client = Client::connect(&daemon.socket(), PATIENCE);
    let name = ClientName::new("jobs").expect("a name");
    let listener = client.and_then(|client| client.listen(name));
    let mut listener = listener.map_err(|error| Error::Unexpected(error.to_string()))?;
    let task = thread::spawn(move || {
        let mut left = count;
        while left > 0 {
            if let Some(Incoming::Message(message)) = listener.wait(None)? {
                left -= 1;
                let delivery = message.delivery;
                let _ = tell.send(*message);
                listener.acknowledge(delivery)?;
            }
        }
        Ok(())
    });
    Ok((heard, task))
}

/// Sends so many messages, one after the other; the bytes of each are its number.
fn sender(daemon: &Daemon, from: &'static str, count: u8) -> Task {
    const BYTES: usize = 300_000;
    let socket = daemon.socket();
    thread::spawn(move || {
        let mut client = Client::connect(&socket, PATIENCE)?;
        for number in 1..=count {
            let message = SendMessage {
                node: NodeName::new("bob").expect("a name"),
                to: ClientName::new("jobs").expect("a name"),
                from: ClientName::new(from).ok(),
                class: None,
                data: Payload(vec![number; BYTES]),
            };
            client.send(message, None)?;
        }
        Ok(())
    })
}

fn joined(task: Task) -> Result<(), Error> {
    match task.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => unexpected(error.to_string()),
        Err(_) => unexpected("a client panicked"),
    }
}
