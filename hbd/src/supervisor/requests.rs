//! What clients ask and order.

use std::sync::Arc;

use shared::api::{ErrorCode, Failure, Fault, Request, ServerFrame, Success};
use shared::config::Running;
use shared::event::Cause;
use shared::query::{EventQuery, PAGE_EVENTS};
use tokio::sync::{Semaphore, oneshot};

use super::Supervisor;
use super::flight::Asked;
use super::recorder::{Line, line};
use crate::clock;
use crate::control::access::Peer;
use crate::control::{Answer, Ask, Repeated};

impl Supervisor {
    pub(super) fn answer(&mut self, ask: Ask) {
        let id = ask.frame.id;
        let mut stream = None;
        let mut lines = Vec::new();
        let outcome = match ask.frame.request {
            Request::Snapshot => Ok(Success::Snapshot(Box::new(self.recorder.snapshot()))),
            Request::Config => Ok(Success::Config(Box::new(Running::of(
                &self.configured.config,
            )))),
            Request::Events(query) => return self.find_events(*query, id, ask.answer),
            Request::Subscribe { recent } => {
                lines.extend(self.recorder.recent(recent).map(|event| {
                    line(&ServerFrame::Event {
                        event: Box::new(event.clone()),
                    })
                }));
                stream = Some(self.recorder.subscribe());
                Ok(Success::Snapshot(Box::new(self.recorder.snapshot())))
            }
            Request::Record => {
                let answer = ask.answer;
                return self.keep_flight_for(ask.who, Asked { id, answer });
            }
            Request::Fault(fault) => self.order(&fault, ask.frame.key, ask.who),
            Request::Reload(wish) => return self.reload_by_order(wish, ask),
            Request::Upgrade(wish) => return self.begin_upgrade(wish, ask),
        };
        lines.push(reply(id, outcome));
        // The client may have gone meanwhile.
        let _ = ask.answer.send(Answer { lines, stream });
    }

    /// Answers from memory what memory can; else a thread reads the journal, one at a time, since a
    /// disk may take its time.
    fn find_events(&self, query: EventQuery, id: u64, answer: oneshot::Sender<Answer>) {
        let reply_with = move |outcome: Result<Success, Failure>| {
            let lines = vec![reply(id, outcome)];
            let stream = None;
            // The client may have gone meanwhile.
            let _ = answer.send(Answer { lines, stream });
        };
        let limit = query.limit.min(PAGE_EVENTS);
        if query.is_open() && self.recorder.recent(limit).len() == limit {
            let events = self.recorder.recent(limit).cloned().collect();
            return reply_with(Ok(Success::Events(events)));
        }
        let history = self.recorder.history();
        let turn = self.readers.clone().acquire_owned();
        tokio::spawn(async move {
            let turn = turn.await;
            std::thread::spawn(move || {
                reply_with(history.answer(&query).map(Success::Events));
                drop(turn);
            });
        });
    }

    /// An order is carried out once under one key.
    pub(super) fn order(
        &mut self,
        fault: &Fault,
        key: Option<String>,
        who: Peer,
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

    pub(super) fn inject(&mut self, fault: &Fault, who: Peer) -> Result<Success, Failure> {
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

pub(super) fn reply(id: u64, outcome: Result<Success, Failure>) -> Line {
    line(&match outcome {
        Ok(ok) => ServerFrame::Ok { id, ok },
        Err(error) => ServerFrame::Error { id, error },
    })
}
