//! The modem lines of serial ports. Each port is looked at in a thread of its own: a driver may answer late, and closing
//! a port may wait for what is not sent yet.
//!
//! They are evidence of what became of a cable or a peer, and decide nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use shared::event::ModemLines;
use shared::names::MediumName;
use shared::time::Moment;
use tokio::sync::mpsc;

use crate::{clock, thread};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Of lines that change all the time is told once in this time on average.
const SHARE: Duration = Duration::from_secs(10);
/// What is told at once may be ahead of that by so much: ten times.
const AHEAD: Duration = Duration::from_secs(90);

/// What was seen on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The medium.
    pub(super) medium: MediumName,
    /// What is raised.
    pub(super) lines: ModemLines,
    /// Some changed since the last look, and may have returned.
    pub(super) flickered: bool,
}

/// Looks at a port until it is dropped, or the port is gone or has no modem lines.
pub(super) struct LineWatch {
    end: SyncSender<()>,
}

impl Drop for LineWatch {
    fn drop(&mut self) {
        // One that is not taken has no taker any more.
        let _ = self.end.try_send(());
    }
}

impl LineWatch {
    /// Nothing if there is no thread to be had: nothing depends on these lines.
    pub(super) fn begin(
        medium: MediumName,
        port: OwnedFd,
        news: mpsc::Sender<Seen>,
    ) -> Option<Self> {
        let (end, ended) = sync_channel(1);
        let watch = move |port: OwnedFd| {
            // A former supervisor may have lowered them for a test. A port without lines ends the watch.
            let _ = diag::sys::set_outputs(&port, true, true);
            let mut sight = Sight::default();
            while let Ok((lines, counts)) = look(&port) {
                let now = clock::boot();
                if let Some(flickered) = sight.look(lines, counts, now) {
                    let medium = medium.clone();
                    let seen = Seen {
                        medium,
                        lines,
                        flickered,
                    };
                    if news.try_send(seen).is_ok() {
                        sight.told(lines, now);
                    }
                }
                if ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        };
        thread::beside("modem", port, watch).ok()?;
        Some(Self { end })
    }
}

/// The lines that arrive, and how often each changed where the driver counts that.
fn look(port: &OwnedFd) -> io::Result<(ModemLines, Option<[u32; 3]>)> {
    let lines = diag::sys::modem_lines(port)?;
    let counts = diag::sys::counters(port).ok();
    Ok((
        lines.into(),
        counts.map(|counts| [counts.cts, counts.dsr, counts.dcd]),
    ))
}

/// What of the lines is worth telling.
#[derive(Debug, Default)]
struct Sight {
    /// What was last told.
    lines: Option<ModemLines>,
    /// How often each line had changed at the last look.
    counts: Option<[u32; 3]>,
    flickered: bool,
    /// Until then the shares of what was told last.
    shared_until: Moment,
}

impl Sight {
    /// Whether there is something to tell; and if so, whether lines have flickered.
    fn look(&mut self, lines: ModemLines, counts: Option<[u32; 3]>, now: Moment) -> Option<bool> {
        let before = std::mem::replace(&mut self.counts, counts);
        self.flickered |= before.is_some() && before != counts;
        let differs = self.lines != Some(lines);
        let may = self.shared_until <= now + AHEAD;
        (may && (differs || self.flickered)).then_some(self.flickered)
    }

    /// That was told.
    fn told(&mut self, lines: ModemLines, now: Moment) {
        self.shared_until = self.shared_until.max(now) + SHARE;
        self.lines = Some(lines);
        self.flickered = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: ModemLines = ModemLines {
        cts: false,
        dsr: false,
        dcd: false,
    };
    const ALL: ModemLines = ModemLines {
        cts: true,
        dsr: true,
        dcd: true,
    };

    fn at(millis: u64) -> Moment {
        Moment::default() + Duration::from_millis(millis)
    }

    /// Looks, and tells what there is to tell.
    fn tells(sight: &mut Sight, lines: ModemLines, count: u32, millis: u64) -> Option<bool> {
        let tells = sight.look(lines, Some([count; 3]), at(millis));
        if tells.is_some() {
            sight.told(lines, at(millis));
        }
        tells
    }

    #[test]
    fn the_first_look_and_each_change_are_told_at_once() {
        let mut sight = Sight::default();
        assert_eq!(tells(&mut sight, NONE, 0, 0), Some(false));
        assert_eq!(tells(&mut sight, NONE, 0, 100), None);
        assert_eq!(tells(&mut sight, ALL, 1, 200), Some(true));
        assert_eq!(tells(&mut sight, ALL, 1, 300), None);
        assert_eq!(tells(&mut sight, NONE, 2, 5_000), Some(true));
    }

    #[test]
    fn what_returned_between_two_looks_is_told_where_changes_are_counted() {
        let mut sight = Sight::default();
        tells(&mut sight, ALL, 4, 0);
        assert_eq!(tells(&mut sight, ALL, 6, 100), Some(true));
        let mut sight = Sight::default();
        assert_eq!(sight.look(ALL, None, at(0)), Some(false));
        sight.told(ALL, at(0));
        assert_eq!(sight.look(ALL, None, at(100)), None);
    }

    #[test]
    fn lines_that_change_all_the_time_are_told_of_at_times() {
        let mut sight = Sight::default();
        let mut told = Vec::new();
        for number in 0..400 {
            let lines = if number % 2 == 0 { ALL } else { NONE };
            if tells(&mut sight, lines, number, u64::from(number) * 100).is_some() {
                told.push(number);
            }
        }
        assert_eq!(told, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 200, 300]);
    }

    #[test]
    fn what_was_not_taken_is_told_with_the_next_look() {
        let mut sight = Sight::default();
        assert_eq!(sight.look(ALL, Some([0; 3]), at(0)), Some(false));
        assert_eq!(sight.look(ALL, Some([0; 3]), at(100)), Some(false));
    }
}
