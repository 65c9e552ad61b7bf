//! A network segment: what every member sends reaches every other member, or not.
//!
//! Between each ordered pair of members there is a path of its own, with its own delay, loss,
//! duplication and corruption; so a one-way cut is a cut path whose reverse is whole. A packet that
//! draws a longer delay than the next one is overtaken by it. A serial line is another thing: there
//! hbd's own pacer and collector are the ends, and bytes are lost, not packets.

use std::time::Duration;

use hbd_core::MediumForm;
use shared::names::MediumName;
use shared::time::Moment;

use super::NodeIndex;
use super::line::{Line, Piece};
use super::random::{Chance, Random};

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
#[derive(Debug)]
pub struct Segment {
    /// Its name, which is the name of the medium on every member.
    pub name: MediumName,
    /// What kind of medium it is there.
    pub form: MediumForm,
    /// Who is on it.
    pub members: Vec<NodeIndex>,
    /// Whether a member hears its own packets, as with broadcast.
    pub echo: bool,
    /// Bits per second of each sender of a serial line.
    pub baud: Option<u64>,
    /// Whether a pinged host answers; meaningless elsewhere.
    pub answers: bool,
    /// By node: its place among the members.
    places: Vec<Option<usize>>,
    /// By the places of sender and receiver.
    paths: Vec<Quality>,
    pub(super) line: Option<Line>,
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
            line: None,
        }
    }

    /// A serial line of so many bits per second.
    #[must_use]
    pub fn serial(name: MediumName, baud: u32, members: &[NodeIndex], all: &Quality) -> Self {
        Self {
            baud: Some(baud.into()),
            line: Some(Line::new(baud)),
            ..Self::new(name, MediumForm::Stream, members, all)
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

    /// Whether the driver of a line at `from` is held ready: by one who has the other end open, over
    /// a cable that is not out.
    pub(super) fn is_ready(&self, from: NodeIndex, is_open: impl Fn(NodeIndex) -> bool) -> bool {
        let whole = |from, to| self.path(from, to).is_some_and(|path| !path.cut);
        let mut others = self.members.iter().filter(|to| **to != from);
        others.any(|&to| is_open(to) && (whole(from, to) || whole(to, from)))
    }

    /// Hands over what is due to the driver of a line at `from`.
    pub(super) fn work(
        &mut self,
        from: NodeIndex,
        ready: bool,
        now: Moment,
        random: &mut Random,
    ) -> Vec<Piece> {
        let others = self.members.iter().filter(|to| **to != from);
        let paths: Vec<(NodeIndex, Quality)> = others
            .filter_map(|&to| Some((to, self.path(from, to)?.clone())))
            .collect();
        let line = self.line.as_mut();
        line.map_or(Vec::new(), |line| {
            line.work(from, ready, &paths, now, random)
        })
    }

    /// The copies of a packet that reach `to`: none, one or two.
    pub fn copies(
        &self,
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
        [Some(copy()), twice.then(copy)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeIndex = NodeIndex(0);
    const BOB: NodeIndex = NodeIndex(1);

    #[test]
    fn a_cut_path_carries_nothing_and_its_reverse_everything() {
        let name = "eth".parse().unwrap();
        let form = MediumForm::Datagram;
        let mut segment = Segment::new(name, form, &[ALICE, BOB], &Quality::default());
        segment.change(|from, _| from == ALICE, |path| path.cut = true);
        let mut random = Random::new(1);
        let lost = segment.copies(ALICE, BOB, Moment(5), &mut random);
        let come = segment.copies(BOB, ALICE, Moment(5), &mut random);
        assert_eq!(lost, [None, None]);
        assert_eq!(come[0].unwrap().arrives, Moment(5));
    }
}
