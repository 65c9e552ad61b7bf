//! Cleaning after a test process that was killed.
//!
//! A child shell holds the read end of a pipe whose write end only the test process has. End of file means that the
//! process is gone, however it went; whatever bears its prefix then is a leftover: the processes in its network
//! namespaces, the namespaces, the scratch directories. After an ordinary end there is nothing to find.
//! The shell has a process group of its own, so Ctrl-C at the terminal does not reach it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::scratch;

const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
sleep 0.5 # what was just being started has entered its namespace by then
for file in /run/netns/"$1"*; do
    [ -e "$file" ] || continue
    for try in 1 2 3 4 5; do
        pids=$(ip netns pids "${file##*/}") && [ -n "$pids" ] || break
        kill -9 $pids
        sleep 0.1
    done
    ip netns del "${file##*/}"
done
rm -rf /tmp/"$1"*
"#;

static SWEEPER: OnceLock<Option<Child>> = OnceLock::new();

/// Starts the sweeper of this process, once.
pub(crate) fn hire() {
    SWEEPER.get_or_init(|| {
        let started = Command::new("sh")
            .args(["-c", SCRIPT, "hbd-test-sweeper", &scratch::prefix()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        started
            .inspect_err(|reason| {
                eprintln!("no sweeper, a killed run may leave things behind: {reason}")
            })
            .ok()
    });
}
