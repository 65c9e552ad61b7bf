//! `hbd agent` as a script would call it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use hbd_tests::error::Error;
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::precondition::Precondition::{Namespaces, Root};
use hbd_tests::precondition::trial;
use hbd_tests::scratch::Scratch;
use hbd_tests::wait;
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HBD: &str = env!("CARGO_BIN_EXE_hbd");
/// For whatever should take no time.
const SOON: Duration = Duration::from_secs(20);
/// Before and while it moves.
const OWN: &str = "02:00:5e:00:00:01";
const MOVING: &str = "02:00:5e:00:00:99";

fn main() -> ExitCode {
    let trials = vec![
        plain("a_dummy_runs_from_start_to_stop", dummy),
        plain("a_delay_takes_its_time_once", delay),
        plain("wrong_words_are_a_wrong_call", wrong_words),
        plain("http_answers_with_the_node_until_it_is_stopped", http),
        plain("an_http_server_that_hangs_is_stopped", http_hangs),
        plain("a_silent_client_holds_nobody_up", http_silent_client),
        plain("a_port_in_use_is_told", http_port_in_use),
        plain("no_other_process_is_taken_for_the_server", http_foreign),
        rooted("an_address_comes_and_goes", address),
        rooted("a_lacking_right_is_told", lacking_right),
        rooted("a_hardware_address_moves", hardware_address),
        rooted(
            "a_hardware_address_of_others_is_left_alone",
            foreign_hardware,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn plain(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    trial("agent", name, &[], test)
}

fn rooted(name: &str, test: fn() -> Result<(), Error>) -> Trial {
    trial("agent", name, &[Root, Namespaces], test)
}

fn dummy() -> Result<(), Error> {
    let place = Place::new()?;
    for words in ["Dummy", "Dummy a/../b"] {
        place.stopped(words);
        for _ in 0..2 {
            place.done(&format!("{words} start"));
            place.running(words);
        }
        place.stopped("Dummy other");
        for _ in 0..2 {
            place.done(&format!("{words} stop"));
            place.stopped(words);
        }
    }
    Ok(())
}

fn delay() -> Result<(), Error> {
    let place = Place::new()?;
    let each = Duration::from_millis(300);
    for operation in ["start", "stop"] {
        let begin = Instant::now();
        place.done(&format!("Delay 0.3 0.3 {operation}"));
        assert!(begin.elapsed() >= each);
    }
    place.done("Delay 0 1000 start");
    place.running("Delay 0 1000");
    place.done("Delay 0 1000 start");
    place.done("Delay 1000 0 stop");
    Ok(())
}

fn wrong_words() -> Result<(), Error> {
    let place = Place::new()?;
    for (words, expected) in [
        (
            "IPaddr 10.0.0.5 restart",
            "`restart` is no operation; there are start, stop,",
        ),
        (
            "apache start",
            "there is no agent apache; see hbd-agents(7)",
        ),
        (
            "IPaddr 10.0.0 start",
            "`IPaddr::10.0.0` is no service address",
        ),
        ("Dummy", "Usage: hbd agent"),
        ("--lease 0 IPaddr 10.0.0.5 start", "invalid value '0'"),
    ] {
        let output = place.agent(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}: {text}");
        assert!(text.contains(expected), "{words}: {text}");
    }
    Ok(())
}

fn http() -> Result<(), Error> {
    let place = Place::new()?;
    let server = Server::free();
    place.stopped(&server.words);
    for _ in 0..2 {
        place.done(&format!("{} start", server.words));
        let answer = server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nalice\n"), "{answer}");
        place.running(&server.words);
    }
    let too_long = [b'x'; 10_000];
    let _ = TcpStream::connect(&server.address)
        .unwrap()
        .write_all(&too_long);
    let answer = server.ask(b"POST / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 501 "), "{answer}");
    for _ in 0..2 {
        place.done(&format!("{} stop", server.words));
        place.stopped(&server.words);
    }
    assert!(TcpStream::connect(&server.address).is_err());
    // An address that this machine does not have yet.
    let elsewhere = "Http 192.0.2.77:8077";
    place.done(&format!("{elsewhere} start"));
    place.done(&format!("{elsewhere} stop"));
    Ok(())
}

fn http_hangs() -> Result<(), Error> {
    let place = Place::new()?;
    let server = Server::free();
    place.done(&format!("{} start", server.words));
    server.ask(b"GET / HTTP/1.0\r\n\r\n");
    kill(place.server_pid(), Signal::SIGSTOP).unwrap();
    place.done(&format!("{} stop", server.words));
    place.stopped(&server.words);
    Ok(())
}

fn http_silent_client() -> Result<(), Error> {
    let place = Place::new()?;
    let server = Server::free();
    place.done(&format!("{} start", server.words));
    let silent = TcpStream::connect(&server.address).unwrap();
    let answer = server.ask(b"GET / HTTP/1.0\r\n\r\n");
    assert!(answer.ends_with("alice\n"), "{answer}");
    drop(silent);
    place.done(&format!("{} stop", server.words));
    Ok(())
}

fn http_port_in_use() -> Result<(), Error> {
    let place = Place::new()?;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let words = format!("Http {}", taken.local_addr().unwrap());
    let output = place.agent(&format!("{words} start"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("cannot listen on {}", taken.local_addr().unwrap());
    assert!(text.contains(&expected), "{text}");
    place.stopped(&words);
    Ok(())
}

fn http_foreign() -> Result<(), Error> {
    let place = Place::new()?;
    let server = Server::free();
    place.done(&format!("{} start", server.words));
    server.ask(b"GET / HTTP/1.0\r\n\r\n");
    kill(place.server_pid(), Signal::SIGKILL).unwrap();
    wait::until_true(SOON, "the server ended", || {
        Ok(place.status(&server.words).status.code() == Some(3))
    })?;
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    fs::write(place.server_file(), format!("{}\n", other.id())).unwrap();
    place.stopped(&server.words);
    place.done(&format!("{} stop", server.words));
    assert!(other.try_wait().unwrap().is_none(), "it lives");
    other.kill().unwrap();
    other.wait().unwrap();
    Ok(())
}

fn address() -> Result<(), Error> {
    let (place, stage) = (Place::new()?, Stage::new()?);
    let words = "IPaddr 10.0.0.5/24/eth0";
    let on_alice = |operation: &str| place.agent_in(&stage.alice, &format!("{words} {operation}"));
    for operation in ["start", "start", "announce", "stop", "stop"] {
        assert!(on_alice(operation).status.success(), "{operation}");
        let output = on_alice("status");
        let expected = match operation {
            "stop" => (Some(3), "stopped\n"),
            _ => (Some(0), "running\n"),
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((output.status.code(), &*said), expected, "{operation}");
        let shown = stage.alice.ip(&["addr", "show", "dev", "eth0"])?;
        let is_there = shown.contains("inet 10.0.0.5/24 brd 10.0.0.255");
        assert_eq!(is_there, operation != "stop", "{shown}");
        assert_eq!(
            is_there,
            shown.contains("valid_lft forever") && operation != "stop"
        );
    }
    let output = place.agent_in(&stage.alice, &format!("--lease 60 {words} start"));
    assert!(output.status.success());
    let shown = stage.alice.ip(&["-o", "addr", "show", "to", "10.0.0.5"])?;
    assert!(
        shown.contains("valid_lft 60sec") || shown.contains("valid_lft 59sec"),
        "{shown}"
    );
    Ok(())
}

fn lacking_right() -> Result<(), Error> {
    let (place, stage) = (Place::new()?, Stage::new()?);
    let output = stage
        .alice
        .command("setpriv")
        .args([
            "--bounding-set",
            "-net_admin,-net_raw",
            HBD,
            "agent",
            "--run",
        ])
        .arg(place.scratch.path())
        .args(["IPaddr", "10.0.0.5", "start"])
        .output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("it takes root, or the rights CAP_NET_ADMIN and CAP_NET_RAW"),
        "{text}"
    );
    assert!(text.contains("eth0"), "{text}");
    Ok(())
}

fn hardware_address() -> Result<(), Error> {
    let (place, stage) = (Place::new()?, Stage::new()?);
    let words = format!("MACaddr {MOVING} eth0");
    let known = || -> Result<bool, Error> {
        let shown = stage.bob.ip(&["neigh", "show", "10.0.0.1"])?;
        Ok(shown.contains(MOVING))
    };
    stage.bob.ip(&[
        "neigh", "replace", "10.0.0.1", "lladdr", OWN, "dev", "eth0", "nud", "stale",
    ])?;
    let on_alice = |operation: &str| place.agent_in(&stage.alice, &format!("{words} {operation}"));
    for _ in 0..2 {
        let output = on_alice("start");
        assert!(output.status.success(), "{output:?}");
        assert!(stage.alice.ip(&["link", "show", "eth0"])?.contains(MOVING));
        assert!(on_alice("status").status.success());
        assert!(on_alice("monitor").status.success());
    }
    wait::until_true(SOON, "bob knows the new one", known)?;
    for _ in 0..2 {
        assert!(on_alice("stop").status.success());
        assert!(stage.alice.ip(&["link", "show", "eth0"])?.contains(OWN));
        assert_eq!(on_alice("status").status.code(), Some(3));
    }
    wait::until_true(SOON, "bob knows the old one", || Ok(!known()?))
}

fn foreign_hardware() -> Result<(), Error> {
    let (place, stage) = (Place::new()?, Stage::new()?);
    for (words, expected) in [
        (
            format!("MACaddr {OWN} eth0"),
            "eth0 has 02:00:5e:00:00:01 already",
        ),
        (
            format!("MACaddr {MOVING} eth7"),
            "there is no interface eth7 for",
        ),
        (
            format!("MACaddr {MOVING} lo"),
            "lo has no hardware address that could",
        ),
    ] {
        let output = place.agent_in(&stage.alice, &format!("{words} start"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(text.contains(expected), "{text}");
    }
    let stop = format!("MACaddr {OWN} eth0 stop");
    assert_eq!(place.agent_in(&stage.alice, &stop).status.code(), Some(1));
    assert!(stage.alice.ip(&["link", "show", "eth0"])?.contains(OWN));
    Ok(())
}

/// A run directory.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new() -> Result<Self, Error> {
        let scratch = Scratch::new()?;
        Ok(Self { scratch })
    }

    fn agent(&self, words: &str) -> Output {
        self.call(Command::new(HBD), words)
    }

    fn agent_in(&self, machine: &Namespace, words: &str) -> Output {
        self.call(machine.command(HBD), words)
    }

    fn call(&self, mut command: Command, words: &str) -> Output {
        command
            .args(["agent", "--run"])
            .arg(self.scratch.path())
            .args(words.split(' '))
            .env("HA_CURHOST", "alice")
            .output()
            .unwrap()
    }

    fn done(&self, words: &str) {
        let output = self.agent(words);
        assert!(output.status.success(), "{words}: {output:?}");
        assert!(output.stdout.is_empty(), "{words}: {output:?}");
    }

    fn status(&self, words: &str) -> Output {
        self.agent(&format!("{words} status"))
    }

    fn running(&self, words: &str) {
        for operation in ["status", "monitor"] {
            let output = self.agent(&format!("{words} {operation}"));
            assert_eq!(output.stdout, b"running\n", "{words}: {output:?}");
            assert_eq!(output.status.code(), Some(0));
        }
    }

    fn stopped(&self, words: &str) {
        for operation in ["status", "monitor"] {
            let output = self.agent(&format!("{words} {operation}"));
            assert_eq!(output.stdout, b"stopped\n", "{words}: {output:?}");
            assert_eq!(output.status.code(), Some(3));
        }
    }

    fn server_file(&self) -> std::path::PathBuf {
        let mut files = fs::read_dir(self.scratch.path().join("agents")).unwrap();
        files.next().unwrap().unwrap().path()
    }

    fn server_pid(&self) -> Pid {
        let text = fs::read_to_string(self.server_file()).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    }
}

/// What is left of the servers after a test that failed.
impl Drop for Place {
    fn drop(&mut self) {
        let agents = fs::read_dir(self.scratch.path().join("agents"));
        for file in agents.into_iter().flatten().flatten() {
            let name = file.file_name().into_string().unwrap();
            if name.starts_with("Http+") {
                self.agent(&format!("{} stop", name.replace('+', " ")));
            }
        }
    }
}

struct Server {
    words: String,
    address: String,
}

impl Server {
    fn free() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let words = format!("Http {address}");
        Self { words, address }
    }

    fn ask(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Two machines on a switch.
struct Stage {
    alice: Namespace,
    bob: Namespace,
    _switch: Switch,
}

impl Stage {
    fn new() -> Result<Self, Error> {
        let (alice, bob) = (Namespace::new()?, Namespace::new()?);
        let switch = Switch::new()?;
        switch.plug(&alice, "eth0", &["10.0.0.1/24"])?;
        switch.plug(&bob, "eth0", &["10.0.0.2/24"])?;
        alice.ip(&["link", "set", "eth0", "address", OWN])?;
        let _switch = switch;
        Ok(Self {
            alice,
            bob,
            _switch,
        })
    }
}
