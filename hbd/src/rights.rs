//! What the processes of hbd ask of the machine, and what of it they would not get here.
//!
//! What is refused is no reason not to run: hbd does what it can and says what is missing, in the
//! same words before a start (`hbd --check`) and after one (`hactl status`).

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::{User, geteuid};
use shared::config::{Config, Realtime, Timing};
use shared::exit::Exit;
use shared::times;

use crate::channel::{Lack, RealtimeRights, Rights};
use crate::core_process::rights::restrict;

/// The user of the core, and who it is where that one does not exist.
const CORE_USER: &str = "hbd-core";
const CORE_USER_ELSE: &str = "nobody";
/// Realtime priority of the core unless `rtprio` says another: the lowest.
const PRIORITY: u8 = 1;
/// A core whose times grow while it runs keeps its limit, and waits about once a second then.
const CPU_LIMIT_MIN: Duration = Duration::from_secs(5);

/// What the core is to be given: realtime as configured, a user of its own where root can choose.
pub(crate) fn of_core(realtime: &Realtime, timing: &Timing, own: u32) -> (Rights, Option<Lack>) {
    let (user, lack) = core_user(own);
    // The supervisor is the first to end a core that does not answer; the kernel does where the
    // supervisor cannot.
    let cpu_limit = (times::core_silence(timing.keepalive, timing.deadtime) * 2).max(CPU_LIMIT_MIN);
    let realtime = realtime.enabled.then(|| RealtimeRights {
        priority: realtime.priority.unwrap_or(PRIORITY),
        cpu_limit,
    });
    (Rights { realtime, user }, lack)
}

/// Who the core is to run as: only root can choose.
fn core_user(own: u32) -> (Option<(u32, u32)>, Option<Lack>) {
    if own != 0 {
        return (None, None);
    }
    let find = |name| {
        let user = User::from_name(name).ok().flatten()?;
        Some((user.uid.as_raw(), user.gid.as_raw()))
    };
    if let Some(user) = find(CORE_USER) {
        return (Some(user), None);
    }
    let lack = Lack {
        what: shared::event::OWN_USER.into(),
        why: format!("there is no user {CORE_USER}; it runs as {CORE_USER_ELSE}"),
        remedy: format!("adduser --system --group --no-create-home {CORE_USER}"),
    };
    (find(CORE_USER_ELSE), Some(lack))
}

/// What hbd would do without if this user started it here. A process of its own tries it, since
/// what is taken cannot be given back.
pub(crate) fn predict(config: &Config) -> io::Result<Vec<Lack>> {
    let (rights, user_lack) = of_core(&config.realtime, &config.timing, geteuid().as_raw());
    let output = Command::new("/proc/self/exe")
        .args(["try-rights", &serde_json::to_string(&rights)?])
        .stdin(Stdio::null())
        .output()?;
    let mut lacks: Vec<Lack> = serde_json::from_slice(&output.stdout)?;
    lacks.extend(user_lack);
    Ok(lacks)
}

/// The process that tries what a core would do, and writes what it could not.
pub(crate) fn try_out(rights: &str) -> Exit {
    let Ok(rights) = serde_json::from_str(rights) else {
        let _ = writeln!(io::stderr(), "hbd try-rights: only hbd itself asks that");
        return Exit::Usage;
    };
    let lacks = restrict(rights);
    match serde_json::to_writer(io::stdout(), &lacks) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}

/// Lacks for people; nothing where there are none.
pub(crate) fn text(lacks: &[Lack]) -> String {
    if lacks.is_empty() {
        return String::new();
    }
    let user = geteuid();
    let mut text = format!("started here by user {user}, hbd would do without:\n");
    for Lack { what, why, remedy } in lacks {
        text += &format!("  {what}: {why}\n    -> {remedy}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ON: Realtime = Realtime {
        enabled: true,
        priority: None,
    };

    fn timing(keepalive: u64, deadtime: u64) -> Timing {
        let millis = Duration::from_millis;
        Timing {
            keepalive: millis(keepalive),
            deadtime: millis(deadtime),
            warntime: millis(deadtime / 2),
            initdead: millis(deadtime * 2),
            deadping: millis(deadtime),
            max_rexmit_delay: millis(250),
        }
    }

    #[test]
    fn the_kernel_ends_a_wild_core_after_the_supervisor_would_have_and_before_its_death() {
        let timing = timing(1000, 30_000);
        let (rights, _) = of_core(&ON, &timing, 1000);
        let limit = rights.realtime.expect("realtime is on").cpu_limit;
        assert!(limit > times::core_silence(timing.keepalive, timing.deadtime));
        assert!(limit < timing.deadtime);
    }

    #[test]
    fn realtime_that_is_off_asks_for_nothing() {
        let off = Realtime {
            enabled: false,
            priority: Some(50),
        };
        let (rights, lack) = of_core(&off, &timing(1000, 30_000), 1000);
        assert_eq!(rights.realtime, None);
        assert_eq!((rights.user, lack), (None, None));
    }

    #[test]
    fn lacks_are_told_with_their_remedy_and_none_in_no_words() {
        assert_eq!(text(&[]), "");
        let lack = Lack {
            what: "locked memory".into(),
            why: "refused".into(),
            remedy: "allow it".into(),
        };
        let text = text(&[lack]);
        assert!(
            text.ends_with("  locked memory: refused\n    -> allow it\n"),
            "{text}"
        );
    }
}
