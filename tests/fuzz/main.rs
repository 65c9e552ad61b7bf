//! Everything that parses bytes is fed bytes nobody planned.
//!
//! A target is one file in `targets/` with a function `property(&[u8])` that panics when the property
//! does not hold, and one line in the table below. Each runs its corpus,
//! `__fuzz__/TARGET/corpus/`, and then random input for a time that depends on the tier:
//! `HBD_TIER` quick 1 s, ci 10 s, long 60 s.
//!
//! A failure prints the input and a seed; `BOLERO_RANDOM_SEED=SEED` repeats it. Put the input into the
//! corpus. `cargo bolero test -p hbd-tests TARGET` fuzzes with coverage, where that tool exists.

mod edits;
mod targets;

use std::time::Duration;

use hbd_tests::tier::Tier;

macro_rules! targets {
    ($($target:ident,)*) => {
        $(
            #[test]
            fn $target() {
                bolero::check!(name = stringify!($target))
                    .with_test_time(test_time())
                    .for_each(targets::$target::property);
            }
        )*

        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

targets! {
    netstring,
    ether,
    serial,
    icmp,
    string_form,
    packet,
    message,
    typed_fields,
    session,
    config,
    api,
    core,
}

fn test_time() -> Duration {
    Duration::from_secs(match Tier::of_this_run() {
        Tier::Quick => 1,
        Tier::Ci => 10,
        Tier::Long => 60,
    })
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/__fuzz__");
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut expected = TARGETS.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for target in TARGETS {
        let corpus = folder.join(target).join("corpus");
        assert!(std::fs::read_dir(corpus).unwrap().count() > 0, "{target}");
    }
}
