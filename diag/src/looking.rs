//! Looks at each object, in threads that may hang in a driver, and ends in time.
//!
//! Objects are looked at side by side. What is touched is touched one after the other: two ports may be the ends of one
//! cable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
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
/// Most objects that are looked at side by side.
const THREADS_MAX: usize = 16;
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

/// The threads that look: each takes the next object that nobody has taken.
fn begin_looking(call: &Call, deadline: Instant) -> Receiver<Told> {
    let (tell, told) = channel();
    let next = Arc::new(AtomicUsize::new(0));
    let threads = if call.active { 1 } else { THREADS_MAX };
    for _ in 0..threads.min(call.objects.len()) {
        let (call, tell, next) = (call.clone(), tell.clone(), Arc::clone(&next));
        thread::spawn(move || look(&call, deadline, &next, &tell));
    }
    told
}

fn look(call: &Call, deadline: Instant, next: &AtomicUsize, tell: &Sender<Told>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(object) = call.objects.get(number) else {
            return;
        };
        if number > 0 && Instant::now() > deadline {
            return;
        }
        let order = Order {
            object,
            active: call.active,
            deadline,
            limits: call.limits,
            chosen: &call.chosen,
        };
        // Who listens ends the program when it has heard enough.
        (call.check.run)(&order, &mut |report| {
            let _ = tell.send(Told::SoFar(number, report));
        });
        let _ = tell.send(Told::Finished(number));
    }
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
