//! What clients ask and order.

use std::sync::{Arc, Weak};

use shared::api::{ErrorCode, Failure, Fault, Request, ServerFrame, Success};
use shared::config::Running;
use shared::event::{Cause, Event};
use shared::query::{EventQuery, PAGE_EVENTS};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Supervisor;
use super::recorder::{Line, line};
use crate::clock;
use crate::control::access::Peer;
use crate::control::{Answer, Ask, Repeated};
use crate::thread;

/// What is left of a question once its request was taken out.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) who: Peer,
    pub(super) presence: Weak<()>,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Takes the request and its key out.
    pub(super) fn of(ask: Ask) -> (Request, Option<String>, Self) {
        let asked = Self {
            id: ask.frame.id,
            who: ask.who,
            presence: ask.presence,
            answer: ask.answer,
        };
        (ask.frame.request, ask.frame.key, asked)
    }

    pub(super) fn reply(self, outcome: Result<Success, Failure>) {
        self.reply_with(Vec::new(), outcome, None);
    }

    /// Replies with what goes before the reply, and the stream that follows it.
    pub(super) fn reply_with(
        self,
        mut lines: Vec<Line>,
        outcome: Result<Success, Failure>,
        stream: Option<mpsc::Receiver<Line>>,
    ) {
        lines.push(line(&match outcome {
            Ok(ok) => ServerFrame::Ok { id: self.id, ok },
            Err(error) => ServerFrame::Error { id: self.id, error },
        }));
        // The client may have gone meanwhile.
        let _ = self.answer.send(Answer { lines, stream });
    }
}

impl Supervisor {
    pub(super) fn answer(&mut self, ask: Ask) {
        let (request, key, asked) = Asked::of(ask);
        let outcome = match request {
            Request::Snapshot => Ok(Success::Snapshot(Box::new(self.recorder.snapshot()))),
            Request::Config => Ok(Success::Config(Box::new(Running::of(
                &self.configured.config,
            )))),
            Request::Events(query) => return self.find_events(*query, asked),
            Request::Subscribe { recent } => {
                let event = |event: &Event| {
                    let event = Box::new(event.clone());
                    line(&ServerFrame::Event { event })
                };
                let lines = self.recorder.recent(recent).map(event).collect();
                let stream = self.recorder.subscribe();
                let snapshot = Success::Snapshot(Box::new(self.recorder.snapshot()));
                return asked.reply_with(lines, Ok(snapshot), Some(stream));
            }
            Request::Record => return self.keep_flight_for(asked),
            Request::Send(message) => return self.send_message(*message, key, asked),
            Request::Listen { name } => {
                return match self.listen_for(&name, asked.presence.clone()) {
                    Ok(stream) => asked.reply_with(Vec::new(), Ok(Success::Done), Some(stream)),
                    Err(failure) => asked.reply(Err(failure)),
                };
            }
            Request::Acknowledge { delivery } => {
                self.acknowledge_message(delivery, &asked.presence)
            }
            Request::Probe(probe) => return self.probe(*probe, asked),
            Request::Order(order) => return self.order_groups(*order, key, asked),
            Request::Fault(fault) => self.order(&fault, key, &asked.who),
            Request::Reload(wish) => return self.reload_by_order(wish, key, asked),
            Request::Upgrade(wish) => return self.begin_upgrade(wish, asked),
        };
        asked.reply(outcome);
    }

    /// Answers from memory what memory can; else a thread reads the journal, one at a time, since a
    /// disk may take its time.
    fn find_events(&self, query: EventQuery, asked: Asked) {
        let limit = query.limit.min(PAGE_EVENTS);
        if query.is_open() && self.recorder.recent(limit).len() == limit {
            let events = self.recorder.recent(limit).cloned().collect();
            return asked.reply(Ok(Success::Events(events)));
        }
        let history = self.recorder.history();
        let turn = self.readers.clone().acquire_owned();
        tokio::spawn(async move {
            let turn = turn.await;
            let told = thread::beside("events", (asked, turn), move |(asked, turn)| {
                asked.reply(history.answer(&query).map(Success::Events));
                drop(turn);
            });
            if let Err((error, (asked, _))) = told {
                asked.reply(Err(Failure {
                    code: ErrorCode::Unavailable,
                    text: format!(
                        "the journal cannot be read: no thread for it: {error}; raise the limit \
                         of tasks or end some"
                    ),
                }));
            }
        });
    }

    /// An order is carried out once under one key.
    pub(super) fn order(
        &mut self,
        fault: &Fault,
        key: Option<String>,
        who: &Peer,
    ) -> Result<Success, Failure> {
        let Some(key) = key else {
            return self.inject(fault, who);
        };
        let now = clock::boot();
        let request = Request::Fault(fault.clone());
        match self.orders.look_up(&key, &request, now) {
            Repeated::Yes(outcome) => outcome,
            Repeated::No => {
                let outcome = self.inject(fault, who);
                self.orders.remember(key, request, outcome.clone(), now);
                outcome
            }
        }
    }

    pub(super) fn inject(&mut self, fault: &Fault, who: &Peer) -> Result<Success, Failure> {
        if !self.allow_faults {
            return Err(Failure {
                code: ErrorCode::Refused,
                text: "hbd runs without --allow-faults; faults are for tests".into(),
            });
        }
        if fault.loss_percent > 100 {
            return Err(Failure {
                code: ErrorCode::BadRequest,
                text: format!("loss_percent is {}, more than 100", fault.loss_percent),
            });
        }
        let Some(changes) = self.media.fault(fault) else {
            let known: Vec<_> = self.media.names().map(ToString::to_string).collect();
            return Err(Failure {
                code: ErrorCode::NotFound,
                text: format!(
                    "no medium {}; there are: {}",
                    fault.medium,
                    known.join(", ")
                ),
            });
        };
        for (message, descriptors) in changes.messages {
            self.tell_core(&message, descriptors);
        }
        for event in changes.events {
            self.recorder
                .note(event, Some(Cause::Order(who.to_string())));
        }
        Ok(Success::Done)
    }
}

/// Threads that read the journal for clients at the same time.
const READERS_MAX: usize = 1;

/// Turns to read the journal.
pub(super) fn readers() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(READERS_MAX))
}
