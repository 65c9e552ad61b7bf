//! Looks at each object in turn, in a thread that may hang in a driver, and ends in time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use diag::registry::Order;
use diag::report::Report;
use nix::sys::signal::{SigSet, Signal};

use crate::cli::Call;

/// What was begun is put back within that time even where the machine is busy.
const GRACE: Duration = Duration::from_secs(2);
/// A moment before the end nothing is begun any more.
const RESERVE: Duration = Duration::from_millis(100);
/// They end the program when all is put back.
const SIGNALS: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];

enum Told {
    SoFar(usize, Report),
    Finished(usize),
}

/// One report of each object, in the order of the call.
pub(crate) fn reports(call: &Call) -> Vec<Report> {
    let signals: SigSet = SIGNALS.into_iter().collect();
    if call.active {
        // A call that blocks signals fails for an invalid argument only.
        let _ = signals.thread_block();
    }
    let begin = Instant::now();
    let told = begin_looking(call, begin + call.limit.saturating_sub(RESERVE));
    let mut known: Vec<(Option<Report>, bool)> = vec![(None, false); call.objects.len()];
    let grace = if call.active { GRACE } else { Duration::ZERO };
    listen(&told, begin + call.limit + grace, &mut known);
    let _ = signals.thread_unblock();
    let objects = call.objects.iter();
    let ended = objects.zip(known).map(|(object, known)| match known {
        (Some(report), true) => report,
        (report, _) => report
            .unwrap_or_else(|| Report::of(call.check.name, object, Vec::new()))
            .cut_short(call.limit.as_secs_f64()),
    });
    ended.collect()
}

fn begin_looking(call: &Call, deadline: Instant) -> Receiver<Told> {
    let (tell, told) = channel();
    let (check, active, limits) = (call.check, call.active, call.limits);
    let (objects, chosen) = (call.objects.clone(), call.chosen.clone());
    thread::spawn(move || {
        for (number, object) in objects.iter().enumerate() {
            if number > 0 && Instant::now() > deadline {
                return;
            }
            let order = Order {
                object,
                active,
                deadline,
                limits,
                chosen: &chosen,
            };
            // Who listens ends the program when it has heard enough.
            (check.run)(&order, &mut |report| {
                let _ = tell.send(Told::SoFar(number, report));
            });
            let _ = tell.send(Told::Finished(number));
        }
    });
    told
}

fn listen(told: &Receiver<Told>, until: Instant, known: &mut [(Option<Report>, bool)]) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok(Told::SoFar(number, report)) => known[number].0 = Some(report),
            Ok(Told::Finished(number)) => known[number].1 = true,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}
