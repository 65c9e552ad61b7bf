//! Sessions that arrive: putting messages together, and handing each over once.
//!
//! A session holds one message that grows and what waits for its listener, at most
//! [`MESSAGE_BYTES_MAX`] and a window; beyond that nothing is taken from the core, which closes its
//! window to the sender. A listener has at most [`HANDED_MAX`] messages, or [`MESSAGE_BYTES_MAX`]
//! bytes and one message, that it has not acknowledged.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use shared::names::ClientName;
use shared::session::{Ending, MESSAGE_BYTES_MAX};

use super::{Notice, Office, REMEMBERED_MAX, Sender};
use crate::session::{Fragment, SessionId, SessionOrder};

/// Messages that a listener may have and not have acknowledged.
pub const HANDED_MAX: usize = 32;
/// What a message counts beyond its bytes, so that empty ones are bounded too.
const MESSAGE_OVERHEAD: usize = 1024;
/// The core is told of so many taken fragments at once.
const TAKEN_AT_ONCE: u32 = 8;

/// Names a message that was handed over, for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery(pub u64);

/// A client that listens.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: u64,
    /// What was handed over and not acknowledged.
    handed: BTreeMap<Delivery, Handed>,
    handed_bytes: usize,
    last_delivery: u64,
    /// What is known of each stream, those of sessions that are over included.
    streams: BTreeMap<Sender, Progress>,
}

#[derive(Debug)]
struct Handed {
    sender: Sender,
    message: u64,
    bytes: usize,
}

/// How far a stream is.
#[derive(Debug, Default)]
struct Progress {
    session: Option<SessionId>,
    handed: u64,
    acknowledged: u64,
    /// The last delivery: who was silent for longest is forgotten first.
    touched: u64,
}

/// What an acknowledgement brings about.
pub(super) struct Acknowledged {
    pub(super) session: Option<SessionId>,
    pub(super) message: u64,
}

/// A session that arrives.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) to: ClientName,
    sender: Sender,
    /// The message that grows.
    growing: u64,
    bytes: Vec<u8>,
    /// Whole messages that wait for the listener.
    whole: VecDeque<(u64, Vec<u8>)>,
    whole_bytes: usize,
    /// Fragments that the core was not told to be taken.
    untaken: u32,
    /// It is over, and something of it waits for the listener.
    ending: Option<Ending>,
}

impl Listener {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            handed: BTreeMap::new(),
            handed_bytes: 0,
            last_delivery: 0,
            streams: BTreeMap::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.handed.len() < HANDED_MAX && self.handed_bytes < MESSAGE_BYTES_MAX
    }

    /// Takes note of an acknowledgement. Nothing if there was nothing to acknowledge.
    pub(super) fn acknowledge(&mut self, delivery: Delivery) -> Option<Acknowledged> {
        let (sender, message) = {
            let handed = self.handed.get(&delivery)?;
            (handed.sender.clone(), handed.message)
        };
        self.handed.retain(|_, handed| {
            let covered = handed.sender == sender && handed.message <= message;
            if covered {
                self.handed_bytes -= handed.bytes;
            }
            !covered
        });
        let progress = self.streams.get_mut(&sender)?;
        progress.acknowledged = progress.acknowledged.max(message);
        Some(Acknowledged {
            session: progress.session,
            message: progress.acknowledged,
        })
    }

    /// Forgets the streams that were silent for longest and have no session.
    fn forget_surplus(&mut self) {
        while self.streams.len() > REMEMBERED_MAX {
            let idle = self.streams.iter().filter(|(_, p)| p.session.is_none());
            let Some((oldest, _)) = idle.min_by_key(|(_, p)| p.touched) else {
                return;
            };
            let oldest = oldest.clone();
            self.streams.remove(&oldest);
        }
    }
}

impl Office {
    pub(super) fn arrived(
        &mut self,
        session: SessionId,
        sender: Sender,
        to: ClientName,
        life: u64,
    ) {
        let listener = self.listeners.get_mut(&to);
        let Some(listener) = listener.filter(|listener| listener.id == life) else {
            // It stopped listening a moment ago, and the core is about to hear of it.
            return;
        };
        let progress = listener.streams.entry(sender.clone()).or_default();
        progress.session = Some(session);
        progress.touched = listener.last_delivery;
        listener.forget_surplus();
        self.notices.push_back(Notice::Arrived {
            to: to.clone(),
            sender: sender.clone(),
        });
        self.incoming.insert(
            session,
            Incoming {
                to,
                sender,
                growing: 0,
                bytes: Vec::new(),
                whole: VecDeque::new(),
                whole_bytes: 0,
                untaken: 0,
                ending: None,
            },
        );
    }

    pub(super) fn fragment(&mut self, session: SessionId, fragment: Fragment) {
        let Some(incoming) = self.incoming.get_mut(&session) else {
            return;
        };
        if incoming.ending.is_some() {
            return;
        }
        incoming.untaken += 1;
        if fragment.message != incoming.growing {
            incoming.bytes.clear();
            incoming.growing = fragment.message;
        }
        if incoming.bytes.len() + fragment.bytes.0.len() > MESSAGE_BYTES_MAX {
            return self.ended(session, Ending::Broken);
        }
        incoming.bytes.extend_from_slice(&fragment.bytes.0);
        let whole = fragment.last.then(|| core::mem::take(&mut incoming.bytes));
        if let Some(bytes) = whole {
            incoming.whole_bytes += bytes.len() + MESSAGE_OVERHEAD;
            incoming.whole.push_back((fragment.message, bytes));
            let to = incoming.to.clone();
            self.hand_over(&to);
        }
        self.take(session);
    }

    /// Tells the core what was taken, unless the session holds enough.
    fn take(&mut self, session: SessionId) {
        let Some(incoming) = self.incoming.get_mut(&session) else {
            return;
        };
        let held = incoming.whole_bytes + incoming.bytes.len();
        let settled = incoming.bytes.is_empty() || incoming.untaken >= TAKEN_AT_ONCE;
        let open = incoming.ending.is_none() && incoming.untaken > 0;
        if held <= MESSAGE_BYTES_MAX && settled && open {
            let fragments = core::mem::take(&mut incoming.untaken);
            self.orders
                .push_back(SessionOrder::Taken { session, fragments });
        }
    }

    /// Hands a listener what it has room for, of each sender in turn.
    pub(super) fn hand_over(&mut self, name: &ClientName) {
        let Some(listener) = self.listeners.get_mut(name) else {
            return;
        };
        let mut emptied = Vec::new();
        for (session, incoming) in &mut self.incoming {
            if incoming.to != *name || incoming.whole.is_empty() {
                continue;
            }
            while listener.has_room()
                && let Some((message, bytes)) = incoming.whole.pop_front()
            {
                incoming.whole_bytes -= bytes.len() + MESSAGE_OVERHEAD;
                let progress = listener.streams.entry(incoming.sender.clone()).or_default();
                if message <= progress.acknowledged {
                    self.orders.push_back(SessionOrder::Acknowledge {
                        session: *session,
                        message: progress.acknowledged,
                    });
                }
                // Handed over in a former session of the stream.
                if message <= progress.handed {
                    continue;
                }
                progress.handed = message;
                listener.last_delivery += 1;
                progress.touched = listener.last_delivery;
                let delivery = Delivery(listener.last_delivery);
                listener.handed_bytes += bytes.len();
                let handed = Handed {
                    sender: incoming.sender.clone(),
                    message,
                    bytes: bytes.len(),
                };
                listener.handed.insert(delivery, handed);
                self.notices.push_back(Notice::Message {
                    to: name.clone(),
                    sender: incoming.sender.clone(),
                    delivery,
                    message,
                    bytes,
                });
            }
            emptied.push(*session);
        }
        for session in emptied {
            self.take(session);
        }
        self.forget_ended(name);
    }

    /// What is complete is older than the end, and is handed over before it is told. The core keeps
    /// the session's place until then.
    pub(super) fn ended(&mut self, session: SessionId, ending: Ending) {
        let Some(incoming) = self.incoming.get_mut(&session) else {
            self.orders.push_back(SessionOrder::Release { session });
            return;
        };
        // The next session brings what was not handed over.
        if ending == Ending::Restarted {
            incoming.whole.clear();
        }
        incoming.ending = Some(ending);
        let to = incoming.to.clone();
        self.hand_over(&to);
    }

    /// Forgets sessions that are over and of which nothing waits.
    fn forget_ended(&mut self, name: &ClientName) {
        let over = |incoming: &Incoming| {
            incoming.to == *name && incoming.whole.is_empty() && incoming.ending.is_some()
        };
        let sessions: Vec<SessionId> = self
            .incoming
            .iter()
            .filter(|(_, incoming)| over(incoming))
            .map(|(session, _)| *session)
            .collect();
        for session in sessions {
            self.orders.push_back(SessionOrder::Release { session });
            if let Some(mut incoming) = self.incoming.remove(&session)
                && let Some(ending) = incoming.ending.take()
            {
                self.forget(incoming, ending);
            }
        }
    }

    /// Tells that a session is over. Its stream is remembered unless its sender ended it: who counts
    /// as dead here may not know it, and offer the stream again.
    pub(super) fn forget(&mut self, incoming: Incoming, ending: Ending) {
        let Some(listener) = self.listeners.get_mut(&incoming.to) else {
            return;
        };
        match ending {
            Ending::Closed | Ending::GaveUp => {
                listener.streams.remove(&incoming.sender);
            }
            _ => {
                if let Some(progress) = listener.streams.get_mut(&incoming.sender) {
                    progress.session = None;
                }
                listener.forget_surplus();
            }
        }
        self.notices.push_back(Notice::Ended {
            to: incoming.to,
            sender: incoming.sender,
            ending,
        });
    }
}
