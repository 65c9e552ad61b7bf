//! Proves the stage that the other suites stand on: everything it makes is gone when its guard is dropped or its
//! process is killed, and the faults of a switch do what they say.
//!
//! Three small roles of this program, chosen by its first argument, run as children: `victim` makes things and waits
//! to be killed; `hear` prints a line for each datagram; `say` sends some.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use hbd_tests::heartbeat::HeartbeatNode;
use hbd_tests::namespaces::{Fault, Namespace, Switch};
use hbd_tests::precondition::{Precondition, trial};
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::{program, wait};
use libtest_mimic::Arguments;

const LIMIT: Duration = Duration::from_secs(10);
const PORT: u16 = 9009;
const SAID: u32 = 100;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("victim") => return victim(),
        Some("hear") => return hear(),
        Some("say") => return say(),
        _ => {}
    }
    use Precondition::{Heartbeat, Namespaces, PacketFilter, Root};
    let trials = vec![
        trial(
            "harness",
            "a_dropped_network_leaves_nothing",
            &[Root, Namespaces],
            network_leaves_nothing,
        ),
        trial(
            "harness",
            "a_process_left_in_a_network_ends_with_it",
            &[Root, Namespaces],
            straggler_is_killed,
        ),
        trial(
            "harness",
            "a_dropped_heartbeat_node_leaves_nothing",
            &[Root, Namespaces, Heartbeat],
            node_leaves_nothing,
        ),
        trial(
            "harness",
            "a_killed_test_process_leaves_nothing",
            &[Root, Namespaces],
            victim_leaves_nothing,
        ),
        trial(
            "harness",
            "a_cut_silences_one_direction_only",
            &[Root, Namespaces, PacketFilter],
            cut_is_one_way,
        ),
        trial(
            "harness",
            "a_lossy_path_loses_about_its_share",
            &[Root, Namespaces, PacketFilter],
            loss_is_a_share,
        ),
        trial(
            "harness",
            "an_interface_goes_and_returns",
            &[Root, Namespaces],
            interface_returns,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn network_leaves_nothing() -> Result<(), Error> {
    let switch = Switch::new()?;
    let machine = Namespace::new()?;
    switch.plug(&machine, "eth0", &["10.9.0.1/24", "fd09::1/64"])?;
    let file = Path::new("/run/netns").join(machine.name());
    demand(file.exists(), "the namespace exists before the drop")?;
    drop((switch, machine));
    demand(!file.exists(), "the namespace is gone after the drop")
}

fn straggler_is_killed() -> Result<(), Error> {
    let machine = Namespace::new()?;
    let mut straggler = spawn(machine.command("sleep").arg("60"))?;
    let pid = straggler.id();
    let entered = wait::until_true(LIMIT, "the process is in the namespace", || {
        let inside = program::run("ip", &["netns", "pids", machine.name()])?;
        Ok(inside.lines().any(|line| line == pid.to_string()))
    });
    drop(machine);
    let ended = match entered {
        Ok(()) => straggler.wait(),
        Err(_) => straggler.kill().and_then(|()| straggler.wait()),
    };
    let status = ended.map_err(|reason| Error::Unexpected(reason.to_string()))?;
    entered?;
    demand(!status.success(), "it was killed")
}

fn node_leaves_nothing() -> Result<(), Error> {
    let machine = Namespace::new()?;
    let config = Scratch::new()?;
    let conf = config.path();
    scratch::write(
        &conf.join("ha.cf"),
        "logfile /var/log/ha-log\nlogfacility none\nrealtime off\nauto_failback legacy\nudpport 6940\nbcast lo\nnode alice\n",
    )?;
    scratch::write(&conf.join("haresources"), "")?;
    scratch::write(&conf.join("authkeys"), "auth 1\n1 crc\n")?;
    let node = HeartbeatNode::new("alice", &machine, conf)?;
    node.start()?;
    wait::until_true(LIMIT, "Heartbeat logs", || {
        Ok(node.log()?.contains("Configuration validated"))
    })?;
    let directory = node.directory("log")?;
    demand(
        !program::run("ip", &["netns", "pids", machine.name()])?.is_empty(),
        "Heartbeat runs in the namespace",
    )?;
    drop(node);
    demand(
        program::run("ip", &["netns", "pids", machine.name()])?.is_empty(),
        "no process is left",
    )?;
    demand(!directory.exists(), "no directory is left")?;
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    demand(
        !mounts.contains(&format!("/tmp/{}", scratch::prefix())),
        "no mount is left",
    )
}

fn victim_leaves_nothing() -> Result<(), Error> {
    let own = env::current_exe().map_err(|reason| Error::Unexpected(reason.to_string()))?;
    let mut victim = spawn(Command::new(own).arg("victim").stdout(Stdio::piped()))?;
    let mut lines = BufReader::new(victim.stdout.take().expect("stdout is piped")).lines();
    let made: Vec<_> = lines.by_ref().take(3).map_while(Result::ok).collect();
    let there: Vec<_> = made.iter().map(|path| Path::new(path).exists()).collect();
    let ended = victim.kill().and_then(|()| victim.wait());
    ended.map_err(|reason| Error::Unexpected(format!("killing the victim: {reason}")))?;
    demand(
        there == [true; 3],
        &format!("the victim made things: {made:?}"),
    )?;
    wait::until_true(LIMIT, "what the victim made is gone", || {
        Ok(made.iter().all(|path| !Path::new(path).exists()))
    })
}

fn victim() -> ExitCode {
    let (Ok(machine), Ok(directory)) = (Namespace::new(), Scratch::new()) else {
        return ExitCode::FAILURE;
    };
    let Ok(mut child) = spawn(machine.command("sleep").arg("60")) else {
        return ExitCode::FAILURE;
    };
    println!(
        "/run/netns/{}\n{}\n/proc/{}",
        machine.name(),
        directory.path().display(),
        child.id()
    );
    let _ = child.wait();
    ExitCode::FAILURE
}

fn cut_is_one_way() -> Result<(), Error> {
    let stage = Stage::new()?;
    let (alice, bob) = (&stage.cables[0], &stage.cables[1]);
    stage.switch.set_faults(&[Fault::cut(alice, bob)])?;
    let (there, back) = (stage.heard(0, 1)?, stage.heard(1, 0)?);
    stage.switch.set_faults(&[])?;
    let healed = stage.heard(0, 1)?;
    demand(
        (there, back, healed) == (0, SAID, SAID),
        &format!("cut, other way, healed: {there}, {back}, {healed}"),
    )
}

fn loss_is_a_share() -> Result<(), Error> {
    let stage = Stage::new()?;
    stage
        .switch
        .set_faults(&[Fault::loss(&stage.cables[0], &stage.cables[1], 50)])?;
    let heard = stage.heard(0, 1)?;
    demand(
        (SAID / 4..=SAID / 4 * 3).contains(&heard),
        &format!("half of {SAID} lost: {heard} heard"),
    )
}

fn interface_returns() -> Result<(), Error> {
    let stage = Stage::new()?;
    let machine = &stage.machines[1];
    machine.rename_interface("eth0", "eth7")?;
    demand(
        machine.has_interface("eth7")? && !machine.has_interface("eth0")?,
        "renamed",
    )?;
    machine.remove_interface("eth7")?;
    demand(!machine.has_interface("eth7")?, "removed")?;
    stage.switch.plug(machine, "eth0", &["10.9.0.2/24"])?;
    let heard = stage.heard(0, 1)?;
    demand(
        heard == SAID,
        &format!("heard over the new interface: {heard}"),
    )
}

/// Two machines on a switch.
struct Stage {
    machines: [Namespace; 2],
    cables: [hbd_tests::namespaces::Cable; 2],
    switch: Switch,
}

impl Stage {
    fn new() -> Result<Self, Error> {
        let switch = Switch::new()?;
        let machines = [Namespace::new()?, Namespace::new()?];
        let cables = [
            switch.plug(&machines[0], "eth0", &["10.9.0.1/24"])?,
            switch.plug(&machines[1], "eth0", &["10.9.0.2/24"])?,
        ];
        Ok(Self {
            machines,
            cables,
            switch,
        })
    }

    /// How many of [`SAID`] datagrams from one machine reach the other. The listener ends when it hears the word
    /// for it on its own loopback, which no fault touches; one switch keeps order, so all others are in by then.
    fn heard(&self, from: usize, to: usize) -> Result<u32, Error> {
        let own = env::current_exe()
            .map_err(|reason| Error::Unexpected(reason.to_string()))?
            .display()
            .to_string();
        let mut ear = spawn(
            self.machines[to]
                .command(&own)
                .arg("hear")
                .stdout(Stdio::piped()),
        )?;
        let mut lines = BufReader::new(ear.stdout.take().expect("stdout is piped"))
            .lines()
            .map_while(Result::ok);
        let ready = lines.next();
        let said = self.machines[from].run(
            &own,
            &["say", &format!("10.9.0.{}", to + 1), &SAID.to_string()],
        );
        let ended = self.machines[to].run(&own, &["say", "127.0.0.1", "1"]);
        let count = lines.next().and_then(|line| line.parse::<u32>().ok());
        let _ = ear.kill();
        let _ = ear.wait();
        said?;
        ended?;
        match (ready, count) {
            (Some(_), Some(count)) => Ok(count),
            other => unexpected(format!("the listener said {other:?}")),
        }
    }
}

fn hear() -> ExitCode {
    let Ok(socket) = UdpSocket::bind(("0.0.0.0", PORT)) else {
        return ExitCode::FAILURE;
    };
    println!("ready");
    let mut count = 0;
    let mut byte = [0];
    while let Ok((_, from)) = socket.recv_from(&mut byte) {
        if from.ip().is_loopback() {
            println!("{count}");
            return ExitCode::SUCCESS;
        }
        count += 1;
    }
    ExitCode::FAILURE
}

fn say() -> ExitCode {
    let words: Vec<_> = env::args().skip(2).collect();
    let [address, times] = &words[..] else {
        return ExitCode::FAILURE;
    };
    let Ok(times) = times.parse::<u32>() else {
        return ExitCode::FAILURE;
    };
    let Ok(socket) = UdpSocket::bind(("0.0.0.0", 0)) else {
        return ExitCode::FAILURE;
    };
    let sent = (0..times).all(|_| socket.send_to(&[0], (address.as_str(), PORT)).is_ok());
    if sent {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn spawn(command: &mut Command) -> Result<Child, Error> {
    command
        .stdin(Stdio::null())
        .spawn()
        .map_err(|reason| Error::Command {
            command: format!("{command:?}"),
            said: reason.to_string(),
        })
}

fn demand(holds: bool, statement: &str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        unexpected(format!("not so: {statement}"))
    }
}
