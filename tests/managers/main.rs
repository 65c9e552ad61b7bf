//! Two managers explored by seed: what goes wrong is drawn, the rules are kept after each step, and
//! each planted bug breaks one.

use std::process::ExitCode;

use hbd_manager::Mutant;
use hbd_tests::managers::{hunt, run};
use hbd_tests::tier::Tier;
use libtest_mimic::{Arguments, Failed, Trial};

/// Seeds of tier quick, from 1 on.
const SEEDS_QUICK: u64 = 200;
/// Seeds of tier ci.
const SEEDS_CI: u64 = 4000;
/// Seeds of tier long.
const SEEDS_LONG: u64 = 200_000;
/// Seeds of one trial, so that trials share the processors.
const SEEDS_OF_A_TRIAL: u64 = 100;
/// A planted bug must be found by so many seeds.
const SEEDS_FOR_A_MUTANT: u64 = 4000;
/// How many lines of its story a failure shows.
const STORY_MAX: usize = 80;

fn main() -> ExitCode {
    let seeds = match Tier::of_this_run() {
        Tier::Quick => SEEDS_QUICK,
        Tier::Ci => SEEDS_CI,
        Tier::Long => SEEDS_LONG,
    };
    let mut trials: Vec<Trial> = (0..seeds / SEEDS_OF_A_TRIAL)
        .map(|part| {
            let first = part * SEEDS_OF_A_TRIAL + 1;
            let name = format!("seeds_{first}_to_{}", first + SEEDS_OF_A_TRIAL - 1);
            Trial::test(name, move || keep_the_rules(first))
        })
        .collect();
    trials.extend(Mutant::ALL.iter().map(|&mutant| {
        let name = format!("the_rules_find_{}", mutant.word().replace('-', "_"));
        Trial::test(name, move || find(mutant))
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn keep_the_rules(first: u64) -> Result<(), Failed> {
    for seed in first..first + SEEDS_OF_A_TRIAL {
        run(seed, None, STORY_MAX).map_err(|failure| Failed::from(failure.to_string()))?;
    }
    Ok(())
}

fn find(mutant: Mutant) -> Result<(), Failed> {
    match hunt(mutant, 1..SEEDS_FOR_A_MUTANT + 1) {
        Some(_) => Ok(()),
        None => Err(format!("{SEEDS_FOR_A_MUTANT} seeds keep the rules with {mutant:?}").into()),
    }
}
