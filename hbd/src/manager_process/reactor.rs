//! The loop of the manager: the only place in its process that waits.

use std::future::{pending, poll_fn};
use std::io;

use tokio::time::{Instant, sleep_until};

use super::revival::Revival;
use super::{CoreToManager, FromManager, ManagerToCore, ToManager};
use crate::bond::{Bond, Word};
use crate::channel::{Channel, Delivery};

type Core = Channel<ManagerToCore, CoreToManager>;

/// What happened.
enum Wake {
    Core(io::Result<Option<Delivery<CoreToManager>>>),
    Supervisor(Word<ToManager>),
    /// A supervisor that this manager started ended.
    Ended(String),
    /// One that went has ended altogether.
    Gone,
    /// It is time to start one.
    Due,
}

/// Runs until hbd ends.
pub(super) async fn run(mut bond: Bond<FromManager, ToManager>, mut revival: Revival) {
    let mut core: Option<Core> = None;
    revival.follow(bond.channel().and_then(|channel| channel.peer()));
    let mut answered = false;
    loop {
        // What waits leaves while the channels are listened to.
        let wake = tokio::select! {
            biased;
            question = next_of(&mut core) => Wake::Core(question),
            word = poll_fn(|context| bond.poll_next(context)) => Wake::Supervisor(word),
            how = revival.ended() => Wake::Ended(how),
            () = revival.former_is_gone() => Wake::Gone,
            () = until(revival.due()) => Wake::Due,
        };
        match wake {
            Wake::Core(Ok(Some((CoreToManager::Question, _)))) => {
                answer(core.as_mut());
                if !answered && let Some(supervisor) = bond.channel() {
                    answered = supervisor.queue(&FromManager::Answers, Vec::new()).is_ok();
                }
            }
            // `none` decides nothing.
            Wake::Core(Ok(Some(_))) => {}
            Wake::Core(Ok(None) | Err(_)) => core = None,
            Wake::Supervisor(Word::Alone) => revival.plan(Instant::now()),
            Wake::Supervisor(Word::Said((message, descriptors))) => match message {
                // There is no second start.
                ToManager::Start { .. } => {}
                ToManager::Adopt { supervisor } => {
                    bond.adopted();
                    revival.follow(bond.channel().and_then(|channel| channel.peer()));
                    revival.learn(supervisor, descriptors.into_iter().next());
                }
                ToManager::Core { generation } => {
                    let mut descriptors = descriptors.into_iter();
                    core = descriptors.next().and_then(|pair| Channel::new(pair).ok());
                    bond.keep(generation, descriptors.collect());
                }
                ToManager::Returns(within) => revival.expect_return(within),
                ToManager::End => return,
            },
            Wake::Ended(how) => revival.bury(&how, bond.is_alone(), Instant::now()),
            Wake::Gone => revival.follow(None),
            Wake::Due => revival.start(Instant::now()),
        }
    }
}

fn answer(core: Option<&mut Core>) {
    if let Some(core) = core {
        // A core that is gone is found so when the next question is waited for.
        let _ = core.queue(&ManagerToCore::Answer, Vec::new());
    }
}

async fn next_of(core: &mut Option<Core>) -> io::Result<Option<Delivery<CoreToManager>>> {
    match core {
        Some(core) => core.next().await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
