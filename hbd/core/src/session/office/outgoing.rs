//! Streams that leave this node.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use shared::names::{ClientName, NodeName};
use shared::session::{Class, Ending, Payload};

use super::{Notice, Office};
use crate::session::{FRAGMENT_BYTES_MAX, Fragment, SessionOrder, StreamId, WINDOW};

/// A stream that leaves.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) from: ClientName,
    pub(super) node: NodeName,
    pub(super) to: ClientName,
    /// What is not acknowledged. The front has number `first`.
    queue: VecDeque<Waiting>,
    first: u64,
    /// Which life of the receiver was offered something.
    listener: Option<u64>,
    opened: bool,
    pub(super) room: u64,
    pub(super) closing: bool,
}

#[derive(Debug)]
struct Waiting {
    class: Class,
    bytes: Vec<u8>,
    /// So many fragments of it were offered in this session.
    offered: usize,
}

impl Waiting {
    /// A message has one fragment at least.
    fn fragments(&self) -> usize {
        self.bytes.len().div_ceil(FRAGMENT_BYTES_MAX).max(1)
    }

    fn fragment(&self, message: u64) -> Fragment {
        let start = self.offered * FRAGMENT_BYTES_MAX;
        let end = (start + FRAGMENT_BYTES_MAX).min(self.bytes.len());
        Fragment {
            message,
            class: self.class,
            last: self.offered + 1 == self.fragments(),
            bytes: Payload(self.bytes[start..end].to_vec()),
        }
    }
}

impl Outgoing {
    pub(super) fn new(from: ClientName, node: NodeName, to: ClientName) -> Self {
        Self {
            from,
            node,
            to,
            queue: VecDeque::new(),
            first: 1,
            listener: None,
            opened: false,
            room: 0,
            closing: false,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.queue.iter().map(|message| message.bytes.len()).sum()
    }

    /// What begins a session.
    pub(super) fn open(&mut self, stream: StreamId) -> SessionOrder {
        SessionOrder::Open {
            stream,
            from: self.from.clone(),
            node: self.node.clone(),
            to: self.to.clone(),
        }
    }

    /// Takes a message; its number.
    pub(super) fn take(&mut self, class: Class, bytes: Vec<u8>) -> u64 {
        self.queue.push_back(Waiting {
            class,
            bytes,
            offered: 0,
        });
        self.first + self.queue.len() as u64 - 1
    }

    /// Hands the core what it has room for.
    pub(super) fn offer(&mut self, stream: StreamId, orders: &mut VecDeque<SessionOrder>) {
        if !self.opened {
            return;
        }
        for (number, message) in (self.first..).zip(&mut self.queue) {
            while message.offered < message.fragments() {
                if self.room == 0 {
                    return;
                }
                self.room -= 1;
                let fragment = message.fragment(number);
                message.offered += 1;
                orders.push_back(SessionOrder::Offer { stream, fragment });
            }
        }
    }

    /// The session is over: everything is to be offered again.
    fn interrupt(&mut self) {
        self.opened = false;
        self.room = 0;
        for message in &mut self.queue {
            message.offered = 0;
        }
    }
}

impl Office {
    pub(super) fn opened(&mut self, stream: StreamId, listener: u64) {
        let Some(outgoing) = self.outgoing.get_mut(&stream) else {
            return;
        };
        if *outgoing.listener.get_or_insert(listener) != listener {
            self.orders.push_back(SessionOrder::GiveUp { stream });
            return self.finish(stream, Ending::ClientGone);
        }
        outgoing.opened = true;
        outgoing.room = WINDOW;
        self.notices.push_back(Notice::Opened { stream });
        outgoing.offer(stream, &mut self.orders);
        if outgoing.closing && outgoing.waiting() == 0 {
            self.orders.push_back(SessionOrder::Close { stream });
        }
    }

    pub(super) fn acknowledged(&mut self, stream: StreamId, message: u64) {
        let Some(outgoing) = self.outgoing.get_mut(&stream) else {
            return;
        };
        while outgoing.first <= message
            && let Some(done) = outgoing.queue.pop_front()
        {
            self.waiting_bytes -= done.bytes.len();
            let message = outgoing.first;
            outgoing.first += 1;
            self.notices
                .push_back(Notice::Delivered { stream, message });
        }
        if outgoing.closing && outgoing.queue.is_empty() {
            self.orders.push_back(SessionOrder::Close { stream });
        }
    }

    /// A session that ended with a core goes on in another; every other end is final.
    pub(super) fn closed(&mut self, stream: StreamId, ending: Ending) {
        let Some(outgoing) = self.outgoing.get_mut(&stream) else {
            return;
        };
        let idle = outgoing.closing && outgoing.waiting() == 0;
        if ending != Ending::Restarted || idle {
            return self.finish(stream, ending);
        }
        self.interrupt(stream);
        if let Some(outgoing) = self.outgoing.get_mut(&stream) {
            self.orders.push_back(outgoing.open(stream));
        }
    }

    pub(super) fn interrupt(&mut self, stream: StreamId) {
        let Some(outgoing) = self.outgoing.get_mut(&stream) else {
            return;
        };
        outgoing.interrupt();
        if outgoing.closing && outgoing.waiting() == 0 {
            return self.finish(stream, Ending::Restarted);
        }
        let unacknowledged = outgoing.waiting();
        self.notices.push_back(Notice::Interrupted {
            stream,
            unacknowledged,
        });
    }

    pub(super) fn finish(&mut self, stream: StreamId, ending: Ending) {
        if let Some(outgoing) = self.outgoing.remove(&stream) {
            self.waiting_bytes -= outgoing.bytes();
            self.notices.push_back(Notice::Closed {
                stream,
                ending,
                unacknowledged: outgoing.waiting(),
            });
        }
    }
}
