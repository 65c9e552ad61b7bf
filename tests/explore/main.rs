//! Exploration by seed in the tiers: some seeds quickly, 300 before a change is merged, and every
//! planted bug, each of which the rules must find. Tier long demands the speed that makes
//! exploration worth its while.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hbd_core::Mutant;
use hbd_tests::sim::explore::{Options, hunt, run_many};
use hbd_tests::tier::Tier;
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Seeds of tier quick, from 1 on.
const SEEDS_QUICK: u64 = 20;
/// Seeds of tier ci.
const SEEDS_CI: u64 = 300;
/// Seeds of one trial, so that trials share the processors.
const SEEDS_OF_A_TRIAL: u64 = 10;
/// A planted bug must be found by so many seeds.
const SEEDS_FOR_A_MUTANT: u64 = 500;
/// Seeds that tier long runs within a minute of both of two processors.
const SEEDS_A_MINUTE: u64 = 1000;
const PROCESSOR_TIME: Duration = Duration::from_secs(2 * 60);

fn main() -> ExitCode {
    let tier = Tier::of_this_run();
    let seeds = match tier {
        Tier::Quick => SEEDS_QUICK,
        Tier::Ci | Tier::Long => SEEDS_CI,
    };
    let firsts = (1..=seeds).step_by(usize::try_from(SEEDS_OF_A_TRIAL).unwrap_or(1));
    let mut trials: Vec<Trial> = firsts
        .map(|first| {
            let last = first + SEEDS_OF_A_TRIAL - 1;
            let name = format!("seeds_{first}_to_{last}_keep_the_rules");
            Trial::test(name, move || keep_the_rules(first, SEEDS_OF_A_TRIAL))
        })
        .collect();
    trials.extend(Mutant::ALL.iter().map(|&mutant| {
        let name = format!("the_rules_find_{}", mutant.word().replace('-', "_"));
        Trial::test(name, move || find(mutant))
    }));
    if tier == Tier::Long && !cfg!(debug_assertions) {
        let name = format!("{SEEDS_A_MINUTE}_seeds_take_less_than_a_minute_of_two_processors");
        trials.push(Trial::test(name, speed));
    } else {
        eprintln!("explore: speed is measured by HBD_TIER=long cargo test --release");
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn keep_the_rules(first: u64, count: u64) -> Result<(), Failed> {
    let (failures, ran) = run_many(first, count, 1, 1, Options::default());
    match failures.first() {
        Some(failure) => Err(format!("{failure}\n{}", replay(failure.seed, None)).into()),
        None if ran == count => Ok(()),
        None => Err(format!("only {ran} of {count} seeds were run").into()),
    }
}

fn find(mutant: Mutant) -> Result<(), Failed> {
    match hunt(mutant, 1, SEEDS_FOR_A_MUTANT, 1) {
        Some(_) => Ok(()),
        None => Err(format!(
            "{SEEDS_FOR_A_MUTANT} seeds keep the rules with {mutant:?} in every core; {}",
            replay(1, Some(mutant))
        )
        .into()),
    }
}

fn replay(seed: u64, mutant: Option<Mutant>) -> String {
    let mutant = mutant.map_or(String::new(), |m| format!(" --mutant {}", m.word()));
    format!("its story: cargo run -q -p hbd-tests --bin explore -- --seed {seed}{mutant} --trace")
}

/// Measured in processor time, so that other programs on the machine do not decide.
fn speed() -> Result<(), Failed> {
    let (begun, before) = (Instant::now(), processor_time()?);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let first = SEEDS_CI + 1;
    let (failures, ran) = run_many(first, SEEDS_A_MINUTE, threads, 1, Options::default());
    let took = processor_time()?.saturating_sub(before);
    let elapsed = begun.elapsed();
    eprintln!("{ran} seeds: {took:.1?} of processor time, {elapsed:.1?} on {threads} processors");
    if let Some(failure) = failures.first() {
        return Err(format!("{failure}\n{}", replay(failure.seed, None)).into());
    }
    match took <= PROCESSOR_TIME {
        true => Ok(()),
        false => Err(format!("{ran} seeds took {took:.1?} of processor time").into()),
    }
}

fn processor_time() -> Result<Duration, Failed> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let spans = [usage.user_time(), usage.system_time()];
    let micros: i64 = spans.iter().map(TimeValLike::num_microseconds).sum();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}
