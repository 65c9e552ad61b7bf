//! What a manager kept of a core that went together with its supervisor.
//!
//! ```text
//! last life on the slate  gap: nobody listened   the new core listens
//! ------ heard ------------|- - - - - - - - - - -|------ dead, if still silent
//!          \______________/                       \____/
//!           silence that counts      +             silence that counts  = deadtime
//! ```
//!
//! Silence in the gap counts against nobody: its sockets were closed, and nothing that arrived was
//! kept. After a gap longer than deadtime this node itself counts as dead, and begins as at boot.
//! The memory is of this boot: no process outlives it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use hbd_core::PeerMemory;
use shared::event::{Severity, Span};
use shared::names::Generation;
use shared::time::Moment;

use super::Supervisor;
use super::flight::Flight;
use crate::bond::Greeting;
use crate::clock;
use crate::pulse::{Kept, Remains};

/// What remains of a core, as its manager handed it over.
#[derive(Debug)]
pub(super) struct Left {
    generation: Generation,
    remains: Remains,
}

impl Left {
    /// What came along with a greeting.
    pub(super) fn of(greeting: &Greeting, kept: Vec<OwnedFd>) -> Option<Self> {
        Some(Self {
            generation: greeting.core?,
            remains: Remains::new(Kept::try_from(kept).ok()?),
        })
    }

    /// Of that core.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }
}

impl Supervisor {
    /// Takes what the supervisor knew that made room for this one.
    pub(super) fn take_handover(&mut self) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let memories = std::mem::take(&mut handover.memory);
        let now = clock::boot();
        let taken = handed_over(memories, handover.sent, now, self.settings.deadtime);
        let taken = taken.into_iter().map(|peer| (peer.node.clone(), peer));
        self.memory.extend(taken);
    }

    /// Takes what the last core knew, unless that is too old, and returns its flight recorder.
    /// `newest`: of the cores that are on record.
    pub(super) fn inherit(&mut self, left: Left, newest: Generation) -> Option<Flight> {
        let Left {
            generation,
            remains,
        } = left;
        let known = Known {
            generation,
            sent: remains.sent(),
            memories: remains.memories().collect(),
        };
        if known.is_of_former(newest) {
            self.active = false;
            return None;
        }
        match known.at(clock::boot(), self.settings.deadtime) {
            Ok(memories) => memories
                .into_iter()
                .for_each(|memory| self.remember(memory)),
            Err(why) => {
                self.active = false;
                for memory in self.memory.values_mut() {
                    memory.live = None;
                }
                let text = format!("what the last core knew of its peers does not count: {why}");
                self.recorder.say(Severity::Warning, &text);
            }
        }
        Some(remains.flight())
    }
}

/// What a core that begins now is to know of a handover: of one that is too old, who the peers are
/// and not how they were.
fn handed_over(
    memories: Vec<PeerMemory>,
    sent: Option<Moment>,
    now: Moment,
    deadtime: Duration,
) -> Vec<PeerMemory> {
    let known = Known {
        generation: Generation::default(),
        sent,
        memories: memories.clone(),
    };
    let identity = |memory| PeerMemory {
        live: None,
        ..memory
    };
    known
        .at(now, deadtime)
        .unwrap_or_else(|_| memories.into_iter().map(identity).collect())
}

/// What a slate says.
struct Known {
    generation: Generation,
    sent: Option<Moment>,
    memories: Vec<PeerMemory>,
}

impl Known {
    /// True if another core followed that one.
    fn is_of_former(&self, newest: Generation) -> bool {
        self.generation < newest
    }

    /// What a core that begins now is to know, or why it must not.
    fn at(mut self, now: Moment, deadtime: Duration) -> Result<Vec<PeerMemory>, String> {
        let lives = self.memories.iter_mut().filter_map(|p| p.live.as_mut());
        let mut heard: Vec<_> = lives.filter_map(|live| live.heard.as_mut()).collect();
        let last = heard.iter().map(|heard| **heard).chain(self.sent).max();
        let Some(last) = last else {
            return Err("it neither sent nor heard anything".into());
        };
        if last > now {
            return Err("it is of another boot".into());
        }
        let gap = now.since(last);
        if gap > deadtime {
            return Err(format!(
                "it is gone for {}, and deadtime is {}",
                Span(gap),
                Span(deadtime)
            ));
        }
        for heard in &mut heard {
            **heard = **heard + gap;
        }
        Ok(self.memories)
    }
}

#[cfg(test)]
mod tests {
    use hbd_core::LiveMemory;
    use shared::event::NodeStatus;
    use shared::names::{NodeName, Sequence};

    use super::*;

    const DEADTIME: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Moment {
        Moment(millis * 1_000_000)
    }

    fn peer(node: &str, heard: Option<Moment>) -> PeerMemory {
        let live = LiveMemory {
            status: NodeStatus::Active,
            sequence: Sequence(1),
            deadtime: DEADTIME,
            heard,
            left: false,
            features: None,
            config: None,
            key: None,
            reason: None,
            links: None,
        };
        PeerMemory {
            node: NodeName::new(node).unwrap(),
            uuid: None,
            generation: Generation(1),
            live: Some(live),
        }
    }

    fn known(sent: Option<Moment>, heard: &[Option<Moment>]) -> Known {
        let nodes = ["bob", "carol"].into_iter().zip(heard);
        Known {
            generation: Generation(7),
            sent,
            memories: nodes.map(|(node, heard)| peer(node, *heard)).collect(),
        }
    }

    fn heard(memories: Vec<PeerMemory>) -> Vec<Option<Moment>> {
        let live = memories.into_iter().filter_map(|memory| memory.live);
        live.map(|live| live.heard).collect()
    }

    #[test]
    fn silence_counts_while_a_core_listened_and_not_in_between() {
        let known = known(Some(at(3000)), &[Some(at(2900)), Some(at(1000))]);
        let taken = known.at(at(4000), DEADTIME).unwrap();
        assert_eq!(heard(taken), [Some(at(3900)), Some(at(2000))]);
    }

    #[test]
    fn a_core_that_heard_after_it_last_sent_lived_until_then() {
        let known = known(Some(at(3000)), &[Some(at(3400)), None]);
        let taken = known.at(at(4000), DEADTIME).unwrap();
        assert_eq!(heard(taken), [Some(at(4000)), None]);
    }

    #[test]
    fn a_handover_accuses_nobody_of_the_silence_since() {
        let memories = known(None, &[Some(at(2900)), Some(at(1000))]).memories;
        let taken = handed_over(memories, Some(at(3000)), at(4000), DEADTIME);
        assert_eq!(heard(taken), [Some(at(3900)), Some(at(2000))]);
    }

    #[test]
    fn a_handover_that_is_too_old_says_who_the_peers_are_and_not_how_they_were() {
        let memories = known(None, &[Some(at(900)), None]).memories;
        let taken = handed_over(memories, Some(at(1000)), at(6001), DEADTIME);
        assert!(taken.iter().all(|memory| memory.live.is_none()));
        let known: Vec<_> = taken.iter().map(|memory| memory.generation).collect();
        assert_eq!(known, [Generation(1), Generation(1)]);
    }

    #[test]
    fn what_is_older_than_deadtime_or_of_another_boot_is_refused() {
        let old = known(Some(at(1000)), &[Some(at(900))]);
        let why = old.at(at(6001), DEADTIME).unwrap_err();
        assert!(why.contains("deadtime"), "{why}");
        let later = known(Some(at(9000)), &[Some(at(900))]);
        let why = later.at(at(6000), DEADTIME).unwrap_err();
        assert!(why.contains("another boot"), "{why}");
        let never = known(None, &[None]);
        assert!(never.at(at(1), DEADTIME).is_err());
    }

    #[test]
    fn what_remains_of_a_core_that_another_one_followed_is_refused() {
        let known = known(Some(at(1)), &[]);
        assert!(known.is_of_former(Generation(8)));
        assert!(!known.is_of_former(Generation(7)));
        assert!(!known.is_of_former(Generation(0)));
    }
}
