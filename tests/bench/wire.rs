//! How many messages a second one core decodes and verifies, and how many it encodes and signs.
//!
//! Each figure is the median of several runs, with the slowest and the fastest. The clock is the processor time of this
//! thread, so that other programs on the machine disturb little.

use std::hint::black_box;
use std::time::Duration;

use hbd_core::wire::{
    Form, KeyRing, Message, Method, decode_packet, encode_packet, heard, level, status,
};
use hbd_tests::error::Error;
use shared::names::{Generation, KeyIndex, NodeName, Sequence, Uuid};

use crate::Size;
use crate::figure::{Figure, judge};

/// Messages between two looks at the clock.
const BATCH: u32 = 1000;
/// Messages a second in the form and with the digest that most clusters use.
const PROMISE: f64 = 500_000.0;

pub(crate) fn run(size: Size) -> Result<(), Error> {
    let (runs, run_time) = match size {
        Size::Full => (15, Duration::from_millis(100)),
        Size::Small => (1, Duration::from_millis(10)),
    };
    let mut figures = Vec::new();
    for method in [Method::Crc, Method::Md5, Method::Sha1, Method::Sha256] {
        let secret = b"lab-secret-key".as_slice();
        let keys = [(KeyIndex(1), method, secret)];
        let ring = KeyRing::new(KeyIndex(1), keys).expect("one key");
        for form in [Form::Netstring, Form::String] {
            let message = typical_status();
            let packet = encode_packet(&message, &ring, form).expect("a sound message");
            let size = packet.len();
            let mut decode = || black_box(decode_packet(black_box(&packet), &ring)).is_ok();
            let mut encode = || black_box(encode_packet(black_box(&message), &ring, form)).is_ok();
            let promised = method == Method::Sha1 && form == Form::Netstring;
            for (what, once) in [
                ("decode and verify", &mut decode as &mut dyn FnMut() -> bool),
                ("encode and sign", &mut encode),
            ] {
                let rates: Vec<f64> = (0..runs).map(|_| rate(once, run_time)).collect();
                let what = format!("{what}, {method}, {form:?}, {size} bytes").to_lowercase();
                figures.push(figure(what, rates, promised));
            }
        }
    }
    judge(&figures, size)
}

fn figure(what: String, mut rates: Vec<f64>, promised: bool) -> Figure {
    rates.sort_by(f64::total_cmp);
    let [slowest, median, fastest] = [0, rates.len() / 2, rates.len() - 1].map(|at| rates[at]);
    let thousand = |rate: f64| (rate / 1000.0).round();
    Figure {
        what,
        promised: match promised {
            true => format!("{} k/s", thousand(PROMISE)),
            false => "-".into(),
        },
        measured: format!(
            "{} k/s ({} - {})",
            thousand(median),
            thousand(slowest),
            thousand(fastest)
        ),
        held: promised.then_some(median >= PROMISE),
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

fn rate(once: &mut dyn FnMut() -> bool, run_time: Duration) -> f64 {
    let start = processor_time();
    let mut count = 0_u32;
    loop {
        for _ in 0..BATCH {
            assert!(once());
        }
        count += BATCH;
        let spent = processor_time() - start;
        if spent >= run_time {
            return f64::from(count) / spent.as_secs_f64();
        }
    }
}

fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("Linux has this clock").into()
}
