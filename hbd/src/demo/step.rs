//! A measurement: from a deed to the last of the signs that nodes give of it.

use std::time::Duration;

use shared::event::{Event, Kind};
use shared::time::Moment;

use super::cast::{DEADTIME, NODES, Node};
use super::client::Seen;
use super::heard::{Heard, is_dead, silence};
use super::verdict::{Measure, Promise, Row, Verdict};

/// A sort of events about a node.
pub(super) type Sort = fn(&Kind, Node) -> bool;

/// Something that a node may tell about a node.
#[derive(Clone, Copy)]
pub(super) struct Sign {
    by: Node,
    sort: Sort,
    about: Node,
}

/// Each of those tells it.
pub(super) fn told(by: &[Node], sort: Sort, about: Node) -> impl Iterator<Item = Sign> + use<> {
    let by = by.to_vec();
    by.into_iter().map(move |by| Sign { by, sort, about })
}

/// When each node had told everything it should tell; nothing for one that did not.
pub(super) type Told = Vec<(Node, Option<Duration>)>;

/// What is promised to come of a deed, and how to see it.
pub(super) struct Step {
    name: &'static str,
    promise: Promise,
    signs: Vec<Sign>,
    never: Vec<Sign>,
    mortal: Option<Node>,
    quiet: Duration,
    served: &'static [Node],
}

impl Step {
    /// All signs are promised, and nobody is to be declared dead until they have come.
    pub(super) fn new(
        name: &'static str,
        promise: Promise,
        signs: impl IntoIterator<Item = Sign>,
    ) -> Self {
        Self {
            name,
            promise,
            signs: signs.into_iter().collect(),
            never: Vec::new(),
            mortal: None,
            quiet: Duration::ZERO,
            served: &[],
        }
    }

    /// These answer the client, one after the other; all but the last may have done so before.
    pub(super) fn served(mut self, by: &'static [Node]) -> Self {
        self.served = by;
        self
    }

    /// These signs speak against it.
    pub(super) fn never(mut self, signs: impl IntoIterator<Item = Sign>) -> Self {
        self.never.extend(signs);
        self
    }

    /// This node may be declared dead after its dead time, and has no say itself.
    pub(super) fn mortal(mut self, node: Node) -> Self {
        self.mortal = Some(node);
        self
    }

    /// So long after the last sign still nothing may speak against it.
    pub(super) fn quiet(mut self, span: Duration) -> Self {
        self.quiet = span;
        self
    }

    /// How long to go on listening after the last sign.
    pub(super) fn quiet_time(&self) -> Duration {
        self.quiet
    }

    /// Whether what the client sees matters.
    pub(super) fn is_served(&self) -> bool {
        !self.served.is_empty()
    }

    /// Whether the client is answered by whom it should be.
    pub(super) fn is_answered(&self, seen: &Seen) -> bool {
        seen.by.last() == self.served.last()
    }

    /// Whether every sign has come since the deed.
    pub(super) fn is_complete(&self, heard: &Heard, began: Moment) -> bool {
        self.signs
            .iter()
            .all(|sign| sign.event(heard, began).is_some())
    }

    /// What each node told, and what becomes of the promise.
    pub(super) fn judge(&self, heard: &Heard, seen: &Seen, began: Moment) -> (Told, Row) {
        let told = self.told(heard, began);
        let signs = latest(told.iter().map(|(_, after)| *after));
        let measured = match self.promise.measure {
            Measure::Signs => signs,
            Measure::Gap => signs.and(Some(seen.gap)),
        };
        let objection = self.objection(heard, began);
        let objection = objection.or_else(|| self.misled(seen));
        let row = Row {
            step: self.name,
            promise: self.promise,
            measured,
            verdict: Verdict::on(self.promise, measured, objection),
        };
        (told, row)
    }

    fn told(&self, heard: &Heard, began: Moment) -> Told {
        let of = |node| self.signs.iter().filter(move |sign| sign.by == node);
        NODES
            .into_iter()
            .filter(|node| of(*node).next().is_some())
            .map(|node| {
                let events = of(node).map(|sign| sign.event(heard, began));
                (
                    node,
                    latest(events.map(|event| Some(event?.boot.since(began)))),
                )
            })
            .collect()
    }

    /// What speaks against the promise besides what it waits for.
    fn objection(&self, heard: &Heard, began: Moment) -> Option<String> {
        let denied = self.never.iter().find_map(|sign| sign.event(heard, began));
        let died = || heard.deaths(began).find(|event| !self.admits(event));
        denied
            .or_else(died)
            .map(|event| format!("{} says: {}", event.id.node, event.text))
    }

    /// Whether the client was answered by others than it should have been, and by whom.
    fn misled(&self, seen: &Seen) -> Option<String> {
        let by = &*seen.by;
        if by.last() == self.served.last() && self.served.ends_with(by) {
            return None;
        }
        let names: Vec<_> = by.iter().map(|node| node.name()).collect();
        Some(match &*names {
            [] => "nobody answers the client".to_owned(),
            _ => format!("the client was answered by {}", names.join(", then ")),
        })
    }

    /// Whether a declaration of death belongs to the step.
    fn admits(&self, event: &Event) -> bool {
        self.mortal.is_some_and(|mortal| {
            mortal.is(&event.id.node)
                || (is_dead(&event.kind, mortal)
                    && silence(&event.kind, mortal).is_none_or(|silent| silent >= DEADTIME))
        })
    }
}

impl Sign {
    fn event(self, heard: &Heard, since: Moment) -> Option<&Event> {
        heard.first(self.by, since, |kind| (self.sort)(kind, self.about))
    }
}

/// The latest of all; nothing if one is missing.
fn latest(mut times: impl Iterator<Item = Option<Duration>>) -> Option<Duration> {
    times.try_fold(Duration::ZERO, |last, at| Some(last.max(at?)))
}

#[cfg(test)]
mod tests {
    use shared::event::{EventSource, NodeStatus, Role, StatusReason};
    use shared::names::{Generation, NodeName};
    use shared::time::{Now, Wall};

    use super::*;

    const BEGAN: Moment = Moment(10_000_000_000);
    const PROMISE: Promise = Promise {
        what: "declared dead",
        measure: Measure::Signs,
        within: Duration::from_millis(2000),
    };

    fn death_of_carol() -> Step {
        let signs = told(&Node::Carol.others(), is_dead, Node::Carol);
        Step::new("node frozen", PROMISE, signs).mortal(Node::Carol)
    }

    /// Whoever tells, milliseconds after the deed, who is dead, milliseconds of silence.
    fn heard(deaths: &[(Node, u64, Node, u64)]) -> Heard {
        let mut heard = Heard::default();
        for (counter, (by, after, about, silent)) in deaths.iter().enumerate() {
            let generation = Generation(counter as u64);
            let mut source = EventSource::new(name(*by), Role::Core, generation);
            let kind = Kind::NodeStatus {
                node: name(*about),
                from: NodeStatus::Active,
                to: NodeStatus::Dead,
                reason: StatusReason::Silent {
                    silent: Duration::from_millis(*silent),
                    deadtime: DEADTIME,
                },
            };
            let now = Now {
                boot: BEGAN + Duration::from_millis(*after),
                wall: Wall(0),
            };
            heard.keep(source.event(kind, None, now));
        }
        heard
    }

    fn name(node: Node) -> NodeName {
        NodeName::new(node.name()).expect("our names are names")
    }

    fn verdict(heard: &Heard) -> Verdict {
        death_of_carol()
            .judge(heard, &Seen::default(), BEGAN)
            .1
            .verdict
    }

    const ALICE: (Node, u64, Node, u64) = (Node::Alice, 900, Node::Carol, 1000);
    const BOB: (Node, u64, Node, u64) = (Node::Bob, 950, Node::Carol, 1001);

    #[test]
    fn the_last_sign_counts() {
        let heard = heard(&[ALICE, BOB]);
        let (told, row) = death_of_carol().judge(&heard, &Seen::default(), BEGAN);
        assert_eq!(told[0], (Node::Alice, Some(Duration::from_millis(900))));
        assert_eq!(row.measured, Some(Duration::from_millis(950)));
        assert_eq!(row.verdict, Verdict::Held);
    }

    #[test]
    fn a_missing_sign_breaks_the_promise() {
        let heard = heard(&[ALICE]);
        assert!(!death_of_carol().is_complete(&heard, BEGAN));
        assert_ne!(verdict(&heard), Verdict::Held);
    }

    #[test]
    fn a_hasty_declaration_breaks_the_promise() {
        let hasty = (Node::Bob, 950, Node::Carol, 999);
        assert_ne!(verdict(&heard(&[ALICE, hasty])), Verdict::Held);
    }

    #[test]
    fn a_death_of_another_node_breaks_the_promise() {
        let other = (Node::Alice, 960, Node::Bob, 1000);
        assert_ne!(verdict(&heard(&[ALICE, BOB, other])), Verdict::Held);
    }

    #[test]
    fn the_dead_have_no_say() {
        let ghost = (Node::Carol, 960, Node::Bob, 1000);
        assert_eq!(verdict(&heard(&[ALICE, BOB, ghost])), Verdict::Held);
    }

    #[test]
    fn what_was_told_before_the_deed_does_not_count() {
        let later = BEGAN + Duration::from_secs(1);
        let heard = heard(&[ALICE, BOB]);
        assert!(!death_of_carol().is_complete(&heard, later));
    }

    fn takeover() -> Step {
        let promise = Promise {
            what: "bob serves",
            measure: Measure::Gap,
            within: Duration::from_millis(2000),
        };
        let signs = told(&[Node::Bob], is_dead, Node::Carol);
        let step = Step::new("machine dead", promise, signs).mortal(Node::Carol);
        step.served(&[Node::Alice, Node::Bob])
    }

    fn taken_over(gap: u64, by: &[Node]) -> (Option<Duration>, Verdict) {
        let seen = Seen {
            gap: Duration::from_millis(gap),
            by: by.to_vec(),
        };
        let (_, row) = takeover().judge(&heard(&[BOB]), &seen, BEGAN);
        (row.measured, row.verdict)
    }

    #[test]
    fn a_gap_is_measured_where_the_gap_is_promised() {
        let gap = Duration::from_millis(1100);
        for by in [&[Node::Bob][..], &[Node::Alice, Node::Bob]] {
            assert_eq!(taken_over(1100, by), (Some(gap), Verdict::Held));
        }
        assert_ne!(taken_over(2100, &[Node::Bob]).1, Verdict::Held);
    }

    #[test]
    fn an_answer_of_the_wrong_node_breaks_the_promise() {
        let (alice, bob) = (Node::Alice, Node::Bob);
        for by in [&[][..], &[alice], &[bob, alice], &[alice, bob, alice, bob]] {
            assert_ne!(taken_over(1100, by).1, Verdict::Held);
        }
    }
}
