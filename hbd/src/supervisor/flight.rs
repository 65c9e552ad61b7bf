//! Flight records: made after a death of the core, and by order.

use std::io;
use std::path::PathBuf;

use shared::api::{ErrorCode, Failure, Success};
use shared::event::{Cause, Kind};

use super::Supervisor;
use super::requests::Asked;
use crate::channel::Lack;
use crate::{clock, flight};

/// A record that was to be kept.
#[derive(Debug)]
pub(super) struct Kept {
    result: io::Result<PathBuf>,
    reason: &'static str,
    cause: Option<Cause>,
    asked: Option<Asked>,
}

/// What a flight recorder held.
pub(super) type Flight = io::Result<Vec<u8>>;

impl Supervisor {
    /// Keeps what the living core's flight recorder holds, for the client that asked.
    pub(super) fn keep_flight_for(&self, asked: Asked) {
        match &self.pulse {
            Some(pulse) => {
                let cause = Some(Cause::Order(asked.who.to_string()));
                self.keep_flight(pulse.flight(), "by order", cause, Some(asked));
            }
            None => asked.reply(Err(Failure {
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
            asked.reply(outcome);
        }
    }
}
