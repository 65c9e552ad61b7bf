//! A pair that holds one group: where it is, and how long its client waits.

use std::time::Duration;

use super::{DEATH_LIMIT, HEAL_LIMIT, JOIN_LIMIT, QUIET, Story, gap, ms, promise};
use crate::demo::Stop;
use crate::demo::cast::{Cast, DEADTIME, Node};
use crate::demo::ground::Ground;
use crate::demo::heard::{
    is_active, is_dead, is_jeopardy, is_jeopardy_over, is_manager_death, is_restart, is_started,
};
use crate::demo::order::Worker;
use crate::demo::step::{Sign, Sort, Step, told};

use Node::{Alice, Bob};

/// While nothing moves: a fraction of the dead time.
const NO_GAP: Duration = Duration::from_millis(250);
/// A stop and a start: far more than either takes, since a busy disk may hold up both.
const MOVE_GAP: Duration = Duration::from_secs(2);
/// A death, and a start.
const TAKEOVER_GAP: Duration = DEATH_LIMIT.saturating_add(MOVE_GAP);

impl Story<'_> {
    /// The first act.
    pub(super) fn pair_boot(&mut self) -> Result<(), Stop> {
        self.act("Start")?;
        self.intend(
            "start hbd on alice and bob",
            &format!(
                "both are members and alice, the preferred node, serves in {}",
                ms(JOIN_LIMIT)
            ),
        )?;
        let began = self.company.start(Alice)?;
        self.company.start(Bob)?;
        let nodes = Cast::Pair.nodes().iter();
        let signs = nodes.flat_map(|about| told(Cast::Pair.nodes(), is_active, *about));
        let signs = signs.chain(told(&[Alice], is_started, Alice));
        let promised = promise("alice serves", JOIN_LIMIT);
        self.measure(began, Step::new("start", promised, signs).served(&[Alice]))?;
        self.see_also("groups", "where it is, since when and why")
    }

    /// All acts after the first.
    pub(super) fn of_pair(&mut self) -> Result<(), Stop> {
        self.workers_killed()?;
        self.networks_cut()?;
        self.machine_dies()?;
        self.moved()
    }

    fn workers_killed(&mut self) -> Result<(), Stop> {
        self.act("Processes of hbd are killed where the service runs")?;
        let signs = told(&[Bob], is_restart, Alice);
        self.worker_killed(Worker::Core, "core killed", signs)?;
        let signs = told(&[Alice], is_manager_death, Alice);
        self.worker_killed(Worker::Manager, "manager killed", signs)?;
        self.see_also("events", "what happened, and what came of it")
    }

    fn worker_killed(
        &mut self,
        worker: Worker,
        name: &'static str,
        signs: impl Iterator<Item = Sign>,
    ) -> Result<(), Stop> {
        let (word, pid) = (worker.word(), self.company.worker(Alice, worker)?);
        self.intend(
            &format!("kill -9 {pid}, the {word} of alice; its supervisor starts another"),
            &format!(
                "nothing moves, and the client never waits longer than {}",
                ms(NO_GAP)
            ),
        )?;
        let began = self.company.kill_worker(Alice, worker)?;
        let step = Step::new(name, gap("nothing moves", NO_GAP), signs);
        self.measure(began, step.served(&[Alice]).quiet(QUIET))
    }

    fn networks_cut(&mut self) -> Result<(), Stop> {
        self.act("All links but the serial line are cut")?;
        let links = self.company.ground().networks();
        let names = links.join(", ");
        self.intend(
            &format!("cut {names} of bob in both directions; the serial line stays"),
            "each sees the other in jeopardy; nobody dies, and nothing moves",
        )?;
        let began = self.company.cut(Bob, links, true)?;
        let step = Step::new(
            "networks cut",
            gap("jeopardy, nothing moves", NO_GAP),
            between(is_jeopardy),
        );
        self.measure(began, step.served(&[Alice]).quiet(QUIET))?;
        self.see_also("status", "what is wrong, and what to do about it")?;
        self.intend(
            &format!("heal {names} of bob"),
            &format!("jeopardy is over within {}", ms(HEAL_LIMIT)),
        )?;
        let began = self.company.cut(Bob, links, false)?;
        let promised = promise("no jeopardy", HEAL_LIMIT);
        let step = Step::new("networks healed", promised, between(is_jeopardy_over));
        self.measure(began, step.served(&[Alice]))
    }

    fn machine_dies(&mut self) -> Result<(), Stop> {
        self.act("The machine that serves dies and comes back")?;
        let deed = match self.company.ground() {
            Ground::Namespaces => "take alice's interfaces away and kill -9 all its processes",
            Ground::Loopback(_) => "kill -9 all processes of alice, the server's too",
        };
        self.intend(
            deed,
            &format!(
                "alice is silent for {}, then bob serves; at most {} in all",
                ms(DEADTIME),
                ms(TAKEOVER_GAP)
            ),
        )?;
        let began = self.company.crash(Alice)?;
        let signs = told(&[Bob], is_dead, Alice).chain(told(&[Bob], is_started, Bob));
        let step = Step::new("machine dead", gap("bob serves", TAKEOVER_GAP), signs);
        self.measure(began, step.mortal(Alice).served(&[Alice, Bob]))?;
        let group = self.company.ground().group();
        self.see_also(&format!("why {group}"), "how it came to be there")?;
        self.wait_for_end(Alice)?;
        self.intend(
            "boot alice and start hbd there",
            "a member again; bob keeps the service: auto_failback is off",
        )?;
        let began = self.company.start(Alice)?;
        let signs = told(Cast::Pair.nodes(), is_active, Alice);
        let step = Step::new("machine back", gap("bob keeps it", NO_GAP), signs);
        self.measure(began, step.served(&[Bob]).quiet(QUIET))
    }

    fn moved(&mut self) -> Result<(), Stop> {
        self.act("A planned move")?;
        let group = self.company.ground().group();
        self.intend(
            &format!("hactl move {group} alice"),
            &format!(
                "bob stops it, then alice starts it; the client waits up to {}",
                ms(MOVE_GAP)
            ),
        )?;
        let began = self.company.move_group(Alice)?;
        let signs = told(&[Alice], is_started, Alice);
        let step = Step::new("planned move", gap("alice serves", MOVE_GAP), signs);
        self.measure(began, step.served(&[Bob, Alice]).quiet(QUIET))?;
        self.see_also(&format!("history {group}"), "all that happened to it")
    }

    /// What a person would type to see it.
    fn see_also(&mut self, words: &str, what: &str) -> Result<(), Stop> {
        let text = format!("hactl {words:<20}  # {what}");
        Ok(self.page.as_it_is("see", &text)?)
    }
}

/// Each tells it of the other.
fn between(sort: Sort) -> impl Iterator<Item = Sign> {
    told(&[Alice], sort, Bob).chain(told(&[Bob], sort, Alice))
}
