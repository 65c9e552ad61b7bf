//! The story: six acts, each of which does something to the nodes, says what one should expect, and
//! measures what the nodes tell.
//!
//! Times are those of the nodes' own events, against the moment just before the deed, on the clock
//! that all of them share. A promise is what hbd promises for these settings plus room for a busy
//! machine, and is decided before anything is measured. Most steps also object to any declaration
//! of death that they did not ask for, for a dead time and a half after what they waited for.

use std::time::Duration;

use shared::time::Moment;

use super::Stop;
use super::cast::{DEADTIME, NODES, Node};
use super::company::Company;
use super::heard::{
    Heard, is_active, is_dead, is_jeopardy, is_jeopardy_over, is_left, is_restart,
    is_unauthenticated,
};
use super::page::Page;
use super::step::{Sign, Sort, Step, told};
use super::verdict::{Promise, Row, Verdict};
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
    story.boot()?;
    if story.rows.iter().any(|row| row.measured.is_none()) {
        // Nodes that do not find each other have no story; their logs may say why.
        for node in NODES {
            let words = story.company.last_words(node);
            story
                .page
                .line(&format!("\nLast words of {}:\n{words}", node.name()))?;
        }
        return Ok(story.rows);
    }
    story.core_killed()?;
    story.frozen()?;
    story.node_killed()?;
    story.link_cut()?;
    story.wrong_key()?;
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
    fn boot(&mut self) -> Result<(), Stop> {
        self.act("Boot")?;
        self.intend(
            "start hbd on alice, bob and carol",
            &format!("each counts all three as members within {}", ms(JOIN_LIMIT)),
        )?;
        let began = self.company.start(Node::Alice)?;
        self.company.start(Node::Bob)?;
        self.company.start(Node::Carol)?;
        let signs = NODES
            .iter()
            .flat_map(|about| told(&NODES, is_active, *about));
        let step = Step::new("boot", promise("all are members", JOIN_LIMIT), signs);
        self.measure(began, step)
    }

    fn core_killed(&mut self) -> Result<(), Stop> {
        self.act("A core is killed")?;
        let core = self.company.core(Node::Bob)?;
        self.intend(
            &format!("kill -9 {core}, the core of bob; its supervisor lives and starts another"),
            &format!(
                "alice and carol see a restart within {}; nobody is declared dead",
                ms(BEAT_LIMIT)
            ),
        )?;
        let began = self.company.kill_core(Node::Bob)?;
        let step = Step::new(
            "core killed",
            promise("restart, no death", BEAT_LIMIT),
            told(&Node::Bob.others(), is_restart, Node::Bob),
        )
        .quiet(QUIET);
        self.measure(began, step)
    }

    fn frozen(&mut self) -> Result<(), Stop> {
        self.act("A node freezes and thaws")?;
        self.intend(
            "stop all processes of carol (SIGSTOP)",
            &format!(
                "alice and bob declare carol dead {} after its last beat, within {}",
                ms(DEADTIME),
                ms(DEATH_LIMIT)
            ),
        )?;
        let began = self.company.freeze(Node::Carol)?;
        self.measure(began, death("node frozen", Node::Carol))?;
        self.intend(
            "let carol go on (SIGCONT)",
            &format!(
                "carol is a member again within {}, and accuses nobody of having been silent",
                ms(BEAT_LIMIT)
            ),
        )?;
        let began = self.company.thaw(Node::Carol)?;
        let step = Step::new(
            "node thawed",
            promise("a member, accuses nobody", BEAT_LIMIT),
            told(&Node::Carol.others(), is_active, Node::Carol),
        )
        .quiet(QUIET);
        self.measure(began, step)
    }

    fn node_killed(&mut self) -> Result<(), Stop> {
        self.act("A node dies and comes back")?;
        self.intend(
            "kill -9 all processes of alice",
            &format!(
                "bob and carol declare alice dead {} after its last beat, within {}",
                ms(DEADTIME),
                ms(DEATH_LIMIT)
            ),
        )?;
        let began = self.company.kill(Node::Alice)?;
        self.measure(began, death("node killed", Node::Alice))?;
        self.wait_for_end(Node::Alice)?;
        self.intend(
            "start hbd on alice again",
            &format!(
                "all three count alice as a member within {}",
                ms(JOIN_LIMIT)
            ),
        )?;
        let began = self.company.start(Node::Alice)?;
        self.measure(began, join("node restarted", Node::Alice))
    }

    fn link_cut(&mut self) -> Result<(), Stop> {
        self.act("One of two links is cut")?;
        let link = self.company.ground().second_link();
        self.intend(
            &format!("cut {link} of bob in both directions; the other link stays"),
            &format!(
                "bob and the others see each other in jeopardy within {}; nobody is declared dead",
                ms(DEATH_LIMIT)
            ),
        )?;
        let began = self.company.cut(Node::Bob, true)?;
        let step = Step::new(
            "link cut",
            promise("jeopardy, no death", DEATH_LIMIT),
            between_bob_and_others(is_jeopardy),
        )
        .quiet(QUIET);
        self.measure(began, step)?;
        self.intend(
            &format!("heal {link} of bob"),
            &format!("jeopardy is over within {}", ms(HEAL_LIMIT)),
        )?;
        let began = self.company.cut(Node::Bob, false)?;
        let step = Step::new(
            "link healed",
            promise("no jeopardy", HEAL_LIMIT),
            between_bob_and_others(is_jeopardy_over),
        );
        self.measure(began, step)
    }

    fn wrong_key(&mut self) -> Result<(), Stop> {
        self.act("A node has the wrong key")?;
        self.intend(
            "stop hbd on bob in order (SIGTERM)",
            &format!(
                "alice and carol know within {} that bob left",
                ms(BEAT_LIMIT)
            ),
        )?;
        let began = self.company.leave(Node::Bob)?;
        let step = Step::new(
            "node stopped",
            promise("leave known", BEAT_LIMIT),
            told(&Node::Bob.others(), is_left, Node::Bob),
        )
        .mortal(Node::Bob);
        self.measure(began, step)?;
        self.wait_for_end(Node::Bob)?;
        self.intend(
            "write another key into bob's authkeys and start hbd on bob",
            &format!(
                "alice and carol say within {} that bob is alive and not authenticated; \
                 it is no member",
                ms(JOIN_LIMIT)
            ),
        )?;
        self.company.set_key(Node::Bob, false)?;
        let began = self.company.start(Node::Bob)?;
        let step = Step::new(
            "wrong key",
            promise("not authenticated", JOIN_LIMIT),
            told(&Node::Bob.others(), is_unauthenticated, Node::Bob),
        )
        .never(told(&Node::Bob.others(), is_active, Node::Bob))
        .mortal(Node::Bob)
        .quiet(QUIET);
        self.measure(began, step)?;
        self.intend(
            "stop hbd on bob, write the right key and start it again",
            &format!("all three count bob as a member within {}", ms(JOIN_LIMIT)),
        )?;
        self.company.leave(Node::Bob)?;
        self.wait_for_end(Node::Bob)?;
        self.company.set_key(Node::Bob, true)?;
        let began = self.company.start(Node::Bob)?;
        self.measure(began, join("right key", Node::Bob))
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
        let heard = self.company.heard();
        let (told, row) = step.judge(heard, began);
        self.page.saw(&told, &row.verdict)?;
        if row.verdict != Verdict::Held {
            self.page.events(heard.since(began), began)?;
        }
        self.rows.push(row);
        self.pause()
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

/// The others declare `node` dead.
fn death(name: &'static str, node: Node) -> Step {
    let signs = told(&node.others(), is_dead, node);
    Step::new(name, promise("declared dead", DEATH_LIMIT), signs).mortal(node)
}

/// The others and itself count `node` as a member.
fn join(name: &'static str, node: Node) -> Step {
    let signs = told(&NODES, is_active, node);
    Step::new(name, promise("a member again", JOIN_LIMIT), signs)
}

/// Bob tells it of both others, and they tell it of bob.
fn between_bob_and_others(sort: Sort) -> impl Iterator<Item = Sign> {
    let others = Node::Bob.others();
    let by_bob = others
        .into_iter()
        .flat_map(move |other| told(&[Node::Bob], sort, other));
    told(&others, sort, Node::Bob).chain(by_bob)
}

fn promise(what: &'static str, within: Duration) -> Promise {
    Promise { what, within }
}

fn ms(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}
