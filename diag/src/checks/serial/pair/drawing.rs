//! Both connectors, and what is between them.
//!
//! ```text
//!   alice /dev/ttyS0          bob /dev/ttyS0
//!   TxD 3 >------------------> RxD 2
//!   RTS 7 >-----    broken  -> CTS 8
//!   RxD 2 <------------------< TxD 3
//! ```

use super::{Bytes, Input, Side, Source, Understood};
use crate::facts::serial::pair::Pair;

/// Columns between the pins.
const WIDTH: usize = 26;
/// Longest name of an end that is drawn whole.
const NAME: usize = WIDTH + 6;

/// The cable.
pub(crate) fn drawing(pair: &Pair) -> Vec<String> {
    let understood = Understood { pair };
    let name = |side: Side| {
        let end = pair.ends.of(side);
        format!("{} {}", end.node, end.device)
    };
    let mut lines = vec![format!("{:NAME$} {}", name(Side::Here), name(Side::There))];
    for to in [Side::There, Side::Here] {
        lines.push(wire(
            to,
            "TxD 3",
            "RxD 2",
            &of_bytes(understood.bytes(to.other())),
        ));
        for input in Input::ALL {
            let output = input.wanted(to).line.pin();
            let between = of_line(&understood, to, input);
            lines.push(wire(to, output, input.pin(), &between));
        }
    }
    lines
}

/// What is between an output and the input that it should lead to.
enum Between {
    Whole,
    Broken(String),
}

fn of_bytes(bytes: Bytes) -> Between {
    match bytes {
        Bytes::Arrive => Between::Whole,
        Bytes::Mangled(..) => Between::Broken("mangled".to_owned()),
        Bytes::Return => Between::Broken("comes back".to_owned()),
        Bytes::Stay => Between::Broken("not sent".to_owned()),
        Bytes::Vanish => Between::Broken("broken".to_owned()),
        Bytes::Untold => Between::Broken("not known".to_owned()),
    }
}

fn of_line(understood: &Understood<'_>, to: Side, input: Input) -> Between {
    let wanted = input.wanted(to);
    Between::Broken(match understood.source(to, input) {
        Source::One(found) if found == wanted => return Between::Whole,
        Source::One(found) if found.side == to => format!("own {}", found.line.pin()),
        Source::One(found) => found.line.pin().to_owned(),
        Source::Nothing => "broken".to_owned(),
        Source::Always => "always raised".to_owned(),
        Source::Joined(side) if side == to => "own RTS 7, DTR 4".to_owned(),
        Source::Joined(_) => "RTS 7, DTR 4".to_owned(),
        Source::Itself => "unsteady".to_owned(),
        Source::Untold => "not known".to_owned(),
    })
}

/// This node's end stands on the left.
fn wire(to: Side, output: &str, input: &str, between: &Between) -> String {
    let middle = match between {
        Between::Whole => "-".repeat(WIDTH),
        Between::Broken(why) => format!("{:-^WIDTH$}", format!("  {why}  ")),
    };
    match to {
        Side::There => format!("{output} >{middle}> {input}"),
        Side::Here => format!("{input} <{middle}< {output}"),
    }
}
