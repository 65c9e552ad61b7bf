//! When the core of each machine is due: a tree over all of them, each place above two holding the
//! earlier one, so that a world of a thousand machines is as quick to ask as one of two.

use shared::time::Moment;

use super::NodeIndex;

const NEVER: Moment = Moment(u64::MAX);

/// The wakes of a world.
#[derive(Debug)]
pub(super) struct Wakes {
    /// The root is at 1, what is below place n at 2n and 2n + 1; the second half are the machines.
    tree: Vec<Moment>,
    machines: usize,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self {
            tree: vec![NEVER; 2],
            machines: 0,
        }
    }

    /// Makes room for one machine more, which is not due.
    pub(super) fn add(&mut self) {
        self.machines += 1;
        let half = self.tree.len() / 2;
        if self.machines > half {
            let leaves = self.tree.split_off(half);
            self.tree = vec![NEVER; 4 * half];
            for (place, at) in leaves.into_iter().enumerate() {
                self.put(place, at);
            }
        }
    }

    /// A machine is due then, or not at all.
    pub(super) fn set(&mut self, node: NodeIndex, at: Option<Moment>) {
        self.put(node.0, at.unwrap_or(NEVER));
    }

    fn put(&mut self, place: usize, at: Moment) {
        let mut place = self.tree.len() / 2 + place;
        self.tree[place] = at;
        while place > 1 {
            place /= 2;
            let earlier = self.tree[2 * place].min(self.tree[2 * place + 1]);
            if std::mem::replace(&mut self.tree[place], earlier) == earlier {
                return;
            }
        }
    }

    /// Who is due first, and when; of those due at once the first.
    pub(super) fn first(&self) -> Option<(Moment, NodeIndex)> {
        let at = self.tree[1];
        let mut place = 1;
        while place < self.tree.len() / 2 {
            place *= 2;
            if self.tree[place] != at {
                place += 1;
            }
        }
        (at != NEVER).then(|| (at, NodeIndex(place - self.tree.len() / 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::random::Random;

    #[test]
    fn the_first_of_those_due_at_once_is_first() {
        let mut random = Random::new(7);
        let mut wakes = Wakes::new();
        let mut plain: Vec<Option<Moment>> = Vec::new();
        for round in 0..2000 {
            if round % 50 == 0 {
                wakes.add();
                plain.push(None);
            }
            let place = random.place(plain.len());
            let at = Some(Moment(random.below(9))).filter(|at| at.0 > 0);
            plain[place] = at;
            wakes.set(NodeIndex(place), at);
            let first = plain.iter().flatten().min().copied();
            let expected = first.map(|at| {
                let place = plain.iter().position(|other| *other == Some(at));
                (at, NodeIndex(place.unwrap()))
            });
            assert_eq!(wakes.first(), expected, "in round {round}");
        }
    }
}
