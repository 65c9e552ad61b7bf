//! Lines: one record each, with a checksum.
//!
//! ```text
//! {"crc":"9ad8e3f1","number":8121,"event":{...}}
//!                  |<----- CRC-32 over this ---->|
//! ```

use std::sync::Arc;

use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Deserialize, Serialize};
use shared::event::{Event, EventId};
use shared::view::ClusterView;

use super::Lives;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// What stands before the checksum, and between it and the rest.
const BEFORE: &[u8] = b"{\"crc\":\"";
const BETWEEN: &[u8] = b"\",";
const DIGITS: usize = 8;

/// An event and its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// Counts through all segments.
    pub(crate) number: u64,
    /// The event.
    pub(crate) event: Arc<Event>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) view: ClusterView,
    pub(super) lives: Lives,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        self.view.apply(event);
        self.lives.note(&event.id);
    }
}

/// A line.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    Event(Record),
    /// The state before the record of this number. Without a view where that was too long.
    Checkpoint {
        next: u64,
        view: Option<Box<ClusterView>>,
        lives: Lives,
    },
}

#[derive(Serialize, Deserialize)]
struct Body {
    number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Arc<Event>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Checkpoint>,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    view: Option<Box<ClusterView>>,
    lives: Vec<EventId>,
}

/// An event as a line.
pub(super) fn event_line(record: &Record) -> Vec<u8> {
    line(&Body {
        number: record.number,
        event: Some(record.event.clone()),
        checkpoint: None,
    })
}

/// The state before record `next` as a line, with or without its view.
pub(super) fn checkpoint_line(next: u64, state: &State, with_view: bool) -> Vec<u8> {
    line(&Body {
        number: next,
        event: None,
        checkpoint: Some(Checkpoint {
            view: with_view.then(|| Box::new(state.view.clone())),
            lives: state.lives.0.clone(),
        }),
    })
}

fn line(body: &Body) -> Vec<u8> {
    let body = serde_json::to_vec(body).expect("records are plain data");
    let rest = &body[1..];
    let mut line = Vec::with_capacity(BEFORE.len() + DIGITS + BETWEEN.len() + body.len());
    line.extend_from_slice(BEFORE);
    line.extend_from_slice(format!("{:08x}", CRC.checksum(rest)).as_bytes());
    line.extend_from_slice(BETWEEN);
    line.extend_from_slice(rest);
    line.push(b'\n');
    line
}

/// Reads a line without its newline; nothing where it does not prove itself.
pub(super) fn parse(line: &[u8]) -> Option<Entry> {
    let (crc, rest) = line.strip_prefix(BEFORE)?.split_at_checked(DIGITS)?;
    let rest = rest.strip_prefix(BETWEEN)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?, 16).ok()?;
    if crc != CRC.checksum(rest) {
        return None;
    }
    let mut body = Vec::with_capacity(rest.len() + 1);
    body.push(b'{');
    body.extend_from_slice(rest);
    let body: Body = serde_json::from_slice(&body).ok()?;
    match (body.event, body.checkpoint) {
        (Some(event), None) => Some(Entry::Event(Record {
            number: body.number,
            event,
        })),
        (None, Some(Checkpoint { view, lives })) => Some(Entry::Checkpoint {
            next: body.number,
            view,
            lives: Lives(lives),
        }),
        _ => None,
    }
}
