//! A network segment: what every member sends reaches every other member, or not.
//!
//! Between each ordered pair of members there is a path of its own, with its own delay, loss,
//! duplication and corruption; so a one-way cut is a cut path whose reverse is whole. A packet that
//! draws a longer delay than the next one is overtaken by it, except on a serial line, which keeps
//! the order. A baud rate makes a sender's packets queue behind each other, and those that would
//! wait too long are lost, as with a full tty buffer.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_core::MediumForm;
use shared::names::MediumName;
use shared::time::Moment;

use super::NodeIndex;
use super::random::{Chance, Random};

/// Bits a byte takes on a serial line, with its start and stop bit.
const SERIAL_BITS: u64 = 10;

/// A packet that would wait longer than this for a slow line is lost.
const BACKLOG_MAX: Duration = Duration::from_secs(2);

/// What happens to packets on one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Nothing passes.
    pub cut: bool,
    /// How long a packet takes at least.
    pub latency: Duration,
    /// How much longer it may take.
    pub jitter: Duration,
    /// Packets that vanish.
    pub loss: Chance,
    /// Packets that arrive twice.
    pub duplicate: Chance,
    /// Packets that arrive with a byte changed.
    pub corrupt: Chance,
}

/// A segment and its members.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its name, which is the name of the medium on every member.
    pub name: MediumName,
    /// What kind of medium it is there.
    pub form: MediumForm,
    /// Who is on it.
    pub members: Vec<NodeIndex>,
    /// Whether a member hears its own packets, as with broadcast.
    pub echo: bool,
    /// Bits per second of each sender, where that is a limit.
    pub baud: Option<u64>,
    /// Whether a pinged host answers; meaningless elsewhere.
    pub answers: bool,
    /// By node: its place among the members.
    places: Vec<Option<usize>>,
    /// By the places of sender and receiver.
    paths: Vec<Quality>,
    busy_until: BTreeMap<NodeIndex, Moment>,
    latest: BTreeMap<(NodeIndex, NodeIndex), Moment>,
}

/// One copy of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// When it arrives.
    pub arrives: Moment,
    /// Whether a byte of it changes on the way.
    pub corrupted: bool,
}

impl Segment {
    /// A segment on which every path has that quality.
    #[must_use]
    pub fn new(name: MediumName, form: MediumForm, members: &[NodeIndex], all: &Quality) -> Self {
        let nodes = members.iter().map(|node| node.0 + 1).max().unwrap_or(0);
        let mut places = vec![None; nodes];
        for (place, node) in members.iter().enumerate() {
            places[node.0] = Some(place);
        }
        Self {
            name,
            form,
            members: members.to_vec(),
            echo: false,
            baud: None,
            answers: true,
            places,
            paths: vec![all.clone(); members.len() * members.len()],
            busy_until: BTreeMap::new(),
            latest: BTreeMap::new(),
        }
    }

    /// The quality of the path from one member to another.
    #[must_use]
    pub fn path(&self, from: NodeIndex, to: NodeIndex) -> Option<&Quality> {
        let place = |node: NodeIndex| self.places.get(node.0).copied().flatten();
        self.paths
            .get(place(from)? * self.members.len() + place(to)?)
    }

    /// Changes the quality of the paths that `which` selects by sender and receiver.
    pub fn change(
        &mut self,
        which: impl Fn(NodeIndex, NodeIndex) -> bool,
        change: impl Fn(&mut Quality),
    ) {
        let members = &self.members;
        let pairs = members
            .iter()
            .flat_map(|&from| members.iter().map(move |&to| (from, to)));
        for ((from, to), quality) in pairs.zip(&mut self.paths) {
            if which(from, to) {
                change(quality);
            }
        }
    }

    /// When a packet that `from` sends at `now` has left it, or nothing if the line is too far
    /// behind.
    pub fn leaves(&mut self, from: NodeIndex, bytes: usize, now: Moment) -> Option<Moment> {
        let Some(baud) = self.baud else {
            return Some(now);
        };
        let begins = self.busy_until.get(&from).copied().unwrap_or(now).max(now);
        if begins.since(now) > BACKLOG_MAX {
            return None;
        }
        let bits = bytes as u64 * SERIAL_BITS;
        let left = begins + Duration::from_nanos(bits * 1_000_000_000 / baud);
        self.busy_until.insert(from, left);
        Some(left)
    }

    /// The copies of a packet that reach `to`: none, one or two.
    pub fn copies(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        left: Moment,
        random: &mut Random,
    ) -> [Option<Copy>; 2] {
        let Some(quality) = self.path(from, to) else {
            return [None, None];
        };
        if quality.cut || random.happens(quality.loss) {
            return [None, None];
        }
        let twice = random.happens(quality.duplicate);
        let mut copy = || Copy {
            arrives: left + quality.latency + random.span(Duration::ZERO, quality.jitter),
            corrupted: random.happens(quality.corrupt),
        };
        let mut copies = [Some(copy()), twice.then(copy)];
        if self.form == MediumForm::Stream {
            self.keep_order(from, to, &mut copies);
        }
        copies
    }

    fn keep_order(&mut self, from: NodeIndex, to: NodeIndex, copies: &mut [Option<Copy>; 2]) {
        let latest = self.latest.entry((from, to)).or_default();
        for copy in copies.iter_mut().flatten() {
            copy.arrives = copy.arrives.max(*latest);
            *latest = copy.arrives;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeIndex = NodeIndex(0);
    const BOB: NodeIndex = NodeIndex(1);

    fn segment(form: MediumForm, all: &Quality) -> Segment {
        Segment::new("eth".parse().unwrap(), form, &[ALICE, BOB], all)
    }

    #[test]
    fn a_cut_path_carries_nothing_and_its_reverse_everything() {
        let mut segment = segment(MediumForm::Datagram, &Quality::default());
        segment.change(|from, _| from == ALICE, |path| path.cut = true);
        let mut random = Random::new(1);
        let lost = segment.copies(ALICE, BOB, Moment(5), &mut random);
        let come = segment.copies(BOB, ALICE, Moment(5), &mut random);
        assert_eq!(lost, [None, None]);
        assert_eq!(come[0].unwrap().arrives, Moment(5));
    }

    #[test]
    fn packets_queue_on_a_slow_line_and_those_too_far_behind_are_lost() {
        let mut line = segment(MediumForm::Stream, &Quality::default());
        line.baud = Some(9600);
        let second = Duration::from_secs(1);
        let times: Vec<Option<Duration>> = (0..4)
            .map(|_| line.leaves(ALICE, 960, Moment(0)))
            .map(|left| left.map(|left| left.since(Moment(0))))
            .collect();
        assert_eq!(
            times,
            [Some(second), Some(second * 2), Some(second * 3), None]
        );
    }

    #[test]
    fn a_serial_line_keeps_the_order_that_jitter_would_change() {
        let jitter = Quality {
            jitter: Duration::from_secs(1),
            ..Quality::default()
        };
        let mut line = segment(MediumForm::Stream, &jitter);
        let mut random = Random::new(3);
        let arrivals: Vec<Moment> = (0..50)
            .filter_map(|i| line.copies(ALICE, BOB, Moment(i), &mut random)[0])
            .map(|copy| copy.arrives)
            .collect();
        assert!(arrivals.is_sorted());
    }
}
