//! The story: acts, each of which does something to the nodes, says what one should expect, and
//! measures what the nodes tell and what their client sees.
//!
//! Times are those of the nodes' own events, against the moment just before the deed, on the clock
//! that all of them share. A promise is what hbd promises for these settings plus room for a busy
//! machine, and is decided before anything is measured. Most steps also object to any declaration
//! of death that they did not ask for, for a dead time and a half after what they waited for.

mod pair;
mod three;

use std::time::Duration;

use shared::time::Moment;

use super::Stop;
use super::cast::{Cast, DEADTIME, Node};
use super::client::Seen;
use super::company::Company;
use super::heard::Heard;
use super::page::Page;
use super::step::Step;
use super::verdict::{Measure, Promise, Row, Verdict};
use crate::clock;

/// Dead time plus a second: a node that falls silent is dead for the others.
const DEATH_LIMIT: Duration = DEADTIME.saturating_add(Duration::from_secs(1));
/// What takes a beat, times five.
const BEAT_LIMIT: Duration = Duration::from_secs(1);
/// What takes two beats, times five.
const HEAL_LIMIT: Duration = Duration::from_secs(2);
/// A node that starts is a member: about a second, times five.
const JOIN_LIMIT: Duration = Duration::from_secs(5);
/// How long something is waited for, so that what comes too late can be measured too.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long nothing may die after a step that nobody should die of.
const QUIET: Duration = DEADTIME.saturating_add(Duration::from_millis(500));
/// For those who read along: before a deed and after it.
const READING: Duration = Duration::from_millis(1200);
/// Pause between two looks whether the nodes have settled.
const LOOK: Duration = Duration::from_millis(50);
/// Whoever waits is told so this often.
const PROGRESS: Duration = Duration::from_secs(3);

/// Plays all acts. With `leisure` there is time to read.
pub(super) fn play(
    company: &mut Company,
    page: &mut Page,
    leisure: bool,
) -> Result<Vec<Row>, Stop> {
    let mut story = Story {
        company,
        page,
        leisure,
        acts: 0,
        rows: Vec::new(),
    };
    match story.company.cast() {
        Cast::Pair => story.pair_boot()?,
        Cast::Three => story.three_boot()?,
    }
    if story.rows.iter().any(|row| row.measured.is_none()) {
        // Nodes that do not find each other have no story; their logs may say why.
        story.last_words()?;
        return Ok(story.rows);
    }
    match story.company.cast() {
        Cast::Pair => story.of_pair()?,
        Cast::Three => story.of_three()?,
    }
    Ok(story.rows)
}

struct Story<'a> {
    company: &'a mut Company,
    page: &'a mut Page,
    leisure: bool,
    acts: usize,
    rows: Vec<Row>,
}

impl Story<'_> {
    fn last_words(&mut self) -> Result<(), Stop> {
        for node in self.company.cast().nodes() {
            let words = self.company.last_words(*node);
            self.page
                .line(&format!("\nLast words of {}:\n{words}", node.name()))?;
        }
        Ok(())
    }

    /// Each act but the first begins when the one before has had all its effects.
    fn act(&mut self, title: &str) -> Result<(), Stop> {
        let limit = clock::boot() + PATIENCE;
        while self.acts > 0 && !self.company.is_settled() && clock::boot() < limit {
            self.company.listen(clock::boot() + LOOK)?;
        }
        self.acts += 1;
        Ok(self.page.act(self.acts, title)?)
    }

    /// Says what will be done and what to expect, and gives time to read it.
    fn intend(&mut self, deed: &str, expectation: &str) -> Result<(), Stop> {
        self.page.labelled("do", deed)?;
        self.page.labelled("expect", expectation)?;
        self.pause()
    }

    /// Waits for the signs of a deed that was begun at `began`, and judges.
    fn measure(&mut self, began: Moment, step: Step) -> Result<(), Stop> {
        let complete = |heard: &Heard| step.is_complete(heard, began);
        self.listen_until(began + PATIENCE, Some(&complete))?;
        self.listen_until(clock::boot() + step.quiet_time(), None)?;
        let seen = self.see(&step, began)?;
        let heard = self.company.heard();
        let (told, row) = step.judge(heard, &seen, began);
        let gap = (row.promise.measure == Measure::Gap).then_some(seen.gap);
        self.page.saw(&told, gap, &row.verdict)?;
        if row.verdict != Verdict::Held {
            self.page.events(heard.since(began), began)?;
        }
        self.rows.push(row);
        self.pause()
    }

    /// What the client saw, once it is answered by whom it should be.
    fn see(&mut self, step: &Step, began: Moment) -> Result<Seen, Stop> {
        let limit = clock::boot() + PATIENCE;
        if !step.is_served() {
            return Ok(Seen::default());
        }
        loop {
            let seen = self.company.seen(began)?;
            if step.is_answered(&seen) || clock::boot() >= limit {
                return Ok(seen);
            }
            self.company.listen(clock::boot() + LOOK)?;
        }
    }

    fn wait_for_end(&mut self, node: Node) -> Result<(), Stop> {
        let limit = clock::boot() + PATIENCE;
        while !self.company.has_ended(node) {
            if clock::boot() >= limit {
                return Err(Stop::Broken(format!("hbd on {} does not end", node.name())));
            }
            self.company.listen(limit)?;
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Stop> {
        if self.leisure {
            self.listen_until(clock::boot() + READING, None)?;
        }
        Ok(())
    }

    /// Listens until `limit`, or until what was heard is enough.
    fn listen_until(
        &mut self,
        limit: Moment,
        enough: Option<&dyn Fn(&Heard) -> bool>,
    ) -> Result<(), Stop> {
        let began = clock::boot();
        let mut progress = began + PROGRESS;
        while !enough.is_some_and(|enough| enough(self.company.heard())) {
            let now = clock::boot();
            if now >= limit {
                break;
            }
            if now >= progress {
                let so_far = now.since(began).as_secs();
                let text = format!("{so_far} s so far for the nodes to tell of it");
                self.page.labelled("wait", &text)?;
                progress = now + PROGRESS;
            }
            self.company.listen(limit.min(progress))?;
        }
        Ok(())
    }
}

fn promise(what: &'static str, within: Duration) -> Promise {
    let measure = Measure::Signs;
    Promise {
        what,
        measure,
        within,
    }
}

fn gap(what: &'static str, within: Duration) -> Promise {
    let measure = Measure::Gap;
    Promise {
        what,
        measure,
        within,
    }
}

fn ms(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}
