//! Clients on the nodes, what they send each other, and what they are told.

use std::collections::{BTreeMap, BTreeSet};

use hbd_core::session::StreamId;
use hbd_core::session::office::{Delivery, Notice, Office, Refusal, Sender};
use shared::names::ClientName;
use shared::session::Class;

use super::super::order::{Client, Letter};
use super::Stage;
use crate::sim::NodeIndex;

/// Longer messages are shown by their length.
const SHOWN_MAX: usize = 40;

/// What is known of the clients of a scenario.
#[derive(Default)]
pub(super) struct Clients {
    /// The streams of senders.
    streams: BTreeMap<(NodeIndex, StreamId), (Client, Client)>,
    /// Those who acknowledge each message at once.
    prompt: BTreeSet<(NodeIndex, ClientName)>,
    /// The last message that a listener has not acknowledged, of each sender.
    unacknowledged: BTreeMap<(NodeIndex, ClientName), BTreeMap<Sender, Delivery>>,
}

impl Stage {
    pub(super) fn listen(&mut self, client: &Client, prompt: bool) -> Result<(), String> {
        self.build()?;
        let node = self.index(&client.node)?;
        if prompt {
            self.clients.prompt.insert((node, client.name.clone()));
        }
        let name = client.name.clone();
        match self.world.clients(node, |office| office.listen(name)) {
            None => Err(format!("hbd does not run on {}", client.node)),
            Some(Err(refusal)) => self.print(format!("{client}: refused: {refusal}")),
            Some(Ok(())) => Ok(()),
        }
    }

    pub(super) fn unlisten(&mut self, node: NodeIndex, client: &Client) -> Result<(), String> {
        let key = (node, client.name.clone());
        self.clients.prompt.remove(&key);
        self.clients.unacknowledged.remove(&key);
        self.world
            .clients(node, |office| office.unlisten(&client.name));
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, client: &Client) -> Result<(), String> {
        let node = self.index(&client.node)?;
        let key = (node, client.name.clone());
        for delivery in self
            .clients
            .unacknowledged
            .remove(&key)
            .unwrap_or_default()
            .into_values()
        {
            self.world
                .clients(node, |office| office.acknowledge(&client.name, delivery));
        }
        Ok(())
    }

    pub(super) fn message(&mut self, letter: &Letter) -> Result<(), String> {
        self.build()?;
        let node = self.index(&letter.from.node)?;
        let known = self.stream(&letter.from, &letter.to);
        let sent = self.world.clients(node, |office| {
            post(office, known.map(|(_, stream)| stream), letter)
        });
        let (stream, refusals) =
            sent.ok_or_else(|| format!("hbd does not run on {}", letter.from.node))?;
        if let Some(stream) = stream {
            let ends = (letter.from.clone(), letter.to.clone());
            self.clients.streams.insert((node, stream), ends);
        }
        for refusal in refusals {
            self.print(format!("{}: refused: {refusal}", letter.from))?;
        }
        Ok(())
    }

    fn stream(&self, from: &Client, to: &Client) -> Option<(NodeIndex, StreamId)> {
        let mut streams = self.clients.streams.iter();
        let found = streams.find(|(_, ends)| (&ends.0, &ends.1) == (from, to));
        found.map(|(key, _)| *key)
    }

    pub(super) fn close(&mut self, from: &Client, to: &Client) -> Result<(), String> {
        let (node, stream) = self.known_stream(from, to)?;
        self.world.clients(node, |office| office.close(stream));
        Ok(())
    }

    pub(super) fn give_up(&mut self, from: &Client, to: &Client) -> Result<(), String> {
        let (node, stream) = self.known_stream(from, to)?;
        self.clients.streams.remove(&(node, stream));
        self.world.clients(node, |office| office.give_up(stream));
        Ok(())
    }

    fn known_stream(&self, from: &Client, to: &Client) -> Result<(NodeIndex, StreamId), String> {
        let missing = || format!("{from} sends nothing to {to}");
        self.stream(from, to).ok_or_else(missing)
    }

    /// Writes down what a client is told. A listener that is prompt acknowledges.
    pub(super) fn see_client(&mut self, node: NodeIndex, notice: &Notice) -> Result<(), String> {
        self.last_event = self.world.now();
        let line = match notice {
            Notice::Opened { stream } => self.of_stream(node, *stream, "opened".into()),
            Notice::Interrupted {
                stream,
                unacknowledged,
            } => {
                let text = format!("interrupted, {unacknowledged} unacknowledged");
                self.of_stream(node, *stream, text)
            }
            Notice::Delivered { stream, message } => {
                self.of_stream(node, *stream, format!("{message} delivered"))
            }
            Notice::Closed {
                stream,
                ending,
                unacknowledged,
            } => {
                let text = format!("closed, {unacknowledged} unacknowledged ({ending})");
                let line = self.of_stream(node, *stream, text);
                self.clients.streams.remove(&(node, *stream));
                line
            }
            Notice::Arrived { to, sender } => self.of_listener(node, to, sender, "opened"),
            Notice::Ended { to, sender, ending } => {
                self.of_listener(node, to, sender, &format!("closed ({ending})"))
            }
            Notice::Message {
                to,
                sender,
                delivery,
                message,
                bytes,
            } => {
                self.handed(node, to, sender, *delivery);
                let text = match bytes.len() > SHOWN_MAX {
                    true => format!("({} bytes)", bytes.len()),
                    false => format!("{:?}", String::from_utf8_lossy(bytes)),
                };
                self.of_listener(node, to, sender, &format!("{message} {text}"))
            }
        };
        match self.silent {
            true => Ok(()),
            false => self.print(line),
        }
    }

    fn handed(&mut self, node: NodeIndex, to: &ClientName, sender: &Sender, delivery: Delivery) {
        let key = (node, to.clone());
        if self.clients.prompt.contains(&key) {
            self.world
                .clients(node, |office| office.acknowledge(to, delivery));
            return;
        }
        let waiting = self.clients.unacknowledged.entry(key).or_default();
        waiting.insert(sender.clone(), delivery);
    }

    fn of_stream(&self, node: NodeIndex, stream: StreamId, text: String) -> String {
        match self.clients.streams.get(&(node, stream)) {
            Some((from, to)) => format!("{from} to {to}: {text}"),
            None => format!("{}: {text}", self.nodes[node.0].settings.node),
        }
    }

    fn of_listener(&self, node: NodeIndex, to: &ClientName, from: &Sender, text: &str) -> String {
        let name = &self.nodes[node.0].settings.node;
        format!("{name}/{to} from {}/{}: {text}", from.node, from.client)
    }
}

/// Sends the messages of a letter, in a stream that is open or is opened for it.
fn post(
    office: &mut Office,
    stream: Option<StreamId>,
    letter: &Letter,
) -> (Option<StreamId>, Vec<Refusal>) {
    let (from, to) = (&letter.from.name, &letter.to.name);
    let stream = match stream {
        Some(stream) => Ok(stream),
        None => office.open(from.clone(), letter.to.node.clone(), to.clone()),
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(refusal) => return (None, vec![refusal]),
    };
    let mut refusals = Vec::new();
    for turn in 1..=letter.times {
        let mut bytes = letter.bytes.clone();
        if letter.times > 1 {
            bytes.extend_from_slice(format!(" {turn}").as_bytes());
        }
        let class = letter.class.unwrap_or(Class::of(bytes.len()));
        refusals.extend(office.send(stream, class, bytes).err());
    }
    (Some(stream), refusals)
}
