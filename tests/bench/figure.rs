//! A figure as a line of the table in `tests/RESULTS.md`, and the heading above it.

use std::fs;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::program;

use crate::Size;

/// What was measured of one thing.
pub(crate) struct Figure {
    /// What.
    pub(crate) what: String,
    /// The promise, in words; `-` for a figure that is only stated.
    pub(crate) promised: String,
    /// The result, in words, with its spread.
    pub(crate) measured: String,
    /// Whether the promise held; nothing where there is none.
    pub(crate) held: Option<bool>,
}

impl Figure {
    /// A figure that is stated and not judged.
    pub(crate) fn stated(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            promised: "-".into(),
            measured: measured.into(),
            held: None,
        }
    }

    fn print(&self) {
        let verdict = match self.held {
            None => "-",
            Some(true) => "held",
            Some(false) => "**not held**",
        };
        let Self {
            what,
            promised,
            measured,
            ..
        } = self;
        println!("| {what} | {promised} | {measured} | {verdict} |");
    }
}

/// Prints the figures. Those of full size must hold.
pub(crate) fn judge(figures: &[Figure], size: Size) -> Result<(), Error> {
    let mut broken = Vec::new();
    for figure in figures {
        figure.print();
        if size == Size::Full && figure.held == Some(false) {
            broken.push(format!("{}: {}", figure.what, figure.measured));
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    unexpected(broken.join("; "))
}

/// Date, commit and machine, and the head of the table.
pub(crate) fn print_heading() {
    let said = |name: &str, words: &[&str]| match program::run(name, words) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => "?".to_owned(),
    };
    println!(
        "## {}, commit {}, `HBD_TIER=long cargo test --release -p hbd-tests --test bench`\n",
        said("date", &["+%Y-%m-%d %H:%M"]),
        said("git", &["describe", "--always", "--dirty"]),
    );
    println!(
        "Machine: {}; {} processors; {}; Linux {}; load average {} before.\n",
        processor(),
        std::thread::available_parallelism().map_or(0, |count| count.get()),
        virtualisation(),
        said("uname", &["-r"]),
        fs::read_to_string("/proc/loadavg")
            .unwrap_or_default()
            .trim()
    );
    println!("| what | promised | measured | verdict |\n|---|---|---|---|");
}

fn cpuinfo(key: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn processor() -> String {
    cpuinfo("model name").unwrap_or_else(|| "unknown processor".into())
}

fn virtualisation() -> &'static str {
    let virtual_machine =
        cpuinfo("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    match virtual_machine {
        true => "virtual machine on a shared host",
        false => "bare metal",
    }
}
