//! `explore`: runs seeds of the virtual world against the rules of [`hbd_tests::sim::explore`].
//!
//! Exit code 0: no rule was broken (with `--mutant`: the planted bug was found); 1: else; 2: usage.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hbd_core::Mutant;
use hbd_tests::sim::explore::{Options, hunt, run, run_many};

const USAGE: &str = "\
usage: explore [--seeds N] [--seed S] [--minutes M] [--nodes 2-5] [--mutant NAME|all]
               [--threads N] [--trace [--packets]]
  --seeds N     run N seeds (default 1)
  --seed S      the first of them (default 1)
  --minutes M   run seeds until so many minutes are over
  --nodes N     so many nodes in each cluster, 2 to 5 (default: as the seed wants)
  --mutant NAME plant this bug in every core; all: one after the other, each must be found
  --threads N   run so many at once (default: as many as there are processors)
  --trace       tell the whole story of one seed
  --packets     and every packet in it";

/// A planted bug must be found by so many seeds.
const SEEDS_FOR_A_MUTANT: u64 = 500;
/// How many seeds are run before the clock is looked at, under `--minutes`.
const BATCH: u64 = 200;
/// How many failures are shown at most.
const FAILURES_MAX: usize = 5;

struct Arguments {
    seeds: Option<u64>,
    mutants: Vec<Mutant>,
    first: u64,
    minutes: Option<u64>,
    threads: usize,
    options: Options,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("explore: {wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match (arguments.options.trace, arguments.mutants.is_empty()) {
        (true, _) => trace(&arguments),
        (false, true) => explore(&arguments),
        (false, false) => find_mutants(&arguments),
    }
}

fn mutants(name: &str) -> Result<Vec<Mutant>, String> {
    let chosen = Mutant::ALL.iter().copied();
    let chosen: Vec<Mutant> = chosen
        .filter(|mutant| name == "all" || mutant.word() == name)
        .collect();
    if chosen.is_empty() {
        let all: Vec<&str> = Mutant::ALL.iter().map(|mutant| mutant.word()).collect();
        return Err(format!("--mutant {name}: there are {}", all.join(", ")));
    }
    Ok(chosen)
}

/// Each mutant must break a rule within [`SEEDS_FOR_A_MUTANT`] seeds.
fn find_mutants(arguments: &Arguments) -> ExitCode {
    let mut missed = 0;
    for &mutant in &arguments.mutants {
        let seeds = arguments.seeds.unwrap_or(SEEDS_FOR_A_MUTANT);
        let found = hunt(mutant, arguments.first, seeds, arguments.threads);
        match found {
            Some((tried, failure)) => {
                let (word, seed, broken) = (mutant.word(), failure.seed, failure.broken);
                println!("{word}: found by seed {seed} after {tried} seeds: {broken}");
            }
            None => {
                println!("{}: not found by {seeds} seeds", mutant.word());
                missed += 1;
            }
        }
    }
    match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let mut arguments = Arguments {
        seeds: None,
        mutants: Vec::new(),
        first: 1,
        minutes: None,
        threads,
        options: Options::default(),
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a number"))?;
            let number = value.parse::<u64>();
            number.map_err(|_| format!("{word} {value}: that is no number"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = Some(number()?),
            "--seed" => arguments.first = number()?,
            "--minutes" => arguments.minutes = Some(number()?),
            "--threads" => arguments.threads = usize::try_from(number()?).unwrap_or(1),
            "--nodes" => {
                let nodes = number()?;
                if !(2..=5).contains(&nodes) {
                    return Err(format!("--nodes {nodes}: must be 2 to 5"));
                }
                arguments.options.nodes = usize::try_from(nodes).ok();
            }
            "--mutant" => {
                let name = words.next().ok_or("--mutant needs a name")?;
                arguments.mutants = mutants(&name)?;
            }
            "--packets" => arguments.options.packets = true,
            "--trace" => arguments.options.trace = true,
            _ => return Err(format!("{word}: not known")),
        }
    }
    Ok(arguments)
}

fn trace(arguments: &Arguments) -> ExitCode {
    let options = Options {
        mutant: arguments.mutants.first().copied(),
        ..arguments.options
    };
    match run(arguments.first, options) {
        Ok(()) => {
            println!("seed {} keeps the rules", arguments.first);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("seed {} breaks a rule: {}", failure.seed, failure.broken);
            ExitCode::FAILURE
        }
    }
}

fn explore(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let limit = arguments
        .minutes
        .map(|minutes| Duration::from_secs(minutes * 60));
    let mut first = arguments.first;
    let (mut failures, mut ran) = (Vec::new(), 0);
    loop {
        let batch = limit.map_or(arguments.seeds.unwrap_or(1), |_| BATCH);
        let threads = arguments.threads;
        let (found, count) = run_many(first, batch, threads, FAILURES_MAX, arguments.options);
        failures.extend(found);
        ran += count;
        first = first.saturating_add(batch);
        let over = limit.is_none_or(|limit| begun.elapsed() >= limit);
        if over || failures.len() >= FAILURES_MAX {
            break;
        }
    }
    for failure in &failures {
        println!("{failure}\n");
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{ran} seeds in {seconds:.1} s ({:.0} a minute), {} broke a rule",
        ran as f64 / seconds * 60.0,
        failures.len()
    );
    match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
