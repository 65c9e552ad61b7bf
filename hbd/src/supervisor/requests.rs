//! What clients ask and order.

use shared::api::{ErrorCode, Failure, Fault, Request, ServerFrame, Success};
use shared::config::Running;
use shared::event::Cause;

use super::Supervisor;
use super::recorder::line;
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
            Request::Events { limit } => {
                let events = self.recorder.recent(limit).cloned().collect();
                Ok(Success::Events(events))
            }
            Request::Subscribe { recent } => {
                lines.extend(self.recorder.recent(recent).map(|event| {
                    line(&ServerFrame::Event {
                        event: Box::new(event.clone()),
                    })
                }));
                stream = Some(self.recorder.subscribe());
                Ok(Success::Snapshot(Box::new(self.recorder.snapshot())))
            }
            Request::Fault(fault) => self.order(&fault, ask.frame.key, ask.who),
            Request::Reload(wish) => return self.reload_by_order(wish, ask),
        };
        lines.push(line(&match outcome {
            Ok(ok) => ServerFrame::Ok { id, ok },
            Err(error) => ServerFrame::Error { id, error },
        }));
        // The client may have gone meanwhile.
        let _ = ask.answer.send(Answer { lines, stream });
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
