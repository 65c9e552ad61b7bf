//! Takes what the core needs of the machine and gives up everything else.
//!
//! The order matters: realtime and locked memory need rights that a change of user ends.

use std::io;

use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::channel::{Lack, Rights};
use crate::sys;

/// Does all of it, and returns what could not be done.
pub(super) fn restrict(rights: Rights) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if let Some(priority) = rights.priority {
        lacks.extend(realtime(priority));
        lacks.extend(locked_memory());
    }
    if let Some((user, group)) = rights.user {
        lacks.extend(change_user(user, group));
    }
    lacks.extend(no_capabilities());
    lacks
}

fn realtime(priority: u8) -> Option<Lack> {
    let error = sys::schedule_realtime(priority.into()).err()?;
    Some(Lack {
        what: "realtime scheduling of beats".into(),
        why: format!("SCHED_RR at priority {priority}: {error}"),
        remedy: "start hbd as root or with an RTPRIO limit; in a control group give it realtime \
                 time; or say `realtime off` in ha.cf"
            .into(),
    })
}

/// With a limit, memory that is locked later would run into it, and an allocation would fail
/// where it would otherwise merely be paged: locked is everything or nothing.
fn locked_memory() -> Option<Lack> {
    let lack = |why: String| Lack {
        what: "locked memory".into(),
        why,
        remedy: "start hbd as root or with an unlimited MEMLOCK limit; or say `realtime off` in \
                 ha.cf"
            .into(),
    };
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((RLIM_INFINITY, _)) => {}
        Ok((limit, _)) => return Some(lack(format!("the MEMLOCK limit is {limit} bytes"))),
        Err(error) => return Some(lack(io::Error::from(error).to_string())),
    }
    let error = sys::lock_memory().err()?;
    Some(lack(format!("mlockall: {error}")))
}

fn change_user(user: u32, group: u32) -> Option<Lack> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    let changed = setgroups(&[])
        .and_then(|()| setresgid(group, group, group))
        .and_then(|()| setresuid(user, user, user));
    let error = io::Error::from(changed.err()?);
    Some(Lack {
        what: "a user of its own for the core".into(),
        why: format!("change to user {user}, group {group}: {error}"),
        remedy: "in a user namespace map more than one user; the core runs without capabilities \
                 all the same"
            .into(),
    })
}

fn no_capabilities() -> Option<Lack> {
    let error = sys::drop_capabilities()
        .and_then(|()| Ok(prctl::set_no_new_privs()?))
        .err()?;
    Some(Lack {
        what: "a core without rights".into(),
        why: format!("give up capabilities: {error}"),
        remedy: "see whether a security module forbids it".into(),
    })
}
