//! How the last life of hbd ended, as far as its events tell.
//!
//! The core's event that all were told is the end in order. Nothing else is: of an hbd that was told to
//! end twice, or whose core did not leave in time, peers know no better than of one that was killed.
//! A journal that lost its last events knows no end either, which is why the event says no more than
//! that.

use std::collections::VecDeque;

use shared::event::{Event, Kind, Role};
use shared::time::Moment;

use super::record::Record;

/// Word of the last life among `recent` events, unless its end is known or told.
pub(super) fn unfinished(recent: &VecDeque<Record>, now: Moment) -> Option<Kind> {
    let events = || recent.iter().rev().map(|record| &*record.event);
    let last = events().next()?;
    let of_core = |event: &&Event| event.id.incarnation.role == Role::Core;
    let told = |event: &&Event| matches!(event.kind, Kind::EndedUnasked { .. });
    let core = events().find(|event| told(event) || of_core(event))?;
    let same_core = |event: &&Event| event.id.incarnation == core.id.incarnation;
    let left = |event: &Event| event.kind == Kind::Left;
    if told(&core) || events().filter(same_core).any(left) {
        return None;
    }
    Some(Kind::EndedUnasked {
        last: last.id.clone(),
        alive: last.wall,
        rebooted: last.boot > now,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use shared::event::EventSource;
    use shared::names::{Generation, NodeName};
    use shared::time::{Now, Wall};

    use super::*;

    /// A journal of so many seconds since boot.
    #[derive(Default)]
    struct Told(VecDeque<Record>);

    impl Told {
        fn then(mut self, role: Role, generation: u64, kind: Kind) -> Self {
            let alice = NodeName::new("alice").unwrap();
            let number = self.0.len() as u64 + 1;
            let at = Now {
                boot: Moment(0) + Duration::from_secs(number),
                wall: Wall(number),
            };
            let event = EventSource::new(alice, role, Generation(generation)).event(kind, None, at);
            self.0.push_back(Record {
                number,
                event: Arc::new(event),
            });
            self
        }

        fn end(&self, second: u64) -> Option<(u64, bool)> {
            match unfinished(&self.0, Moment(0) + Duration::from_secs(second))? {
                Kind::EndedUnasked {
                    alive, rebooted, ..
                } => Some((alive.0, rebooted)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_life_ended_in_order_if_its_core_left() {
        use Role::{Core, Supervisor};
        assert_eq!(Told::default().end(9), None, "there was none");
        let lived = Told::default().then(Core, 1, Kind::CommunicationUp);
        let lived = lived.then(Supervisor, 1, Kind::SickOver);
        assert_eq!(lived.end(9), Some((2, false)));
        assert_eq!(
            lived.end(1),
            Some((2, true)),
            "the machine was started again"
        );
        let left = lived.then(Core, 1, Kind::Left);
        let left = left.then(Supervisor, 1, Kind::SickOver);
        assert_eq!(left.end(9), None);
        let again = left.then(Core, 2, Kind::CommunicationUp);
        assert_eq!(again.end(9), Some((5, false)));
        let kind = unfinished(&again.0, Moment(0)).unwrap();
        let told = again.then(Supervisor, 3, kind);
        assert_eq!(told.end(9), None, "it was told, and no core lived since");
    }
}
