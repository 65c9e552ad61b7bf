//! Flight records: made after a death of the core, and by order.

use std::io;
use std::path::PathBuf;

use shared::api::{ErrorCode, Failure, Success};
use shared::event::{Cause, Kind};
use tokio::sync::oneshot;

use super::Supervisor;
use super::requests::reply;
use crate::channel::Lack;
use crate::control::Answer;
use crate::control::access::Peer;
use crate::{clock, flight};

/// A record that was to be kept.
#[derive(Debug)]
pub(super) struct Kept {
    result: io::Result<PathBuf>,
    reason: &'static str,
    cause: Option<Cause>,
    asked: Option<Asked>,
}

/// Who waits for a record, and the number of the request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Asked {
    fn tell(self, outcome: Result<Success, Failure>) {
        let lines = vec![reply(self.id, outcome)];
        let stream = None;
        // The client may have gone meanwhile.
        let _ = self.answer.send(Answer { lines, stream });
    }
}

/// What a flight recorder held.
pub(super) type Flight = io::Result<Vec<u8>>;

impl Supervisor {
    /// Keeps what the living core's flight recorder holds.
    pub(super) fn keep_flight_for(&self, who: Peer, asked: Asked) {
        match &self.pulse {
            Some(pulse) => {
                let cause = Some(Cause::Order(who.to_string()));
                self.keep_flight(pulse.flight(), "by order", cause, Some(asked));
            }
            None => asked.tell(Err(Failure {
                code: ErrorCode::Unavailable,
                text: "there is no core at the moment; the record of its death is kept".into(),
            })),
        }
    }

    /// Lets a thread write a record.
    pub(super) fn keep_flight(
        &self,
        flight: Flight,
        reason: &'static str,
        cause: Option<Cause>,
        asked: Option<Asked>,
    ) {
        let (state, tell) = (self.state.clone(), self.flights.clone());
        std::thread::spawn(move || {
            let now = clock::now().wall;
            let result = flight.and_then(|image| flight::keep(&state, now, &image));
            // Nobody is left to tell where the daemon ends.
            let _ = tell.blocking_send(Kept {
                result,
                reason,
                cause,
                asked,
            });
        });
    }

    /// A record was kept, or could not be.
    pub(super) fn flight_kept(&mut self, kept: Kept) {
        let outcome = match kept.result {
            Ok(path) => {
                let file = path.display().to_string();
                let kind = Kind::FlightRecorded {
                    file: file.clone(),
                    reason: kept.reason.into(),
                };
                self.recorder.note(kind, kept.cause);
                Ok(Success::Recorded { file })
            }
            Err(error) => {
                let why = format!("cannot write in {}: {error}", self.state.display());
                self.lack(Lack {
                    what: "a flight record".into(),
                    why: why.clone(),
                    remedy: "make room, or let the user hbd runs as write there".into(),
                });
                Err(Failure {
                    code: ErrorCode::Unavailable,
                    text: format!("{why}; make room, or let the user hbd runs as write there"),
                })
            }
        };
        if let Some(asked) = kept.asked {
            asked.tell(outcome);
        }
    }
}
