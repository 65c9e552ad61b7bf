//! Stopping what is held and nobody is there for: groups that the configuration lost, and all of
//! them where no manager can be had (`hbd release`).

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use shared::config::Resource;
use shared::event::Role;
use shared::exit::Exit;
use shared::group::{GroupName, Operation, Outcome};
use shared::names::NodeName;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::duty::{Duty, Resources, STOP_RETRIES};
use super::fencing::is_fencing;
use super::health::is_checkup;
use super::notices::is_notice;
use super::record::Record;
use super::works::{Errand, address, failed, settle_former};
use crate::cli::RUN;
use crate::run_directory::RunDirectory;
use crate::startup::{self, StartError};
use crate::{accepted, clock};

/// Time between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A group, and why it was not stopped if it was not.
pub(crate) type Released = (GroupName, Result<(), String>);

/// Stops all that the record of an instance names; what was stopped is in it no more. No manager may
/// run meanwhile.
pub(crate) async fn release_all(run: &Path, duty: &Duty) -> io::Result<Vec<Released>> {
    let spared = |shim: &str| is_fencing(shim) || is_notice(shim) || is_checkup(shim);
    settle_former(run, spared).await?;
    let mut record = Record::open(run)?;
    let name = format!("release-{:x}", clock::boot().0);
    let released = release(run, &name, record.orphans(&Resources::new()), duty).await;
    for (group, _) in released.iter().filter(|(_, result)| result.is_ok()) {
        record.forget(group)?;
    }
    Ok(released)
}

/// Which instance.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory of ha.cf, authkeys, haresources, hbd.cf and hbd.keys
    #[arg(long, value_name = "DIR", default_value = shared::config::load::DIRECTORY)]
    config: PathBuf,
    /// Directory of the control socket and the locks; names the instance
    #[arg(long, value_name = "DIR", default_value = RUN)]
    run: PathBuf,
    /// Name of this node [default: nodeinfo in the config directory, else uname -n]
    #[arg(long, value_name = "NAME", value_parser = NodeName::new)]
    node: Option<NodeName>,
}

/// `hbd release`: the same, for a person or a script that finds hbd dead.
pub(crate) fn run(options: &Options) -> Exit {
    match try_run(options) {
        Ok(released) => tell(&released),
        Err(error) => {
            error.print();
            error.exit()
        }
    }
}

fn try_run(options: &Options) -> Result<Vec<Released>, StartError> {
    let system = |operation| move |error| StartError::System { operation, error };
    let node = startup::node_name(options.node.as_ref(), &options.config)?;
    let accepted = startup::configuration(&options.config, node.clone()).or_else(|error| {
        match accepted::directory(&options.run) {
            Some(copies) => startup::configuration(&copies, node.clone()),
            None => Err(error),
        }
    })?;
    let run = RunDirectory::claim(&options.run)?;
    let _lock = run.lock(Role::Manager)?;
    let duty = Duty::of(&accepted.config, &node, &options.config);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("start the runtime"))?;
    let released = runtime.block_on(release_all(run.path(), &duty));
    released.map_err(system("read or write what is held"))
}

fn tell(released: &[Released]) -> Exit {
    let mut text = String::new();
    for (group, result) in released {
        match result {
            Ok(()) => text += &format!("group {group} is stopped\n"),
            Err(why) => text += &format!("group {group} could not be stopped: {why}\n"),
        }
    }
    if released.is_empty() {
        text += "nothing is held\n";
    }
    // Whoever closed the pipe has read enough; the exit code still says how it went.
    let _ = io::stdout().write_all(text.as_bytes());
    match released.iter().all(|(_, result)| result.is_ok()) {
        true => Exit::Done,
        false => Exit::Failed,
    }
}

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
                    Outcome::Failed { why } | Outcome::NotBegun { why } => result = Err(why),
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
    if let Some(address) = address(resource) {
        return address.stop().map_or_else(failed, |()| Outcome::Done);
    }
    match Errand::new(run, name, Operation::Stop, (group, resource), duty) {
        Ok(errand) => errand.run().await,
        Err(error) => failed(error),
    }
}
