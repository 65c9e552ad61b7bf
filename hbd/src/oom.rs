//! Whom the kernel kills first when memory runs out (`oom_score_adj`, `proc(5)`): hbd last, since
//! its death makes the peers take over from a node that may go on serving.

use std::fs;
use std::io;

use crate::channel::Lack;

/// The core is never killed: it is small, its memory is bounded, and it is the node's life.
pub(crate) const CORE: i16 = -1000;
/// The supervisor goes before the core, which lives on without it, and after everything else.
pub(crate) const SUPERVISOR: i16 = -900;

const OWN: &str = "/proc/self/oom_score_adj";

/// Gives this process, and what it starts, a score that is at most `score`.
pub(crate) fn protect(score: i16) -> Option<Lack> {
    if current().is_ok_and(|current| current <= score) {
        return None;
    }
    let error = fs::write(OWN, score.to_string()).err()?;
    Some(unprotected(&error))
}

pub(crate) fn unprotected(error: &io::Error) -> Lack {
    Lack {
        what: "protection from the OOM killer".into(),
        why: format!("a lower oom_score_adj: {error}"),
        remedy: "give hbd CAP_SYS_RESOURCE, which root in a container may lack, or start it with \
                 a score of -1000 (OOMScoreAdjust=-1000 in a systemd unit); or say `realtime off` \
                 in ha.cf and restart hbd: a reload does not clear this"
            .into(),
    }
}

fn current() -> io::Result<i16> {
    let text = fs::read_to_string(OWN)?;
    text.trim().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_is_low_enough_is_left_alone() {
        let before = current().expect("Linux has scores");
        assert_eq!(protect(1000), None);
        assert_eq!(current().expect("as before"), before);
    }
}
