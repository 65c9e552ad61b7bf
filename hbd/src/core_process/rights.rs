//! Takes what the core needs of the machine and gives up everything else.
//!
//! The order matters: realtime and locked memory need rights that a change of user ends.

use std::io;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::channel::{Lack, Rights};
use crate::{oom, sys};

/// How long the core may go on computing after the kernel's first word ([`Signal::SIGXCPU`]),
/// which ends it: the second ends it for certain.
///
/// [`Signal::SIGXCPU`]: nix::sys::signal::Signal::SIGXCPU
const CPU_LAST_WORD: Duration = Duration::from_secs(1);

/// Does all of it, and returns what could not be done.
pub(crate) fn restrict(rights: Rights) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if let Some(wanted) = rights.realtime {
        lacks.extend(cpu_limit(wanted.cpu_limit));
        lacks.extend(realtime(wanted.priority));
        lacks.extend(locked_memory());
        lacks.extend(oom::protect(oom::CORE));
    }
    if let Some((user, group)) = rights.user {
        lacks.extend(change_user(user, group));
    }
    lacks.extend(no_capabilities());
    // Another user is what the kernel takes this back for (`PR_SET_DUMPABLE`, `prctl(2)`).
    sys::keep_secrets();
    lacks
}

/// A core that runs wild goes before everything else on its processor, the supervisor that would
/// end it included. The count begins anew whenever the core waits (`RLIMIT_RTTIME`,
/// `getrlimit(2)`).
fn cpu_limit(limit: Duration) -> Option<Lack> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (soft, hard) = (micros(limit), micros(limit + CPU_LAST_WORD));
    let error = io::Error::from(setrlimit(Resource::RLIMIT_RTTIME, soft, hard).err()?);
    Some(Lack {
        what: "a limit for a core that runs wild".into(),
        why: format!("RLIMIT_RTTIME of {} ms: {error}", limit.as_millis()),
        remedy: "start hbd without a smaller RTTIME limit (LimitRTTIME= in a systemd unit)".into(),
    })
}

fn realtime(priority: u8) -> Option<Lack> {
    let error = sys::schedule_realtime(priority.into()).err()?;
    Some(Lack {
        what: "realtime scheduling of beats".into(),
        why: format!("SCHED_RR at priority {priority}: {error}"),
        remedy: "give hbd CAP_SYS_NICE, which root in a container may lack, or an RTPRIO limit; \
                 in a control group give it realtime time; or say `realtime off` in ha.cf and \
                 restart hbd: a reload does not clear this"
            .into(),
    })
}

/// With a limit, memory that is locked later would run into it, and an allocation would fail
/// where it would otherwise merely be paged: locked is everything or nothing.
fn locked_memory() -> Option<Lack> {
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((RLIM_INFINITY, _)) => {}
        Ok((limit, _)) => return Some(limited(limit)),
        Err(error) => return Some(unlocked(&error.into())),
    }
    let error = sys::lock_memory().err()?;
    Some(unlocked(&error))
}

fn limited(limit: u64) -> Lack {
    Lack {
        what: "locked memory".into(),
        why: format!("the MEMLOCK limit is {limit} bytes, and hbd may not raise it"),
        remedy: "give hbd CAP_SYS_RESOURCE, which root in a container may lack, or start it with \
                 an unlimited MEMLOCK limit (ulimit -l unlimited; LimitMEMLOCK=infinity in a \
                 systemd unit); or say `realtime off` in ha.cf and restart hbd: a reload does not \
                 clear this"
            .into(),
    }
}

fn unlocked(error: &io::Error) -> Lack {
    Lack {
        what: "locked memory".into(),
        why: format!("mlockall: {error}"),
        remedy: "give hbd CAP_IPC_LOCK and see whether the machine is short of memory; or say \
                 `realtime off` in ha.cf and restart hbd: a reload does not clear this"
            .into(),
    }
}

fn change_user(user: u32, group: u32) -> Option<Lack> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    let changed = setgroups(&[])
        .and_then(|()| setresgid(group, group, group))
        .and_then(|()| setresuid(user, user, user));
    let error = io::Error::from(changed.err()?);
    Some(Lack {
        what: shared::event::OWN_USER.into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_root_cannot_raise_names_the_capability_that_lacks() {
        let lack = limited(8_388_608);
        assert!(lack.why.contains("8388608 bytes"), "{}", lack.why);
        assert!(lack.remedy.starts_with("give hbd CAP_SYS_RESOURCE"));
        assert!(lack.remedy.contains("MEMLOCK"));
        assert!(!lack.remedy.contains("as root"), "{}", lack.remedy);
    }

    #[test]
    fn a_remedy_that_a_reload_does_not_bring_says_so() {
        let error = io::Error::from_raw_os_error(1);
        let lacks = [limited(0), unlocked(&error), realtime(0).expect("refused")];
        for lack in lacks.into_iter().chain([oom::unprotected(&error)]) {
            let end = "`realtime off` in ha.cf and restart hbd: a reload does not clear this";
            assert!(lack.remedy.ends_with(end), "{}", lack.remedy);
        }
    }

    #[test]
    fn realtime_that_is_refused_names_its_capability() {
        // No priority: refused whoever asks.
        let lack = realtime(0).expect("refused");
        assert!(lack.remedy.starts_with("give hbd CAP_SYS_NICE"));
        assert!(!lack.remedy.contains("as root"), "{}", lack.remedy);
    }
}
