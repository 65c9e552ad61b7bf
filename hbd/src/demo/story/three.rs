//! Three nodes that hold nothing: who lives, as the others tell it.

use super::{BEAT_LIMIT, DEATH_LIMIT, HEAL_LIMIT, JOIN_LIMIT, QUIET, Story, ms, promise};
use crate::demo::Stop;
use crate::demo::cast::{DEADTIME, NODES, Node};
use crate::demo::heard::{
    is_active, is_dead, is_jeopardy, is_jeopardy_over, is_left, is_restart, is_unauthenticated,
};
use crate::demo::order::Worker;
use crate::demo::step::{Sign, Sort, Step, told};

impl Story<'_> {
    /// All acts after the first.
    pub(super) fn of_three(&mut self) -> Result<(), Stop> {
        self.core_killed()?;
        self.frozen()?;
        self.node_killed()?;
        self.link_cut()?;
        self.wrong_key()
    }

    /// The first act.
    pub(super) fn three_boot(&mut self) -> Result<(), Stop> {
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
        let core = self.company.worker(Node::Bob, Worker::Core)?;
        self.intend(
            &format!("kill -9 {core}, the core of bob; its supervisor lives and starts another"),
            &format!(
                "alice and carol see a restart within {}; nobody is declared dead",
                ms(BEAT_LIMIT)
            ),
        )?;
        let began = self.company.kill_worker(Node::Bob, Worker::Core)?;
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
        let began = self.company.cut(Node::Bob, &[link], true)?;
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
        let began = self.company.cut(Node::Bob, &[link], false)?;
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
