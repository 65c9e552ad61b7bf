//! Stopping what is held and nobody is there for: groups that the configuration lost.

use std::path::Path;
use std::time::Duration;

use shared::config::Resource;
use shared::group::{GroupName, Operation, Outcome};
use tokio::time::sleep;

use super::duty::{Duty, STOP_RETRIES};
use super::works::{Errand, address, failed};

/// Time between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A group, and why it was not stopped if it was not.
pub(super) type Released = (GroupName, Result<(), String>);

/// Stops groups, the resources of each in reverse. `name` begins the names of the actions.
pub(super) async fn release(
    run: &Path,
    name: &str,
    groups: impl IntoIterator<Item = (GroupName, Vec<Resource>)>,
    duty: &Duty,
) -> Vec<Released> {
    let mut released = Vec::new();
    let mut count = 0;
    for (group, resources) in groups {
        let mut result = Ok(());
        for resource in resources.iter().rev() {
            for _ in 0..=STOP_RETRIES {
                count += 1;
                let name = format!("{name}-r{count}");
                match stop(run, name, &group, resource, duty).await {
                    Outcome::Failed { why } => result = Err(why),
                    Outcome::Done | Outcome::NotRunning => {
                        result = Ok(());
                        break;
                    }
                }
                sleep(PAUSE).await;
            }
            if result.is_err() {
                break;
            }
        }
        released.push((group, result));
    }
    released
}

async fn stop(
    run: &Path,
    name: String,
    group: &GroupName,
    resource: &Resource,
    duty: &Duty,
) -> Outcome {
    match address(resource) {
        Some(Ok(address)) => {
            return match address.stop() {
                Ok(()) => Outcome::Done,
                Err(error) => failed(error),
            };
        }
        Some(Err(error)) => return failed(error),
        None => {}
    }
    match Errand::new(run, name, Operation::Stop, (group, resource), duty) {
        Ok(errand) => errand.run().await,
        Err(error) => failed(error),
    }
}
