//! What each kind of cable shows.

use hbd_tests::error::{Error, unexpected};
use hbd_tests::modem_cable::Kind;

use crate::port::{Stage, same};

/// What is raised at an end while one line is raised and no other.
struct Row {
    kind: Kind,
    none: &'static str,
    own_dtr: &'static str,
    own_rts: &'static str,
    peer_dtr: &'static str,
    peer_rts: &'static str,
    /// Who reads what an end sends: itself, the other end.
    bytes: [bool; 2],
}

const NOTHING: Row = Row {
    kind: Kind::Unplugged,
    none: "",
    own_dtr: "",
    own_rts: "",
    peer_dtr: "",
    peer_rts: "",
    bytes: [false, false],
};

/// Written by hand from how such cables are made, not from the emulator's own table.
const ROWS: [Row; 9] = [
    Row {
        kind: Kind::FullHandshake,
        peer_dtr: "DSR DCD",
        peer_rts: "CTS",
        bytes: [false, true],
        ..NOTHING
    },
    Row {
        kind: Kind::SevenWires,
        peer_dtr: "DSR",
        peer_rts: "CTS",
        bytes: [false, true],
        ..NOTHING
    },
    Row {
        kind: Kind::PartialHandshake,
        own_rts: "CTS",
        peer_dtr: "DSR",
        peer_rts: "DCD",
        bytes: [false, true],
        ..NOTHING
    },
    Row {
        kind: Kind::LoopbackHandshake,
        own_dtr: "DSR DCD",
        own_rts: "CTS",
        bytes: [false, true],
        ..NOTHING
    },
    Row {
        kind: Kind::ThreeWires,
        bytes: [false, true],
        ..NOTHING
    },
    Row {
        kind: Kind::LoopbackPlug,
        own_dtr: "DSR DCD",
        own_rts: "CTS",
        bytes: [true, false],
        ..NOTHING
    },
    Row {
        kind: Kind::StraightThrough,
        ..NOTHING
    },
    NOTHING,
    Row {
        kind: Kind::Modem,
        none: "CTS DSR",
        own_dtr: "CTS DSR",
        own_rts: "CTS DSR",
        peer_dtr: "CTS DSR",
        peer_rts: "CTS DSR",
        bytes: [true, false],
    },
];

fn row(kind: Kind) -> Result<&'static Row, Error> {
    let found = ROWS.iter().find(|row| row.kind == kind);
    found.map_or_else(|| unexpected(format!("no row for {kind:?}")), Ok)
}

pub(crate) fn lines() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::Unplugged)?;
    for kind in Kind::ALL {
        stage.cable.replace(kind)?;
        let row = row(kind)?;
        for end in 0..2 {
            let settings = [
                ("", "", row.none),
                ("DTR", "", row.own_dtr),
                ("RTS", "", row.own_rts),
                ("", "DTR", row.peer_dtr),
                ("", "RTS", row.peer_rts),
            ];
            for (own, peer, expected) in settings {
                stage.ends[end].expect(&format!("set {own}"), "0")?;
                stage.ends[1 - end].expect(&format!("set {peer}"), "0")?;
                let what = format!("{kind:?}, end {end}, own {own:?}, peer {peer:?}");
                same(&stage.inputs(end)?, expected, &what)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn bytes() -> Result<(), Error> {
    let mut stage = Stage::new(Kind::Unplugged)?;
    for kind in Kind::ALL {
        stage.cable.replace(kind)?;
        let [own, peer] = row(kind)?.bytes.map(|read| if read { "beat" } else { "" });
        for end in 0..2 {
            let carried = stage.carried(end, "beat")?;
            let what = |who| format!("{kind:?}, end {end} sent, {who} reads");
            same(&carried[end], own, &what("itself"))?;
            same(&carried[1 - end], peer, &what("the other"))?;
        }
    }
    Ok(())
}
