//! Clients that send and listen: between their connections and the office, which is pure.
//!
//! ```text
//! connection --Ask--> Messages --> Office --orders--> core
//!            <-Answer-         <--        <--news----
//! ```
//!
//! A request to send is answered when the office knows what became of the message; until then the
//! connection waits, and that is the back-pressure. A stream lives as long as the connection that
//! sends in it. Who is gone is noticed when somebody looks, a few times a second.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Weak;

use hbd_core::session::StreamId;
use hbd_core::session::office::{Delivery, Notice, Office, Refusal, Sender};
use hbd_core::{Command, SessionNews};
use shared::api::{
    ErrorCode, Failure, ReceivedMessage, Request, SendMessage, ServerFrame, SessionChange, Success,
};
use shared::names::{ClientName, NodeName};
use shared::probe;
use shared::session::{Class, Ending, Payload};
use tokio::sync::mpsc;

use super::Supervisor;
use super::recorder::{Line, line};
use super::requests::Asked;
use crate::channel::ToCore;
use crate::clock;
use crate::control::{Repeated, other_order};

/// Frames that wait for a listener. The office hands over less than that; one that is not even told
/// of sessions is dropped.
const FRAMES_MAX: usize = 256;

/// The clients and their office.
pub(super) struct Messages {
    pub(super) office: Office,
    senders: BTreeMap<StreamId, Client>,
    listeners: BTreeMap<ClientName, Listening>,
    /// Orders under a key that are not answered yet.
    under_way: BTreeMap<String, (StreamId, u64)>,
}

/// A client that sends.
struct Client {
    presence: Weak<()>,
    from: ClientName,
    node: NodeName,
    to: ClientName,
    /// A session began: what is not acknowledged may have been handed over.
    opened: bool,
    waiting: BTreeMap<u64, Waiting>,
}

/// A request to send that is not answered.
struct Waiting {
    answers: Vec<Asked>,
    order: Option<(String, Request)>,
}

impl Waiting {
    fn is_for(&self, request: &Request) -> bool {
        self.order.as_ref().is_some_and(|(_, own)| own == request)
    }
}

struct Listening {
    presence: Weak<()>,
    frames: mpsc::Sender<Line>,
}

impl Messages {
    pub(super) fn new(seed: u64) -> Self {
        let mut office = Office::new(seed);
        let own = office.listen(probe::client());
        own.expect("nobody else listens yet");
        Self {
            office,
            senders: BTreeMap::new(),
            listeners: BTreeMap::new(),
            under_way: BTreeMap::new(),
        }
    }

    /// Whether anybody sends or listens.
    pub(super) fn has_clients(&self) -> bool {
        !self.senders.is_empty() || !self.listeners.is_empty()
    }

    /// Ends what belongs to connections that are gone.
    fn sweep(&mut self) {
        let gone = |presence: &Weak<()>| presence.strong_count() == 0;
        let office = &mut self.office;
        self.senders.retain(|stream, client| {
            if gone(&client.presence) && client.waiting.is_empty() {
                office.close(*stream);
                return false;
            }
            true
        });
        self.listeners.retain(|name, listening| {
            let gone = gone(&listening.presence) || listening.frames.is_closed();
            if gone {
                office.unlisten(name);
            }
            !gone
        });
    }

    /// The stream of this connection from one client to another, opened if there is none.
    fn stream(
        &mut self,
        presence: &Weak<()>,
        message: &SendMessage,
        from: ClientName,
    ) -> Result<StreamId, Refusal> {
        let same = |client: &Client| {
            client.from == from && client.node == message.node && client.to == message.to
        };
        let known = self.senders.iter_mut().find(|(_, client)| same(client));
        if let Some((stream, client)) = known {
            // One that has nothing under way may be followed by another: its order is kept.
            if client.waiting.is_empty() {
                client.presence = presence.clone();
            }
            return match client.presence.ptr_eq(presence) {
                true => Ok(*stream),
                false => Err(Refusal::NameTaken),
            };
        }
        let (node, to) = (message.node.clone(), message.to.clone());
        let stream = self.office.open(from.clone(), node.clone(), to.clone())?;
        let client = Client {
            presence: presence.clone(),
            from,
            node,
            to,
            opened: false,
            waiting: BTreeMap::new(),
        };
        self.senders.insert(stream, client);
        Ok(stream)
    }

    fn hand(&mut self, to: &ClientName, frame: &ServerFrame) {
        if let Some(listening) = self.listeners.get(to)
            && listening.frames.try_send(line(frame)).is_err()
        {
            self.listeners.remove(to);
            self.office.unlisten(to);
        }
    }
}

impl Supervisor {
    /// Answers a request to send, at once or when it is known what became of the message.
    pub(super) fn send_message(&mut self, message: SendMessage, key: Option<String>, ask: Asked) {
        let now = clock::boot();
        let order = key.map(|key| (key, digest(&message)));
        if let Some((key, request)) = &order
            && let Repeated::Yes(outcome) = self.orders.look_up(key, request, now)
        {
            return ask.reply(outcome);
        }
        if let Some((key, request)) = &order
            && let Some((stream, number)) = self.messages.under_way.get(key)
            && let Some(client) = self.messages.senders.get_mut(stream)
            && let Some(waiting) = client.waiting.get_mut(number)
        {
            if !waiting.is_for(request) {
                return ask.reply(Err(other_order(key)));
            }
            // One that asks again and again leaves nothing behind.
            waiting.answers.retain(|asked| !asked.answer.is_closed());
            waiting.answers.push(ask);
            return;
        }
        if message.node == self.settings.node {
            return ask.reply(Err(to_itself(&message.node)));
        }
        self.messages.sweep();
        let from = message.from.clone();
        let from = from.unwrap_or_else(|| ask.who.client_name());
        match self.accept_message(message, from, &ask.presence) {
            Ok((stream, number)) => {
                if let Some((key, _)) = &order {
                    let key = key.clone();
                    self.messages.under_way.insert(key, (stream, number));
                }
                let waiting = Waiting {
                    answers: vec![ask],
                    order,
                };
                if let Some(client) = self.messages.senders.get_mut(&stream) {
                    client.waiting.insert(number, waiting);
                }
            }
            Err(refusal) => ask.reply(Err(refused(&refusal))),
        }
        self.carry_messages();
    }

    /// Sends a message of hbd's own; whoever holds the presence keeps its stream open.
    pub(super) fn send_own(
        &mut self,
        message: SendMessage,
        presence: &Weak<()>,
    ) -> Result<(), Failure> {
        self.messages.sweep();
        let sent = self.accept_message(message, probe::client(), presence);
        self.carry_messages();
        sent.map(|_| ()).map_err(|refusal| refused(&refusal))
    }

    fn accept_message(
        &mut self,
        message: SendMessage,
        from: ClientName,
        presence: &Weak<()>,
    ) -> Result<(StreamId, u64), Refusal> {
        let stream = self.messages.stream(presence, &message, from)?;
        let bytes = message.data.0;
        let class = message.class.unwrap_or(Class::of(bytes.len()));
        let number = self.messages.office.send(stream, class, bytes)?;
        Ok((stream, number))
    }

    /// A client listens; its frames.
    pub(super) fn listen_for(
        &mut self,
        name: &ClientName,
        presence: Weak<()>,
    ) -> Result<mpsc::Receiver<Line>, Failure> {
        self.messages.sweep();
        self.messages
            .office
            .listen(name.clone())
            .map_err(|refusal| refused(&refusal))?;
        let (frames, stream) = mpsc::channel(FRAMES_MAX);
        let listening = Listening { presence, frames };
        self.messages.listeners.insert(name.clone(), listening);
        self.carry_messages();
        Ok(stream)
    }

    /// The listener of this connection took a message.
    pub(super) fn acknowledge_message(
        &mut self,
        delivery: u64,
        presence: &Weak<()>,
    ) -> Result<Success, Failure> {
        let mut listeners = self.messages.listeners.iter();
        let own = listeners.find(|(_, listening)| listening.presence.ptr_eq(presence));
        let Some(name) = own.map(|(name, _)| name.clone()) else {
            return Err(Failure {
                code: ErrorCode::BadRequest,
                text: "this connection does not listen; ask for listen first".into(),
            });
        };
        let known = self.messages.office.acknowledge(&name, Delivery(delivery));
        self.carry_messages();
        match known {
            true => Ok(Success::Done),
            false => Err(Failure {
                code: ErrorCode::NotFound,
                text: format!(
                    "no message waits under delivery {delivery}: it was acknowledged before, or \
                     its stream is over"
                ),
            }),
        }
    }

    pub(super) fn hear_news(&mut self, news: SessionNews) {
        self.messages.office.handle_news(news);
        self.carry_messages();
    }

    /// What is done from time to time.
    pub(super) fn look_after_messages(&mut self) {
        self.messages.sweep();
        let office = &mut self.messages.office;
        for (stream, client) in &mut self.messages.senders {
            // Nobody waits for the answer any more.
            let forsaken =
                |waiting: &Waiting| waiting.answers.iter().all(|asked| asked.answer.is_closed());
            if client.presence.strong_count() == 0
                && client.waiting.values().all(forsaken)
                && !client.waiting.is_empty()
            {
                office.give_up(*stream);
                let waiting = std::mem::take(&mut client.waiting);
                for order in waiting.into_values().filter_map(|waiting| waiting.order) {
                    self.messages.under_way.remove(&order.0);
                    let outcome = Err(given_up());
                    self.orders
                        .remember(order.0, order.1, outcome, clock::boot());
                }
            }
        }
        self.messages.sweep();
        self.carry_messages();
    }

    /// Takes orders to the core and notices to clients, until there are none.
    pub(super) fn carry_messages(&mut self) {
        while let Some(order) = self.messages.office.poll_order() {
            let message = ToCore::Command(Command::Session(order));
            self.tell_core(&message, Vec::new());
        }
        while let Some(notice) = self.messages.office.poll_notice() {
            self.tell_client(notice);
        }
    }

    fn tell_client(&mut self, notice: Notice) {
        match notice {
            Notice::Opened { stream } => {
                if let Some(client) = self.messages.senders.get_mut(&stream) {
                    client.opened = true;
                }
            }
            // It goes on; who waits waits.
            Notice::Interrupted { .. } => {}
            Notice::Delivered { stream, message } => {
                let client = self.messages.senders.get_mut(&stream);
                let waiting = client.and_then(|client| client.waiting.remove(&message));
                if let Some(waiting) = waiting {
                    self.reply_to(waiting, Ok(Success::Delivered));
                }
            }
            Notice::Closed {
                stream,
                ending,
                unacknowledged,
            } => self.close_sender(stream, &ending, unacknowledged),
            Notice::Arrived { to, sender } => self.tell_of_session(&to, sender, None),
            Notice::Ended { to, sender, ending } => {
                self.tell_of_session(&to, sender, Some(ending));
            }
            Notice::Message {
                to,
                sender,
                delivery,
                message,
                bytes,
            } => {
                if to == probe::client() {
                    return self.letter_arrived(sender, delivery, &bytes);
                }
                let message = Box::new(ReceivedMessage {
                    delivery: delivery.0,
                    node: sender.node,
                    from: sender.client,
                    number: message,
                    data: Payload(bytes),
                });
                self.messages.hand(&to, &ServerFrame::Message { message });
            }
        }
    }

    fn tell_of_session(&mut self, to: &ClientName, sender: Sender, ended: Option<Ending>) {
        let Sender { node, client, .. } = sender;
        let text = match &ended {
            None => format!("{client} on {node} sends"),
            Some(ending) => format!("session of {client} on {node} is over: {ending}"),
        };
        let session = SessionChange {
            node,
            from: client,
            ended,
            text,
        };
        self.messages.hand(to, &ServerFrame::Session { session });
    }

    fn close_sender(&mut self, stream: StreamId, ending: &Ending, unacknowledged: usize) {
        let Some(client) = self.messages.senders.remove(&stream) else {
            return;
        };
        let failure = not_delivered(&client, ending, unacknowledged);
        if client.from == probe::client() {
            self.letters_lost(&client.node, &failure);
        }
        for waiting in client.waiting.into_values() {
            self.reply_to(waiting, Err(failure.clone()));
        }
    }

    fn reply_to(&mut self, waiting: Waiting, outcome: Result<Success, Failure>) {
        for asked in waiting.answers {
            asked.reply(outcome.clone());
        }
        if let Some((key, request)) = waiting.order {
            self.messages.under_way.remove(&key);
            self.orders.remember(key, request, outcome, clock::boot());
        }
    }
}

/// The order that is remembered in place of a message: its bytes by their hash.
fn digest(message: &SendMessage) -> Request {
    let mut hasher = DefaultHasher::new();
    message.data.0.hash(&mut hasher);
    Request::Send(Box::new(SendMessage {
        data: Payload(hasher.finish().to_le_bytes().to_vec()),
        ..message.clone()
    }))
}

/// What never became a message is refused; nothing of it was delivered.
fn refused(refusal: &Refusal) -> Failure {
    let code = match refusal {
        Refusal::TooLong(_) => ErrorCode::BadRequest,
        Refusal::NameTaken
        | Refusal::Leaving
        | Refusal::TooMany
        | Refusal::Full
        | Refusal::NoStream => ErrorCode::Refused,
    };
    Failure {
        code,
        text: refusal.to_string(),
    }
}

fn to_itself(node: &NodeName) -> Failure {
    Failure {
        code: ErrorCode::Refused,
        text: format!("{node} is this node; messages go to other nodes"),
    }
}

fn given_up() -> Failure {
    Failure {
        code: ErrorCode::Unavailable,
        text:
            "its sender gave up before it was acknowledged; whether it was delivered is not known"
                .into(),
    }
}

/// The code tells what is known: nothing was delivered unless it is `unavailable`.
fn not_delivered(client: &Client, ending: &Ending, unacknowledged: usize) -> Failure {
    let code = match ending {
        _ if client.opened => ErrorCode::Unavailable,
        Ending::NobodyListens | Ending::NoSuchNode => ErrorCode::NotFound,
        _ => ErrorCode::Refused,
    };
    let Client { node, to, .. } = client;
    let what = match client.opened {
        false => "nothing was delivered".to_owned(),
        true => format!("{unacknowledged} not acknowledged; whether delivered is not known"),
    };
    Failure {
        code,
        text: format!("no session with {to} on {node}: {ending}; {what}"),
    }
}
