//! Threads of a process that goes on where no further one is to be had (`pthread_create(3)`,
//! EAGAIN).

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

/// Starts a thread that a process cannot do without.
pub(crate) fn start(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.into()).spawn(work)
}

/// Does `work` with `value` in a thread of its own. Where there is none the value comes back.
pub(crate) fn beside<T: Send + 'static>(
    name: &str,
    value: T,
    work: impl FnOnce(T) + Send + 'static,
) -> Result<(), (io::Error, T)> {
    let (hand, hands) = sync_channel(1);
    let started = Builder::new().name(name.into()).spawn(move || {
        if let Ok(value) = hands.recv() {
            work(value);
        }
    });
    match started {
        Ok(_) => {
            // It waits for nothing else.
            let _ = hand.send(value);
            Ok(())
        }
        Err(error) => Err((error, value)),
    }
}
