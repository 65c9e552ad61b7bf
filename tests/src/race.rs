//! Whether one of two programs is slower, where chance has a large part in how long either takes.
//!
//! Both are measured at the same time on the same machine, equally often, in many steps. Two measurements of the same
//! step make a match, one of each program; the slower one wins it. If both are alike, half of all matches are won (the
//! rank sum test: Mann and Whitney, On a Test of Whether one of Two Random Variables is Stochastically Larger than the
//! Other, 1947).

use std::cmp::Ordering;

/// Standard deviations of the part of its matches that is won, beyond which that is no chance: one race of 740.
const LIMIT: f64 = 3.0;

/// One step, measured often.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is called.
    pub name: String,
    /// Of the program that is judged, in any unit.
    pub judged: Vec<u64>,
    /// Of the one that it is compared with.
    pub other: Vec<u64>,
}

impl Step {
    /// The part of its matches in which the judged one is slower.
    #[must_use]
    pub fn slower(&self) -> f64 {
        let matches = self.judged.iter().flat_map(|judged| {
            let others = self.other.iter();
            others.map(move |other| match judged.cmp(other) {
                Ordering::Less => 0.0,
                Ordering::Equal => 0.5,
                Ordering::Greater => 1.0,
            })
        });
        matches.sum::<f64>() / (size(&self.judged) * size(&self.other))
    }

    /// In each match the judged one is slower.
    #[must_use]
    pub fn always_slower(&self) -> bool {
        self.judged.iter().min() > self.other.iter().max()
    }

    /// The variance of [`Self::slower`] if both are alike.
    fn variance(&self) -> f64 {
        let (judged, other) = (size(&self.judged), size(&self.other));
        (judged + other + 1.0) / (12.0 * judged * other)
    }

    /// One line: name; minimum, median and maximum of the judged one, and of the other; [`Self::slower`].
    #[must_use]
    pub fn line(&self) -> String {
        let [judged, other] = [&self.judged, &self.other].map(|all| spread(all));
        format!("{}: {judged}; {other}; {:.2}", self.name, self.slower())
    }
}

/// What is asked of the judged program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It is not slower.
    NoSlower,
    /// It is faster.
    Faster,
}

/// How a race ended.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The part of all matches in which the judged program is slower; at least half of them mean that it is not faster.
    pub slower: f64,
    /// More than this, and it is slower.
    pub limit: f64,
    /// Steps in which it was always slower.
    pub always: Vec<String>,
    /// The promise is held.
    pub held: bool,
}

/// Judges steps, each with measurements of both.
#[must_use]
pub fn judge(steps: &[Step], promise: Promise) -> Verdict {
    let always = steps.iter().filter(|step| step.always_slower());
    let always: Vec<_> = always.map(Step::line).collect();
    let slower = steps.iter().map(Step::slower).sum::<f64>() / size(steps);
    let variance = steps.iter().map(Step::variance).sum::<f64>() / (size(steps) * size(steps));
    let limit = match promise {
        Promise::NoSlower => 0.5 + LIMIT * variance.sqrt(),
        Promise::Faster => 0.5 - LIMIT * variance.sqrt(),
    };
    Verdict {
        held: always.is_empty() && slower <= limit,
        slower,
        limit,
        always,
    }
}

fn size<T>(all: &[T]) -> f64 {
    f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX))
}

fn spread(all: &[u64]) -> String {
    let mut all = all.to_vec();
    all.sort_unstable();
    match all[..] {
        [] => String::from("nothing"),
        [only] => only.to_string(),
        [first, .., last] => format!("{first} / {} / {last}", all[all.len() / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: [u64; 5] = [410, 420, 430, 440, 450];

    fn steps(judged: [u64; 5], count: usize) -> Vec<Step> {
        let step = Step {
            name: String::from("a step"),
            judged: judged.to_vec(),
            other: OTHER.to_vec(),
        };
        vec![step; count]
    }

    #[test]
    fn who_is_alike_is_no_slower_and_no_faster() {
        let alike = steps([405, 425, 430, 435, 455], 40);
        assert!(judge(&alike, Promise::NoSlower).held);
        assert!(!judge(&alike, Promise::Faster).held);
    }

    #[test]
    fn who_is_slower_in_one_step_is_found() {
        let mut steps = [steps(OTHER, 40), steps([451, 460, 470, 480, 490], 1)].concat();
        let verdict = judge(&steps, Promise::NoSlower);
        assert_eq!(verdict.always.len(), 1);
        assert!(!verdict.held && verdict.slower < verdict.limit);
        steps[40].judged[0] = 450;
        assert!(judge(&steps, Promise::NoSlower).held, "once it was not");
    }

    #[test]
    fn who_is_often_a_little_slower_is_found() {
        let often = [415, 435, 435, 445, 455];
        assert!(judge(&steps(often, 1), Promise::NoSlower).held, "by chance");
        let verdict = judge(&steps(often, 40), Promise::NoSlower);
        assert!(!verdict.held && verdict.always.is_empty());
    }

    #[test]
    fn who_is_faster_is_found_where_it_is_seen_often_enough() {
        let faster = [3, 3, 4, 411, 421];
        assert!(judge(&steps(faster, 10), Promise::Faster).held);
        assert!(!judge(&steps(faster, 1), Promise::Faster).held);
        assert_eq!(
            steps(faster, 1)[0].line(),
            "a step: 3 / 4 / 421; 410 / 430 / 450; 0.12"
        );
    }
}
