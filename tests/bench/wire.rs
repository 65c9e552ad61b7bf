//! How many messages a second one core decodes and verifies, and how many it encodes and signs.
//!
//! `cargo bench -p hbd-tests --bench wire`. Each line is the median of several runs with the slowest
//! and the fastest. The clock is the processor time of this thread, so that other programs on the
//! machine disturb little.

use std::hint::black_box;
use std::time::Duration;

use hbd_core::wire::{
    Form, KeyRing, Message, Method, decode_packet, encode_packet, heard, level, status,
};
use shared::names::{Generation, KeyIndex, NodeName, Sequence, Uuid};

/// Runs of each measurement.
const RUNS: usize = 15;
/// How long one run lasts.
const RUN_TIME: Duration = Duration::from_millis(200);
/// Messages between two looks at the clock.
const BATCH: u32 = 1000;

fn main() {
    println!("messages per second of processor time, median of {RUNS} runs (slowest - fastest)");
    let methods = [Method::Crc, Method::Md5, Method::Sha1, Method::Sha256];
    for method in methods {
        let secret = b"lab-secret-key".as_slice();
        let keys = [(KeyIndex(1), method, secret)];
        let ring = KeyRing::new(KeyIndex(1), keys).expect("one key");
        for form in [Form::Netstring, Form::String] {
            measure(&ring, method, form);
        }
    }
}

fn measure(ring: &KeyRing, method: Method, form: Form) {
    let message = typical_status();
    let packet = encode_packet(&message, ring, form).expect("a sound message");
    let size = packet.len();
    report(
        &format!("decode+verify {method:6} {form:?} {size} bytes"),
        || black_box(decode_packet(black_box(&packet), ring)).is_ok(),
    );
    report(
        &format!("encode+sign   {method:6} {form:?} {size} bytes"),
        || black_box(encode_packet(black_box(&message), ring, form)).is_ok(),
    );
    if form == Form::Netstring {
        report(
            &format!("build+encode  {method:6} {form:?} {size} bytes"),
            || black_box(encode_packet(&black_box(typical_status()), ring, form)).is_ok(),
        );
    }
}

fn typical_status() -> Message {
    let src = NodeName::new("alice").expect("a name");
    let heard = heard::format([heard::Heard {
        peer: "bob",
        generation: Generation(0x6b02_9992),
        last: Sequence(0x1c3),
        here: Sequence(0x1c3),
        count: 0x1b9,
    }]);
    let status = status::Status {
        state: status::State::Active,
        dead_time: Some(Duration::from_secs(6)),
        acknowledges: true,
        level: Some(level::Level::OURS),
        heard: Some(&heard),
    };
    let mut message = status.to_message();
    let numbered = hbd_core::wire::stamp::Numbered {
        sequence: Sequence(0x1f2),
        load: "1.07 0.58 0.30 10/174 59",
    };
    let stamp = hbd_core::wire::Stamp {
        dest_uuid: None,
        src: &src,
        src_uuid: Uuid([0xd9; 16]),
        numbered: Some(numbered),
        generation: Generation(0x6b02_9977),
        wall_seconds: 0x6b02_9976,
        ttl: 3,
    };
    stamp.apply(&mut message);
    message
}

fn report(what: &str, mut once: impl FnMut() -> bool) {
    let mut rates: Vec<f64> = (0..RUNS).map(|_| rate(&mut once)).collect();
    rates.sort_by(f64::total_cmp);
    let [slowest, median, fastest] = [0, RUNS / 2, RUNS - 1].map(|at| rates[at]);
    println!("{what:48} {median:10.0} ({slowest:.0} - {fastest:.0})");
}

fn rate(once: &mut impl FnMut() -> bool) -> f64 {
    let start = processor_time();
    let mut count = 0_u32;
    loop {
        for _ in 0..BATCH {
            assert!(once());
        }
        count += BATCH;
        let spent = processor_time() - start;
        if spent >= RUN_TIME {
            return f64::from(count) / spent.as_secs_f64();
        }
    }
}

fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("Linux has this clock").into()
}
