//! A serial line between two drivers that know modem lines, bytes that take their time, and a buffer that waits for CTS.

use std::time::Duration;

use hbd_tests::error::Error;
use shared::event::{Event, Kind, LinkStatus, MediumStatus, ModemLines, NodeStatus};
use shared::time::Wall;
use shared::view::ClusterView;

use crate::lab::number;
use crate::pair::{
    ALL, ALL_ROLES, BUSY, CABLE, DEADTIME, NONE, Pair, dead_in_time, demand, dies, is, play,
};

/// A change is told within 200 ms; an emulated machine may take five times as long, besides being slow.
const AT_ONCE: Duration = Duration::from_millis(5 * 200);
/// A cable, and a network beside it.
const BOTH: &str = "bcast eth0\nbaud 19200\nserial /dev/ttyS1\n";
/// Of a message that takes longer than deadtime on the line.
const BYTES: u32 = 8_000;
/// Longest way of hbd to its end; a port that is closed waits half a minute for what is not sent.
const LEAVING: Duration = Duration::from_secs(15);
/// Ten bits each, at 19200 baud.
const ON_THE_LINE: Duration = Duration::from_millis(BYTES as u64 * 10_000 / 19_200);

/// Nothing else leads from one to the other, and bytes take their time.
pub(crate) fn alone() -> Result<(), Error> {
    play(&[], |pair| {
        pair.configure("alice", CABLE)?;
        pair.start("alice")?;
        pair.wait_view("alice", "nobody is there", nothing_leaves)?;
        pair.configure("bob", CABLE)?;
        pair.start("bob")?;
        pair.both_active()?;
        for node in ["alice", "bob"] {
            pair.wait_view(node, "all lines are raised", |view| raises(view, ALL))?;
        }
        let refused = |event: &Event| matches!(event.kind, Kind::PacketRefused { .. });
        demand(
            !pair.events("bob")?.iter().any(refused),
            "bob heard nothing but whole packets of a node that began long before",
        )?;
        let took = message(pair)?;
        println!("{BYTES} bytes were delivered after {took:?}");
        demand(took > ON_THE_LINE, "bytes take their time on the line")?;
        demand(
            pair.no_death("alice")? && pair.no_death("bob")?,
            "nobody died of a message",
        )?;
        let took = pair.stop("bob")?;
        println!("bob left within {took:?}");
        pair.wait_view("alice", "bob left", |view| {
            is(view, "bob", NodeStatus::Dead) && raises(view, NONE)
        })?;
        pair.start("bob")?;
        pair.both_active()
    })
}

/// Sends a message from alice to bob. Returns how long that took, by the clock of alice.
fn message(pair: &Pair) -> Result<Duration, Error> {
    let listen =
        "/mnt/share/hactl message listen jobs --raw --count=1 >/run/heard 2>/run/listener &";
    pair.lab.run("bob", listen)?;
    let send = format!(
        "head -c {BYTES} /dev/urandom >/run/said
        now() {{ cut -d' ' -f1 /proc/uptime | tr -d .; }}
        while begin=$(now); /mnt/share/hactl message send bob jobs --timeout 50s </run/said >/dev/null 2>&1; [ $? = 4 ]; do :; done
        echo $(($(now) - begin)) $(md5sum </run/said | cut -d' ' -f1)"
    );
    let said = pair.lab.run("alice", &send)?;
    let (hundredths, sum) = said.split_once(' ').unwrap_or((&said, ""));
    let heard = pair.lab.run("bob", "md5sum </run/heard | cut -d' ' -f1")?;
    demand(
        heard.trim() == sum.trim(),
        &format!("what alice said, {said:?}, is what bob heard, {heard:?}"),
    )?;
    Ok(Duration::from_millis(number(hundredths)? * 10))
}

/// The cable is cut, the other hbd dies, the other machine loses its power: each is told long before anybody is dead.
pub(crate) fn told() -> Result<(), Error> {
    play(&[], |pair| {
        pair.configure("alice", BOTH)?;
        pair.start("alice")?;
        pair.wait_view("alice", "nobody has the other port open", |view| {
            raises(view, NONE)
        })?;
        pair.configure("bob", BOTH)?;
        pair.start("bob")?;
        pair.both_active()?;
        pair.wait_view("alice", "bob has his port open", |view| raises(view, ALL))?;
        cut(pair)?;
        flicker(pair)?;
        let killed = pair.signal("bob", "KILL", ALL_ROLES)?;
        lowered(pair, killed, "all of hbd at the other end is killed")?;
        dead_in_time(pair.told("alice", killed, "a killed node is dead", |kind| {
            dies(kind, "bob")
        })?)?;
        pair.start("bob")?;
        pair.both_active()?;
        pair.wait_view("alice", "bob has his port open again", |view| {
            raises(view, ALL)
        })?;
        let off = pair.lab.order(&["kill", "bob"])?;
        lowered(pair, off, "the other machine has no power")?;
        dead_in_time(
            pair.told("alice", off, "a node without power is dead", |kind| {
                dies(kind, "bob")
            })?,
        )?;
        pair.lab.start("bob")?;
        pair.configure("bob", BOTH)?;
        pair.start("bob")?;
        pair.both_active()?;
        pair.link("ttyS1", LinkStatus::Up)
    })
}

/// Nobody dies of that: there is a network. A driver that hung up would cost the port.
fn cut(pair: &Pair) -> Result<(), Error> {
    let cut = pair.lab.order(&["cut", "alice:bob"])?;
    lowered(pair, cut, "the cable is cut")?;
    pair.wait_view("alice", "nothing leaves", nothing_leaves)?;
    pair.link("ttyS1", LinkStatus::Dead)?;
    pair.nobody_dies(DEADTIME, "nobody dies of a cable")?;
    let healed = pair.lab.order(&["heal", "alice:bob"])?;
    let raised = pair.told("alice", healed, "the cable is joined", |kind| {
        tells(kind, ALL)
    })?;
    raised.between(Duration::ZERO, AT_ONCE + BUSY, "told")?;
    pair.link("ttyS1", LinkStatus::Up)
}

/// The driver counts what comes and goes between two looks.
fn flicker(pair: &Pair) -> Result<(), Error> {
    let cut = pair.lab.order(&["flicker", "alice:bob", "0.05"])?;
    let told = pair.told("alice", cut, "the cable is away for 50 ms", |kind| {
        matches!(kind, Kind::ModemLines { .. })
    })?;
    told.between(Duration::ZERO, AT_ONCE + BUSY, "told")?;
    pair.wait_view("alice", "all are raised again", |view| raises(view, ALL))
}

/// What the driver has taken and the cable does not hold nobody up: neither the next core, nor
/// the next hbd, nor the end of hbd.
pub(crate) fn unsent() -> Result<(), Error> {
    play(&[], |pair| {
        pair.begin(BOTH)?;
        pair.link("ttyS1", LinkStatus::Up)?;
        pair.lab.order(&["cut", "alice:bob"])?;
        pair.wait_view("alice", "nothing leaves", nothing_leaves)?;
        pair.signal("alice", "KILL", "core")?;
        pair.wait_view("alice", "there is another core", |view| {
            view.core_deaths == 1 && is(view, "bob", NodeStatus::Active)
        })?;
        pair.wait_view("alice", "nothing leaves that one either", nothing_leaves)?;
        demand(pair.no_death("bob")?, "nobody died of a core")?;
        pair.signal("alice", "KILL", ALL_ROLES)?;
        pair.start("alice")?;
        pair.both_active()?;
        pair.wait_view("alice", "nothing leaves the next hbd", nothing_leaves)?;
        let took = pair.stop("alice")?;
        println!("alice left within {took:?}");
        demand(
            took < LEAVING,
            &format!("the end of hbd waits for nobody: {took:?}"),
        )?;
        pair.lab.order(&["heal", "alice:bob"])?;
        pair.start("alice")?;
        pair.both_active()?;
        pair.link("ttyS1", LinkStatus::Up)
    })
}

/// Alice tells at once that the other end raises nothing.
fn lowered(pair: &Pair, since: Wall, what: &str) -> Result<(), Error> {
    let told = pair.told("alice", since, what, |kind| tells(kind, NONE))?;
    told.between(Duration::ZERO, AT_ONCE + BUSY, what)
}

fn tells(kind: &Kind, lines: ModemLines) -> bool {
    matches!(kind, Kind::ModemLines { to, .. } if *to == lines)
}

fn raises(view: &ClusterView, lines: ModemLines) -> bool {
    view.media
        .values()
        .any(|medium| medium.lines == Some(lines))
}

fn nothing_leaves(view: &ClusterView) -> bool {
    view.media.values().any(|medium| {
        matches!(&medium.status, Some(MediumStatus::Failed { reason }) if reason.contains("nothing leaves"))
    })
}
