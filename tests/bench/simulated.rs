//! A thousand nodes in virtual time: they boot, lose one, and heal (`hbd_tests::sim::crowd`).

use hbd_tests::error::{Error, unexpected};
use hbd_tests::program;
use serde_json::Value;

use crate::Size;
use crate::figure::{Figure, judge};

pub(crate) fn run(size: Size) -> Result<(), Error> {
    let nodes = match size {
        Size::Full => 1000,
        Size::Small => 20,
    };
    let told = program::run(env!("CARGO_BIN_EXE_crowd"), &[nodes.to_string()])?;
    let Ok(told) = serde_json::from_str::<Value>(&told) else {
        return unexpected(format!("crowd says: {told}"));
    };
    let number = |key: &str| told[key].as_f64().unwrap_or(f64::NAN);
    let each = f64::from(nodes);
    let processor_ms = number("processor_s") * 1e3;
    judge(
        &[
            Figure {
                what: format!("{nodes} simulated nodes, keepalive 5 s, deadtime 20 s"),
                promised: "boot, lose one, heal".into(),
                measured: format!(
                    "booted in {:.1} s, loss known to all in {:.1} s, healed in {:.1} s of virtual time",
                    number("booted_s"),
                    number("lost_s"),
                    number("healed_s")
                ),
                held: Some(number("healed_s") > 0.0),
            },
            Figure::stated(
                format!("each of {nodes} simulated nodes: processor time of a virtual second"),
                format!(
                    "{:.3} ms, for {:.0} packets",
                    processor_ms / number("span_s") / each,
                    number("packets") / number("span_s") / each
                ),
            ),
            Figure::stated(
                format!("each of {nodes} simulated nodes: memory"),
                format!("{:.0} KiB", number("memory_kib") / each),
            ),
        ],
        size,
    )
}
